//! `bowline standalone`, with the client commands against it.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
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
        Self::start_with(data, &[]).await
    }

    async fn start_with(data: &Path, more: &[&str]) -> Self {
        let arguments =
            ["standalone", "--fake-aws", "--listen", "127.0.0.1:0", "--data-dir", text(data)];
        let arguments = [&arguments, more].concat();
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

/// What `pipeline list -o json` of an earlier form of the store printed (commit f6c9cb8) is how definitions are
/// carried over: one file, saved as it is.
#[tokio::test]
async fn definitions_written_out_by_an_earlier_version_are_saved_and_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let at = ["--server", &server.address];
    let file = "tests/fixtures/definitions-f6c9cb8.json";
    let saved = run(&[&["pipeline", "save", file][..], &at].concat()).await.with_code(0);
    assert_eq!(saved.stdout.lines().count(), 16, "{}", saved.stdout);
    let before: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let after =
        run(&[&["pipeline", "list", "-o", "json"][..], &at].concat()).await.with_code(0).json();
    let by_id = |list: &Value| -> std::collections::BTreeMap<String, Value> {
        let named = list.as_array().unwrap().iter().map(|definition| {
            let mut definition = definition.clone();
            let map = definition.as_object_mut().unwrap();
            // The server's own notes about when it was saved, and by whom.
            for note in ["updateTs", "lastModifiedBy", "index"] {
                map.remove(note);
            }
            (definition["id"].as_str().unwrap().to_owned(), definition)
        });
        named.collect()
    };
    assert_eq!(by_id(&after), by_id(&before));
}

/// Bake and deploy over the group that the pretended cloud has from the start.
fn ship() -> Value {
    json!({ "application": "shop", "name": "ship", "stages": [
        { "refId": "1", "type": "bake", "name": "Bake", "package": "shop-web", "baseOs": "bookworm",
          "regions": ["us-east-1"], "allowMissingPackageInstallation": true },
        { "refId": "2", "type": "deploy", "name": "Deploy", "requisiteStageRefIds": ["1"], "clusters": [{
            "account": "staging", "application": "shop", "stack": "staging", "freeFormDetails": "web",
            "strategy": "highlander", "instanceType": "t3.small", "subnetType": "internal (main)",
            "loadBalancers": ["shop-staging"], "securityGroups": ["shop-web"],
            "capacity": { "min": 1, "max": 2, "desired": 1 },
            "availabilityZones": { "us-east-1": [] } }] },
    ] })
}

#[tokio::test]
async fn a_plan_says_which_image_is_there_and_which_server_groups_would_go() {
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = (folder.path().join("bowline.toml"), folder.path().join("ship.json"));
    std::fs::write(&config, "[bake]\npoll_interval_ms = 50\n").unwrap();
    std::fs::write(&file, ship().to_string()).unwrap();
    let more = ["--config", text(&config)];
    let server = Server::start_with(&folder.path().join("data"), &more).await;
    let at = ["--server", &server.address];
    run(&[&["pipeline", "save", text(&file)][..], &at].concat()).await.with_code(0);

    let planned = run(&[&["pipeline", "run", "shop", "ship", "--plan"][..], &at].concat()).await;
    let planned = planned.with_code(0);
    let lines: Vec<&str> = planned.stdout.lines().map(str::trim).collect();
    for line in [
        "creates shop-staging-web-v004 (1 instance)",
        "destroys shop-staging-web-v003 (2 instances, enabled)",
    ] {
        assert!(lines.contains(&line), "{line}: {}", planned.stdout);
    }
    let image = lines.iter().find(|line| line.starts_with("bakes a new one from ami-"));
    assert!(image.is_some(), "{}", planned.stdout);

    // With a build that says the version, an image is taken once there is one.
    runtime::process::install_tls();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = async |path: &str, dry_run: bool| -> Value {
        let build = json!({ "artifacts": [{ "fileName": "shop-web_1.4.2-118_all.deb" }] });
        let trigger = json!({ "type": "manual", "buildInfo": build, "dryRun": dry_run });
        let url = format!("{}/pipelines/shop/{path}", server.address);
        client.post(url).json(&trigger).send().await.unwrap().json().await.unwrap()
    };
    let image = async || -> Value {
        let plan = sent("ship", true).await;
        plan["stages"][0]["actions"][0]["preview"].clone()
    };
    let before = image().await;
    assert_eq!(before["image"], "baked", "{before}");
    let mut only_bake = ship();
    only_bake["name"] = json!("bake");
    only_bake["stages"].as_array_mut().unwrap().truncate(1);
    std::fs::write(&file, only_bake.to_string()).unwrap();
    run(&[&["pipeline", "save", text(&file)][..], &at].concat()).await.with_code(0);
    let started = sent("bake", false).await;
    let id = started["ref"].as_str().unwrap().rsplit('/').next().unwrap();
    run(&[&["execution", "watch", id, "--timeout", "60s"][..], &at].concat()).await.with_code(0);
    let after = image().await;
    assert_eq!(after["image"], "reused", "{after}");
    assert_eq!(after["imageName"], before["imageName"], "the name that was told");

    let listed = run(&[&["execution", "list", "shop", "-o", "json"][..], &at].concat()).await;
    let listed = listed.with_code(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "dry runs are no runs: {listed}");
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
