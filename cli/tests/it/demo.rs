//! `bowline demo`.

use serde_json::{Value, json};

use crate::bowline::{run, text};

#[tokio::test]
async fn a_build_becomes_a_server_group_and_the_old_one_is_gone() {
    let ended = run(&["demo"]).await.with_code(0);
    let line = |name: &str| {
        let found = ended.stdout.lines().find(|line| line.starts_with(name));
        found.unwrap_or_else(|| panic!("no line `{name}`: {ended:#?}")).to_owned()
    };
    assert_eq!(line("execution ").split_whitespace().count(), 2);
    assert!(line("image ").contains("ami-"));
    assert!(line("new server group ").ends_with("shop-staging-web-v004"));
    assert!(line("destroyed server group ").ends_with("shop-staging-web-v003"));
    assert!(line("address ").contains("http://127.0.0.1:"));
    for stage in ["Bake", "Deploy to staging"] {
        let told =
            ended.stderr.lines().any(|line| line.starts_with(stage) && line.contains("SUCCEEDED"));
        assert!(told, "{}", ended.stderr);
    }
}

fn body(status: &str, phase: &str) -> Value {
    json!({"name": "main", "url": "job/fleet/job/main/", "build": {
        "full_url": "http://ci.example.com/job/fleet/job/main/9/", "number": 9, "phase": phase,
        "status": status, "url": "job/fleet/job/main/9/",
    }})
}

#[tokio::test]
async fn an_event_of_ones_own_is_sent_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event.json");
    std::fs::write(&file, body("SUCCESS", "FINALIZED").to_string()).unwrap();
    run(&["demo", "--event", text(&file)]).await.with_code(0);

    std::fs::write(&file, body("FAILURE", "FINALIZED").to_string()).unwrap();
    let ended = run(&["demo", "--event", text(&file)]).await.with_code(1);
    assert!(ended.stderr.contains("no pipeline started"), "{}", ended.stderr);

    std::fs::write(&file, body("SUCCESS", "STARTED").to_string()).unwrap();
    let ended = run(&["demo", "--event", text(&file)]).await.with_code(1);
    assert!(ended.stderr.contains("the gateway did not accept"), "{}", ended.stderr);
}
