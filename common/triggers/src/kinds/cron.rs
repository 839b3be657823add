//! `cron`: a moment starts the pipeline.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use model::{
    fields::Fields,
    problem::{Weight, shortened},
};
use serde_json::{Map, Value, json};
use wire::{Fired, Unmet};

use crate::{BY_TIME, Known, LATE_MAX_MS, Match, TriggerKind, quartz::Expression};

/// The kind `cron`.
#[derive(Clone, Copy, Debug)]
pub struct Cron;

/// When a pipeline starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The moments as written.
    text: String,
    expression: Expression,
    /// The zone of the clock that is meant, an IANA name; the coordinator's when absent.
    zone: Option<String>,
    missed: Missed,
}

/// What becomes of a run that could not be made in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    Skipped,
    /// However many were missed, one is made as soon as it can be.
    MadeOnce,
}

impl TriggerKind for Cron {
    const NAME: &'static str = "cron";
    type Config = Config;
    type Event = Fired;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Config> {
        let (zone, missed) = (zone(fields), missed(fields));
        let text = fields.text("cronExpression");
        if text.is_none() && fields.value("cronExpression").is_none_or(Value::is_string) {
            let hint = "write the moments as Quartz does: `0 30 9 ? * MON-FRI`";
            fields.missing(Weight::Error, "cronExpression", hint);
        }
        let text = text?;
        let expression = match Expression::read(&text) {
            Ok(expression) => expression,
            Err(unfit) => {
                let message = format!("`cronExpression` cannot be read: {}", unfit.message);
                fields.hinted(
                    Weight::Error,
                    "invalid-cron",
                    "cronExpression",
                    (message, unfit.hint),
                );
                return None;
            }
        };
        if expression.next(0, &TimeZone::UTC).is_none() {
            let message = format!("`{}` never comes", shortened(&text));
            let hint = "look at its day and its month: no such day is in any year".to_owned();
            fields.hinted(Weight::Error, "cron-never", "cronExpression", (message, hint));
            return None;
        }
        if expression.every_second() {
            let message = "it fires every second of the minutes that fit".to_owned();
            let hint = "write `0` as the first field to fire once a minute".to_owned();
            fields.hinted(Weight::Advice, "cron-every-second", "cronExpression", (message, hint));
        }
        Some(Config { text, expression, zone, missed })
    }

    fn keys(_: &Config) -> Vec<String> {
        vec![BY_TIME.to_owned()]
    }

    fn matches(config: &Config, fired: &Fired, known: &Known<'_>) -> Match {
        let expected = Self::next_fire(config, fired.at_ms.saturating_sub(1), known.moment.zone);
        if expected != Some(fired.at_ms) {
            let reason = "it does not fire at this moment any more";
            return Match::Unmet(Unmet::new("cronExpression", reason));
        }
        let late_ms = known.moment.now_ms.saturating_sub(fired.at_ms);
        if late_ms > LATE_MAX_MS && config.missed == Missed::Skipped {
            let seconds = late_ms / 1_000;
            let reason = format!("the run was missed: its moment was {seconds} seconds ago");
            return Match::Unmet(Unmet::new("missedRuns", reason).because("once", "skip"));
        }
        Match::Start(carried(config, fired))
    }

    fn describe(config: &Config, zone: &str) -> String {
        format!("{} in {}", config.text, config.zone.as_deref().unwrap_or(zone))
    }

    fn next_fire(config: &Config, after_ms: u64, zone: &str) -> Option<u64> {
        let zone = config.zone.as_deref().unwrap_or(zone);
        config.expression.next(after_ms, &TimeZoneDatabase::bundled().get(zone).ok()?)
    }
}

/// The zone the trigger names; one that nobody knows is an error.
fn zone(fields: &mut Fields<'_, '_>) -> Option<String> {
    let zone = fields.text("timezone")?;
    if TimeZoneDatabase::bundled().get(&zone).is_err() {
        let message = format!("`{}` is no time zone", shortened(&zone));
        let hint = "write an IANA name, such as `Europe/Berlin`".to_owned();
        fields.hinted(Weight::Error, "unknown-time-zone", "timezone", (message, hint));
    }
    Some(zone)
}

fn missed(fields: &mut Fields<'_, '_>) -> Missed {
    match fields.text("missedRuns").as_deref() {
        None | Some("skip") => Missed::Skipped,
        Some("once") => Missed::MadeOnce,
        Some(other) => {
            let message = format!("`missedRuns` is `{}`", shortened(other));
            let hint = "write `skip` or `once`".to_owned();
            fields.hinted(Weight::Error, "unknown-value", "missedRuns", (message, hint));
            Missed::Skipped
        }
    }
}

/// The trigger of the execution.
fn carried(config: &Config, fired: &Fired) -> Map<String, Value> {
    let trigger = json!({
        "type": Cron::NAME, "user": "[anonymous]", "cronExpression": config.text,
        "scheduledTime": fired.at_ms, "parameters": {}, "artifacts": [],
    });
    trigger.as_object().cloned().unwrap_or_default()
}
