//! Expressions that cannot be read are found in a definition before it runs.

use definitions::{Parsed, Pipeline, Severity};
use serde_json::{Value, json};

fn checked(text: &str) -> Parsed {
    let mut parsed = Pipeline::parse(text);
    parsed.check_expressions(text);
    parsed
}

/// Place and message of each report, in the order of the text.
fn told(text: &str) -> Vec<String> {
    let problems = checked(text).problems;
    let of_expressions = problems.iter().filter(|problem| problem.code == "expression-syntax");
    of_expressions
        .map(|problem| {
            assert_eq!(problem.severity, Severity::Warning);
            assert!(problem.hint.is_some());
            let (line, column, at) = (problem.line, problem.column, &problem.pointer);
            format!("{line}:{column} {at} {}", problem.message)
        })
        .collect()
}

#[test]
fn everything_that_cannot_be_read_is_told_with_its_place() {
    let text = r#"{ "application": "shop", "name": "p", "stages": [
  { "refId": "1", "type": "wait", "waitTime": 1,
    "a": "${ 1 + } and ${ 2 * }", "b": { "c/d": ["ok", "${ #toInt('4' }"] },
    "${ x..y }": "größe ${ 'open }" },
  { "refId": "2", "type": "runJob", "script": "echo ${1:-x} $HOME {a}" } ] }"#;
    assert_eq!(
        told(text),
        [
            "3:10 /stages/0/a the expression `1 +` cannot be read: expected a value, but the expression ends (character 7 of the text)",
            "3:10 /stages/0/a the expression `2 *` cannot be read: expected a value, but the expression ends (character 20 of the text)",
            "3:56 /stages/0/b/c~1d/1 the expression `${ #toInt('4' }` cannot be read: `(` is closed by `}` (character 10 of the text)",
            "4:18 /stages/0/${ x..y } the expression `x..y` cannot be read: expected a value, but there is `.` (character 6 of the text)",
            "4:18 /stages/0/${ x..y } the expression `größe ${ 'open }` cannot be read: a text begins here and does not end (character 10 of the text)",
            "5:47 /stages/1/script the expression `1:-x` cannot be read: the expression is over before `:` (character 9 of the text)",
        ]
    );
    assert!(checked(text).pipeline.is_some(), "it can be saved");
}

#[test]
fn conditions_are_expressions_without_marks() {
    let stages = |enabled: &str, precondition: &str| {
        format!(
            r#"{{ "application": "shop", "name": "p", "stages": [
 {{ "refId": "1", "type": "wait", "waitTime": 1, "stageEnabled": {{ "type": "expression", "expression": {enabled} }} }},
 {{ "refId": "2", "type": "checkPreconditions", "preconditions": [
 {{ "type": "expression", "context": {{ "expression": {precondition} }} }} ] }} ] }}"#
        )
    };
    for fine in [
        r#""parameters.env == 'prod'""#,
        r#""${ parameters.env == 'prod' }""#,
        r#""'${parameters.env}' == 'prod'""#,
        r#""${a} == ${b} and '${c}-${d}' matches 'x.*'""#,
        r#""""#,
    ] {
        assert_eq!(told(&stages(fine, "\"true\"")), [""; 0], "{fine}");
    }
    assert_eq!(
        told(&stages(r#""a == ""#, r#""'${a}' = = ${b +}""#)),
        [
            "2:103 /stages/0/stageEnabled/expression the condition `a == ` cannot be read: expected a value, but the expression ends (character 6 of the text)",
            "4:53 /stages/1/preconditions/0/context/expression the condition `'${a}' = = ${b +}` cannot be read: expected a value, but the expression ends (character 17 of the text)",
        ]
    );
}

#[test]
fn a_definition_with_other_errors_is_checked_as_well() {
    let text = r#"{ "stages": [{ "refId": "1", "type": "wait", "waitTime": "${ ( }" }] }"#;
    let parsed = checked(text);
    assert!(parsed.pipeline.is_none());
    let codes: Vec<&str> = parsed.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == "expression-syntax").count(), 1, "{codes:?}");
    for hopeless in ["", "[]", "{", "\"${ ( }\"", "{\"stages\": {\"a\": \"${ ( }\"}}"] {
        assert_eq!(told(hopeless), [""; 0], "{hopeless}");
    }
}

#[test]
fn very_many_are_counted() {
    let text = format!(
        r#"{{ "application": "shop", "name": "p", "stages": [{{ "refId": "1", "type": "wait", "waitTime": 1, "a": "{}" }}] }}"#,
        "${ ) } ${ ( }".repeat(2) + &"${ * }".repeat(300)
    );
    assert_eq!(told(&text).len(), 1, "brackets decide where expressions end");
    let text = text.replace("${ ) } ${ ( }", "");
    let problems = checked(&text).problems;
    assert_eq!(problems.len(), 201);
    assert!(problems.iter().any(|problem| problem.message == "100 more problems are not listed"));
}

#[test]
fn what_is_looked_at_is_bounded() {
    let stage = |many: usize| {
        let texts = vec![format!("\"{}\"", "${ a }".repeat(1000)); many].join(",");
        format!(
            r#"{{ "application": "shop", "name": "p", "stages": [{{ "refId": "1", "type": "wait", "waitTime": 1,
 "a": [{texts}] }}] }}"#
        )
    };
    assert_eq!(checked(&stage(21)).problems, []);
    let problems = checked(&stage(25)).problems;
    let told: Vec<(&str, &str)> =
        problems.iter().map(|problem| (problem.code, problem.message.as_str())).collect();
    let message = "4 texts were not looked at: those with expressions have more than 131072 bytes";
    assert_eq!(told, [("expressions-not-checked", message)]);
}

fn samples() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test has no config; the folder is optional")]
    let samples = std::env::var("BOWLINE_SAMPLES").ok();
    if samples.is_none() {
        println!("skipped: BOWLINE_SAMPLES names no folder of samples");
    }
    samples
}

#[test]
fn what_spinnaker_evaluates_is_not_reported() {
    let Some(samples) = samples() else { return };
    let rows = std::fs::read_to_string(format!("{samples}/expressions.jsonl")).unwrap();
    let mut reports = Vec::new();
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        if !["value", "unresolved"].contains(&row["outcome"].as_str().unwrap_or_default()) {
            continue;
        }
        let mut stage = json!({ "refId": "1", "type": "wait", "waitTime": 1 });
        if row["form"] == "bare" {
            stage["stageEnabled"] = json!({ "type": "expression", "expression": row["expr"] });
        } else {
            stage["it"] = row["expr"].clone();
        }
        let text = json!({ "application": "shop", "name": "p", "stages": [stage] }).to_string();
        reports.extend(told(&text));
    }
    assert!(reports.is_empty(), "{}", reports.join("\n"));
}

#[test]
fn no_expression_of_a_real_pipeline_is_reported_falsely() {
    let Some(samples) = samples() else { return };
    let mut reports = Vec::new();
    for entry in std::fs::read_dir(format!("{samples}/pipelines")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            reports
                .extend(told(&text).into_iter().map(|told| format!("{}:{told}", path.display())));
        }
    }
    assert!(reports.is_empty(), "{}", reports.join("\n"));
}
