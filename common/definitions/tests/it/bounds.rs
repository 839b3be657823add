//! What a hostile or careless definition may cost, counted: what is compared, listed and read has a bound, so that
//! no definition takes long.

use definitions::{Parsed, Pipeline, Severity};

fn parsed(rest: &str) -> Parsed {
    Pipeline::parse(&format!("{{\"application\":\"shop\",\"name\":\"p\",{rest}}}"))
}

/// The codes of the errors.
fn errors(rest: &str) -> Vec<&'static str> {
    let parsed = parsed(rest);
    assert!(parsed.pipeline.is_none());
    parsed.errors().map(|problem| problem.code).collect()
}

fn list(many: usize, entry: impl Fn(usize) -> String) -> String {
    (0..many).map(entry).collect::<Vec<_>>().join(",")
}

fn stage(fields: &str) -> String {
    format!("\"stages\":[{{\"refId\":\"1\",{fields}}}]")
}

#[test]
fn a_definition_with_very_many_values_is_not_read() {
    let zeros = |many| format!("\"stages\":[],\"x\":[{}]", list(many, |_| "0".to_owned()));
    assert!(parsed(&zeros(149_980)).pipeline.is_some());
    assert_eq!(errors(&zeros(150_001)), ["too-many-values"]);
    // Commas inside texts part nothing.
    let text = format!("\"stages\":[],\"x\":\"\\\"{}\"", ",[{".repeat(150_001));
    assert!(parsed(&text).pipeline.is_some());
}

#[test]
fn long_lists_are_refused_and_not_read() {
    let none = |many| list(many, |_| "{}".to_owned());
    let texts = |many| list(many, |place| format!("\"{place}\""));
    let pairs = |many| list(many, |place| format!("\"{place}\":7"));
    for body in [
        format!("\"stages\":[],\"triggers\":[{}]", none(1001)),
        stage(&format!("\"type\":\"manualJudgment\",\"judgmentInputs\":[{}]", texts(1001))),
        stage(&format!(
            "\"type\":\"wait\",\"waitTime\":1,\"requisiteStageRefIds\":[{}]",
            texts(1001)
        )),
        format!("\"stages\":[],\"expectedArtifacts\":[{}]", none(1001)),
        format!("\"stages\":[],\"notifications\":[{}]", none(1001)),
        stage(&format!("\"type\":\"deploy\",\"clusters\":[{}]", none(1001))),
        stage(&format!("\"type\":\"evaluateVariables\",\"variables\":[{}]", none(1001))),
        stage(&format!("\"type\":\"checkPreconditions\",\"preconditions\":[{}]", none(1001))),
        stage(&format!(
            "\"type\":\"bake\",\"package\":\"a\",\"region\":\"r\",\"regions\":[{}]",
            texts(1001)
        )),
        stage(&format!("\"type\":\"bake\",\"region\":\"r\",\"package\":\"{}\"", "a ".repeat(1001))),
        stage(&format!(
            "\"type\":\"deploy\",\"clusters\":[{{\"account\":\"a\",\"region\":\"r\",\"tags\":{{{}}}}}]",
            pairs(1001)
        )),
    ] {
        assert_eq!(errors(&body), ["too-many-entries"], "{body:.80}");
    }
    assert!(
        !errors(&format!("\"stages\":[],\"triggers\":[{}]", none(1000)))
            .contains(&"too-many-entries")
    );
}

#[test]
fn only_so_many_names_are_compared_for_hints() {
    // Each requires a stage whose name is one letter off: a hint takes 500 comparisons, and 5,000 are made.
    let stages = list(500, |place| {
        format!(
            "{{\"refId\":\"stage-{place:03}\",\"type\":\"wait\",\"waitTime\":1,\"requisiteStageRefIds\":[\"stage_{place:03}\"]}}"
        )
    });
    let problems = parsed(&format!("\"stages\":[{stages}]")).problems;
    let near = |problem: &&definitions::Problem| {
        problem.hint.as_ref().is_some_and(|hint| hint.starts_with("did you mean `stage-"))
    };
    assert_eq!(problems.iter().filter(near).count(), 10);
    assert_eq!(problems.iter().filter(|problem| problem.code == "unknown-requisite").count(), 200);
    let last = problems.iter().find(|problem| problem.code == "more-problems").unwrap();
    assert_eq!(last.message, "300 more problems are not listed, and the rest was not looked at");
    assert_eq!(last.severity, Severity::Error);
}

#[test]
fn a_wrong_definition_is_read_until_its_list_of_problems_is_full() {
    // Two errors in each stage; the list is full after a hundred of them.
    let stages = list(500, |place| {
        format!("{{\"refId\":\"{place}\",\"type\":\"wait\",\"waitTime\":[],\"stageTimeoutMs\":[]}}")
    });
    let problems = parsed(&format!("\"stages\":[{stages}]")).problems;
    assert_eq!(problems.len(), 201);
    let last = problems.iter().find(|problem| problem.code == "more-problems").unwrap();
    assert_eq!(last.message, "the rest of the definition was not looked at");
}

#[test]
fn an_error_behind_very_many_warnings_is_found() {
    let stages = list(400, |place| format!("{{\"refId\":\"{place}\",\"type\":\"jenkins\"}}"));
    let body =
        format!("\"stages\":[{stages},{{\"refId\":\"x\",\"type\":\"wait\",\"waitTime\":[]}}]");
    assert_eq!(errors(&body), ["more-problems"]);
    assert!(parsed(&format!("\"stages\":[{stages}]")).pipeline.is_some());
}

#[test]
fn patterns_are_read_within_their_bound_and_not_built() {
    let artifacts = |many, pattern: &str| {
        let entries = list(many, |place| {
            format!("{{\"id\":\"{place}\",\"matchArtifact\":{{\"name\":\"{pattern}\"}}}}")
        });
        format!("\"stages\":[],\"expectedArtifacts\":[{entries}]")
    };
    assert!(parsed(&artifacts(16, &"a".repeat(1024))).pipeline.is_some());
    let told = parsed(&artifacts(17, &"a".repeat(1024))).problems;
    let told: Vec<(&str, &str)> = told.iter().map(|one| (one.code, one.message.as_str())).collect();
    let message = "`name` is no pattern: all patterns of a pipeline may have 16384 bytes together";
    assert_eq!(told[1..], [("bad-pattern", message)]);
    assert!(parsed(&artifacts(20, "\\\\w{1000}")).pipeline.is_some(), "its machine is never built");
}
