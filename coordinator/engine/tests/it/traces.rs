//! One script, one expected trace: what a person wrote down as right.

use engine::Input;
use model::{Pool, limits};
use wire::{
    Control, CreateGroup, DeployRequest, FailureKind, Judgment, OperationCall, TaskOutcome,
};

use crate::world::{LEASE_MS, World, nth, outcome_of, pipeline};

/// Runs a script: `claim S`, `ok S`, `fail S`, `again S` (transient failure), `lost S` (its lease
/// runs out), `release S`, `canceled S`, `wait MS`, `cancel`, `pause`, `resume`, `restart S`, `continue S`,
/// `stop S`, `skipwait S`, `skip S`, `look`. Gives one line for each: what was dispatched and where everything
/// stands.
pub(crate) fn trace(words: &str, script: &str) -> String {
    let mut world = World::start(&pipeline(words));
    let mut lines = vec![format!("start: {}", world.statuses())];
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut input = Input::Look;
        match verb {
            "claim" => {
                let task = world.task(rest);
                world.claim(&task);
            }
            "ok" | "fail" | "again" => {
                let task = world.task(rest);
                let kind = if verb == "again" { FailureKind::Transient } else { FailureKind::User };
                let outcome = outcome_of(&world.requests[&task], verb == "ok", kind);
                world.claim(&task);
                world.finish(&task, outcome);
            }
            "canceled" => {
                let task = world.task(rest);
                world.claim(&task);
                world.finish(&task, TaskOutcome::Canceled { detail: "stopped".to_owned() });
            }
            "lost" => {
                let task = world.task(rest);
                world.claim(&task);
                world.now_ms += LEASE_MS + 1_001;
            }
            "release" => {
                let task = world.task(rest);
                world.leases.get_mut(&task).unwrap().until_ms = None;
            }
            "wait" => world.now_ms += rest.parse::<u64>().unwrap(),
            "cancel" => input = Input::Cancel { user: "eve".to_owned(), reason: None },
            "look" => {}
            "pause" => input = order(Control::Pause),
            "resume" => input = order(Control::Resume),
            "restart" => input = order(Control::RestartStage { stage: world.id(rest) }),
            "continue" | "stop" => {
                let (rest, choice) = rest.split_once(' ').unwrap_or((rest, ""));
                let decision = if verb == "stop" { Judgment::Stop } else { Judgment::Continue };
                let choice = (!choice.is_empty()).then(|| choice.to_owned());
                input = order(Control::Judge { stage: world.id(rest), decision, input: choice });
            }
            "skipwait" => input = order(Control::SkipWait { stage: world.id(rest) }),
            "skip" => input = order(Control::SkipStage { stage: world.id(rest) }),
            other => panic!("no such verb: {other}"),
        }
        let said = match world.step(&input) {
            Err(rejection) => format!("- {rejection}"),
            Ok(effects) => {
                let name = |dispatch: &engine::Dispatch| {
                    let stage =
                        world.document.stages.iter().find(|stage| stage.id == dispatch.task.stage);
                    let ref_id = &stage.unwrap().ref_id;
                    format!("{ref_id}/{}/{}", dispatch.task.attempt, dispatch.epoch)
                };
                let out: Vec<String> = effects.dispatch.iter().map(name).collect();
                let stop = if effects.cancel.is_empty() { "" } else { " stop" };
                format!("> {}{stop}: {}", out.join(" "), world.statuses())
            }
        };
        lines.push(format!("{line} {said}"));
    }
    lines.join("\n")
}

fn order(control: Control) -> Input {
    Input::Control { user: "eve".to_owned(), control }
}

pub(crate) fn check(words: &str, script: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let found = trace(words, script);
    assert_eq!(found.lines().map(str::trim).collect::<Vec<_>>(), expected, "{found}");
}

#[test]
fn bake_then_deploy() {
    check(
        "1:bake 2:deploy<1",
        "claim 1
         ok 1
         ok 2
         look",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         claim 1 - nothing to do
         ok 1 > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING]
         ok 2 > : SUCCEEDED [1=SUCCEEDED 2=SUCCEEDED]
         look - the execution is already complete",
    );
}

#[test]
fn lost_worker_is_a_new_epoch_of_the_same_attempt() {
    check(
        "1:bake",
        "lost 1
         claim 1
         release 1
         ok 1",
        "start: RUNNING [1=RUNNING]
         lost 1 > 1<1/1/2: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         release 1 > 1<1/1/3: RUNNING [1=RUNNING]
         ok 1 > : SUCCEEDED [1=SUCCEEDED]",
    );
}

#[test]
fn transient_failure_is_a_new_attempt_after_a_pause() {
    check(
        "1:bake",
        "again 1
         wait 1999
         wait 1
         fail 1",
        "start: RUNNING [1=RUNNING]
         again 1 > : RUNNING [1=RUNNING]
         wait 1999 - nothing to do
         wait 1 > 1<1/2/1: RUNNING [1=RUNNING]
         fail 1 > : TERMINAL [1=TERMINAL]",
    );
}

