//! Broken pipelines, each with what must be said about it, and where.

use definitions::{Pipeline, Severity};
use serde_json::{Value, json};

/// A pipeline about which there is nothing to say.
fn sound() -> Value {
    json!({
        "application": "shop",
        "name": "build-bake-deploy",
        "limitConcurrent": true,
        "triggers": [
            {"type": "jenkins", "enabled": true, "master": "ci-main", "job": "shop/job/package",
             "payloadConstraints": {"RELEASE": "^yes$"}}
        ],
        "parameterConfig": [{"name": "reason"}],
        "expectedArtifacts": [{"id": "web", "matchArtifact": {"type": "deb", "name": "shop-.*"}}],
        "stages": [
            {"refId": "1", "requisiteStageRefIds": [], "type": "bake", "name": "Bake",
             "regions": ["us-west-2"], "package": "shop-web", "baseOs": "bookworm"},
            {"refId": "2", "requisiteStageRefIds": ["1"], "type": "deploy", "name": "Deploy",
             "restrictExecutionDuringTimeWindow": true, "restrictedExecutionWindow": {"days": [2, 3],
                "whitelist": [{"startHour": 9, "startMin": 0, "endHour": 17, "endMin": 30}]},
             "clusters": [{"account": "staging", "application": "shop", "stack": "staging",
                "availabilityZones": {"us-west-2": ["us-west-2a"]}, "strategy": "highlander",
                "capacity": {"min": 1, "max": 1, "desired": 1}, "instanceType": "t3.small",
                "loadBalancers": ["shop-staging"]}]},
            {"refId": "3", "requisiteStageRefIds": ["2"], "type": "bake", "name": "Again",
             "region": "us-west-2", "package": "shop-web", "baseOs": "bookworm"},
            {"refId": "4", "requisiteStageRefIds": ["2"], "type": "wait", "waitTime": "30"},
            {"refId": "5", "requisiteStageRefIds": ["4"], "type": "manualJudgment", "name": "Go?",
             "instructions": "look at ${ trigger.buildInfo.url }", "judgmentInputs": [{"value": "yes"}],
             "stageTimeoutMs": "${ parameters.hours * 3600000 }"},
            {"refId": "6", "requisiteStageRefIds": ["5"], "type": "checkPreconditions", "preconditions": [
                {"type": "expression", "failPipeline": false, "context": {"expression": "${ 2 > 1 }"}},
                {"type": "stageStatus", "context": {"stageName": "Deploy", "stageStatus": "SUCCEEDED"}},
                {"type": "clusterSize", "context": {"cluster": "shop-staging", "credentials": "staging",
                    "regions": ["us-west-2"], "comparison": "<=", "expected": 2}}]},
            {"refId": "7", "requisiteStageRefIds": ["6"], "type": "evaluateVariables",
             "variables": [{"key": "version", "value": "${ trigger.buildInfo.number }"}],
             "stageEnabled": {"type": "expression", "expression": "parameters.reason != ''"}},
            {"refId": "8", "requisiteStageRefIds": ["7"], "type": "pipeline", "application": "shop",
             "pipeline": "p-1", "pipelineParameters": {"version": "${ version }"}, "waitForCompletion": false}
        ]
    })
}

/// Makes one change: `/pointer = JSON` sets, `/pointer -` takes away, `/list/- = JSON` appends.
fn edit(value: &mut Value, change: &str) -> String {
    let (pointer, new) = match change.split_once(" = ") {
        Some((pointer, json)) => (pointer.trim(), Some(json.trim())),
        None => (change.trim().strip_suffix(" -").unwrap().trim(), None),
    };
    let new = new.map(|json| serde_json::from_str(json).unwrap());
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match (value.pointer_mut(parent).unwrap(), new) {
        (Value::Object(map), Some(new)) => {
            map.insert(key.to_owned(), new);
        }
        (Value::Object(map), None) => {
            map.remove(key).unwrap();
        }
        (Value::Array(list), Some(new)) if key == "-" => list.push(new),
        (Value::Array(list), Some(new)) => list[key.parse::<usize>().unwrap()] = new,
        (other, _) => panic!("{pointer} leads into {other}"),
    }
    pointer.to_owned()
}

