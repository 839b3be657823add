//! Broken stages that need no worker, in a pipeline that is sound otherwise.

use definitions::Severity;

use crate::broken::check;

const WAIT: &str = r#"
/waitTime = "a while"                          | wrong-type
/waitTime = -1                                 | out-of-range
/waitTime = 1.5                                | wrong-type
/waitTime = 100000000000                       | out-of-range
/waitTime = [30]                               | wrong-type
"#;

const JUDGMENT: &str = r#"
/instructions = ["x"]                          | wrong-type
/judgmentInputs = "yes"                        | wrong-type
/judgmentInputs = [{"value": ["yes"]}]         | wrong-type    | /judgmentInputs/0
/judgmentInputs = [{"value": "yes"}, {"x": 1}] | wrong-type    | /judgmentInputs/1
/selectedStageRoles = "admin"                  | wrong-type
/selectedStageRoles = [7]                      | wrong-type    | /selectedStageRoles/0
/propagateAuthenticationContext = "maybe"      | wrong-type
/sendNotifications = "maybe"                   | wrong-type
/stageTimeoutMs = "three days"                 | wrong-type
"#;

const PRECONDITIONS: &str = r#"
/preconditions = {"type": "expression"}        | wrong-type
/preconditions/0 = "2 > 1"                     | wrong-type
/preconditions/0/type -                        | missing-field
/preconditions/0/type = 5                      | wrong-type
/preconditions/0/context = "2 > 1"             | wrong-type
/preconditions/0/context/expression = ""       | missing-field
/preconditions/0/context/expression = 7        | wrong-type
/preconditions/0/failPipeline = "perhaps"      | wrong-type
/preconditions/0/context/failureMessage = {}   | wrong-type
/preconditions/1/context/stageName -           | missing-field
/preconditions/1/context/stageName = 1         | wrong-type
/preconditions/1/context/stageStatus -         | missing-field
/preconditions/1/context/stageStatus = "FINE"  | bad-value
/preconditions/1/context/stageStatus = "SUCCEDED" | bad-value
/preconditions/2/context/regions = "us-west-2" | wrong-type
/preconditions/2/context/cluster = ["shop"]    | wrong-type
/preconditions/2/context/comparison = "~"      | bad-value
/preconditions/2/context/expected -            | missing-field
/preconditions/2/context/expected = "some"     | wrong-type
/preconditions/2/context/expected = -1         | out-of-range
/preconditions/2/context/onlyEnabledServerGroups = "x" | wrong-type
"#;

const VARIABLES: &str = r#"
/variables -                                   | missing-field
/variables = {"version": "1"}                  | wrong-type
/variables = ["version"]                       | wrong-type    | /variables/0
/variables/0/key -                             | missing-field
/variables/0/key = ""                          | missing-field
/variables/0/key = 5                           | wrong-type
/stageEnabled/type = "javascript"              | bad-value
/stageEnabled/expression = ["x"]               | wrong-type
"#;

const PIPELINE: &str = r#"
/pipeline = {"id": "p-1"}                      | wrong-type
/application = ["shop"]                        | wrong-type
/pipelineParameters = "version=1"              | wrong-type
/waitForCompletion = "sometimes"               | wrong-type
"#;

#[test]
fn errors_of_stages_without_a_worker_are_told() {
    let tables = [WAIT, JUDGMENT, PRECONDITIONS, VARIABLES, PIPELINE];
    let checked: Vec<usize> = (3..)
        .zip(tables)
        .map(|(stage, table)| check(Severity::Error, &format!("/stages/{stage}"), table))
        .collect();
    assert_eq!(checked, [5, 9, 21, 8, 4]);
}

const KEPT: &str = r#"
/5/preconditions/0/type = "moonPhase"          | unknown-precondition
/5/preconditions/1/type = "stageStats"         | unknown-precondition
/5/preconditions/1/context/stageName = "Bakery" | unknown-stage
/5/preconditions/2/cloudProvider = "kubernetes" | other-cloud
/5/preconditions/2/context/cluster -           | missing-field
/5/preconditions/2/context/credentials = ""    | missing-field
/5/preconditions/2/context/regions = []        | missing-field
/7/pipeline -                                  | missing-field
/7/pipeline = " "                              | missing-field
/7/pipelineTemplateArtifact = {"x": 1}         | ignored-field
"#;

#[test]
fn what_only_stops_a_stage_is_a_warning() {
    assert_eq!(check(Severity::Warning, "/stages", KEPT), 10);
}
