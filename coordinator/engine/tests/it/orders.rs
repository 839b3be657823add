//! Orders of people: pause, restart, judgment, skip.

use crate::{
    traces::check,
    world::{World, pipeline},
};
use engine::{Input, Reopen, SlotChange};
use model::ExecutionStatus;
use wire::Control;

#[test]
fn pause_hands_nothing_out_and_keeps_what_is_done() {
    check(
        "1:bake 2:bake<1",
        "claim 1
         pause
         pause
         ok 1
         wait 600000
         resume
         resume
         ok 2",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         claim 1 - nothing to do
         pause > : PAUSED [1=RUNNING 2=NOT_STARTED]
         pause - only a running execution can be paused, this one is PAUSED
         ok 1 > : PAUSED [1=SUCCEEDED 2=NOT_STARTED]
         wait 600000 - nothing to do
         resume > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING]
         resume - the execution is not paused, it is RUNNING
         ok 2 > : SUCCEEDED [1=SUCCEEDED 2=SUCCEEDED]",
    );
}

#[test]
fn lost_worker_and_retry_wait_for_the_end_of_a_pause() {
    check(
        "1:bake 2:bake",
        "again 2
         claim 1
         pause
         lost 1
         resume",
        "start: RUNNING [1=RUNNING 2=RUNNING]
         again 2 > : RUNNING [1=RUNNING 2=RUNNING]
         claim 1 - nothing to do
         pause > : PAUSED [1=RUNNING 2=RUNNING]
         lost 1 - nothing to do
         resume > 1<1/1/2 2<1/2/1: RUNNING [1=RUNNING 2=RUNNING]",
    );
}

#[test]
fn cancel_ends_a_pause_and_stops_the_work() {
    check(
        "1:bake",
        "claim 1
         pause
         cancel
         canceled 1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         pause > : PAUSED [1=RUNNING]
         cancel >  stop: RUNNING [1=RUNNING]
         canceled 1 > : CANCELED [1=CANCELED]",
    );
}

#[test]
fn who_canceled_and_why_stands_in_the_timeline() {
    for (reason, told) in [(None, "by eve"), (Some("wrong image"), "by eve: wrong image")] {
        let mut world = World::start(&pipeline("1:judge"));
        let reason = reason.map(str::to_owned);
        let effects = world.step(&Input::Cancel { user: "eve".to_owned(), reason }).unwrap();
        let line = effects.timeline.iter().find(|line| line.event == "cancel_requested").unwrap();
        assert_eq!(line.detail.as_deref(), Some(told));
    }
}

#[test]
fn time_of_a_pause_counts_for_no_timeout() {
    check(
        r#"1:bake@{"stageTimeoutMs":10000}"#,
        "claim 1
         wait 6000
         pause
         wait 3600000
         resume
         wait 3999
         wait 1
         canceled 1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         wait 6000 - nothing to do
         pause > : PAUSED [1=RUNNING]
         wait 3600000 - nothing to do
         resume > 1<1/1/2: RUNNING [1=RUNNING]
         wait 3999 - nothing to do
         wait 1 >  stop: RUNNING [1=RUNNING]
         canceled 1 > : TERMINAL [1=TERMINAL]",
    );
}

#[test]
fn restart_runs_a_stage_and_all_behind_it_as_new_tries() {
    check(
        "1:bake 2:bake<1 3:bake<2",
        "ok 1
         fail 2
         restart 1<1
         restart 3
         restart 2
         restart 2
         ok 2
         ok 3
         restart 1
         ok 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED 3=NOT_STARTED]
         ok 1 > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING 3=NOT_STARTED]
         fail 2 > : TERMINAL [1=SUCCEEDED 2=TERMINAL 3=NOT_STARTED]
         restart 1<1 - stage `Bake in us-east-1` is a part of another one: restart that one
         restart 3 - stage `3` needs stage `2`, which is TERMINAL: restart that one
         restart 2 > 2<1/2/1: RUNNING [1=SUCCEEDED 2=RUNNING 3=NOT_STARTED]
         restart 2 - stage `2` is running: wait for it, or cancel the execution first
         ok 2 > 3<1/1/1: RUNNING [1=SUCCEEDED 2=SUCCEEDED 3=RUNNING]
         ok 3 > : SUCCEEDED [1=SUCCEEDED 2=SUCCEEDED 3=SUCCEEDED]
         restart 1 > 1<1/2/1: RUNNING [1=RUNNING 2=NOT_STARTED 3=NOT_STARTED]
         ok 1 > 2<1/3/1: RUNNING [1=SUCCEEDED 2=RUNNING 3=NOT_STARTED]",
    );
}

