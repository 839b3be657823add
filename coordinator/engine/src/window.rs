//! Restricted execution windows: when a stage may run.
//!
//! Source: Orca; days count from Sunday = 1, an end is inclusive to the minute, a window over midnight is
//! two, no hours mean the whole day, no days mean every day.

use jiff::{
    Span, Timestamp, Zoned,
    civil::{Date, Time},
    tz::TimeZoneDatabase,
};
use model::derived_id;
use serde_json::Value;
use stages::{ExecutionWindow, Jitter, TimeOfDay, user_failure};
use wire::TaskFailure;

use crate::{document::Document, evaluate, stage::Stage};

/// The zone when nobody says one. Source: Orca.
const DEFAULT_ZONE: &str = "America/Los_Angeles";
/// A window of every week comes within eight days, seen from any moment.
const DAYS_AHEAD: i32 = 8;

/// When a stage may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// At once.
    Now,
    /// Later, in epoch milliseconds.
    At(u64),
}

/// The last minute of a day.
const LAST_MINUTE: u16 = 24 * 60 - 1;

/// When the stage may run, seen from `now_ms`.
///
/// # Errors
///
/// A window nobody can read fails the stage: to run at any time could be the opposite of what it is for.
pub(crate) fn opening(
    document: &Document,
    stage: &Stage,
    now_ms: u64,
) -> Result<Opening, TaskFailure> {
    if !stage.config.contains_key("restrictExecutionDuringTimeWindow") {
        return Ok(Opening::Now);
    }
    let config = evaluate::evaluated_config(document, stage).config;
    let Some(window) = ExecutionWindow::read(&config)? else { return Ok(Opening::Now) };
    let zone = document.time_zone.as_deref().unwrap_or(DEFAULT_ZONE);
    let opens_ms = next_opening(&window, zone, now_ms)?;
    if opens_ms <= now_ms {
        return Ok(Opening::Now);
    }
    Ok(Opening::At(opens_ms.saturating_add(jitter_ms(document, stage, window.jitter))))
}

/// Whether windows can be judged in a zone of this name.
pub fn knows_time_zone(name: &str) -> bool {
    TimeZoneDatabase::bundled().get(name).is_ok()
}

fn next_opening(window: &ExecutionWindow, zone: &str, now_ms: u64) -> Result<u64, TaskFailure> {
    let cannot = |cause: &dyn std::fmt::Display| {
        user_failure(format!("its time window cannot be judged: {cause}"), None)
    };
    let (hours, days) = (hours(&window.whitelist), &window.days);
    let zone = TimeZoneDatabase::bundled().get(zone).map_err(|cause| cannot(&cause))?;
    let millis = i64::try_from(now_ms).map_err(|cause| cannot(&cause))?;
    let now = Timestamp::from_millisecond(millis).map_err(|cause| cannot(&cause))?.to_zoned(zone);
    for ahead in 0..=DAYS_AHEAD {
        let date =
            now.date().checked_add(Span::new().days(ahead)).map_err(|cause| cannot(&cause))?;
        let day = date.weekday().to_sunday_one_offset().unsigned_abs();
        if !days.is_empty() && !days.contains(&day) {
            continue;
        }
        for one in &hours {
            let opens = at(date, one.start, &now).map_err(|cause| cannot(&cause))?;
            let shuts = at(date, one.end, &now)
                .and_then(|last| last.checked_add(Span::new().minutes(1)))
                .map_err(|cause| cannot(&cause))?;
            if now < shuts {
                let opens = opens.timestamp().as_millisecond();
                return u64::try_from(opens).map_err(|cause| cannot(&cause));
            }
        }
    }
    Err(cannot(&"no day and hour fit it"))
}

fn at(date: Date, minute: u16, now: &Zoned) -> Result<Zoned, jiff::Error> {
    let time = Time::midnight().checked_add(Span::new().minutes(minute))?;
    date.to_datetime(time).to_zoned(now.time_zone().clone())
}

