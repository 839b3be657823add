//! Real pipelines, where there are any: the folder `pipelines` in the one `BOWLINE_SAMPLES` names.

use std::path::PathBuf;

use definitions::Pipeline;

/// What may be said of pipelines that run in Spinnaker: stage types, clouds, triggers, strategies and
/// fields that do nothing here, templates, and what their authors left out or got wrong.
const EXPECTED: [&str; 14] = [
    "unknown-stage-type",
    "unknown-trigger-type",
    "other-cloud",
    "unsupported-strategy",
    "ignored-field",
    "template",
    "placeholder",
    "ad-hoc-task",
    "no-stages",
    "missing-field",
    "unknown-requisite",
    "bad-name",
    "no-health-check",
    // Of templates: their stages hold more than a stage.
    "unknown-field",
];

fn folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test has no config; the folder is optional")]
    let samples = std::env::var("BOWLINE_SAMPLES").ok();
    if samples.is_none() {
        println!("skipped: BOWLINE_SAMPLES names no folder of samples");
    }
    samples.map(|samples| PathBuf::from(samples).join("pipelines"))
}

#[test]
fn no_real_pipeline_has_an_error() {
    let Some(folder) = folder() else { return };
    let mut seen = 0;
    let mut wrong = Vec::new();
    let mut odd = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let parsed = Pipeline::parse_exported(&text);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for problem in parsed.errors() {
            let (line, column, pointer) = (problem.line, problem.column, &problem.pointer);
            wrong.push(format!(
                "{name}:{line}:{column} {pointer} {}: {}",
                problem.code, problem.message
            ));
        }
        for problem in parsed.problems.iter().filter(|problem| !EXPECTED.contains(&problem.code)) {
            let (line, pointer, code) = (problem.line, &problem.pointer, problem.code);
            odd.push(format!("{name}:{line} {pointer} {code}: {}", problem.message));
        }
        if let Some(pipeline) = parsed.pipeline {
            let given: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(pipeline.to_value(), given, "{name} lost something");
        }
        seen += 1;
    }
    assert!(seen > 0, "{} holds no pipelines", folder.display());
    assert!(odd.is_empty(), "unexpected warnings:\n{}", odd.join("\n"));
    assert!(wrong.is_empty(), "{} errors in {seen} pipelines:\n{}", wrong.len(), wrong.join("\n"));
}
