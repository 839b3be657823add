//! What a builder does, as its user data: one fixed script, into which values go only as base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The script; `{name}` marks where a value goes.
const SCRIPT: &str = include_str!("user_data/bake.sh");
/// AWS takes no more, before it is encoded for the wire.
pub const USER_DATA_BYTES_MAX: usize = 16 * 1024;
/// Part of the bake key: a change of the script makes other images.
pub const SCRIPT_FORMAT: u32 = 1;

/// What to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The bake key; the console says it when all went well.
    pub key: String,
    /// In this order. Names and versions fit [`crate::grammar`].
    pub packages: Vec<Pin>,
    /// Lines of a sources list, there while packages are installed.
    pub repositories: Vec<String>,
    /// Whether everything else is brought up to date first.
    pub upgrade: Upgrade,
}

/// A package to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its name.
    pub name: String,
    /// Exactly this version; `None` is the newest in the repositories.
    pub version: Option<String>,
}

impl Pin {
    /// As apt writes it: `name=version`.
    pub fn to_line(&self) -> String {
        match &self.version {
            Some(version) => format!("{}={version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What happens to the packages of the base image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// They stay as they are.
    No,
    /// All are upgraded first.
    Full,
}

/// The user data for a spec.
pub fn render(spec: &Spec) -> String {
    let packages = lines(spec.packages.iter().map(Pin::to_line));
    let repositories = lines(spec.repositories.iter().cloned());
    let upgrade = match spec.upgrade {
        Upgrade::No => "false",
        Upgrade::Full => "true",
    };
    // Base64 holds no brace, so a value cannot be taken for the mark of another.
    SCRIPT
        .replacen("{key}", &STANDARD.encode(&spec.key), 1)
        .replacen("{packages}", &STANDARD.encode(packages), 1)
        .replacen("{repositories}", &STANDARD.encode(repositories), 1)
        .replacen("{upgrade}", &STANDARD.encode(upgrade), 1)
}

/// Each line ended, the last too: that is how the script reads them.
fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// The spec a user data was made from; `None` if it is not exactly what [`render`] makes.
pub fn read_back(user_data: &str) -> Option<Spec> {
    let value = |name: &str| {
        let mark = format!("BOWLINE_{name}='");
        let encoded =
            user_data.lines().find_map(|line| line.strip_prefix(&mark)?.strip_suffix('\''))?;
        String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
    };
    let packages = value("PACKAGES")?
        .lines()
        .map(|line| match line.split_once('=') {
            Some((name, version)) => {
                Pin { name: name.to_owned(), version: Some(version.to_owned()) }
            }
            None => Pin { name: line.to_owned(), version: None },
        })
        .collect();
    let upgrade = match value("UPGRADE")?.as_str() {
        "true" => Upgrade::Full,
        "false" => Upgrade::No,
        _ => return None,
    };
    let spec = Spec {
        key: value("KEY")?,
        packages,
        repositories: value("REPOSITORIES")?.lines().map(str::to_owned).collect(),
        upgrade,
    };
    (render(&spec) == user_data).then_some(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            key: "0f".repeat(32),
            packages: vec![
                Pin { name: "shop-web".to_owned(), version: Some("1.4.2-h118.3f2a1bc".to_owned()) },
                Pin { name: "collectd".to_owned(), version: None },
            ],
            repositories: vec!["deb [trusted=yes] https://repo.example bookworm main".to_owned()],
            upgrade: Upgrade::Full,
        }
    }

    #[test]
    fn what_is_rendered_is_read_back() {
        assert_eq!(read_back(&render(&spec())), Some(spec()));
        let bare = Spec { packages: vec![], repositories: vec![], upgrade: Upgrade::No, ..spec() };
        assert_eq!(read_back(&render(&bare)), Some(bare));
    }

    #[test]
    fn a_changed_script_is_not_read_back() {
        let script = render(&spec());
        assert_eq!(read_back(&script.replace("sync", "reboot")), None);
        assert_eq!(read_back("#!/bin/sh\necho hello\n"), None);
        assert_eq!(read_back(""), None);
    }

    #[test]
    fn values_never_stand_in_the_script_as_they_are() {
        // The grammar refuses such a value long before; the script must not depend on that.
        let evil = "x'; reboot; echo '$(id){packages}";
        let spec = Spec {
            key: evil.to_owned(),
            packages: vec![Pin { name: evil.to_owned(), version: None }],
            repositories: vec![evil.to_owned()],
            upgrade: Upgrade::No,
        };
        let script = render(&spec);
        assert!(!script.contains("reboot") && !script.contains("$(id)"));
        assert_eq!(script.lines().count(), SCRIPT.lines().count());
        assert_eq!(read_back(&script), Some(spec));
    }

    #[test]
    fn the_script_leaves_room_for_many_packages() {
        let mut spec = spec();
        spec.packages = vec![spec.packages[0].clone(); 100];
        assert!(render(&spec).len() < USER_DATA_BYTES_MAX);
    }
}
