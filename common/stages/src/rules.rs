//! What every stage may say whatever its type: when it runs, how long, and what counts as success.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use model::{
    fields::{Field, Reader, declared::Default, unresolved},
    limits,
    problem::{FieldProblem, Findings, Weight, member, shortened, shown},
};
use wire::TaskFailure;

use crate::stage_type::{runnable, unreadable};

const EXPRESSION: &[Field] = &[
    Field::text("type", "Type", "Always `expression`."),
    Field::json("expression", "Expression", "What must be true: `${ … }`."),
];

const WINDOW: &[Field] = &[
    Field::objects("whitelist", TIME, "Times", "Parts of the day; none is the whole day."),
    Field::json(
        "days",
        "Days",
        "Days of the week, 1 for Sunday to 7 for Saturday; none is every day.",
    ),
    Field::object(
        "jitter",
        JITTER,
        "Jitter",
        "Begin some time after the window opens, so that not everything does at once.",
    ),
];

const TIME: &[Field] = &[
    Field::number("startHour", 24, "Start hour", "When it opens."),
    Field::number("startMin", 59, "Start minute", "When it opens."),
    Field::number("endHour", 24, "End hour", "When it closes."),
    Field::number("endMin", 59, "End minute", "When it closes."),
    Field::json("wrapEnd", "Wraps", "A mark of Spinnaker's form.").kept(),
];

const JITTER: &[Field] = &[
    Field::flag("enabled", "Enabled", "Whether there is any jitter."),
    Field::number("minDelay", JITTER_SECONDS_MAX, "Min delay", "At least.").unit("seconds"),
    Field::number("maxDelay", JITTER_SECONDS_MAX, "Max delay", "At most.").unit("seconds"),
    Field::flag("skipManual", "Skip manual starts", "Not for executions that a person started."),
];

#[expect(clippy::as_conversions, reason = "u64::from is not const; the number is small")]
const JITTER_SECONDS_MAX: u64 = limits::JITTER_SECONDS_MAX as u64;

