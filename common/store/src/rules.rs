//! What every store refuses, bounds and sorts alike. Pure.

use std::cmp::Ordering;

use model::{ExecutionStatus, limits};

use crate::{Commit, PipelineRow};

/// The largest whole number that Redis scores and Lua numbers hold exactly; as a time it is the
/// year 287396, as a span it is "for ever".
const EXACT_MAX: u64 = (1 << 53) - 1;
/// Spans of a caller (ttl, notice) end here, so that adding one to a time stays exact.
const SPAN_MAX_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// A wake overdue by more than this counts as a fault in [`crate::Stats`].
pub(crate) const OVERDUE_MS: u64 = 60_000;
/// After the store has gone back in time, no lease and no lock is given for so long: whoever works
/// under a lease that is not known any more stops within [`limits::SELF_FENCE`] of its last good
/// beat, and calls it has begun by then end within the rest.
pub(crate) const QUIET_MS: u64 = 90_000;
/// Named as the holder while nothing is given out.
pub(crate) const AFTER_ROLLBACK: &str =
    "the store went back in time, nothing is given out for a while";
/// Tokens stay this much ahead of the clock's milliseconds, so that a store which went back in time
/// never gives out a token twice.
pub(crate) const TOKENS_PER_MS: u64 = 1_000;
/// Rows of a list when the caller gives no limit.
const LIST_DEFAULT: usize = 100;

/// Why a transition is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The execution is over.
    Terminal,
    /// The snapshot has an older format than the stored one.
    SchemaBack,
    /// The snapshot is too large.
    TooLarge,
    /// A live execution without a wake, or with one too late.
    NoWake,
    /// A task of another execution.
    ForeignTask,
    /// The first transition names another execution than the one created.
    OtherId,
    /// A restart that asks for no slot.
    Unregistered,
}

impl Refusal {
    /// Every refusal.
    pub(crate) const ALL: [Self; 7] = [
        Self::Terminal,
        Self::SchemaBack,
        Self::TooLarge,
        Self::NoWake,
        Self::ForeignTask,
        Self::OtherId,
        Self::Unregistered,
    ];

    /// The word by which `functions.lua` names it.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Terminal => "TERMINAL",
            Self::SchemaBack => "SCHEMA_BACK",
            Self::TooLarge => "TOO_LARGE",
            Self::NoWake => "NO_WAKE",
            Self::ForeignTask => "FOREIGN_TASK",
            Self::OtherId => "OTHER_ID",
            Self::Unregistered => "UNREGISTERED",
        }
    }

    /// The rule, for people.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Terminal => {
                "the execution is complete, and only a restart changes anything after that"
                    .to_owned()
            }
            Self::SchemaBack => {
                "the stored snapshot has a newer format than this one: this program is too old"
                    .to_owned()
            }
            Self::TooLarge => format!(
                "the snapshot is larger than {} bytes (limits::DOCUMENT_BYTES_MAX)",
                limits::DOCUMENT_BYTES_MAX
            ),
            Self::NoWake => format!(
                "a live execution needs a wake at most {} seconds ahead (limits::WAKE_MAX)",
                limits::WAKE_MAX.as_secs()
            ),
            Self::ForeignTask => "a task change names a task of another execution".to_owned(),
            Self::OtherId => "the first transition names another execution".to_owned(),
            Self::Unregistered => {
                "a complete execution that is opened again must ask for a slot".to_owned()
            }
        }
    }
}

/// What the transition itself must satisfy, whatever is stored.
pub(crate) fn refusal(commit: &Commit, now_ms: u64) -> Option<Refusal> {
    if commit.document.len() > limits::DOCUMENT_BYTES_MAX {
        return Some(Refusal::TooLarge);
    }
    let in_time = commit.wake_ms.is_some_and(|wake| wake <= now_ms.saturating_add(wake_max_ms()));
    if !commit.status.is_complete() && !in_time {
        return Some(Refusal::NoWake);
    }
    let foreign = commit.tasks.iter().any(|change| change.task().execution != commit.id);
    foreign.then_some(Refusal::ForeignTask)
}

/// [`limits::WAKE_MAX`] in milliseconds.
pub(crate) fn wake_max_ms() -> u64 {
    millis(limits::WAKE_MAX)
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(SPAN_MAX_MS)
}

/// A point in time as both stores hold it.
pub(crate) fn instant(ms: u64) -> u64 {
    ms.min(EXACT_MAX)
}

/// A span as both stores take it.
pub(crate) fn span(ms: u64) -> u64 {
    ms.min(SPAN_MAX_MS)
}

