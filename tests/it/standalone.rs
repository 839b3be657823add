//! What a stranger does first: the demo, kept running, looked at over HTTP.

use processes::program;
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::world::{client, get};

#[tokio::test]
async fn demo_ships_and_can_be_looked_at() {
    let mut child = Command::new(program("bowline"))
        .args(["demo", "--keep"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    let value = |said: &[String], label: &str| {
        let line = said.iter().find(|line| line.trim_start().starts_with(label))?;
        Some(line.trim_start().trim_start_matches(label).trim().to_owned())
    };
    for line in out.lines() {
        said.push(line.unwrap());
        // The address is the last thing it says.
        if value(&said, "address").is_some() {
            break;
        }
    }
    let shown = said.join("\n");
    let text = |label: &str| value(&said, label).unwrap_or_else(|| panic!("no {label}:\n{shown}"));
    assert!(text("image").contains("ami-"), "{shown}");
    let (new, old) = (text("new server group"), text("destroyed server group"));
    assert!(new.contains("-v") && old.contains("-v") && new != old, "{shown}");
    let url = format!("{}/pipelines/{}", text("address"), text("execution"));
    let execution = get(&client(), &url).await.unwrap_or_else(|| panic!("{url}:\n{shown}"));
    assert_eq!(execution["status"], "SUCCEEDED");
    for address in listening(child.id()) {
        assert!(address.starts_with("0100007F:"), "listens beyond loopback: {address}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The local addresses a process listens on, as the kernel writes them.
fn listening(pid: u32) -> BTreeSet<String> {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let sockets: BTreeSet<String> = fds
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.to_owned();
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && sockets.contains(fields[9]) {
                found.insert(fields[1].to_owned());
            }
        }
    }
    assert!(!found.is_empty(), "it listens on nothing");
    found
}