/// The fields that every stage has, whatever its type. Source: names and defaults are Spinnaker's.
pub const FIELDS: &[Field] = &[
    Field::json("refId", "Ref id", "The name of the stage in the graph."),
    Field::json(
        "requisiteStageRefIds",
        "Depends on",
        "The ref ids of the stages that must be over before this one begins.",
    ),
    Field::text("type", "Type", "The type of the stage."),
    Field::text("name", "Name", "The label of the stage."),
    Field::json("id", "Id", "The id of a stage that was copied from an execution.").kept(),
    Field::flag(
        "failPipeline",
        "Halt the pipeline",
        "If the stage fails, other branches are canceled and the pipeline fails.",
    )
    .default(Default::True),
    Field::flag(
        "continuePipeline",
        "Ignore the failure",
        "If the stage fails, what depends on it starts as if it had succeeded.",
    ),
    Field::flag(
        "completeOtherBranchesThenFail",
        "Fail in the end",
        "If the stage fails, other branches run on and the pipeline fails in the end.",
    ),
    Field::object(
        "stageEnabled",
        EXPRESSION,
        "Condition",
        "The stage runs only if this expression is true.",
    ),
    Field::number(
        "stageTimeoutMs",
        limits::STAGE_TIMEOUT_MS_MAX,
        "Timeout",
        "How long the stage may run; 0 is for ever.",
    )
    .unit("milliseconds"),
    Field::flag("overrideTimeout", "Override the timeout", "A switch of Spinnaker's form.").kept(),
    Field::flag(
        "markSuccessfulOnTimeout",
        "Timeout is success",
        "A stage that ran out of time counts as succeeded.",
    ),
    Field::number(
        "backoffPeriodMs",
        limits::STAGE_TIMEOUT_MS_MAX,
        "Back-off",
        "The least pause between two tries.",
    )
    .unit("milliseconds"),
    Field::number(
        "startTimeExpiry",
        limits::EPOCH_MS_MAX,
        "Start expiry",
        "After this time the stage does not begin any more; milliseconds since 1970.",
    ),
    Field::flag(
        "failOnFailedExpressions",
        "Fail on failed expressions",
        "Any expression that cannot be evaluated makes the stage fail.",
    ),
    Field::flag(
        "restrictExecutionDuringTimeWindow",
        "Restrict to a time window",
        "The stage begins only inside `restrictedExecutionWindow`.",
    ),
    Field::object(
        "restrictedExecutionWindow",
        WINDOW,
        "Time window",
        "When the stage may begin, in the zone of the installation.",
    ),
    Field::text(
        "skipWindowText",
        "Text for skipping the window",
        "What a person reads who is about to skip the window.",
    )
    .kept(),
    Field::text("comments", "Comments", "For other people.").kept(),
    Field::text("alias", "Alias", "Another name for the type, as Spinnaker writes it.").kept(),
    Field::text("group", "Group", "The group in which the stage is shown.").kept(),
    Field::objects(
        "notifications",
        &[],
        "Notifications",
        "Whom to tell. Kept; nobody is told yet.",
    )
    .kept(),
    Field::flag(
        "sendNotifications",
        "Send notifications",
        "Whether `notifications` count. Kept; nobody is told yet.",
    )
    .kept(),
    Field::json("isNew", "New", "A mark of Spinnaker's form.").kept(),
    Field::json(
        "expectedArtifacts",
        "Expected artifacts",
        "Artifacts that the stage gives. Kept; only those of triggers are bound.",
    )
    .kept(),
    Field::json("inject", "Inject", "How a template puts the stage into the graph.").kept(),
    Field::json("inheritanceControl", "Inheritance", "How a template hands the stage on.").kept(),
];

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
    /// What can be read of the common fields; for a stage whose definition was checked before.
    pub fn of(config: &Map<String, Value>) -> Self {
        let mut found = Findings::default();
        Self::read(&mut Reader::new(FIELDS, String::new(), config, &mut found))
    }

    /// Everything that is odd about the common fields.
    pub fn inspect(config: &Map<String, Value>) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        let mut reader = Reader::new(FIELDS, String::new(), config, &mut found);
        drop(Self::read(&mut reader));
        for key in READ_BEFORE {
            let _: Option<&Value> = reader.value(key);
        }
        reader.finish_declared();
        found.into_list()
    }

    fn read(reader: &mut Reader<'_, '_>) -> Self {
        Self {
            condition: condition(reader),
            // Source: Orca; a timeout of zero is none.
            timeout_ms: reader.number("stageTimeoutMs").filter(|timeout| *timeout > 0),
            mark_successful_on_timeout: reader.flag("markSuccessfulOnTimeout"),
            backoff_period_ms: reader.number("backoffPeriodMs").filter(|period| *period > 0),
            start_time_expiry: reader.number("startTimeExpiry"),
            fail_on_failed_expressions: reader.flag("failOnFailedExpressions"),
            window: window(reader),
        }
    }
}

/// The definition's reader has told what is odd about these.
const READ_BEFORE: [&str; 7] = [
    "type",
    "name",
    "refId",
    "requisiteStageRefIds",
    "failPipeline",
    "continuePipeline",
    "completeOtherBranchesThenFail",
];

impl ExecutionWindow {
    /// Reads the window of a stage that is to run; `None` when it may run at any time.
    ///
    /// # Errors
    ///
    /// Everything in it that is in the way.
    pub fn read(config: &Map<String, Value>) -> Result<Option<Self>, TaskFailure> {
        let mut found = Findings::default();
        let window = window(&mut Reader::new(FIELDS, String::new(), config, &mut found));
        runnable((Some(window), found.into_list())).map_err(|problems| unreadable(&problems))
    }
}

/// Source: Orca; a blank expression runs, and so does anything that is not of type `expression`.
fn condition(reader: &mut Reader<'_, '_>) -> Option<String> {
    // `true` and `false` are what people who write JSON by hand expect to work; so they do.
    if let Some(flag) = reader.value("stageEnabled").and_then(Value::as_bool) {
        return Some(flag.to_string());
    }
    reader.inner("stageEnabled", |inner| {
        let kind = inner.text("type");
        let expression = match inner.value("expression") {
            Some(Value::Bool(flag)) => Some(flag.to_string()),
            Some(
                Value::Null
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_),
            )
            | None => inner.fields().text("expression"),
        };
        if let Some(kind) = kind.filter(|kind| kind != "expression" && expression.is_some()) {
            inner.fields().hinted(
                Weight::Error,
                "bad-value",
                "type",
                (
                    format!("`stageEnabled` is of type \"{}\"", shortened(&kind)),
                    "write \"type\": \"expression\"".to_owned(),
                ),
            );
        }
        expression
    })?
}

