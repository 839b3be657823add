//! Expressions as people write them, where there are any: `expressions.jsonl` in the folder that
//! `BOWLINE_SAMPLES` names. A row states what the expression gives in Spinnaker.

use expression::{Facts, Limits, Scope, UnknownNames, evaluate, evaluate_bare};
use serde_json::{Map, Value, json};

/// Share of the rows with a known result that must give it, in percent.
const HITS_MIN: usize = 97;

fn scope(row: &Value) -> Scope {
    let roots = row["context"].as_object().cloned().unwrap_or_else(Map::new);
    let unknown_names = match row["allowUnknownKeys"].as_bool() {
        Some(false) => UnknownNames::AreErrors,
        Some(true) | None => UnknownNames::AreNull,
    };
    let current_stage = row["currentStage"].as_str().map(str::to_owned);
    Scope::new(roots, Facts { current_stage, unknown_names, ..Facts::default() })
}

/// What a row gives: the value, and `value`, `unresolved` or `error`.
fn given(row: &Value) -> (Value, &'static str) {
    let scope = scope(row);
    let limits = &Limits::STANDARD;
    if row["form"] == "bare" {
        let text = row["expr"].as_str().unwrap();
        return match evaluate_bare(text, &scope, limits) {
            Ok(value) => (value, "value"),
            Err(_) => (json!(format!("${{{text}}}")), "error"),
        };
    }
    let evaluated = evaluate(&row["expr"], &scope, limits);
    let levels: Vec<String> = evaluated
        .summary
        .values()
        .flatten()
        .map(|entry| serde_json::to_value(entry.level).unwrap().as_str().unwrap().to_owned())
        .collect();
    let outcome = if levels.iter().any(|level| level == "ERROR") {
        "error"
    } else if levels.is_empty() {
        "value"
    } else {
        "unresolved"
    };
    (evaluated.value, outcome)
}

/// Equal, whole and real numbers by value.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

#[test]
fn what_people_write_gives_what_spinnaker_gives() {
    #[expect(clippy::disallowed_methods, reason = "a test has no config; the folder is optional")]
    let folder = std::env::var("BOWLINE_SAMPLES");
    let Ok(folder) = folder else {
        println!("skipped: BOWLINE_SAMPLES names no folder with expressions");
        return;
    };
    let text = std::fs::read_to_string(format!("{folder}/expressions.jsonl")).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let known: Vec<&Value> = rows.iter().filter(|row| row["outcome"].is_string()).collect();
    let mut hits = 0;
    for row in &known {
        let (value, outcome) = given(row);
        if same(&value, &row["expected"]) && outcome == row["outcome"].as_str().unwrap() {
            hits += 1;
        } else {
            let (expr, expected) = (&row["expr"], &row["expected"]);
            println!("miss: {expr} gives {value} ({outcome}), not {expected}");
        }
    }
    println!("{hits} of {} expressions with a known result give it", known.len());
    assert!(known.len() > 500, "only {} expressions", known.len());
    assert!(hits * 100 >= known.len() * HITS_MIN, "{hits} of {}", known.len());
}