#[test]
fn unclaimed_task_is_published_again_with_growing_pauses() {
    check(
        "1:bake",
        "wait 14999
         wait 1
         wait 15000
         wait 15000
         ok 1",
        "start: RUNNING [1=RUNNING]
         wait 14999 - nothing to do
         wait 1 > 1<1/1/1: RUNNING [1=RUNNING]
         wait 15000 - nothing to do
         wait 15000 > 1<1/1/1: RUNNING [1=RUNNING]
         ok 1 > : SUCCEEDED [1=SUCCEEDED]",
    );
}

#[test]
fn five_workers_lost_without_progress_fail_the_stage() {
    let lost = "lost 1\n".repeat(5);
    let found = trace("1:bake", &lost);
    assert!(found.ends_with("TERMINAL [1=TERMINAL]"), "{found}");
    assert_eq!(found.matches("> 1<1/1/").count(), 4, "{found}");
    assert_eq!(limits::EPOCHS_WITHOUT_PROGRESS_MAX, 5);
}

#[test]
fn failure_halts_the_pipeline_and_stops_other_work() {
    check(
        "1:bake 2:bake 3:bake<1",
        "claim 2
         fail 1
         canceled 2",
        "start: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         claim 2 - nothing to do
         fail 1 >  stop: RUNNING [1=TERMINAL 2=RUNNING 3=NOT_STARTED]
         canceled 2 > : TERMINAL [1=TERMINAL 2=CANCELED 3=NOT_STARTED]",
    );
}

#[test]
fn the_other_choices_if_a_stage_fails() {
    check(
        "1:bake!ignore 2:bake<1",
        "fail 1
         ok 2",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         fail 1 > 2<1/1/1: RUNNING [1=FAILED_CONTINUE 2=RUNNING]
         ok 2 > : SUCCEEDED [1=FAILED_CONTINUE 2=SUCCEEDED]",
    );
    check(
        "1:bake!branch 2:bake 3:bake<1",
        "fail 1
         ok 2",
        "start: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         fail 1 > : RUNNING [1=STOPPED 2=RUNNING 3=NOT_STARTED]
         ok 2 > : SUCCEEDED [1=STOPPED 2=SUCCEEDED 3=NOT_STARTED]",
    );
    check(
        "1:bake!late 2:bake",
        "fail 1
         ok 2",
        "start: RUNNING [1=RUNNING 2=RUNNING]
         fail 1 > : RUNNING [1=STOPPED 2=RUNNING]
         ok 2 > : TERMINAL [1=STOPPED 2=SUCCEEDED]",
    );
}

#[test]
fn cancel_waits_for_whoever_works_and_lets_the_rest_be() {
    check(
        "1:bake 2:bake<1",
        "claim 1
         cancel
         cancel
         canceled 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         claim 1 - nothing to do
         cancel >  stop: RUNNING [1=RUNNING 2=NOT_STARTED]
         cancel - the execution was canceled before
         canceled 1 > : CANCELED [1=CANCELED 2=NOT_STARTED]",
    );
    check(
        "1:bake",
        "cancel
         wait 1999
         wait 1",
        "start: RUNNING [1=RUNNING]
         cancel >  stop: RUNNING [1=RUNNING]
         wait 1999 - nothing to do
         wait 1 > : CANCELED [1=CANCELED]",
    );
    // A canceled task whose worker is lost goes to another one, to be cleaned up.
    check(
        "1:bake",
        "claim 1
         cancel
         lost 1
         canceled 1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         cancel >  stop: RUNNING [1=RUNNING]
         lost 1 > 1<1/1/2 stop: RUNNING [1=RUNNING]
         canceled 1 > : CANCELED [1=CANCELED]",
    );
}

#[test]
fn success_in_spite_of_a_cancel_keeps_its_result_and_ends_canceled() {
    check(
        "1:bake 2:bake<1",
        "claim 1
         cancel
         ok 1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         claim 1 - nothing to do
         cancel >  stop: RUNNING [1=RUNNING 2=NOT_STARTED]
         ok 1 > : CANCELED [1=SUCCEEDED 2=NOT_STARTED]",
    );
}

#[test]
fn fan_in_waits_for_every_branch() {
    check(
        "1:bake 2:bake 3:bake<1,2",
        "ok 1
         ok 2
         ok 3",
        "start: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         ok 1 > : RUNNING [1=SUCCEEDED 2=RUNNING 3=NOT_STARTED]
         ok 2 > 3<1/1/1: RUNNING [1=SUCCEEDED 2=SUCCEEDED 3=RUNNING]
         ok 3 > : SUCCEEDED [1=SUCCEEDED 2=SUCCEEDED 3=SUCCEEDED]",
    );
}

#[test]
fn deploy_takes_the_image_of_the_nearest_bake_for_its_region() {
    let mut world = World::start(&pipeline("1:bake2 2:deploy<1"));
    for _ in 0..2 {
        let task = world.task("1");
        let outcome = outcome_of(&world.requests[&task], true, FailureKind::User);
        world.finish(&task, outcome);
        world.step(&Input::Look).unwrap();
    }
    let task = world.task("2");
    let dispatch = &world.requests[&task];
    assert_eq!(dispatch.pool, Pool::Deploy);
    let request = deploy_request(dispatch);
    assert_eq!(request.image, "ami-us-east-1");
    assert_eq!(request.availability_zones, ["us-east-1a"]);
}

