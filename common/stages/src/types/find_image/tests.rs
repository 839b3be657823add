use serde_json::json;

use super::*;

fn problems(value: &Value) -> Vec<String> {
    let (_, problems) = inspect::<FindImage>(value.as_object().unwrap());
    let shown = |problem: FieldProblem| {
        let hint = problem.hint.unwrap_or_default();
        format!("{:?} {} {} {hint}", problem.weight, problem.code, problem.pointer)
    };
    problems.into_iter().map(shown).collect()
}

fn stage(key: &str, value: Value) -> Value {
    let mut stage = json!({ "type": "findImage", "credentials": "staging", "cluster": "shop-web",
        "regions": ["us-east-1"] });
    stage[key] = value;
    stage
}

#[test]
fn defaults_are_spinnakers() {
    let stage = stage("cloudProvider", json!("aws"));
    let (read, problems) = inspect::<FindImage>(stage.as_object().unwrap());
    assert_eq!(problems, []);
    let expected = Config {
        account: "staging".to_owned(),
        cluster: "shop-web".to_owned(),
        regions: vec!["us-east-1".to_owned()],
        skip_region_detection: false,
        selection: GroupSelection::Newest,
        only_enabled: true,
        image_name_pattern: None,
    };
    assert_eq!(read, Some(expected));
}

#[test]
fn what_is_missing_or_odd_is_told_when_it_is_saved() {
    for (stage, told) in [
        (stage("selectionStrategy", json!("LARGEST")), ""),
        (
            stage("selectionStrategy", json!("NEWST")),
            "Error bad-value /selectionStrategy did you mean `NEWEST`?",
        ),
        (
            stage("selectionStrategy", json!("random")),
            "Error bad-value /selectionStrategy write `LARGEST`, `NEWEST`, `OLDEST` or `FAIL`",
        ),
        (
            stage("selectionStrategy", json!("${ parameters.which }")),
            "Later expression /selectionStrategy ",
        ),
        (
            stage("imageNamePattern", json!("shop-(")),
            "Error bad-pattern /imageNamePattern write one that the whole name fits: \"shop-web-.*\"",
        ),
        (
            stage("credentials", json!("")),
            "Blocks missing-field /credentials write the name of an AWS account",
        ),
        (
            stage("cluster", Value::Null),
            "Blocks missing-field /cluster write the cluster's whole name: \"shop-staging-web\"",
        ),
        (stage("cloudProvider", json!("gce")), "Blocks other-cloud /cloudProvider write \"aws\""),
        (
            stage("resolveMissingLocations", json!(true)),
            "Advice ignored-field /resolveMissingLocations ",
        ),
    ] {
        assert_eq!(problems(&stage).join("\n"), told, "{stage}");
    }
}

#[test]
fn a_region_is_needed_from_the_stage_or_from_a_later_deploy() {
    let names = std::collections::BTreeSet::new();
    for (regions, needed_later, only_these, told) in [
        (json!(["us-east-1"]), false, false, 0),
        (json!([]), true, false, 0),
        (json!([]), false, false, 1),
        (json!([]), true, true, 1),
        (json!("us-east-1"), false, false, 0),
    ] {
        let mut stage = stage("regions", regions);
        stage["skipRegionDetection"] = only_these.into();
        let mut speller = model::problem::Speller::new();
        let mut around = Surroundings {
            stage_names: &names,
            image_is_needed_later: needed_later,
            speller: &mut speller,
        };
        let found = FindImage::check(stage.as_object().unwrap(), &mut around);
        assert_eq!(found.len(), told, "{stage}");
        assert!(found.iter().all(|problem| problem.weight == Weight::Blocks));
    }
}
