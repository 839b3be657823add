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

enum Edit {
    Set(&'static str, Value),
    Take(&'static str),
}

use Edit::{Set, Take};

fn edited(edits: &[Edit]) -> String {
    let mut value = sound();
    for edit in edits {
        let (pointer, new) = match edit {
            Set(pointer, new) => (*pointer, Some(new.clone())),
            Take(pointer) => (*pointer, None),
        };
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
    }
    serde_json::to_string_pretty(&value).unwrap()
}

fn told(text: &str) -> Vec<(Severity, &'static str, String)> {
    let parsed = Pipeline::parse(text);
    let errors = parsed.errors().count();
    assert_eq!(parsed.pipeline.is_some(), errors == 0, "{text}");
    parsed.problems.into_iter().map(|p| (p.severity, p.code, p.pointer)).collect()
}

const CLUSTER: &str = "/stages/1/clusters/0";

/// Checks each: the edits, then exactly these problems.
fn check(severity: Severity, cases: &[(Vec<Edit>, &'static str, &str)]) {
    for (number, (edits, code, pointer)) in cases.iter().enumerate() {
        let text = edited(edits);
        let expected = [(severity, *code, (*pointer).to_owned())];
        assert_eq!(told(&text), expected, "case {number}:\n{text}");
    }
}

#[test]
fn a_sound_pipeline_has_no_problems() {
    assert_eq!(told(&edited(&[])), []);
}

#[test]
fn errors_of_the_whole_are_told() {
    check(
        Severity::Error,
        &[
            (vec![Take("/application")], "missing-field", "/application"),
            (vec![Take("/name")], "missing-field", "/name"),
            (vec![Set("/name", json!("  "))], "missing-field", "/name"),
            (vec![Set("/application", json!(""))], "missing-field", "/application"),
            (vec![Set("/name", json!(null))], "missing-field", "/name"),
            (vec![Set("/name", json!(7))], "wrong-type", "/name"),
            (vec![Set("/application", json!(["shop"]))], "wrong-type", "/application"),
            (vec![Set("/application", json!("my-shop"))], "bad-name", "/application"),
            (vec![Set("/application", json!("my shop"))], "bad-name", "/application"),
            (vec![Set("/name", json!("two\nlines"))], "bad-name", "/name"),
            (vec![Set("/id", json!(12))], "wrong-type", "/id"),
            (vec![Set("/disabled", json!("maybe"))], "wrong-type", "/disabled"),
            (vec![Set("/limitConcurrent", json!(1))], "wrong-type", "/limitConcurrent"),
            (vec![Set("/keepWaitingPipelines", json!([]))], "wrong-type", "/keepWaitingPipelines"),
            (
                vec![Set("/maxConcurrentExecutions", json!(-1))],
                "out-of-range",
                "/maxConcurrentExecutions",
            ),
            (
                vec![Set("/maxConcurrentExecutions", json!(65_535))],
                "out-of-range",
                "/maxConcurrentExecutions",
            ),
            (
                vec![Set("/maxConcurrentExecutions", json!(1.5))],
                "wrong-type",
                "/maxConcurrentExecutions",
            ),
            (vec![Set("/stages", json!({"1": {}}))], "wrong-type", "/stages"),
            (vec![Set("/triggers", json!("jenkins"))], "wrong-type", "/triggers"),
            (vec![Set("/parameterConfig", json!({}))], "wrong-type", "/parameterConfig"),
            (
                vec![Set("/parameterConfig/-", json!({"name": "reason"}))],
                "duplicate-parameter",
                "/parameterConfig/1/name",
            ),
            (
                vec![Set("/parameterConfig/-", json!({"label": "x"}))],
                "missing-field",
                "/parameterConfig/1/name",
            ),
            (vec![Set("/notifications", json!(["mail"]))], "wrong-type", "/notifications/0"),
            (vec![Set("/expectedArtifacts", json!(true))], "wrong-type", "/expectedArtifacts"),
        ],
    );
}

#[test]
fn errors_of_triggers_are_told() {
    check(
        Severity::Error,
        &[
            (vec![Take("/triggers/0/type")], "missing-field", "/triggers/0/type"),
            (vec![Take("/triggers/0/master")], "missing-field", "/triggers/0/master"),
            (vec![Set("/triggers/0/job", json!(""))], "missing-field", "/triggers/0/job"),
            (vec![Set("/triggers/0/job", json!(5))], "wrong-type", "/triggers/0/job"),
            (vec![Set("/triggers/0/enabled", json!("on"))], "wrong-type", "/triggers/0/enabled"),
            (vec![Set("/triggers/0", json!("jenkins"))], "wrong-type", "/triggers/0"),
            (
                vec![Set("/triggers/0/propertyFile", json!(["a"]))],
                "wrong-type",
                "/triggers/0/propertyFile",
            ),
            (
                vec![Set("/triggers/0/payloadConstraints", json!("^x$"))],
                "wrong-type",
                "/triggers/0/payloadConstraints",
            ),
            (
                vec![Set("/triggers/0/payloadConstraints", json!({"a/b": ["x"]}))],
                "wrong-type",
                "/triggers/0/payloadConstraints/a~1b",
            ),
        ],
    );
}

#[test]
fn errors_of_the_graph_are_told() {
    check(
        Severity::Error,
        &[
            (
                vec![
                    Set("/stages/2/refId", json!("1")),
                    Set("/stages/2/requisiteStageRefIds", json!([])),
                ],
                "duplicate-ref-id",
                "/stages/2/refId",
            ),
            (
                vec![
                    Set("/stages/2/refId", json!(1)),
                    Set("/stages/2/requisiteStageRefIds", json!([])),
                ],
                "duplicate-ref-id",
                "/stages/2/refId",
            ),
            (
                vec![Set("/stages/1/requisiteStageRefIds", json!(["1", "7"]))],
                "unknown-requisite",
                "/stages/1/requisiteStageRefIds/1",
            ),
            (
                vec![Set("/stages/1/requisiteStageRefIds", json!(["Bake"]))],
                "unknown-requisite",
                "/stages/1/requisiteStageRefIds/0",
            ),
            (
                vec![Set("/stages/2/requisiteStageRefIds", json!(["3"]))],
                "self-reference",
                "/stages/2/requisiteStageRefIds/0",
            ),
            (
                vec![Set("/stages/1/requisiteStageRefIds", json!(["3"]))],
                "cycle",
                "/stages/1/requisiteStageRefIds",
            ),
            (
                vec![Set("/stages/0/requisiteStageRefIds", json!(["3"]))],
                "cycle",
                "/stages/0/requisiteStageRefIds",
            ),
            (
                vec![Set("/stages/2/requisiteStageRefIds", json!("2"))],
                "wrong-type",
                "/stages/2/requisiteStageRefIds",
            ),
            (
                vec![Set("/stages/2/requisiteStageRefIds", json!([true]))],
                "wrong-type",
                "/stages/2/requisiteStageRefIds/0",
            ),
            (vec![Set("/stages/2/refId", json!(true))], "wrong-type", "/stages/2/refId"),
            (vec![Set("/stages/2/refId", json!(1.5))], "wrong-type", "/stages/2/refId"),
            (vec![Take("/stages/2/refId")], "missing-field", "/stages/2/refId"),
            (vec![Set("/stages/2", json!("bake"))], "wrong-type", "/stages/2"),
        ],
    );
}

#[test]
fn errors_of_any_stage_and_of_bakes_are_told() {
    check(
        Severity::Error,
        &[
            (vec![Take("/stages/0/type")], "missing-field", "/stages/0/type"),
            (vec![Set("/stages/0/type", json!(" "))], "missing-field", "/stages/0/type"),
            (vec![Set("/stages/0/type", json!({}))], "wrong-type", "/stages/0/type"),
            (vec![Set("/stages/0/name", json!(["x"]))], "wrong-type", "/stages/0/name"),
            (
                vec![Set("/stages/0/failPipeline", json!("no"))],
                "wrong-type",
                "/stages/0/failPipeline",
            ),
            (
                vec![Set("/stages/0/continuePipeline", json!(0))],
                "wrong-type",
                "/stages/0/continuePipeline",
            ),
            (vec![Take("/stages/0/package")], "missing-field", "/stages/0/package"),
            (vec![Set("/stages/0/package", json!(""))], "missing-field", "/stages/0/package"),
            (vec![Set("/stages/0/package", json!(["shop"]))], "wrong-type", "/stages/0/package"),
            (
                vec![Set("/stages/0/package", json!("shop --force"))],
                "bad-package",
                "/stages/0/package",
            ),
            (
                vec![Set("/stages/0/package", json!("shop=latest"))],
                "bad-package",
                "/stages/0/package",
            ),
            (vec![Take("/stages/2/region")], "missing-field", "/stages/2/regions"),
            (
                vec![
                    Set("/stages/0/regions", json!([])),
                    Set("/stages/0/skipRegionDetection", json!(true)),
                ],
                "missing-field",
                "/stages/0/regions",
            ),
            (vec![Set("/stages/0/regions", json!([1]))], "wrong-type", "/stages/0/regions/0"),
            (vec![Set("/stages/0/regions", json!("us-west-2"))], "wrong-type", "/stages/0/regions"),
            (vec![Set("/stages/0/vmType", json!("paravirtual"))], "bad-value", "/stages/0/vmType"),
            (vec![Set("/stages/0/rebake", json!("perhaps"))], "wrong-type", "/stages/0/rebake"),
            (
                vec![Set("/stages/0/extendedAttributes", json!(["a"]))],
                "wrong-type",
                "/stages/0/extendedAttributes",
            ),
            (
                vec![Set("/stages/0/extendedAttributes", json!({"a": {}}))],
                "wrong-type",
                "/stages/0/extendedAttributes/a",
            ),
        ],
    );
}

#[test]
fn errors_of_deploys_are_told() {
    let at = |key: &str| format!("{CLUSTER}/{key}");
    let set = |key: &'static str, value: Value| {
        // Pointers of edits live as long as the test run.
        vec![Set(Box::leak(at(key).into_boxed_str()), value)]
    };
    let cases: Vec<(Vec<Edit>, &'static str, String)> = vec![
        (set("stack", json!("my-stack")), "bad-name", at("stack")),
        (set("stack", json!("v001")), "bad-name", at("stack")),
        (set("application", json!("my-shop")), "bad-name", at("application")),
        (set("freeFormDetails", json!("web-v0001")), "bad-name", at("freeFormDetails")),
        (set("stack", json!("x".repeat(300))), "bad-name", at("stack")),
        (set("strategy", json!("higlander")), "unknown-strategy", at("strategy")),
        (set("strategy", json!(true)), "wrong-type", at("strategy")),
        (set("capacity", json!({"min": 2, "max": 1, "desired": 1})), "capacity", at("capacity")),
        (set("capacity", json!({"min": "one"})), "wrong-type", at("capacity/min")),
        (set("capacity", json!({"min": 1, "max": -1})), "out-of-range", at("capacity/max")),
        (set("capacity", json!(3)), "wrong-type", at("capacity")),
        (
            set("availabilityZones", json!({"us-west-2": "us-west-2a"})),
            "wrong-type",
            at("availabilityZones/us-west-2"),
        ),
        (set("healthCheckType", json!("HTTP")), "bad-value", at("healthCheckType")),
        (
            set("healthCheckGracePeriod", json!("10 minutes")),
            "wrong-type",
            at("healthCheckGracePeriod"),
        ),
        (
            set("targetHealthyDeployPercentage", json!(150)),
            "out-of-range",
            at("targetHealthyDeployPercentage"),
        ),
        (set("cooldown", json!(1_000_000)), "out-of-range", at("cooldown")),
        (set("suspendedProcesses", json!(["AZRebalanc"])), "bad-value", at("suspendedProcesses")),
        (set("tags", json!({"aws:x": "1"})), "bad-tag", at("tags")),
        (set("tags", json!(["a"])), "wrong-type", at("tags")),
        (set("base64UserData", json!("#!/bin/sh")), "bad-value", at("base64UserData")),
        (set("instanceType", json!("t3small")), "bad-value", at("instanceType")),
        (set("loadBalancers", json!("shop-staging")), "wrong-type", at("loadBalancers")),
        (set("securityGroups", json!([1])), "wrong-type", at("securityGroups/0")),
        (
            vec![Set("/stages/1/clusters", json!([]))],
            "missing-field",
            "/stages/1/clusters".to_owned(),
        ),
        (vec![Take("/stages/1/clusters")], "missing-field", "/stages/1/clusters".to_owned()),
        (vec![Set("/stages/1/clusters", json!({}))], "wrong-type", "/stages/1/clusters".to_owned()),
        (vec![Set("/stages/1/clusters/0", json!("shop"))], "wrong-type", CLUSTER.to_owned()),
    ];
    for (number, (edits, code, pointer)) in cases.iter().enumerate() {
        let text = edited(edits);
        let errors: Vec<_> =
            told(&text).into_iter().filter(|(severity, ..)| *severity == Severity::Error).collect();
        assert_eq!(errors, [(Severity::Error, *code, pointer.clone())], "case {number}:\n{text}");
    }
}

#[test]
fn what_can_be_kept_but_not_run_is_a_warning() {
    check(
        Severity::Warning,
        &[
            (vec![Set("/stages/2/type", json!("wait"))], "unknown-stage-type", "/stages/2/type"),
            (
                vec![Set("/stages/2/type", json!("deploy_gce"))],
                "unknown-stage-type",
                "/stages/2/type",
            ),
            (
                vec![Set("/triggers/0", json!({"type": "cron", "enabled": true}))],
                "unknown-trigger-type",
                "/triggers/0/type",
            ),
            (vec![Take("/triggers/0/enabled")], "trigger-off", "/triggers/0/enabled"),
            (vec![Set("/stages", json!([]))], "no-stages", "/stages"),
            (vec![Take("/stages")], "no-stages", "/stages"),
            (
                vec![Set("/stages/0/cloudProviderType", json!("gce"))],
                "other-cloud",
                "/stages/0/cloudProviderType",
            ),
            (
                vec![Set("/stages/0/package", json!("${ trigger.properties['a b'] }"))],
                "expression",
                "/stages/0/package",
            ),
            (
                vec![Set("/stages/0/package", json!("https://example.net/x.deb"))],
                "unsupported-value",
                "/stages/0/package",
            ),
            (
                vec![Set("/stages/0/storeType", json!("s3"))],
                "unsupported-value",
                "/stages/0/storeType",
            ),
            (vec![Take("/stages/0/baseOs")], "missing-field", "/stages/0/baseOs"),
            (
                vec![Set("/stages/0/templateFileName", json!("x.json"))],
                "ignored-field",
                "/stages/0/templateFileName",
            ),
            (
                vec![Set("/stages/0/restrictExecutionDuringTimeWindow", json!(true))],
                "unsupported-field",
                "/stages/0/restrictExecutionDuringTimeWindow",
            ),
            (
                vec![Set("/stages/1/clusters/0/strategy", json!("redblack"))],
                "unsupported-strategy",
                "/stages/1/clusters/0/strategy",
            ),
            (
                vec![Take("/stages/1/clusters/0/loadBalancers")],
                "no-health-check",
                "/stages/1/clusters/0/loadBalancers",
            ),
            (
                vec![Take("/stages/1/clusters/0/instanceType")],
                "missing-field",
                "/stages/1/clusters/0/instanceType",
            ),
            (
                vec![Take("/stages/1/clusters/0/account")],
                "missing-field",
                "/stages/1/clusters/0/account",
            ),
            (
                vec![Set("/stages/1/clusters/0/freeFormDetails", json!("a b"))],
                "bad-name",
                "/stages/1/clusters/0/freeFormDetails",
            ),
            (
                vec![Set("/stages/1/clusters/0/stack", json!("${ parameters.stack }"))],
                "expression",
                "/stages/1/clusters/0/stack",
            ),
            (
                vec![Set("/stages/1/clusters/0/associatePublicIpAddress", json!(true))],
                "public-ip-needs-subnet",
                "/stages/1/clusters/0/associatePublicIpAddress",
            ),
            (
                vec![Set("/stages/1/clusters/0/spotPrice", json!("0.1"))],
                "ignored-field",
                "/stages/1/clusters/0/spotPrice",
            ),
            (vec![Set("/template", json!({"source": "spinnaker://x"}))], "template", ""),
        ],
    );
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
        assert_eq!(told, [(code, line, column)], "{}", text.get(..20).unwrap_or(text));
    }
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(Pipeline::parse(&large).problems[0].code, "too-large");
}
