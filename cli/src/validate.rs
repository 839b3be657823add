//! `bowline validate`: definitions are read by the same code as in the server, without one.

use std::path::Path;

use definitions::{Parsed, Pipeline, Problem, Severity};
use jiff::Timestamp;
use serde::Serialize;
use triggers::DEFAULT_ZONE;
use wire::NextRuns;

use crate::{
    CommandError,
    args::{Format, Validate},
    exit::Exit,
    output, source,
};

/// How many runs ahead are shown.
const RUNS_SHOWN: usize = 5;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    file: String,
    valid: bool,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    next_runs: Vec<NextRuns>,
}

/// Checks every file and reports every problem.
pub(crate) fn run(validate: &Validate, format: Format) -> Result<Exit, CommandError> {
    let mut checked: Vec<(&Path, Parsed)> = Vec::new();
    for file in &validate.files {
        // A definition copied out of a user interface has no name; that alone is not wrong.
        let text = source::read(file)?;
        let mut parsed = Pipeline::parse_exported(&text);
        parsed.check_expressions(&text);
        checked.push((file, parsed));
    }
    match format {
        Format::Json | Format::Yaml => {
            output::data(&checked.iter().map(report).collect::<Vec<_>>(), format);
        }
        Format::Table => {
            for (file, parsed) in &checked {
                for problem in &parsed.problems {
                    output::line(&text(file, problem));
                }
                for runs in next_runs(parsed) {
                    output::line(&planned(file, &runs));
                }
                output::line(&verdict(file, parsed));
            }
        }
    }
    let valid = checked.iter().all(|(_, parsed)| parsed.pipeline.is_some());
    Ok(if valid { Exit::Succeeded } else { Exit::Failed })
}

/// A definition that can be saved; its problems are told on standard error either way.
pub(crate) fn checked(file: &Path, text: &str) -> Result<Pipeline, CommandError> {
    let mut parsed = Pipeline::parse(text);
    parsed.check_expressions(text);
    for problem in &parsed.problems {
        output::note(&self::text(file, problem));
    }
    let errors = parsed.errors().count();
    parsed
        .pipeline
        .ok_or_else(|| CommandError::Invalid { path: file.display().to_string(), errors })
}

fn report<'a>((file, parsed): &'a (&Path, Parsed)) -> Report<'a> {
    Report {
        file: file.display().to_string(),
        valid: parsed.pipeline.is_some(),
        problems: &parsed.problems,
        next_runs: next_runs(parsed),
    }
}

/// The next runs of each time trigger that is on. One that names no zone is taken in that of a coordinator
/// without a `time_zone` of its own.
fn next_runs(parsed: &Parsed) -> Vec<NextRuns> {
    let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    let triggers = parsed.pipeline.as_ref().map(|pipeline| pipeline.triggers.as_slice());
    let on = triggers.unwrap_or_default().iter().filter(|trigger| trigger.enabled);
    let runs = on.map(|trigger| NextRuns {
        trigger: trigger.place,
        description: trigger.describe(DEFAULT_ZONE),
        at: trigger.next_fires(now_ms, DEFAULT_ZONE, RUNS_SHOWN),
    });
    runs.filter(|runs| !runs.at.is_empty()).collect()
}

/// The next runs of one trigger.
fn planned(file: &Path, runs: &NextRuns) -> String {
    let moments =
        runs.at.iter().filter_map(|at| Timestamp::from_millisecond(i64::try_from(*at).ok()?).ok());
    let moments: Vec<String> = moments.map(|moment| moment.to_string()).collect();
    let NextRuns { trigger, description, at: _ } = runs;
    format!("{}: trigger {trigger} ({description}) runs at {}", file.display(), moments.join(", "))
}

/// One problem, in the form editors know how to jump to.
fn text(file: &Path, problem: &Problem) -> String {
    let Problem { severity, code, pointer, line, column, message, hint } = problem;
    let word = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = format!("{}:{line}:{column}: {word}[{code}]: {message}", file.display());
    if !pointer.is_empty() {
        text.extend([" (at ", pointer, ")"]);
    }
    if let Some(hint) = hint {
        text.extend(["\n    hint: ", hint]);
    }
    text
}

fn verdict(file: &Path, parsed: &Parsed) -> String {
    let errors = parsed.errors().count();
    let warnings = parsed.problems.len() - errors;
    let word = if parsed.pipeline.is_some() { "valid" } else { "not valid" };
    format!(
        "{}: {word}, {}, {}",
        file.display(),
        output::count(errors, "error"),
        output::count(warnings, "warning")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_runs_of_a_trigger_are_shown() {
        let text = r#"{ "application": "shop", "name": "nightly", "stages": [], "triggers": [
            { "type": "cron", "enabled": true, "cronExpression": "0 0 3 1 1 ? 2098-2099" },
            { "type": "cron", "enabled": false, "cronExpression": "0 0 3 * * ?" }] }"#;
        let parsed = Pipeline::parse(text);
        let runs = next_runs(&parsed);
        assert_eq!((runs.len(), runs[0].trigger), (1, 0));
        assert_eq!(
            planned(Path::new("p.json"), &runs[0]),
            "p.json: trigger 0 (0 0 3 1 1 ? 2098-2099 in America/Los_Angeles) runs at 2098-01-01T11:00:00Z, 2099-01-01T11:00:00Z"
        );
    }

    #[test]
    fn a_problem_is_shown_with_its_place_and_its_way_out() {
        let problem = Problem {
            severity: Severity::Error,
            code: "cycle",
            pointer: "/stages/1".to_owned(),
            line: 4,
            column: 7,
            message: "stages 1 and 2 wait for each other".to_owned(),
            hint: Some("remove one of the two".to_owned()),
        };
        assert_eq!(
            text(Path::new("p.json"), &problem),
            "p.json:4:7: error[cycle]: stages 1 and 2 wait for each other (at /stages/1)\n    hint: remove one of the two"
        );
    }
}
