//! Two starts in the same moment on two coordinators over the real store: never two run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Cloud, Mode, Size, World, answer};

const LONG: Duration = Duration::from_mins(2);
/// Pairs of starts; `BOWLINE_ROUNDS` asks for more.
const ROUNDS: usize = 25;

const FULL: Mode =
    Mode::Distributed(Size { coordinators: 2, bakers: 1, deployers: 1, gateways: 2 });

/// When an execution ran, by the store's clock: from, to.
fn span(execution: &Value) -> (u64, u64) {
    let at = |key: &str| execution[key].as_u64().unwrap_or_else(|| panic!("{key}: {execution:#}"));
    assert_eq!(execution["status"], "SUCCEEDED", "{execution:#}");
    (at("startTime"), at("endTime"))
}

async fn start(world: &World, gateway: &str) -> String {
    let request = world.http.post(format!("{gateway}/pipelines/shop/turns")).json(&json!({}));
    let (status, text) = answer(request.send().await.unwrap()).await;
    assert_eq!(status.as_u16(), 202, "{text}");
    let started: Value = serde_json::from_str(&text).unwrap();
    started["ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long they may take")]
async fn of_two_starts_in_the_same_moment_one_waits_for_the_other() {
    let rounds = std::env::var("BOWLINE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let world = World::start(FULL, Cloud::Fake(json!({ "regions": ["us-east-1"] }))).await;
    let turns = json!({ "application": "shop", "name": "turns", "triggers": [],
        "limitConcurrent": true, "keepWaitingPipelines": true,
        "stages": [{ "refId": "1", "requisiteStageRefIds": [], "type": "wait", "name": "Wait",
            "waitTime": 0 }] });
    let saved = world.http.post(format!("{}/pipelines", world.gateways[0])).json(&turns);
    assert!(saved.send().await.unwrap().status().is_success());
    let [one, two] = world.gateways.as_slice() else { panic!("{:?}", world.gateways) };
    let mut met = 0;
    for round in 0..rounds {
        let (a, b) = tokio::join!(start(&world, one), start(&world, two));
        let (a, b) = tokio::join!(world.ended(&a, LONG), world.ended(&b, LONG));
        let (first, second) = if span(&a) <= span(&b) { (&a, &b) } else { (&b, &a) };
        let ((_, over), (begun, _)) = (span(first), span(second));
        assert!(over <= begun, "round {round}: one ran until {over}, the other from {begun}");
        let created = |execution: &Value| execution["buildTime"].as_u64().unwrap_or_default();
        met += usize::from(created(second) <= over);
    }
    println!("{rounds} rounds, in {met} of them the second was there before the first was over");
    assert!(met * 2 >= rounds, "only {met} of {rounds} met: nothing was tried");
}
