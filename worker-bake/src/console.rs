//! What a builder's console says.

use wire::FailureKind;

/// Lines of the console that go into a failure.
const LINES_SHOWN: usize = 40;
/// Longest line shown.
const LINE_MAX: usize = 400;

/// What the bake script said at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything is installed.
    Installed,
    /// Something is not.
    Failed(Complaint),
}

/// Why the bake script gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Whether trying again can help.
    pub(crate) kind: FailureKind,
    /// For people.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<&'static str>,
}

/// Reads the verdict on this bake; `None` while there is none.
pub(crate) fn verdict(console: &str, key: &str) -> Option<Verdict> {
    console.lines().rev().find_map(|line| {
        let line = line.trim();
        if let Some(said) = line.strip_prefix("BOWLINE-BAKE-OK ") {
            (said == key).then_some(Verdict::Installed)
        } else {
            line.strip_prefix("BOWLINE-BAKE-FAILED ").map(|why| Verdict::Failed(complaint(why)))
        }
    })
}

fn complaint(why: &str) -> Complaint {
    let why = cut(&redacted(why));
    let (class, what) = why.split_once(": ").unwrap_or(("", &why));
    match class {
        "package-missing" => Complaint {
            kind: FailureKind::User,
            message: format!("package `{what}` is not in the repositories"),
            hint: Some(
                "publish the package before the pipeline starts, or check the name and version; the repositories are in `bake.repositories`",
            ),
        },
        "install" => Complaint {
            kind: FailureKind::User,
            message: format!("the installation failed: {what}"),
            hint: Some("the package's own scripts or dependencies failed; see the console lines"),
        },
        "repository" => Complaint {
            kind: FailureKind::Transient,
            message: format!("the repositories failed: {what}"),
            hint: Some(
                "check that the builder's subnet reaches the repositories and that they are signed",
            ),
        },
        "upgrade" => Complaint {
            kind: FailureKind::Transient,
            message: format!("the upgrade failed: {what}"),
            hint: None,
        },
        _ => Complaint {
            kind: FailureKind::Transient,
            message: format!("the bake script failed: {why}"),
            hint: None,
        },
    }
}

/// The last lines of a console, fit for people: without control characters and secrets.
pub(crate) fn tail(console: &str) -> Option<String> {
    let lines: Vec<&str> = console.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default();
    (!last.is_empty())
        .then(|| last.iter().map(|line| cut(&redacted(line))).collect::<Vec<_>>().join("\n"))
}

fn cut(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(LINE_MAX).collect()
}

/// Without credentials in addresses and without AWS access keys. Bakers of old put both into their
/// logs (CVE-2022-23506).
fn redacted(line: &str) -> String {
    line.split(' ').map(redacted_word).collect::<Vec<_>>().join(" ")
}

fn redacted_word(word: &str) -> String {
    let without_login = match word.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, place)) => format!("{scheme}://***@{place}"),
            None => word.to_owned(),
        },
        None => word.to_owned(),
    };
    for mark in ["AKIA", "ASIA"] {
        if let Some((head, tail)) = without_login.split_once(mark) {
            let id = tail.bytes().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if id.count() >= 16 {
                return format!("{head}{mark}***");
            }
        }
    }
    let lower = without_login.to_ascii_lowercase();
    for name in ["secret", "password", "passwd", "token", "api_key", "apikey", "credential"] {
        if let Some(place) = lower.find(name)
            && let Some(sign) = lower.get(place..).and_then(|rest| rest.find(['=', ':']))
            && let Some(head) = without_login.get(..=place + sign)
        {
            return format!("{head}***");
        }
    }
    without_login
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_stands_alone_on_a_line() {
        let key = "ab12";
        assert_eq!(verdict("boot\n\nBOWLINE-BAKE-OK ab12\r\n", key), Some(Verdict::Installed));
        assert_eq!(verdict("| BOWLINE-BAKE-OK ab12\n", key), None);
        assert_eq!(verdict("BOWLINE-BAKE-OK other\n", key), None);
        assert_eq!(verdict("", key), None);
    }

    #[test]
    fn a_missing_package_is_the_users_to_mend() {
        let said = "x\nBOWLINE-BAKE-FAILED package-missing: shop-web=1.4.2-h118\n[ 9.1] reboot\n";
        let Some(Verdict::Failed(complaint)) = verdict(said, "k") else { panic!("no verdict") };
        assert_eq!(complaint.kind, FailureKind::User);
        assert_eq!(complaint.message, "package `shop-web=1.4.2-h118` is not in the repositories");
        assert!(complaint.hint.is_some());
    }

    #[test]
    fn an_unreachable_repository_is_worth_another_attempt() {
        let said = "BOWLINE-BAKE-FAILED repository: the package lists could not be read";
        let Some(Verdict::Failed(complaint)) = verdict(said, "k") else { panic!("no verdict") };
        assert_eq!(complaint.kind, FailureKind::Transient);
    }

    #[test]
    fn the_tail_is_short_clean_and_without_secrets() {
        let console: String = (0..100)
            .flat_map(|n| ["line ".to_owned(), n.to_string(), "\u{1b}[0m\n\n".to_owned()])
            .collect();
        let shown = tail(&console).unwrap();
        assert_eq!(shown.lines().count(), LINES_SHOWN);
        assert_eq!(shown.lines().last(), Some("line 99[0m"));
        assert_eq!(tail("\n \n"), None);
        for (line, expected) in [
            ("get https://me:word@repo.example/x now", "get https://***@repo.example/x now"),
            ("key=AKIAIOSFODNN7EXAMPLE", "key=AKIA***"),
            ("export AWS_SECRET_ACCESS_KEY=abc", "export AWS_SECRET_ACCESS_KEY=***"),
            ("install shop-web=1.4.2", "install shop-web=1.4.2"),
        ] {
            assert_eq!(tail(line).as_deref(), Some(expected));
        }
    }
}
