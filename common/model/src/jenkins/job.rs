//! Names of jobs. Joined and escaped in one place: doing it by hand in two places has kept
//! Spinnaker's folder jobs broken for years.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A job's full name: folders and the job, each decoded once.
///
/// `Display` joins them with `/`, or with `/job/` where a folder called `job` would mislead; what it
/// writes is parsed to the same name. A branch `feature/x` of a multibranch job is a job whose name is
/// `feature%2Fx`; that is how it stands here, and its address has `feature%252Fx`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName(Vec<String>);

/// A path that leads to no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobPathError {
    /// There is no `job/<name>` in it.
    #[error("`{path}` has no `/job/<name>` in it")]
    NoJob {
        /// The path.
        path: String,
    },
    /// An escape is not followed by two hexadecimal digits, or the bytes are no text.
    #[error("`{path}` is not escaped as an address is")]
    Escape {
        /// The path.
        path: String,
    },
}

impl JobName {
    /// Reads a full name as people and triggers write it: `folder/sub/name`, or Spinnaker's
    /// `folder/job/sub/job/name`. Both are the same job.
    ///
    /// A folder that is itself called `job` can only be named in the second way.
    pub fn parse(text: &str) -> Self {
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let parts = match parts.split_first() {
            // `job/folder/job/name`, a path without its escapes.
            Some((&"job", rest)) if is_separated(rest) => rest,
            Some(_) | None => parts.as_slice(),
        };
        if is_separated(parts) {
            return Self(parts.iter().step_by(2).map(|part| (*part).to_owned()).collect());
        }
        Self(parts.iter().map(|part| (*part).to_owned()).collect())
    }

    /// Reads the path of a job's or a build's page: `/jenkins/view/all/job/folder/job/name/118/`.
    /// A whole address is taken too. What stands before and after the `job/<name>` pairs is left
    /// out: context path, views, build number.
    ///
    /// # Errors
    /// When the path leads to no job, or is not escaped properly.
    pub fn from_url_path(path: &str) -> Result<Self, JobPathError> {
        let inner = path.split(['?', '#']).next().unwrap_or(path);
        let inner = match inner.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => inner,
        };
        let parts: Vec<&str> = inner.split('/').filter(|part| !part.is_empty()).collect();
        let names = pairs(&parts);
        if names.is_empty() {
            return Err(JobPathError::NoJob { path: path.to_owned() });
        }
        let decoded: Option<Vec<String>> = names.iter().map(|name| decoded(name)).collect();
        decoded.map(Self).ok_or_else(|| JobPathError::Escape { path: path.to_owned() })
    }

    /// The path below the controller's root, without slashes at its ends: `job/folder/job/name`.
    pub fn url_path(&self) -> String {
        let parts: Vec<String> =
            self.0.iter().map(|part| format!("job/{}", encoded(part))).collect();
        parts.join("/")
    }

    /// Folders and the job's own name.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// True when nothing is named.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The path of a file below a build's artifacts, each part escaped once for an address.
pub fn encoded_path(path: &str) -> String {
    path.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

/// `a/job/b/job/c`: every second part is `job`, and there is a name after the last.
fn is_separated(parts: &[&str]) -> bool {
    parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(|part| *part == "job")
}

/// The names of the last unbroken row of `job/<name>` pairs. Views may stand between folders.
fn pairs<'p>(parts: &[&'p str]) -> Vec<&'p str> {
    let mut names = Vec::new();
    let mut rest = parts.iter().copied();
    while let Some(part) = rest.next() {
        match part {
            "job" => names.extend(rest.next()),
            // The view's name may itself be `job`.
            "view" => {
                rest.next();
            }
            // What follows the job: a build number, `api/json`. What comes before it: the context path.
            _ if !names.is_empty() => break,
            _ => {}
        }
    }
    names
}

/// Names that readers of addresses take for "here" and "one up", escaped or not.
fn is_dots(name: &str) -> bool {
    matches!(name, "." | "..")
}

