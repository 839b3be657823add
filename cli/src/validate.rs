//! `bowline validate`: definitions are read by the same code as in the server, without one.

use std::path::Path;

use definitions::{Parsed, Pipeline, Problem, Severity};
use serde::Serialize;

use crate::{
    CommandError,
    args::{Format, Validate},
    exit::Exit,
    output, source,
};

#[derive(Serialize)]
struct Report<'a> {
    file: String,
    valid: bool,
    problems: &'a [Problem],
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
    parsed.check_expressions(&text);
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
    }
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
