//! `bowline standalone`, with the client commands against it.

use std::{path::Path, process::Stdio};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Child,
};

use crate::bowline::{command, run, text};

/// A server; killed when dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    async fn start(data: &Path) -> Self {
        let arguments =
            ["standalone", "--fake-aws", "--listen", "127.0.0.1:0", "--data-dir", text(data)];
        let mut process = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the server ended without an address");
        let address = line.strip_prefix("listening on ").expect(&line).to_owned();
        Self { process, address }
    }

    /// As a power cut would end it.
    async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_saved_is_there_after_the_server_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data/deeper");
    let file = folder.path().join("pipeline.json");
    let definition = json!({"application": "shop", "name": "bake only", "unknown": [1, 2], "stages": [
        {"refId": "1", "type": "bake", "package": "shop-web", "regions": ["us-east-1"], "baseOs": "bookworm"},
    ]});
    std::fs::write(&file, definition.to_string()).unwrap();

    let server = Server::start(&data).await;
    let saved =
        run(&["pipeline", "save", text(&file), "-o", "json", "--server", &server.address]).await;
    let id = saved.with_code(0).json()["id"].clone();
    assert!(id.as_str().is_some_and(|id| !id.is_empty()));
    server.kill().await;

    let server = Server::start(&data).await;
    let at = ["--server", &server.address];
    let got =
        run(&[&["pipeline", "get", "shop", "bake only"][..], &at].concat()).await.with_code(0);
    assert_eq!((&got.json()["id"], &got.json()["unknown"]), (&id, &json!([1, 2])));
    let again = run(&[&["pipeline", "save", text(&file), "-o", "json"][..], &at].concat()).await;
    assert_eq!(
        again.with_code(0).json()["id"],
        id,
        "a definition without id keeps that of its name"
    );

    let started =
        run(&[&["pipeline", "run", "shop", "bake only"][..], &at].concat()).await.with_code(0);
    let execution = started.stdout.trim().to_owned();
    let canceled = [&["execution", "cancel", &execution, "--reason", "a test"][..], &at].concat();
    run(&canceled).await;
    // A bake that is told to stop while it asks for a builder looks for a minute whether one came of it.
    let watched =
        run(&[&["execution", "watch", &execution, "--timeout", "150s"][..], &at].concat()).await;
    assert!(matches!(watched.code, 0 | 1 | 4), "{watched:#?}");

    run(&[&["pipeline", "delete", "shop", "bake only"][..], &at].concat()).await.with_code(0);
    run(&[&["pipeline", "get", "shop", "bake only"][..], &at].concat()).await.with_code(1);
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_with_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bowline.toml");
    std::fs::write(&file, "[gateway]\nlisten = \"0.0.0.0:1\"\n[bake]\nslots = 0\n[worker]\nlease_ttl_ms = 0\n[nonsense]\n")
        .unwrap();
    let ended = run(&["standalone", "--fake-aws", "--config", text(&file)]).await.with_code(64);
    for part in ["gateway.listen", "bake.slots", "worker.", "nonsense"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}