/// The times of a day, the earliest first; one over midnight is two.
fn hours(times: &[TimeOfDay]) -> Vec<TimeOfDay> {
    let whole_day = TimeOfDay { start: 0, end: LAST_MINUTE };
    let mut found: Vec<TimeOfDay> = Vec::new();
    for &one in times {
        if one.start <= one.end {
            found.push(one);
        } else {
            found.push(TimeOfDay { end: LAST_MINUTE, ..one });
            found.push(TimeOfDay { start: 0, ..one });
        }
    }
    if found.is_empty() {
        found.push(whole_day);
    }
    found.sort_unstable();
    found
}

/// A delay behind the opening, so that not everything that waited begins in the same second: the same for
/// the same stage of the same execution.
fn jitter_ms(document: &Document, stage: &Stage, jitter: Option<Jitter>) -> u64 {
    let by_hand = document.trigger.get("type").and_then(Value::as_str) == Some("manual");
    let Some(jitter) = jitter.filter(|jitter| !(by_hand && jitter.skip_manual)) else { return 0 };
    let (least, most) = (u64::from(jitter.min_delay), u64::from(jitter.max_delay));
    let seed = derived_id(&["jitter", document.id.as_str(), stage.id.as_str()]);
    let seed = seed.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let seconds = least + seed % (most - least).saturating_add(1);
    seconds.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use definitions::Pipeline;
    use serde_json::json;

    use super::*;
    use crate::start::{self, Origin};

    /// The opening seen from a moment, both as text in the zone.
    fn seen(window: &Value, zone: &str, now: &str) -> String {
        let now: Zoned = format!("{now}[{zone}]").parse().unwrap();
        let now_ms = u64::try_from(now.timestamp().as_millisecond()).unwrap();
        let config = json!({ "restrictExecutionDuringTimeWindow": true, "restrictedExecutionWindow": window });
        let read = ExecutionWindow::read(config.as_object().unwrap());
        let read = read.map(|window| window.expect("it is restricted"));
        match read.and_then(|window| next_opening(&window, zone, now_ms)) {
            Ok(opens_ms) if opens_ms <= now_ms => "open".to_owned(),
            Ok(opens_ms) => {
                let opens = Timestamp::from_millisecond(i64::try_from(opens_ms).unwrap()).unwrap();
                let opens = opens.to_zoned(now.time_zone().clone());
                opens.strftime("%a %H:%M").to_string()
            }
            Err(failure) => failure.message,
        }
    }

    fn office() -> Value {
        json!({ "whitelist": [{ "startHour": 9, "startMin": 30, "endHour": 17, "endMin": 0 }],
            "days": [2, 3, 4, 5, 6] })
    }

    #[test]
    fn office_hours_on_weekdays() {
        let zone = "Europe/Berlin";
        // The 23rd of November 2026 is a Monday.
        for (now, expected) in [
            ("2026-11-23T09:29:59", "Mon 09:30"),
            ("2026-11-23T09:30:00", "open"),
            ("2026-11-23T17:00:59", "open"),
            ("2026-11-23T17:01:00", "Tue 09:30"),
            ("2026-11-27T18:00:00", "Mon 09:30"),
            ("2026-11-28T12:00:00", "Mon 09:30"),
        ] {
            assert_eq!(seen(&office(), zone, now), expected, "{now}");
        }
    }

    #[test]
    fn window_over_midnight_is_two() {
        let night =
            json!({ "whitelist": [{ "startHour": 22, "startMin": 0, "endHour": 2, "endMin": 0 }] });
        for (now, expected) in [
            ("2026-11-23T01:30:00", "open"),
            ("2026-11-23T12:00:00", "Mon 22:00"),
            ("2026-11-23T23:59:59", "open"),
        ] {
            assert_eq!(seen(&night, "UTC", now), expected, "{now}");
        }
    }

    #[test]
    fn days_alone_mean_whole_days_and_nothing_means_always() {
        let sunday = json!({ "days": [1], "whitelist": [] });
        assert_eq!(seen(&sunday, "UTC", "2026-11-22T23:59:59"), "open");
        assert_eq!(seen(&sunday, "UTC", "2026-11-23T00:00:00"), "Sun 00:00");
        assert_eq!(seen(&json!({}), "UTC", "2026-11-23T00:00:00"), "open");
    }

    #[test]
    fn hour_that_daylight_saving_skips_opens_when_it_ends() {
        let early =
            json!({ "whitelist": [{ "startHour": 2, "startMin": 30, "endHour": 4, "endMin": 0 }] });
        // In Berlin the 28th of March 2027 has no hour from two to three.
        assert_eq!(seen(&early, "Europe/Berlin", "2027-03-28T01:00:00"), "Sun 03:30");
    }

    /// The delays, in seconds, of many executions of one type.
    fn delays(kind: &str, jitter: Option<Jitter>) -> Vec<u64> {
        let text = r#"{"application":"shop","name":"ship","stages":[{"refId":"1","type":"wait"}]}"#;
        let pipeline = Pipeline::parse(text).pipeline.unwrap();
        let trigger = json!({ "type": kind }).as_object().cloned().unwrap();
        let delay = |number: u32| {
            let origin = Origin {
                event_key: format!("{kind}/{number}"),
                pipeline_id: "p1".to_owned(),
                trigger: trigger.clone(),
                time_zone: None,
            };
            let document = start::blank(&pipeline, origin, 0);
            jitter_ms(&document, document.stages.iter().next().unwrap(), jitter)
        };
        let found: BTreeSet<u64> = (0..100).map(delay).collect();
        found.into_iter().map(|delay_ms| delay_ms / 1_000).collect()
    }

    #[test]
    fn jitter_keeps_to_its_bounds_and_may_spare_who_starts_by_hand() {
        let jitter =
            |min_delay, max_delay, skip_manual| Some(Jitter { min_delay, max_delay, skip_manual });
        assert_eq!(delays("cron", jitter(10, 12, false)), [10, 11, 12]);
        assert_eq!(delays("cron", jitter(5, 5, false)), [5]);
        assert_eq!(delays("cron", jitter(10, 12, true)), [10, 11, 12]);
        assert_eq!(delays("manual", jitter(10, 12, false)), [10, 11, 12]);
        assert_eq!(delays("manual", jitter(10, 12, true)), [0]);
        assert_eq!(delays("cron", None), [0]);
    }

    #[test]
    fn zones_are_known_by_their_names() {
        assert!(knows_time_zone("Europe/Berlin"));
        assert!(knows_time_zone("UTC"));
        assert!(!knows_time_zone("Mars/Olympus"));
        assert!(!knows_time_zone(""));
    }

    #[test]
    fn window_nobody_can_read_is_told() {
        let zone = "UTC";
        let now = "2026-11-23T00:00:00";
        for (window, told) in [
            (
                json!({ "days": [0] }),
                "`/restrictedExecutionWindow/days/0`: 0 is not a day of the week",
            ),
            (json!({ "days": ["Monday"] }), "\"Monday\" is not a day of the week"),
            (
                json!({ "whitelist": [{ "startHour": 25, "endHour": 9 }] }),
                "`startHour` is 25, out of range",
            ),
            (json!({ "whitelist": ["9-17"] }), "entry 0 of `whitelist` is \"9-17\", not an object"),
        ] {
            let found = seen(&window, zone, now);
            assert!(found.contains(told), "{found}");
        }
        let always = ExecutionWindow { whitelist: Vec::new(), days: BTreeSet::new(), jitter: None };
        let failure = next_opening(&always, "Mars/Olympus", 0).unwrap_err();
        assert!(failure.message.contains("Mars/Olympus"), "{}", failure.message);
    }
}
