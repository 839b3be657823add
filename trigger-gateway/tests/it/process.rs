//! The binary: its words and its exit codes.

use std::process::{Command, Output};

fn gateway(settings: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bowline.toml");
    std::fs::write(&file, settings).unwrap();
    let binary = env!("CARGO_BIN_EXE_bowline-gateway");
    Command::new(binary).env_clear().arg("--config").arg(&file).output().unwrap()
}

#[test]
fn settings_that_cannot_be_used_are_all_told_and_end_with_64() {
    let output = gateway(
        "[gateway]\nlisten = \"0.0.0.0:0\"\nlisen = 1\n[store]\nurl = \"embedded:x\"\n[oops]\n",
    );
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{text}");
    for part in [
        "gateway.lisen: unknown field",
        "oops: there is no such section",
        "store.url: \"embedded:x\"",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn a_store_that_cannot_be_reached_ends_with_1_and_no_password() {
    let settings =
        "[gateway]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"redis://:canary@127.0.0.1:1/\"\n";
    let output = gateway(settings);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("bowline-gateway: ") && !text.contains("canary"), "{text}");
}
