//! `bowline fsck`, on what a server has left behind.

use std::{path::Path, process::Stdio};

use redb::TableDefinition;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::bowline::{command, run, text};

/// A server that has worked on two executions and was killed amid the second.
async fn lived_in(folder: &Path) {
    let data = folder.join("data");
    let file = folder.join("pipeline.json");
    let definition = json!({"application": "shop", "name": "bake only", "stages": [
        {"refId": "1", "type": "bake", "package": "shop-web", "regions": ["us-east-1"],
         "baseOs": "bookworm", "allowMissingPackageInstallation": true},
    ]});
    std::fs::write(&file, definition.to_string()).unwrap();
    let arguments =
        ["standalone", "--fake-aws", "--listen", "127.0.0.1:0", "--data-dir", text(&data)];
    let mut server = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("the server ended without an address");
    let address = line.strip_prefix("listening on ").expect(&line).to_owned();
    let at = ["--server", &address];
    run(&[&["pipeline", "save", text(&file)][..], &at].concat()).await.with_code(0);
    let start = [&["pipeline", "run", "shop", "bake only", "--wait", "--timeout", "60s"][..], &at];
    drop(run(&start.concat()).await);
    run(&[&["pipeline", "run", "shop", "bake only"][..], &at].concat()).await.with_code(0);
    let store = format!("embedded:{}", data.display());
    let busy = run(&["fsck", "--store", &store]).await.with_code(1);
    assert!(busy.stderr.contains("open in another process"), "{}", busy.stderr);
    server.kill().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_server_left_is_clean_and_what_was_damaged_since_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    lived_in(folder.path()).await;
    let store = format!("embedded:{}", folder.path().join("data").display());
    let clean = run(&["fsck", "--store", &store]).await.with_code(0);
    assert!(
        clean.stdout.starts_with("clean: ") && clean.stdout.contains("(2 executions)"),
        "{clean:?}"
    );
    let report = run(&["fsck", "--store", &store, "-o", "json"]).await.with_code(0).json();
    assert_eq!((&report["clean"], &report["executions"]), (&json!(true), &json!(2)));

    let wakes: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("wakes");
    let database = redb::Database::open(folder.path().join("data/bowline.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(wakes).unwrap().insert((7, "nobody"), ()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let found = run(&["fsck", "--store", &store]).await.with_code(1);
    for part in [
        "`nobody` in the list of wakes: [astray-in-list] ",
        "names `nobody`, which is not there",
        "\n    why it matters: ",
        "\n    what to do: remove the entry",
        "\nnot clean: 1 finding in ",
    ] {
        assert!(found.stdout.contains(part), "{part}: {}", found.stdout);
    }
    let report = run(&["fsck", "--store", &store, "-o", "json"]).await.with_code(1).json();
    assert_eq!(report["clean"], json!(false));
    assert_eq!(report["findings"][0]["rule"], json!("astray-in-list"));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_an_error_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}/nowhere", folder.path().display());
    let ended = run(&["fsck", "--store", &store]).await.with_code(1);
    assert!(ended.stderr.contains("there is no data file"), "{}", ended.stderr);
    assert!(!folder.path().join("nowhere").exists());
    let ended = run(&["fsck", "--store", "memory:"]).await.with_code(1);
    assert!(ended.stderr.contains("begins with `redis://` or `embedded:`"), "{}", ended.stderr);
    run(&["fsck"]).await.with_code(2);
}