#[test]
fn restart_of_one_failure_leaves_the_other_one_to_the_end() {
    check(
        "1:bake 2:bake",
        "claim 1
         fail 2
         fail 1
         restart 1
         ok 1
         restart 2
         ok 2",
        "start: RUNNING [1=RUNNING 2=RUNNING]
         claim 1 - nothing to do
         fail 2 >  stop: RUNNING [1=RUNNING 2=TERMINAL]
         fail 1 > : TERMINAL [1=TERMINAL 2=TERMINAL]
         restart 1 > 1<1/2/1: RUNNING [1=RUNNING 2=TERMINAL]
         ok 1 > : TERMINAL [1=SUCCEEDED 2=TERMINAL]
         restart 2 > 2<1/2/1: RUNNING [1=SUCCEEDED 2=RUNNING]
         ok 2 > : SUCCEEDED [1=SUCCEEDED 2=SUCCEEDED]",
    );
}

#[test]
fn restart_brings_back_what_was_canceled_with_the_failure() {
    check(
        "1:bake 2:bake 3:bake<2",
        "claim 2
         fail 1
         canceled 2
         restart 1
         ok 1
         ok 2",
        "start: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         claim 2 - nothing to do
         fail 1 >  stop: RUNNING [1=TERMINAL 2=RUNNING 3=NOT_STARTED]
         canceled 2 > : TERMINAL [1=TERMINAL 2=CANCELED 3=NOT_STARTED]
         restart 1 > 1<1/2/1 2<1/2/1: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         ok 1 > : RUNNING [1=SUCCEEDED 2=RUNNING 3=NOT_STARTED]
         ok 2 > 3<1/1/1: RUNNING [1=SUCCEEDED 2=SUCCEEDED 3=RUNNING]",
    );
}

#[test]
fn restart_inside_a_running_execution_leaves_other_branches_alone() {
    check(
        "1:bake!branch 2:bake 3:bake<1",
        "fail 1
         restart 1
         ok 1",
        "start: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         fail 1 > : RUNNING [1=STOPPED 2=RUNNING 3=NOT_STARTED]
         restart 1 > 1<1/2/1: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         ok 1 > 3<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING 3=RUNNING]",
    );
}

#[test]
fn failure_after_the_restart_of_another_stage_still_stops_the_work() {
    check(
        "1:bake!branch 2:bake",
        "fail 1
         restart 1
         claim 1
         fail 2
         canceled 1",
        "start: RUNNING [1=RUNNING 2=RUNNING]
         fail 1 > : RUNNING [1=STOPPED 2=RUNNING]
         restart 1 > 1<1/2/1: RUNNING [1=RUNNING 2=RUNNING]
         claim 1 - nothing to do
         fail 2 >  stop: RUNNING [1=RUNNING 2=TERMINAL]
         canceled 1 > : TERMINAL [1=CANCELED 2=TERMINAL]",
    );
}

#[test]
fn restart_keeps_the_old_run_in_sight_and_takes_a_slot() {
    let mut world = World::start(&pipeline("1:deploy"));
    assert_eq!(world.statuses(), "TERMINAL [1=TERMINAL]");
    let stage = world.id("1");
    let effects = world.order(Control::RestartStage { stage }).unwrap();
    assert_eq!(effects.reopen, Reopen::Yes);
    assert_eq!(effects.slot, Some(SlotChange::Take { limit: None }));
    let view = engine::view(&world.document);
    let context = &view.stages[0].context;
    let message = "no image for us-east-1 was found for stage `1`";
    assert_eq!(context["restartDetails"]["restartedBy"], "eve");
    assert_eq!(context["restartDetails"]["previousException"], message);
    assert_eq!(context["previousRuns"][0]["status"], "TERMINAL");
    assert_eq!(context["previousRuns"][0]["exception"]["details"]["error"], message);
}

