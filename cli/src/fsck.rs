//! `bowline fsck`: whether what lies in a store can be true.

use serde::Serialize;
use store::audit::{Finding, Survey, open_for_audit, survey};

use crate::{
    CommandError,
    args::{Format, Fsck},
    exit::Exit,
    output,
};

/// Rows between two lines of progress.
const PROGRESS_ROWS: u64 = 50_000;

#[derive(Serialize)]
struct Report<'a> {
    clean: bool,
    rows: u64,
    executions: u64,
    findings: &'a [Finding],
    /// Beyond those that are listed.
    more: u64,
}

/// Checks a store, and tells of everything that is wrong with it.
pub(crate) async fn run(fsck: Fsck, format: Format) -> Result<Exit, CommandError> {
    let audit = open_for_audit(&fsck.store).await.map_err(CommandError::Store)?;
    let mut told = 0;
    let mut progress = |rows: u64| {
        if rows.saturating_sub(told) >= PROGRESS_ROWS {
            output::note(&format!("{rows} rows checked"));
            told = rows;
        }
    };
    let survey = survey(&*audit, &coordinator::audit::findings, &mut progress)
        .await
        .map_err(CommandError::Store)?;
    let clean = survey.findings.is_empty();
    match format {
        Format::Json | Format::Yaml => {
            let Survey { rows, executions, ref findings, more } = survey;
            output::data(&Report { clean, rows, executions, findings, more }, format);
        }
        Format::Table => {
            for finding in &survey.findings {
                output::line(&text(finding));
            }
            output::line(&verdict(&survey));
        }
    }
    Ok(if clean { Exit::Succeeded } else { Exit::Failed })
}

/// A finding in full.
fn text(finding: &Finding) -> String {
    let Finding { rule, subject, what, why, remedy } = finding;
    let rule = rule.word();
    format!("{subject}: [{rule}] {what}\n    why it matters: {why}\n    what to do: {remedy}")
}

fn verdict(survey: &Survey) -> String {
    let Survey { rows, executions, findings, more } = survey;
    let counted =
        |count: &u64, what: &str| format!("{count} {what}{}", if *count == 1 { "" } else { "s" });
    let seen = format!("{} ({})", counted(rows, "row"), counted(executions, "execution"));
    match (findings.len(), more) {
        (0, _) => format!("clean: {seen} {} checked", if *rows == 1 { "was" } else { "were" }),
        (1, 0) => format!("not clean: 1 finding in {seen}"),
        (found, 0) => format!("not clean: {found} findings in {seen}"),
        (found, more) => format!("not clean: {found} findings above, {more} more in {seen}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_says_how_much_was_looked_at() {
        let survey = Survey { rows: 31, executions: 4, ..Survey::default() };
        assert_eq!(verdict(&survey), "clean: 31 rows (4 executions) were checked");
        let survey = Survey { rows: 1, executions: 1, ..Survey::default() };
        assert_eq!(verdict(&survey), "clean: 1 row (1 execution) was checked");
    }
}
