//! What bodies mean: our own table, and real ones.

use std::path::PathBuf;

use trigger_gateway::jenkins::{DoneAt, FinishedBuild, Reading, read_notification};

const ROOT: &str = "https://ci.example.com/jenkins/";

fn read(body: &[u8]) -> Reading {
    read_notification(body, ROOT, DoneAt::Finalized)
}

fn build(job: &str, number: u64) -> Reading {
    Reading::Build(FinishedBuild { job: job.to_owned(), number })
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn builds_are_read_from_what_there_is() {
    for (body, job, number) in [
        // Everything a modern plugin sends.
        (
            r#"{"name":"main","display_name":"main","url":"job/shop/job/package/job/main/","build":{"full_url":"https://ci.example.com/jenkins/job/shop/job/package/job/main/118/","number":118,"queue_id":9,"timestamp":1790000000000,"duration":5000,"phase":"FINALIZED","status":"SUCCESS","url":"job/shop/job/package/job/main/118/","scm":{"commit":"abc"},"parameters":{"BUILD_NUMBER":"7"},"log":"","notes":"","artifacts":{"a.deb":{"archive":"https://evil.example/a.deb"}}}}"#,
            "shop/package/main",
            118,
        ),
        // A branch with a slash.
        (
            r#"{"name":"feature%2Fx","build":{"number":3,"phase":"FINALIZED","url":"job/shop/job/feature%252Fx/3/"}}"#,
            "shop/feature%2Fx",
            3,
        ),
        // The word before plugin 1.6, and any case.
        (
            r#"{"name":"shop","build":{"number":3,"phase":"FINISHED","url":"job/shop/3/"}}"#,
            "shop",
            3,
        ),
        (
            r#"{"name":"shop","build":{"number":3,"phase":"Finalized","url":"job/shop/3/"}}"#,
            "shop",
            3,
        ),
        // Failed builds count too: that they start nothing is a decision worth showing.
        (
            r#"{"name":"shop","build":{"number":3,"phase":"FINALIZED","status":"FAILURE","url":"job/shop/3/"}}"#,
            "shop",
            3,
        ),
        (
            r#"{"name":"shop","build":{"number":3,"phase":"FINALIZED","status":"MARTIAN","url":"job/shop/3/"}}"#,
            "shop",
            3,
        ),
        // One place names no job: the next does.
        (
            r#"{"name":"x","build":{"full_url":"http://ci/shop/3/","number":3,"phase":"FINALIZED","url":"job/shop/3/"}}"#,
            "shop",
            3,
        ),
        (
            r#"{"name":"x","url":"job/shop/","build":{"full_url":null,"number":3,"phase":"FINALIZED"}}"#,
            "shop",
            3,
        ),
        (
            r#"{"name":"Build my project","build":{"number":3,"phase":"FINALIZED"}}"#,
            "Build my project",
            3,
        ),
        // The absolute URL wins.
        (
            r#"{"name":"a","url":"job/a/","build":{"full_url":"http://ci/job/b/3/","number":3,"phase":"FINALIZED","url":"job/a/3/"}}"#,
            "b",
            3,
        ),
        // Blanks, a byte order mark.
        (
            "\u{feff} \n{\"name\":\"shop\",\"build\":{\"number\":3,\"phase\":\"FINALIZED\"}}\r\n",
            "shop",
            3,
        ),
        // As a form's key, plain and encoded, and as a form's field.
        (r#"{"name":"shop","build":{"number":3,"phase":"FINALIZED"}}="#, "shop", 3),
        (
            "%7B%22name%22%3A%22my+shop%22%2C%22build%22%3A%7B%22number%22%3A3%2C%22phase%22%3A%22FINALIZED%22%7D%7D=",
            "my shop",
            3,
        ),
        (
            "payload=%7B%22name%22%3A%22shop%22%2C%22build%22%3A%7B%22number%22%3A3%2C%22phase%22%3A%22FINALIZED%22%7D%7D",
            "shop",
            3,
        ),
        // Things of the wrong type where we do not look.
        (
            r#"{"name":"shop","commits":7,"build":{"number":3,"phase":"FINALIZED","log":[1],"status":{}}}"#,
            "shop",
            3,
        ),
    ] {
        assert_eq!(read(body.as_bytes()), build(job, number), "{body}");
    }
}

#[test]
fn other_phases_are_ignored_with_a_reason() {
    for phase in ["QUEUED", "STARTED", "COMPLETED", "NONE", "SOMETHING", ""] {
        // Nothing else of such a body matters.
        let body = format!(r#"{{"build":{{"phase":"{phase}","number":"x"}}}}"#);
        let Reading::Ignored { reason } = read(body.as_bytes()) else { panic!("{phase}") };
        assert!(reason.contains(phase), "{reason}");
    }
    let completed = br#"{"name":"shop","build":{"number":3,"phase":"COMPLETED"}}"#;
    assert_eq!(read_notification(completed, ROOT, DoneAt::Completed), build("shop", 3));
}

#[test]
fn what_is_wrong_is_named() {
    let deep = "[".repeat(100_000);
    let long =
        format!(r#"{{"name":"{}","build":{{"number":3,"phase":"FINALIZED"}}}}"#, "n".repeat(1025));
    for (body, pointer) in [
        ("", ""),
        ("   ", ""),
        ("hello", ""),
        ("[]", ""),
        ("null", ""),
        ("7", ""),
        ("{", ""),
        ("{}", "/build"),
        ("<job><name>shop</name></job>", ""),
        ("a=b&c=%7B", ""),
        ("%FF=", ""),
        (deep.as_str(), ""),
        (r#"{"build":[]}"#, "/build"),
        (r#"{"build":{}}"#, "/build/phase"),
        (r#"{"build":{"phase":7}}"#, "/build/phase"),
        (r#"{"name":"shop","build":{"phase":"FINALIZED"}}"#, "/build/number"),
        (r#"{"name":"shop","build":{"phase":"FINALIZED","number":"3"}}"#, "/build/number"),
        (r#"{"name":"shop","build":{"phase":"FINALIZED","number":0}}"#, "/build/number"),
        (r#"{"name":"shop","build":{"phase":"FINALIZED","number":-1}}"#, "/build/number"),
        (r#"{"name":"shop","build":{"phase":"FINALIZED","number":1.5}}"#, "/build/number"),
        (
            r#"{"name":"shop","build":{"phase":"FINALIZED","number":99999999999999999999}}"#,
            "/build/number",
        ),
        (r#"{"build":{"phase":"FINALIZED","number":3}}"#, "/build/full_url"),
        (r#"{"name":"  ","build":{"phase":"FINALIZED","number":3}}"#, "/build/full_url"),
        (r#"{"name":7,"build":{"phase":"FINALIZED","number":3}}"#, "/name"),
        (r#"{"name":"a/../b","build":{"phase":"FINALIZED","number":3}}"#, "/name"),
        (r#"{"name":"a\u0000","build":{"phase":"FINALIZED","number":3}}"#, "/name"),
        (
            r#"{"name":"x","build":{"phase":"FINALIZED","number":3,"full_url":7}}"#,
            "/build/full_url",
        ),
        (
            r#"{"name":"x","build":{"phase":"FINALIZED","number":3,"url":"job/../3/"}}"#,
            "/build/url",
        ),
        (r#"{"name":"x","url":["job/x/"],"build":{"phase":"FINALIZED","number":3}}"#, "/url"),
        (long.as_str(), "/name"),
    ] {
        let shown: String = body.chars().take(80).collect();
        let Reading::Invalid { pointer: found, reason } = read(body.as_bytes()) else {
            panic!("{shown}")
        };
        assert_eq!(found, pointer, "{shown}: {reason}");
        assert!(!reason.is_empty());
    }
    assert!(matches!(read(b"\xff\xfe{}"), Reading::Invalid { .. }));
}

/// The folder of real bodies, if this machine has it.
fn samples() -> Option<PathBuf> {
    let folder = std::env::var_os("BOWLINE_SAMPLES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: BOWLINE_SAMPLES names no folder of real Jenkins bodies");
    }
    folder.map(|folder| folder.join("jenkins"))
}

#[test]
fn real_notifications_are_understood() {
    let Some(folder) = samples() else { return };
    let mut seen = 0;
    for (name, expected) in [
        ("01", ("asgard", 18, "COMPLETED")),
        ("02", ("support", 148, "FINALIZED")),
        ("03", ("", 0, "STARTED")),
        ("04", ("support", 148, "FINALIZED")),
        ("05", ("", 0, "STARTED")),
        ("06", ("Pivots2-iOS", 10, "FINALIZED")),
        ("07", ("projectmonitor_ci_test", 7, "FINALIZED")),
        ("08", ("projectmonitor_ci_test", 7, "FINALIZED")),
        ("09", ("example-springboot", 7, "COMPLETED")),
        ("10", ("project", 15, "FINALIZED")),
        ("11", ("DFG-test-comp_test-10-ceph", 3, "FINALIZED")),
        ("12", ("", 0, "STARTED")),
        ("14", ("Jobname", 69, "COMPLETED")),
        ("15", ("Jobname", 70, "FINALIZED")),
    ] {
        let (job, number, phase) = expected;
        for entry in std::fs::read_dir(folder.join("notification")).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_str().unwrap().starts_with(name) {
                continue;
            }
            seen += 1;
            let body = std::fs::read(&path).unwrap();
            let finalized = read_notification(&body, "http://localhost:8080/", DoneAt::Finalized);
            let completed = read_notification(&body, "http://localhost:8080/", DoneAt::Completed);
            let shown = path.display();
            match phase {
                "FINALIZED" => assert_eq!(
                    (&finalized, &completed),
                    (&build(job, number), &build(job, number)),
                    "{shown}"
                ),
                "COMPLETED" => {
                    assert!(matches!(finalized, Reading::Ignored { .. }), "{shown}");
                    assert_eq!(completed, build(job, number), "{shown}");
                }
                _ => assert!(matches!(completed, Reading::Ignored { .. }), "{shown}"),
            }
        }
    }
    assert_eq!(seen, 14, "each sample was found once");
}

#[test]
fn every_real_body_of_any_sender_gets_an_answer() {
    let Some(folder) = samples() else { return };
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let body = std::fs::read(&path).unwrap();
            // Cut anywhere, a body is still only a body.
            for end in [body.len(), body.len() / 2, body.len().saturating_sub(1)] {
                read(&body[..end]);
            }
        }
    }
}
