//! One walk over everything, judged.

use std::collections::BTreeSet;

use super::{Audit, Body, Fact, Finding, Rule, Subject, findings};
use crate::StoreError;

/// Findings that are kept; a store with more is beyond single mending, and the rest is counted.
const FINDINGS_MAX: usize = 10_000;

/// What a walk has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Subjects judged.
    pub rows: u64,
    /// Executions among them.
    pub executions: u64,
    /// What is wrong, by subject.
    pub findings: Vec<Finding>,
    /// What is wrong beyond the findings that are kept.
    pub more: u64,
}

/// Walks through a store and judges everything, by the store's own rules and by those of `judge`,
/// which sees each fact as well.
///
/// A subject that something is wrong with is read and judged again at once, and only what is wrong
/// both times is told. `progress` hears how many subjects were judged, after each page.
///
/// # Errors
///
/// When the store cannot be read to the end.
pub async fn survey(
    audit: &dyn Audit,
    judge: &(dyn Fn(&Fact) -> Vec<Finding> + Sync),
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Survey, StoreError> {
    let mut survey = Survey::default();
    let mut walk = audit.walk();
    let all = |facts: &[Fact]| -> Vec<(Subject, Finding)> {
        let each = facts.iter().flat_map(|fact| {
            let wrong = findings(audit.layout(), fact).into_iter().chain(judge(fact));
            wrong.map(|finding| (fact.subject.clone(), finding))
        });
        each.collect()
    };
    while let Some(subjects) = walk.next().await? {
        let facts = audit.read(&subjects).await?;
        let executions =
            facts.iter().filter(|fact| matches!(fact.body, Body::Execution(_))).count();
        survey.rows = survey.rows.saturating_add(wide(facts.len()));
        survey.executions = survey.executions.saturating_add(wide(executions));
        let first = all(&facts);
        if !first.is_empty() {
            let known: BTreeSet<(&Subject, Rule)> =
                first.iter().map(|(subject, finding)| (subject, finding.rule)).collect();
            let again: BTreeSet<Subject> =
                first.iter().map(|(subject, _)| subject.clone()).collect();
            let again: Vec<Subject> = again.into_iter().collect();
            for (subject, finding) in all(&audit.read(&again).await?) {
                if known.contains(&(&subject, finding.rule)) {
                    survey.add(finding);
                }
            }
        }
        progress(survey.rows);
    }
    // A walk may name a subject twice.
    survey
        .findings
        .sort_by(|a, b| (&a.subject, a.rule, &a.what).cmp(&(&b.subject, b.rule, &b.what)));
    survey.findings.dedup();
    Ok(survey)
}

impl Survey {
    fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