/// Escapes everything but letters, digits, `-`, `.`, `_` and `~`; `%` too, which a name may hold.
fn encoded(name: &str) -> String {
    use fmt::Write as _;
    // Escaped twice it is an address that leads to no job, instead of to another page.
    if is_dots(name) {
        return name.replace('.', "%252E");
    }
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Takes escapes away, once.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
        out.push(high * 16 + low);
    }
    let text = String::from_utf8(out).ok()?;
    // A slash or nothing at all would be another job's name when written out, dots a way up.
    (!text.is_empty() && !text.contains('/') && !is_dots(&text)).then_some(text)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misleads = self.0.iter().any(|part| part == "job");
        f.write_str(&self.0.join(if misleads { "/job/" } else { "/" }))
    }
}

impl FromStr for JobName {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::parse(text))
    }
}

impl From<String> for JobName {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_pages_are_read_to_full_names() {
        for (path, name) in [
            ("/job/shop/118/", "shop"),
            ("job/a/job/b/job/c", "a/b/c"),
            ("/jenkins/job/a/job/b/12/", "a/b"),
            ("/view/all/job/github_org/job/tool/", "github_org/tool"),
            ("/job/a/view/mine/job/b/3/api/json", "a/b"),
            ("/view/job/job/b/", "b"),
            ("/ci/jenkins/view/x/view/y/job/b/1/", "b"),
            ("/job/my%20job/1/", "my job"),
            ("/job/multi/job/feature%252Fx/7/", "multi/feature%2Fx"),
            ("/job/job/job/job/", "job/job/job"),
            ("/job/%E8%BF%99/1/", "这"),
            ("https://ci.example.net:8443/jenkins/job/a/job/b/5/?x=/job/no", "a/b"),
        ] {
            assert_eq!(JobName::from_url_path(path).unwrap().to_string(), name, "{path}");
        }
    }

    #[test]
    fn what_leads_to_no_job_is_refused() {
        for path in [
            "",
            "/",
            "/view/all/",
            "JobUrl",
            "/job/",
            "/job/%zz/",
            "/job/%2/",
            "/job/a%2Fb/",
            "/job/%FF/",
            "/job/../",
            "/job/%2E%2e/",
            "https://ci.example.net",
        ] {
            assert!(JobName::from_url_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn triggers_may_write_a_job_in_either_way() {
        for (left, right) in [
            ("shop/job/shop-package/job/main", "shop/shop-package/main"),
            ("job/shop/job/main", "shop/main"),
            ("/shop/main/", "shop/main"),
            ("shop", "shop"),
        ] {
            assert_eq!(JobName::parse(left), JobName::parse(right), "{left}");
        }
        assert_ne!(JobName::parse("shop/main"), JobName::parse("shop/job"));
        assert_eq!(JobName::parse("a/job").segments(), ["a", "job"]);
        assert_eq!(JobName::parse("job").segments(), ["job"]);
    }

    #[test]
    fn a_branch_with_a_slash_is_escaped_twice_in_its_address() {
        let name = JobName::parse("multi/feature%2Fx");
        assert_eq!(name.url_path(), "job/multi/job/feature%252Fx");
        assert_eq!(JobName::parse("a b/ü").url_path(), "job/a%20b/job/%C3%BC");
        assert_eq!(JobName::parse("a/../b").url_path(), "job/a/job/%252E%252E/job/b");
    }

    proptest! {
        #[test]
        fn an_address_leads_back_to_its_job(
            segments in proptest::collection::vec("[^/\\x00]{1,8}", 1..5),
            prefix in "(/jenkins|/ci/root)?(/view/all)?/",
            number in "(/[0-9]{1,3})?/?",
        ) {
            prop_assume!(!segments.iter().any(|segment| is_dots(segment)));
            let name = JobName(segments);
            let path = format!("{prefix}{}{number}", name.url_path());
            prop_assert_eq!(JobName::from_url_path(&path).unwrap(), name);
        }

        #[test]
        fn a_name_is_read_back_from_its_text(segments in proptest::collection::vec("job|[a-z%0-9 ]{1,8}", 1..5)) {
            let name = JobName(segments);
            prop_assert_eq!(JobName::parse(&name.to_string()), name);
        }

        #[test]
        fn no_path_makes_it_panic(path in "[/a%2jobview:?#é]{0,30}") {
            drop(JobName::from_url_path(&path));
            drop(JobName::parse(&path));
        }
    }
}