#[test]
fn restart_of_what_never_started_is_refused() {
    let mut world = World::start(&pipeline("1:teleport"));
    let stage = world.id("1");
    let told = world.order(Control::RestartStage { stage }).unwrap_err();
    assert_eq!(told.to_string(), "the execution never started: start the pipeline again");
}

#[test]
fn canceled_execution_that_is_restarted_is_not_canceled_any_more() {
    check(
        "1:bake 2:bake<1",
        "ok 1
         claim 2
         cancel
         restart 1
         canceled 2
         restart 2
         ok 2",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         ok 1 > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING]
         claim 2 - nothing to do
         cancel >  stop: RUNNING [1=SUCCEEDED 2=RUNNING]
         restart 1 - the execution is about to end or has not begun: wait until it is over
         canceled 2 > : CANCELED [1=SUCCEEDED 2=CANCELED]
         restart 2 > 2<1/2/1: RUNNING [1=SUCCEEDED 2=RUNNING]
         ok 2 > : SUCCEEDED [1=SUCCEEDED 2=SUCCEEDED]",
    );
}

#[test]
fn judgment_goes_on_or_fails_as_the_stage_says() {
    check(
        "1:judge 2:bake<1",
        "continue 2
         continue 1
         continue 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         continue 2 - stage `2` does not wait for a judgment, it is NOT_STARTED
         continue 1 > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING]
         continue 1 - stage `1` does not wait for a judgment, it is SUCCEEDED",
    );
    check(
        "1:judge 2:bake<1",
        "stop 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         stop 1 > : TERMINAL [1=TERMINAL 2=NOT_STARTED]",
    );
    check(
        "1:judge!ignore 2:bake<1",
        "stop 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         stop 1 > 2<1/1/1: RUNNING [1=FAILED_CONTINUE 2=RUNNING]",
    );
    check(
        "1:judge!branch 2:bake<1",
        "stop 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         stop 1 > : SUCCEEDED [1=STOPPED 2=NOT_STARTED]",
    );
}

#[test]
fn judgment_takes_one_of_its_choices_and_remembers_who_and_what() {
    let words = r#"1:judge@{"judgmentInputs":[{"value":"east"},{"value":"west"}],"selectedStageRoles":["ops"]}"#;
    check(
        words,
        "continue 1 north
         continue 1 west",
        "start: RUNNING [1=RUNNING]
         continue 1 north - `north` is none of the choices of stage `1`: `east`, `west`
         continue 1 west > : SUCCEEDED [1=SUCCEEDED]",
    );
    let mut world = World::start(&pipeline(words));
    let judge = Control::Judge {
        stage: world.id("1"),
        decision: wire::Judgment::Continue,
        input: Some("east".to_owned()),
    };
    world.order(judge).unwrap();
    let view = engine::view(&world.document);
    let (context, outputs) = (&view.stages[0].context, &view.stages[0].outputs);
    assert_eq!(outputs["judgmentStatus"], "continue");
    assert_eq!(outputs["judgmentInput"], "east");
    assert_eq!(context["lastModified"]["user"], "eve");
    assert_eq!(context["lastModified"]["lastModifiedTime"], 1_000);
    assert_eq!(context["selectedStageRoles"][0], "ops");
}

#[test]
fn judgment_nobody_makes_fails_after_three_days_or_its_own_time() {
    check(
        "1:judge",
        "wait 259199999
         wait 1",
        "start: RUNNING [1=RUNNING]
         wait 259199999 - nothing to do
         wait 1 > : TERMINAL [1=TERMINAL]",
    );
    check(
        r#"1:judge@{"stageTimeoutMs":"60000","markSuccessfulOnTimeout":true}"#,
        "wait 59999
         wait 1",
        "start: RUNNING [1=RUNNING]
         wait 59999 - nothing to do
         wait 1 > : SUCCEEDED [1=SUCCEEDED]",
    );
}

#[test]
fn wait_ends_by_itself_or_at_a_word() {
    check(
        r#"1:wait@{"waitTime":5} 2:bake<1"#,
        "wait 4999
         wait 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         wait 4999 - nothing to do
         wait 1 > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING]",
    );
    check(
        r#"1:wait@{"waitTime":"3600"} 2:bake<1"#,
        "skipwait 2
         skipwait 1
         skipwait 2",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         skipwait 2 - stage `2` waits neither for a time nor for a window
         skipwait 1 > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING]
         skipwait 2 - stage `2` waits neither for a time nor for a window",
    );
}