fn window(reader: &mut Reader<'_, '_>) -> Option<ExecutionWindow> {
    let restricted = reader.flag("restrictExecutionDuringTimeWindow");
    let key = "restrictedExecutionWindow";
    if !restricted {
        // An object that does not count is not looked into.
        let _: Option<&Map<String, Value>> = reader.object(key);
        return None;
    }
    let window = reader.inner(key, |inner| {
        let window = ExecutionWindow {
            whitelist: whitelist(inner),
            days: days(inner),
            jitter: jitter(inner),
        };
        let (times, days) = (inner.value("whitelist"), inner.value("days"));
        let said = |value: Option<&Value>| {
            value.is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()))
        };
        (window, said(times) || said(days))
    });
    let Some((window, said)) = window else {
        let fields = reader.fields();
        if fields.value(key).is_none() {
            fields.missing(
                Weight::Error,
                key,
                "write when it may run: { \"days\": [2, 3], \"whitelist\": [{ \"startHour\": 9, \"startMin\": 0, \"endHour\": 17, \"endMin\": 0 }] }",
            );
        }
        return None;
    };
    if !said {
        reader.fields().hinted(
            Weight::Advice,
            "empty-window",
            key,
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

fn whitelist(reader: &mut Reader<'_, '_>) -> Vec<TimeOfDay> {
    let times = reader.each("whitelist", |inner| {
        let start = minute(inner, "startHour", "startMin");
        let end = minute(inner, "endHour", "endMin");
        let (start, end) = (start?, end?);
        if start == end {
            let message = "the time window is one minute long: it ends when it begins".to_owned();
            let at = inner.at().to_owned();
            let problem = FieldProblem::new(Weight::Advice, "short-window", at, message);
            inner.fields().push(problem.hint("write 0:00 to 24:00 for a whole day"));
        }
        Some(TimeOfDay { start, end })
    });
    times.into_iter().flatten().collect()
}

const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// Minutes since midnight, 24:00 being the last one of the day; `None` for what cannot be read.
fn minute(reader: &mut Reader<'_, '_>, hour_key: &str, minute_key: &str) -> Option<u16> {
    if reader.value(hour_key).is_none() {
        reader.fields().missing(Weight::Error, hour_key, "write an hour from 0 to 24");
        return None;
    }
    let hour = u16::try_from(reader.number(hour_key)?).ok()?;
    let minute = if reader.value(minute_key).is_some() {
        u16::try_from(reader.number(minute_key)?).ok()?
    } else {
        0
    };
    let minutes = hour * 60 + minute;
    if minutes > MINUTES_OF_A_DAY {
        let message = format!("{hour}:{minute:02} is later than midnight");
        reader.fields().hinted(
            Weight::Error,
            "out-of-range",
            minute_key,
            (message, "a day ends at 24:00".to_owned()),
        );
        return None;
    }
    Some(minutes.min(MINUTES_OF_A_DAY - 1))
}

fn days(reader: &mut Reader<'_, '_>) -> BTreeSet<u8> {
    let _: Option<&Value> = reader.value("days");
    let fields = reader.fields();
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
                let message = format!("{} is not a day of the week", shown(value));
                let at = member(&base, &index.to_string());
                let problem = FieldProblem::new(Weight::Error, "bad-window", at, message);
                fields.push(problem.hint("write 1 for Sunday to 7 for Saturday"));
            }
        }
    }
    days
}

fn jitter(reader: &mut Reader<'_, '_>) -> Option<Jitter> {
    reader.inner("jitter", |inner| {
        let enabled = inner.flag("enabled");
        let jitter = Jitter {
            min_delay: inner.small_number("minDelay"),
            max_delay: inner.small_number("maxDelay"),
            skip_manual: inner.flag("skipManual"),
        };
        let Jitter { min_delay, max_delay, .. } = jitter;
        if enabled && min_delay > max_delay && inner.value("maxDelay").is_some() {
            let message = format!("`minDelay` is {min_delay}, `maxDelay` is {max_delay}");
            let hint = "write a `maxDelay` that is not less than `minDelay`".to_owned();
            inner.fields().hinted(Weight::Error, "bad-window", "minDelay", (message, hint));
        }
        (enabled && (min_delay > 0 || max_delay > 0))
            .then(|| Jitter { max_delay: max_delay.max(min_delay), ..jitter })
    })?
}
