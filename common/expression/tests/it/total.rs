//! Whatever is written, an evaluation ends: within its limits, without a panic, and with what it was
//! given if it has no value.

use std::time::{Duration, Instant};

use expression::{Facts, FaultKind, Limits, Scope, evaluate, evaluate_condition, evaluate_text};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn scope() -> Scope {
    let long: Vec<u32> = (0..1_000).collect();
    let roots = json!({
        "a": "text", "n": 7, "r": 0.5, "nul": null, "t": true, "l": [1, "x", [2, {"k": 3}]], "long": long,
        "m": {"k": {"k": [1, 2]}, "x": "y"}, "big": "a".repeat(100_000),
        "execution": {"id": "e", "stages": [{"id": "s", "name": "s", "parentStageId": "s",
            "requisiteStageRefIds": ["1"], "refId": "1", "context": {"c": 1}, "outputs": {"o": [1]}}]},
        "trigger": {"parameters": {"p": "5", "evil": "${#stage('s')}"}},
    });
    let facts = Facts { now_ms: Some(0), seed: Some(1), ..Facts::default() };
    Scope::new(roots.as_object().unwrap().clone(), facts)
}

/// Only to tell a slow end from none: the steps are the bound, and this is a build without optimisation on a
/// machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn what_costs_more_than_a_step_is_counted_as_more() {
    let stage = |number: u32| {
        let requires = if number == 0 { vec![] } else { vec![(number - 1).to_string()] };
        json!({ "id": format!("s{number}"), "refId": number.to_string(), "name": format!("n{number}"),
            "requisiteStageRefIds": requires, "context": {}, "outputs": { "o": [number] } })
    };
    let stages: Vec<Value> = (0..500).map(stage).collect();
    let numbers: Vec<u32> = (0..1_000).collect();
    let roots = json!({ "execution": { "id": "e", "stages": stages }, "long": numbers });
    let scope = Scope::new(roots.as_object().unwrap().clone(), Facts::default());
    for text in [
        "${long.![#stage('n499').context.missing]}",
        "${long.![#root.execution.stages.![context.o]]}",
        "${long.![#deployedServerGroups()]}",
        "${long.?[('x' + #this) matches '(a{1000}){50}' + #this]}",
        "${long.?['x'.matches('y' + #this)]}",
    ] {
        let began = Instant::now();
        let error = evaluate_text(text, &scope, &Limits::STANDARD).unwrap_err();
        assert_eq!(error.kind, FaultKind::Limit, "{text}: {error}");
        assert!(began.elapsed() < PATIENCE, "{text} took {:?}", began.elapsed());
    }
    for (text, value) in [
        ("${#stage('n499').context.o}", json!([498])),
        ("${execution.context.o.size()}", json!(500)),
        ("${long.?[('x' + #this) matches 'x[0-9]'].size()}", json!(10)),
    ] {
        assert_eq!(evaluate_text(text, &scope, &Limits::STANDARD).unwrap(), value, "{text}");
    }
}

#[test]
fn expressions_that_explode_end_at_a_limit() {
    let scope = scope();
    let deep = |open: &str, close: &str| format!("${{{}1{}}}", open.repeat(200), close.repeat(200));
    let cases = [
        deep("(", ")"),
        deep("{", "}"),
        deep("!", ""),
        deep("-", ""),
        deep("m[", "]"),
        format!("${{{}1}}", "nul ?: ".repeat(100)),
        format!("${{{}1{}}}", "t ? ".repeat(100), " : 2".repeat(100)),
        format!("${{{}}}", "1+".repeat(5_000)),
        format!("${{'{}'}}", "x".repeat(11_000)),
        "${long.![#root.long.![#root.long.![#this]]]}".to_owned(),
        "${long.?[#root.long.contains(-1)].size()}".to_owned(),
        "${{long,long,long}.![{#this,#this,#this}].![{#this,#this,#this}].![{#this,#this,#this}]}".to_owned(),
        "${big + big + big}".to_owned(),
        "${'x' * 2147483647}".to_owned(),
        "${'x'.repeat(2147483647)}".to_owned(),
        "${big.replaceAll('a', big)}".to_owned(),
        "${big.replace('a', big)}".to_owned(),
        "${big matches '(a?){900}{900}'}".to_owned(),
        "${big matches '(((a{100}){100}){100}){100}'}".to_owned(),
        "${T(String).format('%2000000000d', 1)}".to_owned(),
        "${new String[2147483647]}".to_owned(),
        "${long.![#root.big.hashCode()]}".to_owned(),
        "${long.![#root.big.toUpperCase().length()]}".to_owned(),
        "${long.![#toJson(#root.m)].size() + long.![#readJson('[1]')].size() + long.![#root.big.split('').length]}".to_owned(),
    ];
    for text in cases {
        let began = Instant::now();
        let shown: String = text.chars().take(60).collect();
        let error = evaluate_text(&text, &scope, &Limits::STANDARD).unwrap_err();
        let kinds = [FaultKind::Limit, FaultKind::Syntax, FaultKind::Evaluation];
        assert!(kinds.contains(&error.kind), "{shown}: {error:?}");
        assert!(began.elapsed() < PATIENCE, "{shown} took {:?}", began.elapsed());
    }
}

