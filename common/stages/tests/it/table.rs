//! Each stage type has a fixture with its golden plan and a page of documentation; its declaration gives a schema
//! and a form.

use std::{collections::BTreeSet, path::Path};

use model::problem::Weight;
use serde_json::{Value, json};
use stages::{Await, Plan, TABLE};

use crate::around::Around;

/// A stage of each type, and what it comes to.
fn fixtures() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({ "type": "bake", "name": "Bake", "package": "shop-web", "baseOs": "bookworm",
                "regions": ["us-east-1"] }),
            "part us-east-1, `Bake in us-east-1`: operation of bake workers\n\
             part eu-west-1, `Bake in eu-west-1`: operation of bake workers\n",
        ),
        (
            json!({ "type": "deploy", "name": "Deploy", "clusters": [{ "account": "staging", "stack": "blue",
                "strategy": "highlander", "instanceType": "t3.small", "loadBalancers": ["shop"],
                "availabilityZones": { "us-east-1": [] } }] }),
            "part shop-blue in staging/us-east-1, `Deploy in us-east-1`: operation of deploy workers\n",
        ),
        (
            json!({ "type": "findImage", "credentials": "staging", "cluster": "shop-blue",
                "selectionStrategy": "LARGEST", "regions": ["us-east-1"] }),
            "part shop-blue in staging/us-east-1, `Find image in us-east-1`: operation of deploy workers\n\
             part shop-blue in staging/eu-west-1, `Find image in eu-west-1`: operation of deploy workers\n",
        ),
        (
            json!({ "type": "findImageFromTags", "packageName": "shop-web", "regions": ["us-east-1"],
                "tags": { "stage": "released" } }),
            "part us-east-1, `Find image in us-east-1`: operation of deploy workers\n",
        ),
        (json!({ "type": "wait", "waitTime": 90 }), "wait 90000 ms\n"),
        (
            json!({ "type": "manualJudgment", "instructions": "Look at the canary.",
                "judgmentInputs": [{ "value": "good" }, "bad"] }),
            "ask `Look at the canary.`: good, bad\n",
        ),
        (
            json!({ "type": "checkPreconditions", "preconditions": [
                { "type": "expression", "context": { "expression": "true" } },
                { "type": "stageStatus", "context": { "stageName": "Image", "stageStatus": "TERMINAL" } },
                { "type": "clusterSize", "context": { "credentials": "staging", "cluster": "shop-blue",
                    "regions": ["us-east-1"], "expected": 1 } },
            ] }),
            "part entry 1, `Check precondition (expression)`: done SUCCEEDED\n\
             part entry 2, `Check precondition (stageStatus)`: done TERMINAL, stage `Image` is SUCCEEDED, and TERMINAL is wanted\n\
             part entry 3, `Check precondition (clusterSize)`: operation of deploy workers\n",
        ),
        (
            json!({ "type": "evaluateVariables", "variables": [{ "key": "version", "value": "1.4" }] }),
            "done SUCCEEDED {\"version\":\"1.4\"}\n",
        ),
        (
            json!({ "type": "pipeline", "pipeline": "p2", "pipelineParameters": { "env": "test" } }),
            "child p2 of shop with {\"env\":\"test\"}\n",
        ),
    ]
}

fn around(stage: &Value) -> Around {
    let trigger = json!({ "type": "jenkins", "buildInfo": {
        "artifacts": [{ "fileName": "shop-web_1.4.2-h7_amd64.deb" }] } });
    let image = json!({ "deploymentDetails": [{ "region": "us-east-1", "ami": "ami-1" }] });
    let before = [(json!({ "type": "bake", "name": "Image" }), image)];
    let after = [json!({ "type": "deploy", "clusters": [{ "account": "staging",
        "instanceType": "t3.small", "region": "eu-west-1" }] })];
    Around::new(&trigger, &before, stage, &after)
}

/// A plan in a line for each part.
fn shown(plan: &Plan) -> String {
    match plan {
        Plan::Done(done) => {
            let failure = done.failure.as_ref().map(|failure| format!(", {}", failure.message));
            let outputs = json!(done.outputs).to_string();
            let outputs = if outputs == "{}" { String::new() } else { format!(" {outputs}") };
            format!("done {}{outputs}{}\n", done.status, failure.unwrap_or_default())
        }
        Plan::Await(Await::Time { time_ms }) => format!("wait {time_ms} ms\n"),
        Plan::Await(Await::Person(question)) => {
            let asked = question.instructions.as_deref().unwrap_or_default();
            format!("ask `{asked}`: {}\n", question.choices.join(", "))
        }
        Plan::Parts(parts) => parts
            .iter()
            .map(|part| format!("part {}, `{}`: {}", part.key, part.name, shown(&part.plan)))
            .collect::<Vec<_>>()
            .concat(),
        Plan::Operation(call) => format!("operation of {} workers\n", call.pool),
        Plan::Child(child) => {
            let given = json!(child.parameters);
            format!("child {} of {} with {given}\n", child.pipeline_id, child.application)
        }
    }
}