/// Checks a table of `changes | code | pointer`. The changes are parted by `;`; the pointer may be
/// left out when it is that of the first change. Nothing else may be told than what the row says.
pub(crate) fn check(severity: Severity, below: &str, table: &str) -> usize {
    let rows: Vec<&str> = table.lines().filter(|line| !line.trim().is_empty()).collect();
    for row in &rows {
        let mut cells = row.split(" | ").map(str::trim);
        let mut value = sound();
        let changes = cells.next().unwrap().split(" ; ");
        let pointers: Vec<String> =
            changes.map(|change| edit(&mut value, &format!("{below}{}", change.trim()))).collect();
        let code = cells.next().unwrap().to_owned();
        let pointer =
            cells.next().map_or_else(|| pointers[0].clone(), |cell| format!("{below}{cell}"));
        let parsed = Pipeline::parse(&serde_json::to_string_pretty(&value).unwrap());
        let told: Vec<_> = parsed
            .problems
            .iter()
            .map(|p| (p.severity, p.code.to_owned(), p.pointer.clone()))
            .collect();
        assert_eq!(told, [(severity, code, pointer)], "{row}");
        assert_eq!(parsed.pipeline.is_some(), severity == Severity::Warning, "{row}");
        assert!(parsed.problems.iter().all(|p| p.line > 0 && p.column > 0), "{row}");
    }
    rows.len()
}

#[test]
fn a_sound_pipeline_has_no_problems() {
    let parsed = Pipeline::parse(&sound().to_string());
    assert_eq!((parsed.problems, parsed.pipeline.is_some()), (Vec::new(), true));
}

const WHOLE: &str = r#"
/application -                                 | missing-field
/name -                                        | missing-field
/name = "  "                                   | missing-field
/application = ""                              | missing-field
/name = null                                   | missing-field
/name = 7                                      | wrong-type
/application = ["shop"]                        | wrong-type
/application = "my-shop"                       | bad-name
/application = "my shop"                       | bad-name
/name = "two\nlines"                           | bad-name
/id = 12                                       | wrong-type
/disabled = "maybe"                            | wrong-type
/limitConcurrent = 1                           | wrong-type
/keepWaitingPipelines = []                     | wrong-type
/maxConcurrentExecutions = -1                  | out-of-range
/maxConcurrentExecutions = 65535               | out-of-range
/maxConcurrentExecutions = 1.5                 | wrong-type
/stages = {"1": {}}                            | wrong-type
/triggers = "jenkins"                          | wrong-type
/parameterConfig = {}                          | wrong-type
/notifications = ["mail"]                      | wrong-type          | /notifications/0
/expectedArtifacts = true                      | wrong-type
/startTimeExpiry = "tomorrow"                  | wrong-type
/startTimeExpiry = -1                          | out-of-range
"#;

const PARAMETERS: &str = r#"
/- = {"name": "reason"}                        | duplicate-parameter | /1/name
/- = {"label": "x"}                            | missing-field       | /1/name
/- = {"name": ""}                              | missing-field       | /1/name
/- = {"name": 7}                               | wrong-type          | /1/name
/- = "reason"                                  | wrong-type          | /1
/0/required = "sometimes"                      | wrong-type
/0/pinned = 1                                  | wrong-type
/0/label = ["x"]                               | wrong-type
/0/hasOptions = "x"                            | wrong-type
/0/options = {"a": 1}                          | wrong-type
/0/options = [{"value": ["a"]}]                | wrong-type          | /0/options/0
/0/options = [{"value": "a"}, {"name": "b"}]   | wrong-type          | /0/options/1
/0/constraint = {"date": true}                 | wrong-type
/0/conditional = "always"                      | wrong-type
/0/conditional = {"comparator": "="}           | missing-field       | /0/conditional/parameter
/0/conditional = {"parameter": "reason"}       | self-reference      | /0/conditional/parameter
/0/conditional = {"parameter": "x", "comparator": "~"} | bad-value   | /0/conditional/comparator
"#;