#[test]
fn long_chains_are_not_deep() {
    let scope = scope();
    for (text, expected) in [
        (format!("${{1{}}}", "+1".repeat(4_000)), json!(4_001)),
        (format!("${{t{}}}", " and t".repeat(1_500)), json!(true)),
        (format!("${{a{}}}", ".trim()".repeat(1_000)), json!("text")),
    ] {
        assert_eq!(evaluate_text(&text, &scope, &Limits::STANDARD).unwrap(), expected);
    }
}

#[test]
fn many_expressions_share_the_limits_of_their_document() {
    let scope = scope();
    let document = json!(vec!["${long.![#this * 2].size()}"; 500]);
    let evaluated = evaluate(&document, &scope, &Limits::STANDARD);
    let done = evaluated.value.as_array().unwrap().iter().filter(|item| **item == json!(1_000));
    assert!(done.count() < 100);
    let told = evaluated.summary.values().flatten().next().unwrap();
    assert!(told.description.contains("together"), "{told:?}");

    let document = json!(vec!["${big}"; 100]);
    let evaluated = evaluate(&document, &scope, &Limits::STANDARD);
    assert!(evaluated.value.to_string().len() < 1_000_000);
}

#[test]
fn a_value_is_never_looked_at_again() {
    let scope = scope();
    let evil = "${#stage('s')}";
    let document = json!({
        "whole": "${parameters.evil}", "part": "x ${parameters.evil}", "joined": "${'$' + '{n}'}",
        "list": "${{parameters.evil}}", "${parameters.evil}": 1,
        "printed": "${trigger.parameters.toString()}",
    });
    let evaluated = evaluate(&document, &scope, &Limits::STANDARD);
    let expected = json!({
        "whole": evil, "part": format!("x {evil}"), "joined": "${n}", "list": [evil], evil: 1,
        "printed": format!("{{p=5, evil={evil}}}"),
    });
    assert_eq!(evaluated.value, expected);
    assert!(evaluated.summary.is_empty(), "{:?}", evaluated.summary);
}

/// Pieces of expressions, so that random strings get past the parser.
const PIECES: &str = r#"a n r nul t l m long big execution stages trigger k x . ?. [ ] ( ) { } , : ? ?: + - * / %
    ^ == < > and or not ! matches between instanceof .?[ .![ .^[ = ++ #this #root #toInt #toJson #readJson
    #stage #deployedServerGroups #doNotEval #readYaml #currentUser size() toString() substring(1) split('')
    replaceAll('(x)','$1') contains('x') hashCode() keySet() values() T(String) T(Math) T(Integer)
    T(java.time.LocalDate) .format('%s',1) .now() .plusDays(99999999) .valueOf(1) 'x' "y" 0 1 2147483647
    9223372036854775807L 1.5 1e308 null true new ${ } ' ü 😀"#;

fn pieces() -> impl Strategy<Value = String> {
    let words: Vec<&str> = PIECES.split_whitespace().chain([" ", " "]).collect();
    prop::collection::vec(prop::sample::select(words), 0..14).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_string_is_evaluated_or_left_as_it_is(text in ".{0,60}") {
        let scope = scope();
        let evaluated = evaluate(&json!([text]), &scope, &Limits::STANDARD);
        if !evaluated.summary.is_empty() {
            prop_assert!(evaluated.value[0].is_string());
        }
        drop(evaluate_condition(&text, &scope, &Limits::STANDARD));
    }

    #[test]
    fn anything_that_looks_like_an_expression_ends(inner in pieces(), around in "[a ]{0,2}") {
        let scope = scope();
        let text = format!("{around}${{{inner}}}");
        let began = Instant::now();
        let evaluated = evaluate(&json!([text]), &scope, &Limits::STANDARD);
        prop_assert!(began.elapsed() < PATIENCE, "{text}");
        prop_assert!(evaluated.value.to_string().len() <= 2 * Limits::STANDARD.output_bytes_max);
        let failed = evaluated.summary.values().flatten().any(|entry| json!(entry.level) == "ERROR");
        if failed {
            prop_assert_eq!(&evaluated.value[0], &Value::String(text.clone()));
        }
        drop(evaluate_condition(&inner, &scope, &Limits::STANDARD));
        // The same again gives the same.
        let again = evaluate(&json!([text]), &scope, &Limits::STANDARD);
        prop_assert_eq!(again, evaluated);
    }

    #[test]
    fn text_without_marks_is_untouched(text in "[^$]{0,80}") {
        let scope = Scope::new(Map::new(), Facts::default());
        let evaluated = evaluate(&json!({ &text: &text }), &scope, &Limits::STANDARD);
        prop_assert_eq!(evaluated.value, json!({ &text: &text }));
    }
}