#[test]
fn every_type_has_a_fixture_with_its_golden_plan() {
    let mut seen = BTreeSet::new();
    for (stage, golden) in fixtures() {
        let kind = stage["type"].as_str().unwrap();
        let entry = stages::of(kind).unwrap();
        let problems = entry.inspect(stage.as_object().unwrap());
        assert!(problems.is_empty(), "{kind}: {problems:?}");
        let plan = (entry.plan)(&around(&stage)).unwrap();
        assert_eq!(shown(&plan), golden, "{kind}");
        seen.insert(kind.to_owned());
    }
    let known: BTreeSet<String> = stages::names().map(str::to_owned).collect();
    assert_eq!(seen, known, "each type of the table has a fixture");
    assert_eq!(known.len(), TABLE.len(), "names are unique");
}

#[test]
fn pages_of_documentation_are_those_of_the_declarations() {
    let folder = Path::new("../../docs/stages");
    let mut expected = BTreeSet::new();
    for (name, text) in stages::documentation::pages() {
        let found = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(found == text, "docs/stages/{name} is not as declared: run `make docs`");
        expected.insert(name);
    }
    let found = std::fs::read_dir(folder).unwrap();
    for entry in found {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(expected.contains(&name), "docs/stages/{name} belongs to no stage type");
    }
}

#[test]
fn declarations_say_something_to_people() {
    for entry in TABLE {
        let keys: BTreeSet<&str> = entry.fields.iter().map(|field| field.key).collect();
        assert_eq!(keys.len(), entry.fields.len(), "{}: a field is declared twice", entry.name);
        for field in stages::COMMON_FIELDS.iter().chain(entry.fields) {
            let ignored = matches!(field.effect, model::fields::Effect::Ignored(_));
            let spoken = field.help.ends_with('.') && !field.label.is_empty();
            assert!(ignored || spoken, "{}: `{}` has no help", entry.name, field.key);
        }
        let schema = stages::schema(entry);
        assert_eq!(schema["properties"]["type"]["const"], entry.name);
        let form = stages::form(entry.fields);
        assert_eq!(form.as_array().unwrap().len(), entry.fields.len());
    }
}

#[test]
fn a_field_that_nobody_declared_is_warned_of_with_the_nearest_name() {
    let told = |stage: Value| {
        let entry = stages::of(stage["type"].as_str().unwrap()).unwrap();
        let problems = entry.inspect(stage.as_object().unwrap());
        problems
            .into_iter()
            .map(|problem| {
                assert_eq!(problem.weight, Weight::Advice);
                format!("{} {} {}", problem.code, problem.pointer, problem.hint.unwrap_or_default())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(json!({ "type": "wait", "waitTme": 3 })),
        ["unknown-field /waitTme did you mean `waitTime`?"]
    );
    let cluster = json!({ "account": "a", "instanceType": "t3.small", "region": "us-east-1",
        "loadBalancers": ["shop"], "stratgy": "highlander", "requireIMDSv2": true, "spotPrice": "" });
    assert_eq!(
        told(json!({ "type": "deploy", "clusters": [cluster] })),
        [
            "ignored-field /clusters/0/requireIMDSv2 ",
            "unknown-field /clusters/0/stratgy did you mean `strategy`?"
        ]
    );
    // What says nothing is nothing to tell, and neither is what every stage may have.
    assert_eq!(told(json!({ "type": "wait", "x": null, "y": "", "comments": "c" })), [""; 0]);
}

#[test]
fn a_schema_takes_an_expression_where_a_value_is_wanted() {
    let schema = stages::schema(stages::of("wait").unwrap());
    let wait = &schema["properties"]["waitTime"];
    assert_eq!(wait["default"], 30);
    assert_eq!(wait["anyOf"][1]["pattern"], "\\$\\{");
    assert_eq!(
        schema["properties"]["stageEnabled"]["anyOf"][0]["properties"]["type"]["type"],
        "string"
    );
}

#[test]
fn a_region_that_is_named_twice_has_one_part() {
    for only_these in [true, false] {
        let stage = json!({ "type": "findImage", "credentials": "staging", "cluster": "shop",
            "regions": ["eu-west-1", "us-east-1", "eu-west-1"], "skipRegionDetection": only_these });
        let plan = (stages::of("findImage").unwrap().plan)(&around(&stage)).unwrap();
        assert_eq!(shown(&plan).lines().count(), 2);
    }
}