#[test]
fn bake_also_bakes_for_the_regions_of_the_deploys_behind_it() {
    for (words, regions) in [
        ("1:bake 2:judge<1 3:rolls2<2", &["us-east-1", "us-west-2"][..]),
        (r#"1:bake@{"skipRegionDetection":true} 2:judge<1 3:rolls2<2"#, &["us-east-1"]),
        (r#"1:bake@{"regions":["global"]} 2:rolls2<1"#, &["global"]),
        (
            r#"1:bake@{"regions":["eu-west-1","us-west-2"]} 2:rolls2<1 3:rolls2<2"#,
            &["eu-west-1", "us-west-2", "us-east-1"],
        ),
        // It does not wait for the bake.
        ("1:bake 2:rolls2", &["us-east-1"]),
    ] {
        let world = World::start(&pipeline(words));
        let parts = world.document.children(&world.stage("1").id);
        let baked: Vec<&str> = parts.map(|part| part.config["region"].as_str().unwrap()).collect();
        assert_eq!(baked, regions, "{words}");
    }
}

/// Bakes everything there is to bake, each image named by its stage and region, says yes to a judgment `2`, and
/// tells which image stage `9` deploys.
fn deployed_image(words: &str) -> String {
    let mut world = World::start(&pipeline(words));
    for _ in 0..9 {
        let Some((task, dispatch)) =
            world.requests.iter().find(|(_, dispatch)| dispatch.pool == Pool::Bake)
        else {
            break;
        };
        let of = |stage: &&engine::Stage| stage.id == task.stage;
        let part = &world.document.stages.iter().find(of).unwrap().ref_id;
        let mut outcome = outcome_of(dispatch, true, FailureKind::User);
        if let TaskOutcome::Succeeded { result } = &mut outcome {
            let image = format!("{}-{}", &part[..1], result["region"].as_str().unwrap());
            result.insert("image_id".to_owned(), image.into());
        }
        let task = task.clone();
        world.finish(&task, outcome);
        world.step(&Input::Look).unwrap();
    }
    if world.document.by_ref("2").is_some_and(|stage| stage.kind == "manualJudgment") {
        let (stage, decision) = (world.id("2"), Judgment::Continue);
        world.order(Control::Judge { stage, decision, input: None }).unwrap();
    }
    if let Some(failure) = &world.stage("9").run.failure {
        return failure.message.clone();
    }
    deploy_request(&world.requests[&world.task("9")]).image
}

fn deploy_request(dispatch: &engine::Dispatch) -> DeployRequest {
    OperationCall::parse(&dispatch.call).unwrap().request::<CreateGroup>().unwrap()
}

#[test]
fn deploy_takes_an_image_of_its_region_from_the_nearest_stage_that_has_one() {
    let west = r#"@{"regions":["us-west-2"],"skipRegionDetection":true}"#;
    let global = r#"@{"regions":["global"]}"#;
    for (words, image) in [
        ("1:bake2 9:deploy<1".to_owned(), "1-us-east-1"),
        ("1:bake 2:bake<1 9:deploy<2".to_owned(), "2-us-east-1"),
        ("1:bake 2:bake<1 9:deploy<1,2".to_owned(), "1-us-east-1"),
        (format!("1:bake 2:bake{west}<1 9:deploy<2"), "1-us-east-1"),
        (format!("1:bake{global} 9:deploy<1"), "1-global"),
        // It does not build on the bake.
        ("1:bake 2:judge 9:deploy<2".to_owned(), "1-us-east-1"),
        (format!("1:bake{west} 9:deploy<1"), "no image for us-east-1 was found for stage `9`"),
    ] {
        assert_eq!(deployed_image(&words), image, "{words}");
    }
}

#[test]
fn deploy_without_an_image_says_what_to_do() {
    let world = World::start(&pipeline("2:deploy"));
    assert_eq!(world.statuses(), "TERMINAL [2=TERMINAL]");
    let failure = nth(&world.document, 0).run.failure.as_ref().unwrap();
    assert_eq!(failure.message, "no image for us-east-1 was found for stage `2`");
    assert!(failure.hint.as_ref().unwrap().contains("bake stage"));
}

#[test]
fn unknown_stage_type_fails_before_anything_runs() {
    let world = World::start(&pipeline("1:bake 2:teleport<1"));
    assert_eq!(world.statuses(), "TERMINAL [1=NOT_STARTED 2=NOT_STARTED]");
    let reason = world.document.startup_failure.as_ref().unwrap();
    let told = "stage `2`: stage type `teleport` is not known here; bake, deploy, findImage, findImageFromTags, wait, manualJudgment, checkPreconditions, evaluateVariables and pipeline are";
    assert_eq!(*reason, format!("failed on startup: {told}"));
    assert!(world.requests.is_empty());
}
