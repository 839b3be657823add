//! Broken pipelines, each with what must be said about it, and where.

use model::pipeline::{Pipeline, Severity};
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
        "stages": [
            {"refId": "1", "requisiteStageRefIds": [], "type": "bake", "name": "Bake",
             "regions": ["us-west-2"], "package": "shop-web", "baseOs": "bookworm"},
            {"refId": "2", "requisiteStageRefIds": ["1"], "type": "deploy", "name": "Deploy",
             "clusters": [{"account": "staging", "application": "shop", "stack": "staging",
                "availabilityZones": {"us-west-2": ["us-west-2a"]}, "strategy": "highlander",
                "capacity": {"min": 1, "max": 1, "desired": 1}, "instanceType": "t3.small",
                "loadBalancers": ["shop-staging"]}]},
            {"refId": "3", "requisiteStageRefIds": ["2"], "type": "bake", "name": "Again",
             "region": "us-west-2", "package": "shop-web", "baseOs": "bookworm"}
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
fn check(severity: Severity, below: &str, table: &str) -> usize {
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
/parameterConfig/- = {"name": "reason"}        | duplicate-parameter | /parameterConfig/1/name
/parameterConfig/- = {"label": "x"}            | missing-field       | /parameterConfig/1/name
/notifications = ["mail"]                      | wrong-type          | /notifications/0
/expectedArtifacts = true                      | wrong-type
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
/stages/1/requisiteStageRefIds = ["1", "7"]    | unknown-requisite | /stages/1/requisiteStageRefIds/1
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
    let place = "/stages/2";
    assert_eq!(check(Severity::Error, place, "/region - | missing-field | /regions"), 1);
    assert_eq!(check(Severity::Error, "/stages/1/clusters/0", CLUSTER), 21);
    assert_eq!(check(Severity::Error, "/stages/1", DEPLOY), 4);
}

const KEPT: &str = r#"
/stages/2/type = "wait"                        | unknown-stage-type
/stages/2/type = "deploy_gce"                  | unknown-stage-type
/triggers/0 = {"type": "cron", "enabled": true} | unknown-trigger-type | /triggers/0/type
/triggers/0/enabled -                          | trigger-off
/stages = []                                   | no-stages
/stages -                                      | no-stages
/stages/0/cloudProviderType = "gce"            | other-cloud
/stages/0/package = "${ trigger.properties['a b'] }" | expression
/stages/0/package = "https://example.net/x.deb" | unsupported-value
/stages/0/storeType = "s3"                     | unsupported-value
/stages/0/baseOs -                             | missing-field
/stages/0/templateFileName = "x.json"          | ignored-field
/stages/0/restrictExecutionDuringTimeWindow = true | unsupported-field
/stages/1/clusters/0/strategy = "redblack"     | unsupported-strategy
/stages/1/clusters/0/loadBalancers -           | no-health-check
/stages/1/clusters/0/instanceType -            | missing-field
/stages/1/clusters/0/account -                 | missing-field
/stages/1/clusters/0/freeFormDetails = "a b"   | bad-name
/stages/1/clusters/0/stack = "${ parameters.stack }" | expression
/stages/1/clusters/0/capacity = {"min": "{{ min }}"} | placeholder | /stages/1/clusters/0/capacity/min
/stages/1/clusters/0/associatePublicIpAddress = true | public-ip-needs-subnet
/stages/1/clusters/0/spotPrice = "0.1"         | ignored-field
"#;

#[test]
fn what_can_be_kept_but_not_run_is_a_warning() {
    assert_eq!(check(Severity::Warning, "", KEPT), 22);
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
