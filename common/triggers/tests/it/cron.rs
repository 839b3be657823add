//! Moments that start pipelines.

use jiff::Timestamp;
use model::problem::{Findings, Weight};
use serde_json::{Value, json};
use triggers::{Files, Match, Moment, Occurrence, Trigger, read, schedule};
use wire::{Fired, Unmet};

fn told(trigger: &Value) -> (Option<Trigger>, Vec<(Weight, &'static str, String)>) {
    let mut found = Findings::default();
    let read = read("/triggers/0".to_owned(), trigger.as_object().unwrap(), &mut found);
    let told = found.into_list().into_iter();
    (read, told.map(|one| (one.weight, one.code, one.pointer)).collect())
}

fn cron(expression: &str, more: &Value) -> Value {
    let mut trigger = json!({ "type": "cron", "enabled": true, "cronExpression": expression });
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    trigger
}

fn trigger(expression: &str, more: &Value) -> Trigger {
    let (trigger, told) = told(&cron(expression, more));
    assert_eq!(told, [], "{expression} {more}");
    trigger.unwrap()
}

fn ms(text: &str) -> u64 {
    u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
}

fn at(trigger: &Trigger, fired: &str, now: &str) -> Option<Match> {
    let signal = Fired { trigger: trigger.identity.clone(), at_ms: ms(fired) }.signal("cron", "p1");
    let moment = Moment { now_ms: ms(now), zone: "UTC" };
    trigger.judge(&Occurrence::of(&signal).unwrap(), &Files::new(), moment)
}

fn unmet(judged: Option<Match>) -> Unmet {
    match judged {
        Some(Match::Unmet(unmet)) => unmet,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_can_never_fire_is_refused_and_what_fires_too_often_is_told() {
    for (trigger, code, pointer) in [
        (cron("0 0 0 31 2 ?", &json!({})), "cron-never", "cronExpression"),
        (cron("0 0 25 * * ?", &json!({})), "invalid-cron", "cronExpression"),
        (cron("", &json!({})), "missing-field", "cronExpression"),
        (
            cron("0 0 9 * * ?", &json!({ "timezone": "Europe/Bielefeld" })),
            "unknown-time-zone",
            "timezone",
        ),
        (cron("0 0 9 * * ?", &json!({ "missedRuns": "all" })), "unknown-value", "missedRuns"),
    ] {
        let (_, told) = told(&trigger);
        assert_eq!(told, [(Weight::Error, code, format!("/triggers/0/{pointer}"))], "{trigger}");
    }
    let (_, told) = told(&cron("* * 9 * * ?", &json!({})));
    let often = (Weight::Advice, "cron-every-second", "/triggers/0/cronExpression".to_owned());
    assert_eq!(told, [often]);
}

#[test]
fn its_own_zone_counts_before_that_of_the_coordinator() {
    let after = ms("2026-11-30T12:00:00Z");
    let berlin = trigger("0 0 9 * * ?", &json!({ "timezone": "Europe/Berlin" }));
    assert_eq!(berlin.next_fire(after, "UTC"), Some(ms("2026-12-01T08:00:00Z")));
    let other = trigger("0 0 9 * * ?", &json!({}));
    assert_eq!(other.next_fire(after, "America/Los_Angeles"), Some(ms("2026-11-30T17:00:00Z")));
    assert_eq!(berlin.describe("UTC"), "0 0 9 * * ? in Europe/Berlin");
    assert_eq!(other.describe("UTC"), "0 0 9 * * ? in UTC");
    let next = other.next_fires(after, "UTC", 3);
    let days = ["2026-12-01T09:00:00Z", "2026-12-02T09:00:00Z", "2026-12-03T09:00:00Z"];
    assert_eq!(next, days.map(ms));
    assert_eq!(other.keys(), ["time"]);
    assert_eq!(schedule(&[berlin, other], after, "UTC").len(), 2);
}

#[test]
fn a_moment_starts_the_pipeline_by_the_trigger_it_is_of() {
    let nine = trigger("0 0 9 * * ?", &json!({}));
    let fired = "2026-12-01T09:00:00Z";
    let Some(Match::Start(carried)) = at(&nine, fired, fired) else { panic!("not started") };
    assert_eq!(
        Value::Object(carried),
        json!({ "type": "cron", "user": "[anonymous]", "cronExpression": "0 0 9 * * ?",
            "scheduledTime": ms(fired), "parameters": {}, "artifacts": [] })
    );
    let ten = trigger("0 0 10 * * ?", &json!({}));
    let signal = Fired { trigger: nine.identity.clone(), at_ms: ms(fired) }.signal("cron", "p1");
    assert_eq!(signal.dedupe, format!("cron/p1/{}/{}", nine.identity, ms(fired)));
    let occurrence = Occurrence::of(&signal).unwrap();
    let moment = Moment { now_ms: ms(fired), zone: "UTC" };
    assert_eq!(ten.judge(&occurrence, &Files::new(), moment), None, "another trigger's moment");
    let (off, _) = told(&cron("0 0 9 * * ?", &json!({ "enabled": false })));
    assert_eq!(unmet(at(&off.unwrap(), fired, fired)).reason, "the trigger is disabled");
    let elsewhere = "2026-12-01T09:30:00Z";
    assert!(unmet(at(&nine, elsewhere, elsewhere)).reason.contains("does not fire at this moment"));
}

#[test]
fn a_run_that_was_missed_is_passed_over_unless_it_is_to_be_made_once() {
    let skips = trigger("0 0 * * * ?", &json!({ "missedRuns": "skip" }));
    let once = trigger("0 0 * * * ?", &json!({ "missedRuns": "once" }));
    let fired = "2026-12-01T09:00:00Z";
    for (now, missed) in [
        ("2026-12-01T09:00:00Z", false),
        ("2026-12-01T09:05:00Z", false),
        ("2026-12-01T09:05:00.001Z", true),
        ("2026-12-01T14:30:00Z", true),
    ] {
        assert_eq!(matches!(at(&skips, fired, now), Some(Match::Unmet(_))), missed, "{now}");
        assert!(matches!(at(&once, fired, now), Some(Match::Start(_))), "{now}");
        let next = if missed { now } else { fired };
        let next = skips.next_fire(ms(next), "UTC");
        assert_eq!(skips.next_run(ms(fired), ms(now), "UTC"), next, "{now}");
    }
    let reason = unmet(at(&skips, fired, "2026-12-01T14:30:00Z")).reason;
    assert_eq!(reason, "the run was missed: its moment was 19800 seconds ago");
    // Late, and not missed: each run is made.
    let often = trigger("0 * * * * ?", &json!({}));
    let next = often.next_run(ms(fired), ms("2026-12-01T09:04:30Z"), "UTC");
    assert_eq!(next, Some(ms("2026-12-01T09:01:00Z")));
}
