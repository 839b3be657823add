//! What every stage may say whatever its type: when it runs, how long, and what counts as success.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::runnable;
use crate::{
    fields::{Fields, unresolved},
    limits,
    problem::{FieldProblem, Findings, Weight, member, shortened},
};

/// The fields that all stage types have in common.
///
/// Source: names and defaults are Spinnaker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageRules {
    /// The text of `stageEnabled`'s expression; `None` runs always.
    pub condition: Option<String>,
    /// How long it may run, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// A stage that ran out of time counts as succeeded.
    pub mark_successful_on_timeout: bool,
    /// Least pause between two tries, in milliseconds.
    pub backoff_period_ms: Option<u64>,
    /// Milliseconds since 1970 after which it does not begin any more.
    pub start_time_expiry: Option<u64>,
    /// Any expression that fails makes the stage fail.
    pub fail_on_failed_expressions: bool,
    /// When it may begin; `None` is at any time.
    pub window: Option<ExecutionWindow>,
}

/// When a stage may begin: on these days, between these times, in the zone of the installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionWindow {
    /// Times of the day; empty is the whole day.
    pub whitelist: Vec<TimeOfDay>,
    /// Days of the week, 1 is Sunday, 7 is Saturday; empty is every day.
    pub days: BTreeSet<u8>,
    /// Begin some time after the window opens, so that not everything does at once.
    pub jitter: Option<Jitter>,
}

/// A part of the day, in minutes since midnight, both included. With an end before its start it goes on
/// after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    /// First minute, 0 to 1439.
    pub start: u16,
    /// Last minute, 0 to 1439.
    pub end: u16,
}

/// How long to wait once a window is open, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter {
    /// At least.
    pub min_delay: u32,
    /// At most, never less than `min_delay`.
    pub max_delay: u32,
    /// Not for executions that a person started.
    pub skip_manual: bool,
}

impl StageRules {
    /// Reads the common fields of a stage that is to run.
    ///
    /// # Errors
    /// Everything that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Self, Vec<FieldProblem>> {
        runnable(Self::inspect(config))
    }

    /// What can be read; what cannot is as if nobody had said it.
    pub fn of(config: &Map<String, Value>) -> Self {
        Self::look(config).0
    }

    /// Reads as much as can be read, and tells everything that is odd.
    pub fn inspect(config: &Map<String, Value>) -> (Option<Self>, Vec<FieldProblem>) {
        let (rules, problems) = Self::look(config);
        (Some(rules), problems)
    }

    fn look(config: &Map<String, Value>) -> (Self, Vec<FieldProblem>) {
        let mut found = Findings::default();
        let mut fields = Fields::new(String::new(), config, &mut found);
        let rules = Self {
            condition: condition(&mut fields),
            timeout_ms: timeout(&mut fields),
            mark_successful_on_timeout: fields.flag("markSuccessfulOnTimeout").unwrap_or(false),
            backoff_period_ms: fields
                .large_number("backoffPeriodMs", limits::STAGE_TIMEOUT_MS_MAX)
                .filter(|period| *period > 0),
            start_time_expiry: fields.large_number("startTimeExpiry", limits::EPOCH_MS_MAX),
            fail_on_failed_expressions: fields.flag("failOnFailedExpressions").unwrap_or(false),
            window: window(&mut fields),
        };
        for key in ["comments", "alias", "group"] {
            drop(fields.text(key));
        }
        drop(fields.objects("notifications"));
        (rules, found.into_list())
    }
}

impl ExecutionWindow {
    /// Reads the window of a stage that is to run; `None` when it may run at any time.
    ///
    /// # Errors
    /// Everything in it that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Option<Self>, Vec<FieldProblem>> {
        let mut found = Findings::default();
        let window = window(&mut Fields::new(String::new(), config, &mut found));
        runnable((Some(window), found.into_list()))
    }
}

/// Source: Orca; a blank expression runs, and so does anything that is not of type `expression`.
fn condition(fields: &mut Fields<'_, '_>) -> Option<String> {
    let at = fields.pointer("stageEnabled");
    // `true` and `false` are what people who write JSON by hand expect to work; so they do.
    if let Some(flag) = fields.value("stageEnabled").and_then(Value::as_bool) {
        return Some(flag.to_string());
    }
    let map = fields.object("stageEnabled")?;
    let mut told = Findings::default();
    let mut inner = Fields::new(at, map, &mut told);
    let kind = inner.text("type");
    let expression = match inner.value("expression") {
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        _ => inner.text("expression"),
    };
    if let Some(kind) = kind.filter(|kind| kind != "expression" && expression.is_some()) {
        inner.hinted(
            Weight::Error,
            "bad-value",
            "type",
            (
                format!("`stageEnabled` is of type \"{}\"", shortened(&kind)),
                "write \"type\": \"expression\"".to_owned(),
            ),
        );
    }
    fields.push_all(told);
    expression
}

fn timeout(fields: &mut Fields<'_, '_>) -> Option<u64> {
    let timeout = fields.large_number("stageTimeoutMs", limits::STAGE_TIMEOUT_MS_MAX)?;
    // Source: Orca; a timeout of zero is none.
    (timeout > 0).then_some(timeout)
}