const ARTIFACTS: &str = r#"
/0 = "deb"                                     | wrong-type
/0/id = 1                                      | wrong-type
/0/matchArtifact = "shop"                      | wrong-type
/0/matchArtifact = {"name": ["shop"]}          | wrong-type          | /0/matchArtifact/name
/0/matchArtifact = {"name": "shop("}           | bad-pattern         | /0/matchArtifact/name
/0/matchArtifact = {"version": "(?=1)2"}       | bad-pattern         | /0/matchArtifact/version
/0/useDefaultArtifact = "yes"                  | wrong-type
/0/defaultArtifact = []                        | wrong-type
/- = {"id": "web"}                             | duplicate-artifact  | /1/id
"#;

const TRIGGERS: &str = r#"
/triggers/0/type -                             | missing-field
/triggers/0/master -                           | missing-field
/triggers/0/job = ""                           | missing-field
/triggers/0/job = 5                            | wrong-type
/triggers/0/enabled = "on"                     | wrong-type
/triggers/0 = "jenkins"                        | wrong-type
/triggers/0/propertyFile = ["a"]               | wrong-type
/triggers/0/payloadConstraints = "^x$"         | wrong-type
/triggers/0/payloadConstraints = {"a/b": ["x"]} | wrong-type | /triggers/0/payloadConstraints/a~1b
"#;

const GRAPH: &str = r#"
/stages/2/refId = "1" ; /stages/2/requisiteStageRefIds = [] | duplicate-ref-id
/stages/2/refId = 1 ; /stages/2/requisiteStageRefIds = []   | duplicate-ref-id
/stages/1/requisiteStageRefIds = ["1", "77"]    | unknown-requisite | /stages/1/requisiteStageRefIds/1
/stages/1/requisiteStageRefIds = ["Bake"]      | unknown-requisite | /stages/1/requisiteStageRefIds/0
/stages/2/requisiteStageRefIds = ["3"]         | self-reference    | /stages/2/requisiteStageRefIds/0
/stages/1/requisiteStageRefIds = ["3"]         | cycle
/stages/0/requisiteStageRefIds = ["3"]         | cycle
/stages/2/requisiteStageRefIds = "2"           | wrong-type
/stages/2/requisiteStageRefIds = [true]        | wrong-type        | /stages/2/requisiteStageRefIds/0
/stages/2/refId = true                         | wrong-type
/stages/2/refId = 1.5                          | wrong-type
/stages/2/refId -                              | missing-field
/stages/2 = "bake"                             | wrong-type
"#;

#[test]
fn errors_of_the_whole_the_triggers_and_the_graph_are_told() {
    let checked = [WHOLE, TRIGGERS, GRAPH].map(|table| check(Severity::Error, "", table));
    assert_eq!(checked, [24, 9, 13]);
    assert_eq!(check(Severity::Error, "/parameterConfig", PARAMETERS), 17);
    assert_eq!(check(Severity::Error, "/expectedArtifacts", ARTIFACTS), 9);
}

const BAKE: &str = r#"
/type -                                        | missing-field
/type = " "                                    | missing-field
/type = {}                                     | wrong-type
/name = ["x"]                                  | wrong-type
/failPipeline = "no"                           | wrong-type
/continuePipeline = 0                          | wrong-type
/package -                                     | missing-field
/package = ""                                  | missing-field
/package = ["shop"]                            | wrong-type
/package = "shop --force"                      | bad-package
/package = "shop=latest"                       | bad-package
/regions = [] ; /skipRegionDetection = true    | missing-field
/regions = [1]                                 | wrong-type    | /regions/0
/regions = "us-west-2"                         | wrong-type
/vmType = "paravirtual"                        | bad-value
/rebake = "perhaps"                            | wrong-type
/extendedAttributes = ["a"]                    | wrong-type
/extendedAttributes = {"a": {}}                | wrong-type    | /extendedAttributes/a
"#;

