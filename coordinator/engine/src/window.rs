//! Restricted execution windows: when a stage may run.
//!
//! Source: Orca; days count from Sunday = 1, an end is inclusive to the minute, a window over midnight is
//! two, no hours mean the whole day, no days mean every day.

use jiff::{Span, Timestamp, Zoned, civil::Date, tz::TimeZoneDatabase};
use model::derived_id;
use serde_json::{Map, Value};
use wire::TaskFailure;

use crate::{
    begin::number,
    document::{Document, Stage, user_failure},
    work::says_yes,
};

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

/// From minute to minute of a day, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hours {
    from: (i8, i8),
    to: (i8, i8),
}

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
    if !stage.config.get("restrictExecutionDuringTimeWindow").is_some_and(says_yes) {
        return Ok(Opening::Now);
    }
    let nothing = Map::new();
    let window = stage.config.get("restrictedExecutionWindow").and_then(Value::as_object);
    let window = window.unwrap_or(&nothing);
    let zone = document.time_zone.as_deref().unwrap_or(DEFAULT_ZONE);
    let opens_ms = next_opening(window, zone, now_ms)?;
    if opens_ms <= now_ms {
        return Ok(Opening::Now);
    }
    Ok(Opening::At(opens_ms.saturating_add(jitter_ms(document, stage, window))))
}

/// Whether windows can be judged in a zone of this name.
pub fn knows_time_zone(name: &str) -> bool {
    TimeZoneDatabase::bundled().get(name).is_ok()
}

fn next_opening(window: &Map<String, Value>, zone: &str, now_ms: u64) -> Result<u64, TaskFailure> {
    let cannot = |cause: &dyn std::fmt::Display| {
        user_failure(format!("its time window cannot be judged: {cause}"), None)
    };
    let hours = hours(window)?;
    let days = days(window)?;
    let zone = TimeZoneDatabase::bundled().get(zone).map_err(|cause| cannot(&cause))?;
    let millis = i64::try_from(now_ms).map_err(|cause| cannot(&cause))?;
    let now = Timestamp::from_millisecond(millis).map_err(|cause| cannot(&cause))?.to_zoned(zone);
    for ahead in 0..=DAYS_AHEAD {
        let date =
            now.date().checked_add(Span::new().days(ahead)).map_err(|cause| cannot(&cause))?;
        if !days.is_empty() && !days.contains(&date.weekday().to_sunday_one_offset()) {
            continue;
        }
        for one in &hours {
            let opens = at(date, one.from, &now).map_err(|cause| cannot(&cause))?;
            let shuts = at(date, one.to, &now)
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

fn at(date: Date, (hour, minute): (i8, i8), now: &Zoned) -> Result<Zoned, jiff::Error> {
    date.at(hour, minute, 0, 0).to_zoned(now.time_zone().clone())
}

/// The hours of a day, the earliest first.
fn hours(window: &Map<String, Value>) -> Result<Vec<Hours>, TaskFailure> {
    let list = window.get("whitelist").and_then(Value::as_array);
    let mut found = Vec::new();
    for entry in list.into_iter().flatten() {
        let (from, to) = entry
            .as_object()
            .and_then(|entry| {
                Some((minute(entry, "startHour", "startMin")?, minute(entry, "endHour", "endMin")?))
            })
            .ok_or_else(|| {
                user_failure(
                    format!("its time window cannot be judged: {entry} is no time of day"),
                    Some("write startHour, startMin, endHour and endMin as numbers".to_owned()),
                )
            })?;
        if from <= to {
            found.push(Hours { from, to });
        } else {
            found.push(Hours { from, to: (23, 59) });
            found.push(Hours { from: (0, 0), to });
        }
    }
    if found.is_empty() {
        found.push(Hours { from: (0, 0), to: (23, 59) });
    }
    found.sort_unstable();
    Ok(found)
}

/// A time of day; 24:00 is the last minute of the day.
fn minute(entry: &Map<String, Value>, hour: &str, minute: &str) -> Option<(i8, i8)> {
    let hour = number(entry, hour)?;
    let minute = number(entry, minute).unwrap_or(0);
    if (hour, minute) == (24, 0) {
        return Some((23, 59));
    }
    if hour > 23 || minute > 59 {
        return None;
    }
    Some((i8::try_from(hour).ok()?, i8::try_from(minute).ok()?))
}

fn days(window: &Map<String, Value>) -> Result<Vec<i8>, TaskFailure> {
    let list = window.get("days").and_then(Value::as_array);
    let day = |day: &Value| {
        let number = day.as_i64().and_then(|day| i8::try_from(day).ok());
        number.filter(|day| (1..=7).contains(day)).ok_or_else(|| {
            user_failure(
                format!("its time window cannot be judged: {day} is no day of the week"),
                Some("write days as numbers from 1 (Sunday) to 7 (Saturday)".to_owned()),
            )
        })
    };
    list.into_iter().flatten().map(day).collect()
}

/// A delay behind the opening, so that not everything that waited begins in the same second: the same for
/// the same stage of the same execution.
fn jitter_ms(document: &Document, stage: &Stage, window: &Map<String, Value>) -> u64 {
    let Some(jitter) = window.get("jitter").and_then(Value::as_object) else { return 0 };
    let says = |key: &str| jitter.get(key).is_some_and(says_yes);
    let by_hand = document.trigger.get("type").and_then(Value::as_str) == Some("manual");
    if !says("enabled") || (by_hand && says("skipManual")) {
        return 0;
    }
    let least = number(jitter, "minDelay").unwrap_or(0);
    let most = number(jitter, "maxDelay").unwrap_or(0).max(least);
    let seed = derived_id(&["jitter", document.id.as_str(), stage.id.as_str()]);
    let seed = seed.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let seconds = least + seed % (most - least).saturating_add(1);
    seconds.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The opening seen from a moment, both as text in the zone.
    fn seen(window: &Value, zone: &str, now: &str) -> String {
        let now: Zoned = format!("{now}[{zone}]").parse().unwrap();
        let now_ms = u64::try_from(now.timestamp().as_millisecond()).unwrap();
        match next_opening(window.as_object().unwrap(), zone, now_ms) {
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

    #[test]
    fn window_nobody_can_read_is_told() {
        let zone = "UTC";
        let now = "2026-11-23T00:00:00";
        for (window, told) in [
            (json!({ "days": [0] }), "0 is no day of the week"),
            (json!({ "days": ["Monday"] }), "\"Monday\" is no day of the week"),
            (json!({ "whitelist": [{ "startHour": 25 }] }), "is no time of day"),
            (json!({ "whitelist": ["9-17"] }), "\"9-17\" is no time of day"),
        ] {
            let found = seen(&window, zone, now);
            assert!(found.contains(told), "{found}");
        }
        let failure = next_opening(&Map::new(), "Mars/Olympus", 0).unwrap_err();
        assert!(failure.message.contains("Mars/Olympus"), "{}", failure.message);
    }
}
