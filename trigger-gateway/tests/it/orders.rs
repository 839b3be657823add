//! Telling an execution what to do: what is accepted, and what is refused with what would be right.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use wire::{Control, Event, Judgment};

use crate::{
    control::{started, with_pipeline},
    world::{World, answer, events},
};

fn stage(id: &str, ref_id: &str, kind: &str, status: &str) -> Value {
    json!({ "id": id, "refId": ref_id, "type": kind, "name": format!("Do {kind}"), "status": status,
        "requisiteStageRefIds": [], "context": {}, "outputs": {}, "tasks": [] })
}

/// A pipeline in the middle: baked, asking, with a wait and a window that run beside.
fn stages() -> Value {
    let mut done = stage("S1", "1", "bake", "SUCCEEDED");
    done["orders"] = json!(["restart"]);
    let mut ask = stage("S2", "2", "manualJudgment", "RUNNING");
    ask["awaits"] = json!({ "type": "person", "choices": ["now", "at night"], "roles": [] });
    ask["orders"] = json!(["judge", "skip"]);
    let mut wait = stage("S3", "3", "wait", "RUNNING");
    wait["awaits"] = json!({ "type": "time", "untilMs": 1 });
    wait["orders"] = json!(["skipWait", "skip"]);
    let mut held = stage("S4", "4", "deploy", "RUNNING");
    held["orders"] = json!(["skipWait"]);
    let mut window = stage("S4W", "4<1", "restrictExecutionDuringTimeWindow", "RUNNING");
    window["parentStageId"] = json!("S4");
    window["awaits"] = json!({ "type": "window", "opensMs": 1 });
    window["orders"] = json!(["skipWait"]);
    let mut later = stage("S5", "5", "deploy", "NOT_STARTED");
    later["orders"] = json!(["restart"]);
    json!([done, ask, wait, held, window, later,])
}

async fn running(world: &World) -> String {
    let trigger = json!({ "stages": stages() });
    started(world, "/pipelines/shop/ship-it", &trigger).await
}

fn patch(world: &World, stage: &str, body: &Value) -> RequestBuilder {
    world.ask(Method::PATCH, stage).body(body.to_string())
}

/// Status, code and detail of a refusal, and the ids or texts that would have been right.
async fn refusal(request: RequestBuilder) -> (u16, String, String, Vec<String>) {
    let (status, body) = answer(request).await;
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let choices = body["choices"].as_array().cloned().unwrap_or_default();
    let name = |choice: &Value| choice.get("id").unwrap_or(choice).as_str().unwrap().to_owned();
    (status, text("code"), text("detail"), choices.iter().map(name).collect())
}

async fn last_event(world: &World) -> Event {
    events(&world.store).await.pop().unwrap().1
}