/// Fields that every stage has.
const RULES: &str = r#"
/stageEnabled = 5                              | wrong-type
/stageEnabled = {"type": "expression", "expression": 5} | wrong-type | /stageEnabled/expression
/stageEnabled = {"type": "script", "expression": "x"} | bad-value | /stageEnabled/type
/stageTimeoutMs = "an hour"                    | wrong-type
/stageTimeoutMs = -1                           | out-of-range
/stageTimeoutMs = 40000000000                  | out-of-range
/backoffPeriodMs = [1]                         | wrong-type
/startTimeExpiry = "soon"                      | wrong-type
/markSuccessfulOnTimeout = "often"             | wrong-type
/failOnFailedExpressions = 1                   | wrong-type
/comments = {"x": 1}                           | wrong-type
/notifications = "mail"                        | wrong-type
/restrictExecutionDuringTimeWindow = "night"   | wrong-type
/restrictedExecutionWindow = "night"           | wrong-type
/restrictExecutionDuringTimeWindow = true      | missing-field | /restrictedExecutionWindow
"#;

/// The time window of a stage that has one.
const WINDOW: &str = r#"
/whitelist = "9-17"                            | wrong-type
/whitelist/0 = "9-17"                          | wrong-type
/whitelist/0/startHour = 25                    | out-of-range
/whitelist/0/startHour -                       | missing-field
/whitelist/0/startMin = 60                     | out-of-range
/whitelist/0/endHour = "noon"                  | wrong-type
/whitelist/0/endHour = 24 ; /whitelist/0/endMin = 30 | out-of-range | /whitelist/0/endMin
/days = 3                                      | wrong-type
/days = [2, 8]                                 | bad-window    | /days/1
/days = ["monday"]                             | bad-window    | /days/0
/jitter = 5                                    | wrong-type
/jitter = {"enabled": true, "minDelay": -5}    | out-of-range  | /jitter/minDelay
/jitter = {"enabled": true, "minDelay": 9, "maxDelay": 5} | bad-window | /jitter/minDelay
"#;

const CLUSTER: &str = r#"
/stack = "my-stack"                            | bad-name
/stack = "v001"                                | bad-name
/application = "my-shop"                       | bad-name
/freeFormDetails = "web-v0001"                 | bad-name
/strategy = "higlander"                        | unknown-strategy
/strategy = true                               | wrong-type
/capacity = {"min": 2, "max": 1, "desired": 1} | capacity
/capacity = {"min": "one"}                     | wrong-type    | /capacity/min
/capacity = {"min": 1, "max": -1}              | out-of-range  | /capacity/max
/capacity = 3                                  | wrong-type
/availabilityZones = {"us-west-2": "us-west-2a"} | wrong-type  | /availabilityZones/us-west-2
/healthCheckType = "HTTP"                      | bad-value
/healthCheckGracePeriod = "10 minutes"         | wrong-type
/targetHealthyDeployPercentage = 150           | out-of-range
/cooldown = 1000000                            | out-of-range
/suspendedProcesses = ["AZRebalanc"]           | bad-value
/tags = {"aws:x": "1"}                         | bad-tag
/tags = ["a"]                                  | wrong-type
/base64UserData = "echo hello"                 | bad-value
/instanceType = "t3small"                      | bad-value
/securityGroups = [1]                          | wrong-type    | /securityGroups/0
"#;

const DEPLOY: &str = r#"
/clusters = []                                 | missing-field
/clusters -                                    | missing-field
/clusters = {}                                 | wrong-type
/clusters/0 = "shop"                           | wrong-type
"#;

#[test]
fn errors_of_stages_are_told() {
    assert_eq!(check(Severity::Error, "/stages/0", BAKE), 18);
    assert_eq!(check(Severity::Error, "/stages/0", RULES), 15);
    assert_eq!(check(Severity::Error, "/stages/1/restrictedExecutionWindow", WINDOW), 13);
    let place = "/stages/2";
    assert_eq!(check(Severity::Error, place, "/region - | missing-field | /regions"), 1);
    assert_eq!(check(Severity::Error, "/stages/1/clusters/0", CLUSTER), 21);
    assert_eq!(check(Severity::Error, "/stages/1", DEPLOY), 4);
}