#[test]
fn only_types_that_allow_it_are_skipped() {
    check(
        "1:wait 2:judge 3:bake 4:bake<1,2",
        "skip 3
         skip 1
         skip 1
         skip 2",
        "start: RUNNING [1=RUNNING 2=RUNNING 3=RUNNING 4=NOT_STARTED]
         skip 3 - stage `3` is a `bake`; only `wait` and `manualJudgment` stages can be skipped
         skip 1 > : RUNNING [1=SKIPPED 2=RUNNING 3=RUNNING 4=NOT_STARTED]
         skip 1 - stage `1` is SKIPPED, not running
         skip 2 > 4<1/1/1: RUNNING [1=SKIPPED 2=SKIPPED 3=RUNNING 4=RUNNING]",
    );
}

#[test]
fn who_cut_a_wait_short_is_shown() {
    let mut world = World::start(&pipeline("1:wait"));
    world.now_ms = 2_000;
    let stage = world.id("1");
    world.order(Control::SkipWait { stage }).unwrap();
    let context = &world.stage("1").run.context;
    assert_eq!(context["skipRemainingWait"], true);
    assert_eq!(context["skipped"], serde_json::json!({ "by": "eve", "at": 2_000 }));
}

#[test]
fn stage_that_is_skipped_takes_its_window_with_it_if_that_is_not_over() {
    let words = r#"1:wait@{"restrictExecutionDuringTimeWindow":true,"restrictedExecutionWindow":{"whitelist":[{"startHour":1,"endHour":2}]}}"#;
    let skipped = |cut_short: bool| {
        let mut world = World::start(&pipeline(words));
        let stage = world.id("1");
        if cut_short {
            world.order(Control::SkipWait { stage: stage.clone() }).unwrap();
        }
        world.order(Control::SkipStage { stage }).unwrap();
        assert_eq!(world.statuses(), "SUCCEEDED [1=SKIPPED]");
        assert_eq!(world.stage("1").run.context["manualSkip"], true);
        assert_eq!(world.stage("1").run.context["skipReason"], "skipped by eve");
        let window = world.stage("1<0");
        assert_eq!(window.status(), ExecutionStatus::Skipped);
        window.run.context.get("skipReason").cloned()
    };
    assert_eq!(skipped(false), Some("skipped with its stage by eve".into()));
    assert_eq!(skipped(true), None);
}

#[test]
fn paused_stages_are_shown_as_paused_unless_a_worker_has_them() {
    let mut world = World::start(&pipeline("1:bake 2:judge"));
    world.order(Control::Pause).unwrap();
    let view = engine::view(&world.document);
    let shown: Vec<_> =
        view.stages.iter().map(|stage| (stage.ref_id.as_str(), stage.status)).collect();
    assert_eq!(
        shown,
        [
            ("1", ExecutionStatus::Running),
            ("1<1", ExecutionStatus::Running),
            ("2", ExecutionStatus::Paused)
        ]
    );
    assert_eq!(view.paused.as_ref().unwrap().paused_by, "eve");
    world.now_ms += 5_000;
    world.order(Control::Resume).unwrap();
    let paused = engine::view(&world.document).paused.unwrap();
    assert_eq!((paused.resumed_by.as_deref(), paused.paused_ms), (Some("eve"), 5_000));
}

#[test]
fn order_to_an_unknown_stage_or_a_finished_execution_is_refused() {
    let mut world = World::start(&pipeline("1:judge"));
    let control = Control::SkipStage { stage: "nowhere".parse().unwrap() };
    let told = world.order(control).unwrap_err();
    assert_eq!(told.to_string(), "the execution has no stage `nowhere`");
    world.step(&Input::Cancel { user: "bob".to_owned(), reason: None }).unwrap();
    assert_eq!(world.statuses(), "CANCELED [1=CANCELED]");
    let told = world.order(Control::Pause).unwrap_err();
    assert_eq!(told.to_string(), "the execution is already complete");
}