#[tokio::test]
async fn every_order_is_an_event_before_it_is_answered() {
    let world = with_pipeline().await;
    let run = running(&world).await;
    let judge = |decision, input: Option<&str>| Control::Judge {
        stage: "S2".parse().unwrap(),
        decision,
        input: input.map(str::to_owned),
    };
    let skip_wait = |stage: &str| Control::SkipWait { stage: stage.parse().unwrap() };
    let at = |rest: &str| format!("{run}{rest}");
    for (request, expected) in [
        (world.put(&at("/pause")), Control::Pause),
        (
            world.put(&at("/stages/S1/restart")),
            Control::RestartStage { stage: "S1".parse().unwrap() },
        ),
        (
            world.put(&at("/stages/5/restart")),
            Control::RestartStage { stage: "S5".parse().unwrap() },
        ),
        (
            patch(
                &world,
                &at("/stages/S2"),
                &json!({ "judgmentStatus": "continue", "judgmentInput": "now" }),
            ),
            judge(Judgment::Continue, Some("now")),
        ),
        (
            patch(&world, &at("/stages/Do%20manualJudgment"), &json!({ "judgmentStatus": "stop" })),
            judge(Judgment::Stop, None),
        ),
        (patch(&world, &at("/stages/3"), &json!({ "skipRemainingWait": true })), skip_wait("S3")),
        (
            patch(&world, &at("/stages/4%3C1"), &json!({ "skipRemainingWait": true })),
            skip_wait("S4W"),
        ),
        (patch(&world, &at("/stages/S4"), &json!({ "skipRemainingWait": true })), skip_wait("S4")),
        (
            patch(&world, &at("/stages/3"), &json!({ "manualSkip": true })),
            Control::SkipStage { stage: "S3".parse().unwrap() },
        ),
    ] {
        let (status, view) = answer(request.header("x-spinnaker-user", "Jürgen")).await;
        assert_eq!((status, at("")), (200, format!("/pipelines/{}", view["id"].as_str().unwrap())));
        let Event::Control { execution, user, control } = last_event(&world).await else {
            panic!("no order")
        };
        assert_eq!((at(""), user.as_str()), (format!("/pipelines/{execution}"), "Jürgen"));
        assert_eq!(control, expected);
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of refusals")]
async fn an_order_that_cannot_fit_is_refused_with_what_would_be_right() {
    let world = with_pipeline().await;
    let run = running(&world).await;
    let at = |rest: &str| format!("{run}{rest}");
    let all = ["S1", "S2", "S3", "S4", "S4W", "S5"];
    let judged = json!({ "judgmentStatus": "continue" });
    let skipped = json!({ "skipRemainingWait": true });
    let before = events(&world.store).await.len();
    for (request, status, code, part, right) in [
        (
            world.put(&at("/stages/9/restart")),
            404,
            "not-found",
            "`2` (Do manualJudgment)",
            &all[..],
        ),
        (
            world.put(&at("/stages/Do%20deploy/restart")),
            409,
            "ambiguous-stage",
            "2 stages",
            &["S4", "S5"],
        ),
        (world.put(&at("/stages/S4/restart")), 409, "stage-running", "RUNNING", &[]),
        (world.put(&at("/stages/S4W/restart")), 409, "part-of-a-stage", "a part of `4`", &[]),
        (
            patch(&world, &at("/stages/S3"), &judged),
            409,
            "no-judgment-due",
            "waiting: `2`",
            &["S2"],
        ),
        (
            patch(&world, &at("/stages/S1"), &skipped),
            409,
            "no-wait",
            "waiting: `3`",
            &["S3", "S4W"],
        ),
        (
            patch(
                &world,
                &at("/stages/2"),
                &json!({ "judgmentStatus": "continue", "judgmentInput": "never" }),
            ),
            400,
            "unknown-judgment-input",
            "now, at night",
            &["now", "at night"],
        ),
        (
            patch(&world, &at("/stages/S1"), &json!({ "manualSkip": true })),
            409,
            "stage-complete",
            "SUCCEEDED",
            &[],
        ),
        (
            patch(&world, &at("/stages/S2"), &json!({ "color": "red" })),
            400,
            "invalid-change",
            "judgmentStatus",
            &[],
        ),
        (world.put(&at("/resume")), 409, "not-paused", "RUNNING", &[]),
        (world.put(&at("/dance")), 404, "not-found", "`pause` and `resume`", &[]),
        (world.put("/pipelines/nothing/pause"), 404, "not-found", "nothing", &[]),
        (patch(&world, "/pipelines/nothing/stages/1", &judged), 404, "not-found", "nothing", &[]),
    ] {
        let (found_status, found_code, detail, choices) = refusal(request).await;
        assert_eq!((found_status, found_code.as_str()), (status, code), "{detail}");
        assert!(detail.contains(part), "{detail}");
        assert_eq!(choices, right, "{detail}");
    }
    assert_eq!(events(&world.store).await.len(), before, "nothing of it was stored");
}

#[tokio::test]
async fn the_state_of_the_whole_execution_decides_first() {
    let world = with_pipeline().await;
    let mut stages = stages();
    for stage in stages.as_array_mut().unwrap() {
        stage["orders"] = json!(["restart"]);
    }
    let ended = json!({ "done": true, "stages": stages });
    let over = started(&world, "/pipelines/shop/ship-it", &ended).await;
    for request in [
        world.put(&format!("{over}/pause")),
        world.put(&format!("{over}/resume")),
        patch(&world, &format!("{over}/stages/3"), &json!({ "skipRemainingWait": true })),
    ] {
        assert_eq!(refusal(request).await.1, "execution-complete");
    }
    assert_eq!(answer(world.put(&format!("{over}/stages/1/restart"))).await.0, 200);
    let paused = started(&world, "/pipelines/shop/ship-it", &json!({ "status": "PAUSED" })).await;
    assert_eq!(refusal(world.put(&format!("{paused}/pause"))).await.1, "already-paused");
    assert_eq!(answer(world.put(&format!("{paused}/resume"))).await.0, 200);
    let waits =
        started(&world, "/pipelines/shop/ship-it", &json!({ "status": "NOT_STARTED" })).await;
    assert_eq!(refusal(world.put(&format!("{waits}/pause"))).await.1, "not-running");
}

#[tokio::test]
async fn an_order_that_came_too_late_is_told_with_the_reason() {
    let world = with_pipeline().await;
    let run = running(&world).await;
    let late = world.put(&format!("{run}/pause")).header("x-spinnaker-user", "late");
    let (status, code, detail, _) = refusal(late).await;
    assert_eq!((status, code.as_str()), (409, "does-not-fit"));
    assert_eq!(detail, "somebody was quicker");
}

#[tokio::test]
async fn an_order_nobody_carries_out_yet_is_accepted_and_not_called_done() {
    let world = with_pipeline().await;
    let run = running(&world).await;
    let deaf = World::over(Arc::clone(&world.store), "").await;
    world.tasks.stop().cancel();
    let (status, body) = answer(deaf.put(&format!("{run}/pause"))).await;
    assert_eq!((status, &body["ref"]), (202, &json!(run)));
    assert!(body["eventId"].as_str().unwrap().starts_with("control/"), "{body}");
}

#[tokio::test]
async fn one_idempotency_key_is_one_order() {
    let world = with_pipeline().await;
    let run = running(&world).await;
    let order =
        |word: &str| world.put(&format!("{run}/{word}")).header("idempotency-key", "order-1");
    assert_eq!(answer(order("pause")).await.0, 200);
    assert_eq!(answer(order("pause")).await.0, 200);
    assert_eq!(events(&world.store).await.len(), 2, "one start, one order");
    assert_eq!(refusal(order("resume")).await.1, "idempotency-key-reused");
}

#[tokio::test]
async fn only_a_finished_execution_can_be_deleted() {
    let world = with_pipeline().await;
    let run = running(&world).await;
    let delete = |path: &str| world.ask(Method::DELETE, path);
    assert_eq!(refusal(delete(&run)).await.1, "execution-live");
    let over = started(&world, "/pipelines/shop/ship-it", &json!({ "done": true })).await;
    assert_eq!(answer(delete(&over)).await.0, 200);
    assert_eq!(answer(world.get(&over)).await.0, 404);
    assert_eq!(answer(delete(&over)).await.0, 404);
}