/// How long `due` hides what it hands out: never for nothing, or one call would hand out the same
/// row for ever; never longer than a live execution may sleep, or the wake rule would be broken.
pub(crate) fn hide(ms: u64) -> u64 {
    ms.clamp(1, wake_max_ms())
}

/// The number of rows a list returns at most.
pub(crate) fn list_limit(limit: u32) -> usize {
    if limit == 0 { LIST_DEFAULT } else { usize::try_from(limit).unwrap_or(usize::MAX) }
}

/// True when a list of these statuses is best read from the index of the few live executions.
pub(crate) fn only_live(statuses: &[ExecutionStatus]) -> bool {
    !statuses.is_empty() && statuses.iter().all(|status| !status.is_complete())
}

/// The order of definitions: application, the definition's own `index` (those without come last),
/// name without regard to case, id.
pub(crate) fn pipeline_order(rows: &mut [PipelineRow]) {
    rows.sort_by_cached_key(|row| {
        let body: Option<serde_json::Value> = serde_json::from_str(&row.body).ok();
        let index = body.as_ref().and_then(|body| body.get("index")?.as_i64());
        let place = index.unwrap_or(i64::MAX);
        (row.application.clone(), place, row.name.to_lowercase(), row.id.clone())
    });
}

/// Newest first; executions of the same millisecond by id, the larger first.
pub(crate) fn newest_first(a: (u64, &str), b: (u64, &str)) -> Ordering {
    b.cmp(&a)
}

/// Refuses data in another form, with the way out.
pub(crate) fn other_format(place: &str, found: &str, ours: &str) -> String {
    format!(
        "the data of this {place} has format {found}, this program reads and writes format {ours}. \
         To carry the definitions over: let all executions end, write the definitions out with the \
         program that wrote this data (`bowline pipeline list -o json`), and save them with this \
         program in an empty store"
    )
}

/// Says that acknowledged writes are gone, and what that means.
pub(crate) fn tell_of_rollback(lost: u64) {
    tracing::error!(
        lost,
        "the store has gone back in time: acknowledged writes are gone. Nothing new is begun for {} seconds, \
         then every execution goes on from what is known. Events accepted in the lost time have to be sent \
         again; look for what Bowline made at AWS in that time and no execution names",
        QUIET_MS / 1_000
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_end_where_both_stores_are_exact() {
        assert_eq!(instant(9_007_199_254_740_991), 9_007_199_254_740_991);
        assert_eq!(instant(9_007_199_254_740_992), 9_007_199_254_740_991);
        assert_eq!(instant(1_700_000_000_000), 1_700_000_000_000);
        assert_eq!((span(604_800_000), span(604_800_001)), (604_800_000, 604_800_000));
        assert_eq!(span(90_000), 90_000);
    }

    #[test]
    fn refusals_have_the_words_of_the_functions() {
        let words = "TERMINAL SCHEMA_BACK TOO_LARGE NO_WAKE FOREIGN_TASK OTHER_ID UNREGISTERED";
        assert_eq!(Refusal::ALL.map(Refusal::code).join(" "), words);
    }

    #[test]
    fn lists_of_live_executions_alone_come_from_the_few() {
        use ExecutionStatus::{NotStarted, Running, Succeeded};
        for (statuses, live) in [
            (&[Running][..], true),
            (&[Running, NotStarted], true),
            (&[Running, Succeeded], false),
            (&[Succeeded], false),
            (&[], false),
        ] {
            assert_eq!(only_live(statuses), live, "{statuses:?}");
        }
    }

    fn row(application: &str, name: &str, body: &str) -> PipelineRow {
        PipelineRow {
            id: name.to_owned(),
            application: application.to_owned(),
            name: name.to_owned(),
            body: body.to_owned(),
            version: 1,
            updated_ms: 0,
        }
    }

    #[test]
    fn definitions_without_an_index_come_after_those_with_one() {
        let mut rows = vec![
            row("b", "a", "{}"),
            row("a", "z", r#"{"index":2}"#),
            row("a", "C", "{}"),
            row("a", "b", "not json"),
            row("a", "y", r#"{"index":10}"#),
        ];
        pipeline_order(&mut rows);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["z", "y", "b", "C", "a"]);
    }

    #[test]
    fn hiding_is_never_for_nothing_and_never_longer_than_a_live_execution_may_sleep() {
        assert_eq!(hide(0), 1);
        assert_eq!(hide(30_000), 30_000);
        assert_eq!(hide(u64::MAX), 300_000);
    }
}
