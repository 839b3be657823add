use super::*;
use crate::stage_type;

fn inspect(stage: &Value) -> (Option<Config>, Vec<String>) {
    let (read, problems) = stage_type::inspect::<FindImageFromTags>(stage.as_object().unwrap());
    let shown = problems.into_iter().map(|problem| {
        let hint = problem.hint.unwrap_or_default();
        format!("{:?} {} {} {hint}", problem.weight, problem.code, problem.pointer)
    });
    (read, shown.collect())
}

fn whole() -> Value {
    json!({ "type": "findImageFromTags", "packageName": "shop-web",
        "regions": ["us-east-1", "us-west-2", "us-east-1"], "tags": { "stage": "released", "n": 3 } })
}

#[test]
fn every_field_is_read() {
    let (read, problems) = inspect(&whole());
    assert_eq!(problems, [""; 0]);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let expected = Config {
        account: None,
        package: "shop-web".to_owned(),
        regions: vec!["us-east-1".to_owned(), "us-west-2".to_owned()],
        tags: [pair("stage", "released"), pair("n", "3")].into(),
    };
    assert_eq!(read, Some(expected));
    let mut stage = whole();
    stage["credentials"] = json!("live");
    assert_eq!(inspect(&stage).0.unwrap().account.as_deref(), Some("live"));
}

#[test]
fn what_is_missing_is_told_when_it_is_saved() {
    let regions = "Blocks missing-field /regions write the regions: [\"us-east-1\"]";
    let tags = "Blocks missing-field /tags write tags of the image: { \"stage\": \"released\" }";
    for (key, value, told) in [
        (
            "packageName",
            json!(" "),
            "Blocks missing-field /packageName write the name of the package: \"shop-web\"",
        ),
        ("regions", json!(null), regions),
        ("regions", json!([]), regions),
        ("tags", json!(null), tags),
        ("tags", json!({}), tags),
        ("cloudProvider", json!("gce"), "Blocks other-cloud /cloudProvider write \"aws\""),
    ] {
        let mut stage = whole();
        stage[key] = value;
        assert_eq!(inspect(&stage).1, [told], "{stage}");
    }
}