fn window(fields: &mut Fields<'_, '_>) -> Option<ExecutionWindow> {
    let restricted = fields.flag("restrictExecutionDuringTimeWindow").unwrap_or(false);
    let at = fields.pointer("restrictedExecutionWindow");
    let given = fields.object("restrictedExecutionWindow");
    if !restricted {
        return None;
    }
    let Some(map) = given else {
        if !fields.is_open("restrictedExecutionWindow") {
            fields.missing(
                Weight::Error,
                "restrictedExecutionWindow",
                "write when it may run: { \"days\": [2, 3], \"whitelist\": [{ \"startHour\": 9, \"startMin\": 0, \"endHour\": 17, \"endMin\": 0 }] }",
            );
        }
        return None;
    };
    let mut told = Findings::default();
    let mut inner = Fields::new(at, map, &mut told);
    let window = ExecutionWindow {
        whitelist: whitelist(&mut inner),
        days: days(&mut inner),
        jitter: jitter(&mut inner),
    };
    let open = inner.is_open("whitelist") || inner.is_open("days");
    let problems = told.into_list();
    let silent = problems.is_empty() && window.whitelist.is_empty() && window.days.is_empty();
    for problem in problems {
        fields.push(problem);
    }
    if silent && !open {
        fields.hinted(
            Weight::Advice,
            "empty-window",
            "restrictedExecutionWindow",
            (
                "the time window names neither days nor times: the stage runs at any time"
                    .to_owned(),
                "write `whitelist` or `days`, or take `restrictExecutionDuringTimeWindow` away"
                    .to_owned(),
            ),
        );
    }
    Some(window)
}

fn whitelist(fields: &mut Fields<'_, '_>) -> Vec<TimeOfDay> {
    let mut times = Vec::new();
    for (at, map) in fields.objects("whitelist") {
        let mut told = Findings::default();
        let mut inner = Fields::new(at.clone(), map, &mut told);
        let start = minute(&mut inner, "startHour", "startMin");
        let end = minute(&mut inner, "endHour", "endMin");
        fields.push_all(told);
        let (Some(start), Some(end)) = (start, end) else { continue };
        if start == end {
            let message = "the time window is one minute long: it ends when it begins".to_owned();
            let problem = FieldProblem::new(Weight::Advice, "short-window", at, message);
            fields.push(problem.hint("write 0:00 to 24:00 for a whole day"));
        }
        times.push(TimeOfDay { start, end });
    }
    times
}

const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// Minutes since midnight, 24:00 being the last one of the day; `None` for what cannot be read.
fn minute(fields: &mut Fields<'_, '_>, hour_key: &str, minute_key: &str) -> Option<u16> {
    if fields.value(hour_key).is_none() {
        fields.missing(Weight::Error, hour_key, "write an hour from 0 to 24");
        return None;
    }
    let hour = u16::try_from(fields.number(hour_key, 24)?).ok()?;
    let minute = if fields.value(minute_key).is_some() {
        u16::try_from(fields.number(minute_key, 59)?).ok()?
    } else {
        0
    };
    let minutes = hour * 60 + minute;
    if minutes > MINUTES_OF_A_DAY {
        let message = format!("{hour}:{minute:02} is later than midnight");
        fields.hinted(
            Weight::Error,
            "out-of-range",
            minute_key,
            (message, "a day ends at 24:00".to_owned()),
        );
        return None;
    }
    Some(minutes.min(MINUTES_OF_A_DAY - 1))
}

fn days(fields: &mut Fields<'_, '_>) -> BTreeSet<u8> {
    let base = fields.pointer("days");
    let mut days = BTreeSet::new();
    for (index, value) in fields.list("days").into_iter().flatten().enumerate() {
        let number: Option<u64> =
            value.as_str().map_or_else(|| value.as_u64(), |text| text.trim().parse().ok());
        match number.and_then(|day| u8::try_from(day).ok()).filter(|day| (1..=7).contains(day)) {
            Some(day) => {
                days.insert(day);
            }
            None if value.as_str().is_some_and(|text| unresolved(text).is_some()) => {}
            None => {
                let message = format!("{} is not a day of the week", crate::problem::shown(value));
                let at = member(&base, &index.to_string());
                let problem = FieldProblem::new(Weight::Error, "bad-window", at, message);
                fields.push(problem.hint("write 1 for Sunday to 7 for Saturday"));
            }
        }
    }
    days
}

fn jitter(fields: &mut Fields<'_, '_>) -> Option<Jitter> {
    let at = fields.pointer("jitter");
    let map = fields.object("jitter")?;
    let mut told = Findings::default();
    let mut inner = Fields::new(at, map, &mut told);
    let enabled = inner.flag("enabled").unwrap_or(false);
    let jitter = Jitter {
        min_delay: inner.number("minDelay", limits::JITTER_SECONDS_MAX).unwrap_or(0),
        max_delay: inner.number("maxDelay", limits::JITTER_SECONDS_MAX).unwrap_or(0),
        skip_manual: inner.flag("skipManual").unwrap_or(false),
    };
    let Jitter { min_delay, max_delay, .. } = jitter;
    if enabled && min_delay > max_delay && inner.value("maxDelay").is_some() {
        let message = format!("`minDelay` is {min_delay}, `maxDelay` is {max_delay}");
        let hint = "write a `maxDelay` that is not less than `minDelay`".to_owned();
        inner.hinted(Weight::Error, "bad-window", "minDelay", (message, hint));
    }
    fields.push_all(told);
    (enabled && (min_delay > 0 || max_delay > 0))
        .then(|| Jitter { max_delay: max_delay.max(min_delay), ..jitter })
}