const KEPT: &str = r#"
/stages/2/type = "webhook"                     | unknown-stage-type
/stages/2/type = "deploy_gce"                  | unknown-stage-type
/triggers/0 = {"type": "git", "enabled": true} | unknown-trigger-type | /triggers/0/type
/triggers/0/enabled -                          | trigger-off
/triggers/0/job = "shop/${ parameters.job }"   | expression
/limitConcurrent = "${ parameters.one }"       | expression
/name = "shop {{ name }}"                      | placeholder
/stages = []                                   | no-stages
/stages -                                      | no-stages
/parameterConfig/0 = {"name": "a", "hasOptions": true, "options": ["x"], "default": "y"} | bad-default | /parameterConfig/0/default
/parameterConfig/0 = {"name": "a", "constraint": "date", "default": "today"} | bad-default | /parameterConfig/0/default
/parameterConfig/0/constraint = "number"       | unknown-constraint
/parameterConfig/0/conditional = {"parameter": "x"} | unknown-parameter | /parameterConfig/0/conditional/parameter
/expectedArtifacts/0/id -                      | missing-field
/expectedArtifacts/0/useDefaultArtifact = true | missing-field | /expectedArtifacts/0/defaultArtifact
/stages/0/failPipeline = "${ parameters.hard }" | expression
/stages/0/cloudProviderType = "gce"            | other-cloud
/stages/0/package = "https://example.net/x.deb" | unsupported-value
/stages/0/storeType = "s3"                     | unsupported-value
/stages/0/baseOs -                             | missing-field
/stages/0/templateFileName = "x.json"          | ignored-field
/stages/1/restrictedExecutionWindow = {}       | empty-window
/stages/1/restrictedExecutionWindow/whitelist/0/endHour = 9 ; /stages/1/restrictedExecutionWindow/whitelist/0/endMin = 0 | short-window | /stages/1/restrictedExecutionWindow/whitelist/0
/stages/1/clusters/0/strategy = "redblack"     | unsupported-strategy
/stages/1/clusters/0/loadBalancers -           | no-health-check
/stages/1/clusters/0/instanceType -            | missing-field
/stages/1/clusters/0/account -                 | missing-field
/stages/1/clusters/0/freeFormDetails = "a b"   | bad-name
/stages/1/clusters/0/capacity = {"min": "{{ min }}"} | placeholder | /stages/1/clusters/0/capacity/min
/stages/1/clusters/0/associatePublicIpAddress = true | public-ip-needs-subnet
/stages/1/clusters/0/spotPrice = "0.1"         | ignored-field
"#;

#[test]
fn what_can_be_kept_but_not_run_is_a_warning() {
    assert_eq!(check(Severity::Warning, "", KEPT), 31);
    let mut template = sound();
    edit(&mut template, r#"/template = {"source": "spinnaker://x"}"#);
    let parsed = Pipeline::parse(&template.to_string());
    assert_eq!((parsed.problems[0].code, parsed.pipeline.is_some()), ("template", true));
}

#[test]
fn texts_that_are_no_pipeline_are_refused_with_their_place() {
    for (text, code, line, column) in [
        ("", "syntax", 1, 1),
        ("{", "syntax", 1, 1),
        ("{\n  \"name\": \"größe\",\n}", "syntax", 3, 1),
        ("{\n  name: 1}", "syntax", 2, 3),
        ("{} {}", "syntax", 1, 4),
        ("\n  []", "not-an-object", 2, 3),
        ("7", "not-an-object", 1, 1),
        (&"[".repeat(100_000), "syntax", 1, 128),
    ] {
        let parsed = Pipeline::parse(text);
        assert!(parsed.pipeline.is_none());
        let told: Vec<_> = parsed.problems.iter().map(|p| (p.code, p.line, p.column)).collect();
        let start = text.get(..20).unwrap_or(text);
        assert_eq!(told, [(code, line, column)], "{start}");
    }
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(Pipeline::parse(&large).problems[0].code, "too-large");
}
