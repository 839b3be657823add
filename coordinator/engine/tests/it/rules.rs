//! Rules of every stage: conditions, timeouts, windows, expiry, "if stage fails".

use crate::{
    traces::check,
    world::{World, outcome_of, pipeline},
};
use engine::Input;
use wire::{Control, FailureKind};

#[test]
fn condition_decides_whether_a_stage_runs() {
    let mut world = World::start(&pipeline(
        r#"1:bake@{"stageEnabled":{"type":"expression","expression":"false"}} 2:judge<1"#,
    ));
    assert_eq!(world.statuses(), "RUNNING [1=SKIPPED 2=RUNNING]");
    let view = engine::view(&world.document);
    assert_eq!(view.stages[0].context["skipReason"], "its condition is false: false");
    world.step(&Input::Look).unwrap_err();
    for text in ["", "  ", "true"] {
        let words =
            format!(r#"1:judge@{{"stageEnabled":{{"expression":"{text}"}}}}"#).replace("  ", "\\t");
        assert_eq!(World::start(&pipeline(&words)).statuses(), "RUNNING [1=RUNNING]", "{text}");
    }
}

#[test]
fn condition_that_does_not_evaluate_fails_the_stage_and_says_why() {
    let words = r#"1:bake@{"stageEnabled":{"expression":"nobody.knows(this)"}} 2:bake<1"#;
    let world = World::start(&pipeline(words));
    assert_eq!(world.statuses(), "TERMINAL [1=TERMINAL 2=NOT_STARTED]");
    let failure = world.stage("1").run.failure.as_ref().unwrap();
    assert!(failure.message.contains("nobody.knows(this)"), "{}", failure.message);
    let words = r#"1:bake!ignore@{"stageEnabled":{"expression":"nobody.knows(this)"}} 2:judge<1"#;
    let world = World::start(&pipeline(words));
    assert_eq!(world.statuses(), "RUNNING [1=FAILED_CONTINUE 2=RUNNING]");
}

#[test]
fn stage_that_runs_too_long_is_stopped_and_fails_by_its_choice() {
    for (choice, end) in [
        ("", "TERMINAL [1=TERMINAL 2=NOT_STARTED]"),
        ("!branch", "SUCCEEDED [1=STOPPED 2=NOT_STARTED]"),
        ("!late", "TERMINAL [1=STOPPED 2=NOT_STARTED]"),
        ("!ignore", "RUNNING [1=FAILED_CONTINUE 2=RUNNING]"),
    ] {
        let arrow = if choice == "!ignore" { "> 2<1/1/1:" } else { "> :" };
        check(
            &format!(r#"1:bake{choice}@{{"stageTimeoutMs":5000}} 2:bake<1"#),
            "claim 1
             wait 4999
             wait 1
             canceled 1",
            &format!(
                "start: RUNNING [1=RUNNING 2=NOT_STARTED]
                 claim 1 - nothing to do
                 wait 4999 - nothing to do
                 wait 1 >  stop: RUNNING [1=RUNNING 2=NOT_STARTED]
                 canceled 1 {arrow} {end}"
            ),
        );
    }
}

#[test]
fn timeout_of_nothing_is_none() {
    check(
        r#"1:bake@{"stageTimeoutMs":0}"#,
        "claim 1
         wait 1000
         ok 1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         wait 1000 - nothing to do
         ok 1 > : SUCCEEDED [1=SUCCEEDED]",
    );
}

#[test]
fn stop_that_comes_too_late_changes_nothing() {
    check(
        r#"1:bake@{"stageTimeoutMs":5000}"#,
        "claim 1
         wait 5000
         ok 1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         wait 5000 >  stop: RUNNING [1=RUNNING]
         ok 1 > : SUCCEEDED [1=SUCCEEDED]",
    );
}

#[test]
fn timed_out_stage_may_count_as_done() {
    check(
        r#"1:bake@{"stageTimeoutMs":5000,"markSuccessfulOnTimeout":true} 2:judge<1"#,
        "claim 1
         wait 5000
         canceled 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         claim 1 - nothing to do
         wait 5000 >  stop: RUNNING [1=RUNNING 2=NOT_STARTED]
         canceled 1 > : RUNNING [1=SUCCEEDED 2=RUNNING]",
    );
}

#[test]
fn pause_between_tries_is_as_long_as_the_stage_says() {
    check(
        r#"1:bake@{"backoffPeriodMs":60000}"#,
        "again 1
         wait 59999
         wait 1",
        "start: RUNNING [1=RUNNING]
         again 1 > : RUNNING [1=RUNNING]
         wait 59999 - nothing to do
         wait 1 > 1<1/2/1: RUNNING [1=RUNNING]",
    );
}

#[test]
fn stage_past_its_expiry_is_left_out() {
    check(
        r#"1:judge 2:bake@{"startTimeExpiry":"60000"}<1 3:judge<2"#,
        "wait 60000
         continue 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED 3=NOT_STARTED]
         wait 60000 - nothing to do
         continue 1 > : RUNNING [1=SUCCEEDED 2=SKIPPED 3=RUNNING]",
    );
    check(
        r#"1:judge 2:bake@{"startTimeExpiry":61000}<1"#,
        "wait 60000
         continue 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         wait 60000 - nothing to do
         continue 1 > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING]",
    );
}

