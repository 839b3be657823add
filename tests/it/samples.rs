//! Other people's notification bodies, when they are at hand: each gets a sensible answer.

use std::path::Path;

use processes::WEBHOOK_TOKEN;
use serde_json::Value;

use crate::{
    distributed::old_group,
    world::{Mode, World, answer},
};

#[tokio::test]
async fn real_notification_bodies_get_a_sensible_answer() {
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
    let Ok(folder) = std::env::var("BOWLINE_SAMPLES") else {
        println!("skipped: BOWLINE_SAMPLES names no folder with sample bodies");
        return;
    };
    let world = World::start(Mode::Standalone, old_group()).await;
    let url = format!("{}/webhooks/jenkins/ci-main/{WEBHOOK_TOKEN}", world.gateways[0]);
    let folder = Path::new(&folder).join("jenkins/notification");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        let response = world.http.post(&url).body(body).send().await.unwrap();
        let (status, text) = answer(response).await;
        let shown = format!("{}: {status} {text}", path.display());
        println!("{shown}");
        let said: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{shown}"));
        match status.as_u16() {
            202 => assert!(said["eventId"].is_string(), "{shown}"),
            200 => assert!(said["ignored"].is_string(), "{shown}"),
            400 => assert!(said["detail"].is_string(), "{shown}"),
            _ => panic!("{shown}"),
        }
        seen += 1;
    }
    assert!(seen > 0, "{} is empty", folder.display());
}
