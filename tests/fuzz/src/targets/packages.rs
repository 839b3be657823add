//! Names of packages, versions, server groups; and the script they end in.

use std::cmp::Ordering;

use model::{
    moniker::{Moniker, ServerGroupName},
    package::{DebFile, DebVersion, PackageRef, resolve},
};
use worker_bake::user_data::{Pin, Spec, Upgrade, read_back, render};

use super::text;

/// Versions, one a line: the order is total, and equal texts are equal versions.
pub(super) fn versions(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let read: Vec<DebVersion> = text.lines().take(8).filter_map(|line| line.parse().ok()).collect();
    for a in &read {
        assert_eq!(a.to_string().parse::<DebVersion>().ok().as_ref(), Some(a));
        assert_eq!(a.cmp(a), Ordering::Equal);
        for b in &read {
            assert_eq!(a.cmp(b), b.cmp(a).reverse(), "{a} and {b}");
            assert_eq!(a == b, a.cmp(b) == Ordering::Equal, "{a} and {b}");
            for c in &read {
                if a <= b && b <= c {
                    assert!(a <= c, "{a}, {b}, {c}");
                }
            }
        }
    }
}

/// How two versions compare, as dpkg's operators: `lt`, `eq`, `gt`; `None` when one is no version.
pub fn compare_versions(a: &str, b: &str) -> Option<&'static str> {
    let (a, b): (DebVersion, DebVersion) = (a.parse().ok()?, b.parse().ok()?);
    Some(match a.cmp(&b) {
        Ordering::Less => "lt",
        Ordering::Equal => "eq",
        Ordering::Greater => "gt",
    })
}

/// The first line is what a pipeline asks for, the others are what a build archived.
pub(super) fn packages(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut lines = text.lines();
    let asked: Vec<String> =
        lines.next().unwrap_or_default().split(' ').map(str::to_owned).collect();
    let archived: Vec<String> = lines.take(64).map(str::to_owned).collect();
    for name in asked.iter().chain(&archived) {
        drop(name.parse::<PackageRef>());
        if let Ok(file) = DebFile::parse(name) {
            assert!(!file.name.is_empty() && !file.name.starts_with('-'), "{file:?}");
            let version = file.version.as_str();
            assert!(!version.contains(['_', '/', ' ', '\n']), "{file:?}");
        }
    }
    if let Ok(found) = resolve(&asked, &archived) {
        assert_eq!(found.len(), asked.len(), "one answer for each question");
    }
}

/// What is written of a name that was read is that name.
pub(super) fn server_group(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(cluster) = text.parse::<Moniker>() {
        assert_eq!(cluster.cluster(), text);
        let group = ServerGroupName::new(cluster, 7);
        assert_eq!(group.to_string().parse().ok(), Some(group));
    }
    if let Ok(group) = text.parse::<ServerGroupName>() {
        assert_eq!(group.to_string().parse().ok().as_ref(), Some(&group));
        assert!(text.starts_with(&group.moniker.cluster()));
    }
}

/// The script with any values in it is the same script: nothing of a value stands in it as it is.
pub(super) fn user_data(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut lines = text.lines();
    let key = lines.next().unwrap_or_default().to_owned();
    let packages = lines
        .by_ref()
        .take(8)
        .map(|line| match line.split_once('=') {
            Some((name, version)) => {
                Pin { name: name.to_owned(), version: Some(version.to_owned()) }
            }
            None => Pin { name: line.to_owned(), version: None },
        })
        .collect();
    let repositories = lines.take(8).map(str::to_owned).collect();
    let spec = Spec { key, packages, repositories, upgrade: Upgrade::Full };
    let empty = Spec {
        key: String::new(),
        packages: Vec::new(),
        repositories: Vec::new(),
        upgrade: Upgrade::Full,
    };
    let (script, bare) = (render(&spec), render(&empty));
    let fixed = |script: &str| -> Vec<String> {
        let lines = script.lines().filter(|line| !line.starts_with("BOWLINE_"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(fixed(&script), fixed(&bare), "a value has become a part of the script");
    assert_eq!(script.lines().count(), bare.lines().count());
    assert_eq!(read_back(&script), Some(spec), "the script holds what was put in");
}