/// The clock of these worlds begins one second after midnight, UTC, on a Thursday.
const NIGHT: &str = r#"{"restrictExecutionDuringTimeWindow":true,"restrictedExecutionWindow":{"whitelist":[{"startHour":1,"startMin":0,"endHour":2,"endMin":0}]}}"#;

#[test]
fn window_holds_a_stage_back_in_a_part_of_its_own() {
    let words = format!("1:bake@{NIGHT}");
    check(
        &words,
        "wait 3598999
         wait 1
         ok 1",
        "start: RUNNING [1=RUNNING]
         wait 3598999 - nothing to do
         wait 1 > 1<1/1/1: RUNNING [1=RUNNING]
         ok 1 > : SUCCEEDED [1=SUCCEEDED]",
    );
    let mut world = World::start(&pipeline(&words));
    let part = world.stage("1<0");
    assert_eq!(part.kind, "restrictExecutionDuringTimeWindow");
    assert_eq!(part.name, "Restrict execution during time window");
    assert_eq!(part.run.context["opensAt"], 3_600_000);
    let stage = world.id("1");
    world.order(Control::SkipWait { stage }).unwrap();
    assert_eq!(world.stage("1<0").status().as_str(), "SKIPPED");
    assert_eq!(world.requests.len(), 1);
}

