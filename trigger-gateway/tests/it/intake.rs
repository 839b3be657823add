//! Webhooks become events, once.

use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use triggers::jenkins::ReportedBuild;
use wire::Event;

use crate::world::{HOOK, World, answer, events, problem};

const BODY: &str = r#"{"name":"shop","url":"job/shop/","build":{"full_url":"https://ci.example.com/jenkins/job/team/job/shop/118/","number":118,"phase":"FINALIZED","status":"SUCCESS","url":"job/team/job/shop/118/"}}"#;

#[tokio::test]
async fn a_build_told_five_times_to_two_gateways_is_one_event() {
    let one = World::open().await;
    let two = World::over(std::sync::Arc::clone(&one.store), "").await;
    let before = one.store.now_ms().await.unwrap() / 600_000;
    let path = format!("/webhooks/jenkins/ci/{HOOK}");
    let mut fresh = 0;
    for world in [&one, &two, &one, &two, &one] {
        let (status, body) = answer(world.post(&path, BODY)).await;
        assert_eq!(status, 202, "{body}");
        assert_eq!(body["eventProcessed"], true);
        assert!(
            body["eventId"].as_str().unwrap().starts_with("jenkins/ci/team/shop/118/"),
            "{body}"
        );
        fresh += u64::from(body["duplicate"] == false);
    }
    let after = one.store.now_ms().await.unwrap() / 600_000;
    let stored = events(&one.store).await;
    // Reports are the same within ten minutes; the test may run across such a border.
    assert_eq!(fresh, 1 + (after - before));
    assert_eq!(u64::try_from(stored.len()).unwrap(), fresh);
    let Event::Signal(signal) = &stored[0].1 else { panic!("{stored:?}") };
    let report = ReportedBuild::of(signal).unwrap();
    assert_eq!(signal.keys, ["jenkins/ci/team/shop"]);
    assert_eq!(
        (report.controller.as_str(), report.job.as_str(), report.number),
        ("ci", "team/shop", 118)
    );
    assert_eq!(report.key(), stored[0].0);
}

#[tokio::test]
async fn tokens_come_as_bearer_basic_or_path_and_both_are_valid_during_a_change() {
    let world = World::open().await;
    for token in [HOOK, "hook-token-before"] {
        let path = "/webhooks/jenkins/ci";
        assert_eq!(answer(world.post(path, BODY).bearer_auth(token)).await.0, 202);
        assert_eq!(answer(world.post(path, BODY).basic_auth("jenkins", Some(token))).await.0, 202);
        assert_eq!(answer(world.post(&format!("{path}/{token}"), BODY)).await.0, 202);
    }
}

#[tokio::test]
async fn unused_phases_are_answered_and_not_stored() {
    let world = World::open().await;
    let body = BODY.replace("FINALIZED", "STARTED");
    let (status, body) = answer(world.post(&format!("/webhooks/jenkins/ci/{HOOK}"), body)).await;
    assert_eq!(status, 200);
    assert_eq!(body["ignored"], "phase STARTED is not the end of a build");
    assert_eq!(events(&world.store).await, []);
}

#[tokio::test]
async fn the_content_type_does_not_choose_the_reader() {
    let world = World::open().await;
    let path = format!("/webhooks/jenkins/ci/{HOOK}");
    for kind in [
        "application/json;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "text/plain",
        "nonsense",
    ] {
        let (status, body) = answer(world.post(&path, BODY).header("content-type", kind)).await;
        assert_eq!(status, 202, "{kind}: {body}");
    }
}

#[tokio::test]
async fn a_wrong_body_is_refused_by_field() {
    let world = World::open().await;
    let path = format!("/webhooks/jenkins/ci/{HOOK}");
    let body = r#"{"name":"shop","build":{"phase":"FINALIZED","number":"x"}}"#;
    let (status, body) = answer(world.post(&path, body)).await;
    assert_eq!(status, 400);
    assert_eq!(body["code"], "invalid-notification");
    assert_eq!(body["errors"][0]["pointer"], "/build/number");
    assert_eq!(events(&world.store).await, []);
}

#[tokio::test]
async fn large_bodies_are_refused_declared_or_not() {
    let world = World::open().await;
    let path = format!("/webhooks/jenkins/ci/{HOOK}");
    let fits = format!("{BODY}{}", " ".repeat(256 * 1024 - BODY.len()));
    assert_eq!(answer(world.post(&path, fits)).await.0, 202);
    assert_eq!(
        problem(world.post(&path, vec![b' '; 256 * 1024 + 1])).await,
        (413, "too-large".to_owned())
    );
    assert!(chunked(&world, &path, 300).await.starts_with("HTTP/1.1 413"));
    assert!(chunked(&world, &path, 3).await.starts_with("HTTP/1.1 400"));
}

/// Sends so many KiB without saying beforehand how many, and reads the answer's first line.
async fn chunked(world: &World, path: &str, pieces: usize) -> String {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    let piece = format!("400\r\n{}\r\n", " ".repeat(1024));
    for _ in 0..pieces {
        // The gateway may have closed by now: it has read enough.
        if writer.write_all(piece.as_bytes()).await.is_err() {
            break;
        }
    }
    let ended = writer.write_all(b"0\r\n\r\n").await;
    let mut line = String::new();
    BufReader::new(reader)
        .read_line(&mut line)
        .await
        .unwrap_or_else(|error| panic!("{error}, {ended:?}"));
    line
}

#[tokio::test]
async fn a_store_that_is_away_or_slow_is_an_honest_503() {
    for store in [crate::away::refusing(), crate::away::silent()] {
        let world = World::over(store, "").await;
        for request in [
            world
                .post("/webhooks/jenkins/ci", BODY)
                .header(AUTHORIZATION, format!("Bearer {HOOK}")),
            world.get("/pipelineConfigs"),
        ] {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 503);
            assert!(response.headers().contains_key(RETRY_AFTER));
        }
        let (status, body) = answer(world.get("/readyz")).await;
        assert_eq!((status, body["ready"].as_bool()), (503, Some(false)), "{body}");
        assert_eq!(answer(world.get("/healthz")).await.0, 200);
    }
}
