//! The house plan as a test: who may name whom, what is pure, what every room must have.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use processes::root;
use serde_json::Value;

/// Every package and those of ours it may name in `[dependencies]`.
const PLAN: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("runtime", &[]),
    ("expression", &["model"]),
    ("wire", &["model"]),
    ("stages", &["expression", "model", "wire"]),
    ("triggers", &["expression", "model", "wire"]),
    ("definitions", &["expression", "model", "stages", "triggers", "wire"]),
    ("engine", &["definitions", "expression", "model", "stages", "wire"]),
    ("store", &["model"]),
    ("bus", &["model", "wire"]),
    ("worker", &["bus", "model", "runtime", "store", "wire"]),
    (
        "coordinator",
        &[
            "bus",
            "definitions",
            "engine",
            "expression",
            "model",
            "runtime",
            "stages",
            "store",
            "triggers",
            "wire",
        ],
    ),
    ("worker-bake", &["bus", "model", "runtime", "store", "wire", "worker"]),
    ("worker-deploy", &["bus", "model", "runtime", "store", "wire", "worker"]),
    (
        "trigger-gateway",
        &["definitions", "expression", "model", "runtime", "stages", "store", "triggers", "wire"],
    ),
    ("fake-aws", &["model", "runtime", "wire", "worker-bake", "worker-deploy"]),
    ("fake-jenkins", &["model", "runtime", "wire"]),
    ("fault-proxy", &["runtime"]),
    ("lab", &[]),
    ("processes", &["model"]),
    (
        "cli",
        &[
            "bus",
            "coordinator",
            "definitions",
            "expression",
            "fake-aws",
            "fake-jenkins",
            "model",
            "runtime",
            "stages",
            "store",
            "trigger-gateway",
            "triggers",
            "wire",
            "worker",
            "worker-bake",
            "worker-deploy",
        ],
    ),
    (
        "bench",
        &[
            "bus",
            "coordinator",
            "definitions",
            "engine",
            "expression",
            "fake-aws",
            "model",
            "runtime",
            "store",
            "triggers",
            "wire",
            "worker",
            "worker-bake",
        ],
    ),
    (
        "fuzz",
        &[
            "definitions",
            "engine",
            "expression",
            "model",
            "trigger-gateway",
            "triggers",
            "wire",
            "worker-bake",
        ],
    ),
    (
        "simulation",
        &[
            "bus",
            "coordinator",
            "fake-aws",
            "fake-jenkins",
            "model",
            "runtime",
            "store",
            "trigger-gateway",
            "triggers",
            "wire",
            "worker",
            "worker-bake",
            "worker-deploy",
        ],
    ),
    ("e2e", &["model", "runtime", "wire"]),
];

/// Packages without I/O, and what they may use from outside.
const PURE: &[&str] =
    &["model", "wire", "expression", "stages", "triggers", "definitions", "engine"];
const PURE_MAY_USE: &[&str] = &[
    "base64",
    "form_urlencoded",
    "jiff",
    "regex",
    "saphyr-parser",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "ulid",
];

/// Outside packages that only some rooms may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("lapin", &["bus"]),
    ("redis", &["store"]),
    ("redb", &["store"]),
    ("aws-config", &["worker", "worker-bake", "worker-deploy"]),
    ("aws-sdk-ec2", &["worker-bake", "worker-deploy"]),
    ("aws-sdk-autoscaling", &["worker-deploy"]),
    ("aws-sdk-elasticloadbalancing", &["worker-deploy"]),
    ("aws-sdk-elasticloadbalancingv2", &["worker-deploy"]),
    ("aws-smithy-http-client", &["worker", "worker-bake", "worker-deploy"]),
];

/// Longest source file, in lines. A longer one is two rooms.
const LINES_MAX: usize = 500;

/// Names that say nothing about what is in a file.
const BANNED_FILES: &[&str] =
    &["utils", "util", "helpers", "common", "manager", "service", "types", "misc", "base", "impl"];

fn metadata() -> Value {
    let args = ["metadata", "--no-deps", "--format-version=1", "--offline"];
    let output = Command::new(env!("CARGO")).args(args).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dependencies_follow_the_plan() {
    let metadata = metadata();
    let plan: BTreeMap<&str, &[&str]> = PLAN.iter().copied().collect();
    let reserved: BTreeMap<&str, &[&str]> = RESERVED.iter().copied().collect();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), plan.len(), "the plan lists every package");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let allowed = plan.get(name).unwrap_or_else(|| panic!("{name} is not in the plan"));
        for dependency in package["dependencies"].as_array().unwrap() {
            if !dependency["kind"].is_null() {
                continue; // Tests may use more.
            }
            let on = dependency["name"].as_str().unwrap();
            if plan.contains_key(on) {
                assert!(allowed.contains(&on), "{name} must not depend on {on}");
            } else if PURE.contains(&name) {
                assert!(PURE_MAY_USE.contains(&on), "{name} is pure and must not use {on}");
            }
            if let Some(owners) = reserved.get(on) {
                assert!(owners.contains(&name), "only {owners:?} may name {on}, not {name}");
            }
        }
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} must inherit the lints");
    }
}

fn sources() -> Vec<PathBuf> {
    let args = ["ls-files", "-co", "--exclude-standard", "*.rs"];
    let output = Command::new("git").args(args).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "the house test needs a git checkout");
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines().map(|line| root().join(line)).filter(|path| path.exists()).collect()
}

#[test]
fn files_are_short_and_named_after_something() {
    let files = sources();
    assert!(files.len() > 50, "found only {} sources", files.len());
    for path in files {
        let shown = path.display();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(!BANNED_FILES.contains(&stem), "{shown}: name the noun");
        assert!(stem != "mod", "{shown}: use foo.rs beside foo/");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{shown}: {lines} lines, {LINES_MAX} are the most");
    }
}

/// Destruction is never forced, and only builders of ours are terminated.
#[test]
fn no_code_path_forces_a_deletion() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = path.display().to_string();
        if shown.contains("/worker-deploy/") {
            for call in [".force_delete(", ".terminate_instances(", ".deregister_image("] {
                assert!(!text.contains(call), "{shown} calls {call}");
            }
        }
        if shown.contains("/worker-bake/") {
            for call in [".force_delete(", ".deregister_image(", ".delete_snapshot("] {
                assert!(!text.contains(call), "{shown} calls {call}");
            }
        }
    }
}

#[test]
fn links_in_the_readmes_resolve() {
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap().split('#').next().unwrap();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            assert!(root().join(target).exists(), "{name} links to {target}, which is not there");
        }
    }
}