#[test]
fn window_of_another_day_is_waited_for() {
    // It is Thursday; the window opens on Wednesdays.
    let words =
        format!("1:bake@{}", NIGHT.replacen(r#"{"whitelist""#, r#"{"days":[4],"whitelist""#, 1));
    check(
        &words,
        "wait 521998999
         wait 1",
        "start: RUNNING [1=RUNNING]
         wait 521998999 - nothing to do
         wait 1 > 1<1/1/1: RUNNING [1=RUNNING]",
    );
}

#[test]
fn window_that_opens_when_the_pipeline_fails_lets_nothing_run() {
    let mut world = World::start(&pipeline(&format!("1:bake@{NIGHT} 2:bake")));
    let task = world.task("2");
    let failed = outcome_of(&world.requests[&task], false, FailureKind::User);
    world.finish(&task, failed);
    let stage = world.id("1");
    let effects = world.order(Control::SkipWait { stage }).unwrap();
    assert_eq!(world.statuses(), "TERMINAL [1=CANCELED 2=TERMINAL]");
    assert_eq!(effects.dispatch, []);
}

#[test]
fn time_in_a_window_counts_for_no_timeout() {
    let words = format!("1:bake@{}", NIGHT.replacen('{', r#"{"stageTimeoutMs":5000,"#, 1));
    check(
        &words,
        "wait 3599000
         claim 1
         wait 4999
         wait 1",
        "start: RUNNING [1=RUNNING]
         wait 3599000 > 1<1/1/1: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         wait 4999 - nothing to do
         wait 1 >  stop: RUNNING [1=RUNNING]",
    );
}

#[test]
fn window_says_by_an_expression_whether_and_when_it_opens() {
    let words = |restricted: &str, hour: &str| {
        let rest = r#""startMin":0,"endHour":3,"endMin":0}]}}"#;
        format!(
            r#"1:judge@{{"restrictExecutionDuringTimeWindow":"${{{restricted}}}","restrictedExecutionWindow":{{"whitelist":[{{"startHour":"{hour}",{rest}"#
        )
    };
    let begun = |words: &str| World::start(&pipeline(words));
    // The first look is at one second past midnight.
    assert_eq!(begun(&words("2>1", "${1+1}")).stage("1<0").run.context["opensAt"], 7_200_000);
    let open = begun(&words("1>2", "${1+1}"));
    assert_eq!(open.document.stages.len(), 1);
    let failed = begun(&words("2>1", "${nobody.knows}"));
    let failure = failed.stage("1").run.failure.clone().unwrap();
    let told = "`/restrictedExecutionWindow/whitelist/0/startHour`";
    assert!(failure.message.contains(told), "{failure:?}");
    assert_eq!(failed.statuses(), "TERMINAL [1=TERMINAL]");
}

#[test]
fn canceled_window_lets_nothing_run() {
    check(
        &format!("1:bake@{NIGHT}"),
        "cancel",
        "start: RUNNING [1=RUNNING]
         cancel > : CANCELED [1=CANCELED]",
    );
}

#[test]
fn window_that_opens_in_a_pause_waits_for_its_end() {
    check(
        &format!("1:bake@{NIGHT}"),
        "pause
         wait 7200000
         resume",
        "start: RUNNING [1=RUNNING]
         pause > : PAUSED [1=RUNNING]
         wait 7200000 - nothing to do
         resume > 1<1/1/1: RUNNING [1=RUNNING]",
    );
}

#[test]
fn jitter_spreads_what_waits_and_is_the_same_each_time() {
    let jitter = NIGHT.replacen(
        r#""whitelist""#,
        r#""jitter":{"enabled":true,"minDelay":60,"maxDelay":600},"whitelist""#,
        1,
    );
    let words = format!("1:bake@{jitter} 2:bake@{jitter} 3:bake@{jitter}");
    let opens = |world: &World| {
        ["1<0", "2<0", "3<0"].map(|part| world.stage(part).run.context["opensAt"].as_u64().unwrap())
    };
    let first = opens(&World::start(&pipeline(&words)));
    assert_eq!(first, opens(&World::start(&pipeline(&words))));
    assert!(first.iter().all(|at| (3_660_000..=4_200_000).contains(at)), "{first:?}");
    assert!(first[0] != first[1] || first[1] != first[2], "{first:?}");
}

#[test]
fn execution_past_its_expiry_does_not_begin() {
    let mut definition = pipeline("1:bake");
    definition.start_time_expiry = Some(999);
    let world = World::start(&definition);
    assert_eq!(world.statuses(), "CANCELED [1=NOT_STARTED]");
    // As editors write it where there is none.
    definition.start_time_expiry = Some(0);
    assert_eq!(World::start(&definition).statuses(), "RUNNING [1=RUNNING]");
}

#[test]
fn fields_with_expressions_are_read_when_the_stage_begins() {
    let mut definition = pipeline(r#"1:wait@{"waitTime":"${2*3}"} 2:bake<1"#);
    let expression = serde_json::json!(["${'us-west-' + 2}"]);
    definition.stages[1].config.insert("regions".to_owned(), expression);
    let mut world = World::start(&definition);
    assert_eq!(world.statuses(), "RUNNING [1=RUNNING 2=NOT_STARTED]");
    world.now_ms += 6_000;
    world.step(&Input::Look).unwrap();
    assert_eq!(world.stage("2<1").name, "Bake in us-west-2");
}

#[test]
fn parts_of_a_stage_say_what_makes_them_this_one_and_when_they_began() {
    let world = World::start(&pipeline("1:bake2"));
    for (part, region) in [("1<1", "us-east-1"), ("1<2", "us-west-2")] {
        let part = world.stage(part);
        assert_eq!(
            (&part.config["region"], &part.config["baseOs"]),
            (&region.into(), &"bookworm".into())
        );
        assert_eq!(part.run.started_ms, Some(1_000));
    }
}
