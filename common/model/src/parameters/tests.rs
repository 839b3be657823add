use serde_json::json;

use super::*;
use crate::problem::{Findings, Weight};

fn parameters(config: &Value) -> Vec<Parameter> {
    let body = json!({ "parameterConfig": config });
    let mut found = Findings::default();
    let parameters = read(body.as_object().unwrap(), &mut found);
    assert!(found.into_list().iter().all(|problem| problem.weight != Weight::Error));
    parameters
}

fn resolve(config: &Value, given: &Value) -> Result<Value, Vec<String>> {
    resolve_parameters(&parameters(config), given.as_object().unwrap())
        .map(Value::Object)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn every_field_of_a_parameter_is_read() {
    let read = parameters(&json!([
        {"name": "env", "label": "Environment", "description": "where", "default": "test", "required": true,
         "pinned": "true", "hasOptions": true, "options": [{"value": "test"}, {"value": ""}, {"value": 3}, "prod"]},
        {"name": "day", "label": "", "constraint": "date", "options": [{"value": "x"}],
         "conditional": {"parameter": "env", "comparator": "!=", "comparatorValue": "test"}},
    ]));
    let expected = [
        Parameter {
            name: "env".to_owned(),
            label: "Environment".to_owned(),
            description: Some("where".to_owned()),
            default: Some(json!("test")),
            required: true,
            pinned: true,
            options: ["test", "3", "prod"].map(str::to_owned).to_vec(),
            constraint: None,
            condition: None,
        },
        Parameter {
            name: "day".to_owned(),
            label: "day".to_owned(),
            description: None,
            default: None,
            required: false,
            pinned: false,
            options: Vec::new(),
            constraint: Some(Constraint::Date),
            condition: Some(Condition {
                parameter: "env".to_owned(),
                comparator: Comparator::NotEqual,
                value: "test".to_owned(),
            }),
        },
    ];
    assert_eq!(read, expected);
}

#[test]
fn defaults_are_filled_in_and_what_was_given_stays_as_it_was() {
    let config = json!([
        {"name": "a", "default": "1"}, {"name": "b", "default": 2}, {"name": "c", "default": "3"},
        {"name": "d"}, {"name": "e", "default": ""},
    ]);
    let given = json!({"a": "", "c": null, "extra": {"kept": [1, 2.5]}, "d": false});
    let expected =
        json!({"a": "", "extra": {"kept": [1, 2.5]}, "d": false, "b": 2, "c": "3", "e": ""});
    assert_eq!(resolve(&config, &given), Ok(expected));
}

#[test]
fn a_required_parameter_must_say_something() {
    let config =
        json!([{"name": "a", "required": true}, {"name": "b", "required": true, "default": "x"}]);
    for given in [json!({}), json!({"a": null}), json!({"a": " "})] {
        assert_eq!(resolve(&config, &given), Err(vec!["parameter `a` is required".to_owned()]));
    }
    for given in [json!({"a": false}), json!({"a": 0}), json!({"a": "x"})] {
        assert!(resolve(&config, &given).is_ok(), "{given}");
    }
    let blank_default = json!([{"name": "a", "required": true, "default": ""}]);
    assert!(resolve(&blank_default, &json!({})).is_err());
}

#[test]
fn a_wrong_value_is_refused_with_the_allowed_ones() {
    let config = json!([
        {"name": "env", "hasOptions": true, "options": [{"value": "test"}, {"value": "prod"}]},
        {"name": "size", "hasOptions": true, "options": [{"value": "10"}, {"value": 20}]},
    ]);
    assert_eq!(
        resolve(&config, &json!({"env": "stage", "size": 30})),
        Err(vec![
            "parameter `env` is \"stage\"; allowed are \"test\", \"prod\"".to_owned(),
            "parameter `size` is 30; allowed are \"10\", \"20\"".to_owned(),
        ])
    );
    // A number and its text are one option, and none at all is no wrong one.
    assert!(resolve(&config, &json!({"env": "", "size": 10})).is_ok());
    assert!(resolve(&config, &json!({"env": "prod", "size": "20"})).is_ok());
}

#[test]
fn a_date_must_be_a_day_of_the_calendar() {
    let config = json!([{"name": "day", "constraint": "date"}]);
    for good in ["2024-02-29", "2000-02-29", "1999-12-31", ""] {
        assert!(resolve(&config, &json!({"day": good})).is_ok(), "{good}");
    }
    for bad in [
        "2023-02-29",
        "1900-02-29",
        "2024-13-01",
        "2024-04-31",
        "2024-4-1",
        "24-04-01",
        "2024-04-01T10:00",
        "2024-04-00",
        "tomorrow",
        "2024-04",
        "２024-04-01",
    ] {
        let told = resolve(&config, &json!({"day": bad})).unwrap_err();
        let expected =
            format!("parameter `day` is \"{bad}\"; write a date as YYYY-MM-DD, like 2024-02-29");
        assert_eq!(told, [expected]);
    }
}

#[test]
fn a_hidden_parameter_is_not_checked() {
    let config = |comparator: &str, value: &str| {
        json!([
            {"name": "mode", "default": "10"},
            {"name": "reason", "required": true,
             "conditional": {"parameter": "mode", "comparator": comparator, "comparatorValue": value}},
        ])
    };
    // Comparator, its value, what `mode` is, whether `reason` is asked for.
    for (comparator, value, mode, shown) in [
        ("=", "10", json!("10"), true),
        ("=", "10", json!(10), true),
        ("=", "10", json!("10.0"), false),
        ("!=", "10", json!("9"), true),
        ("!=", "10", json!("10"), false),
        ("<", "10", json!("9"), true),
        ("<", "10", json!("10"), false),
        (">", "9", json!("10"), true),
        (">=", "10", json!("10"), true),
        ("<=", "10", json!("10.5"), false),
        ("<", "10", json!("many"), false),
        (">", "few", json!("10"), false),
    ] {
        let told = resolve(&config(comparator, value), &json!({ "mode": mode }));
        assert_eq!(told.is_err(), shown, "{mode} {comparator} {value}");
    }
    // The default of the other parameter counts when nothing was given.
    assert!(resolve(&config("=", "10"), &json!({})).is_err());
}

#[test]
fn a_long_list_of_options_is_cut_in_the_message_only() {
    let options: Vec<Value> = (0..60).map(|n| json!({"value": n})).collect();
    let config = json!([{"name": "n", "hasOptions": true, "options": options}]);
    let problems = resolve_parameters(&parameters(&config), json!({"n": "x"}).as_object().unwrap())
        .unwrap_err();
    assert!(problems[0].to_string().ends_with("\"49\" and 10 more"), "{}", problems[0]);
    let ParameterProblem::NotAllowed { allowed, .. } = &problems[0] else { panic!("{problems:?}") };
    assert_eq!(allowed.len(), 60);
}
