//! The `appversion` tag of an image, by which Spinnaker shows which build an image holds.
//!
//! Source: Netflix Frigga's `AppVersion`, and Rosco which builds it.

use std::{fmt, str::FromStr};

use super::DebVersion;

/// What an `appversion` says: `shop-1.4.2-h118.3f2a1bc/shop-package/118`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppVersion {
    /// The package.
    pub package: String,
    /// Version of the software.
    pub version: String,
    /// Build number inside the package's own version.
    pub build: Option<String>,
    /// Commit inside the package's own version.
    pub commit: Option<String>,
    /// The Jenkins job, `/` written as `-`, and its build number, which may differ from `build`.
    pub job: Option<(String, u64)>,
}

/// Text that is no `appversion`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an appversion: `name-version-h12.commit/job/12` is")]
pub struct AppVersionError(String);

impl AppVersion {
    /// The tag for a package, as far as its form can carry the facts: a version with other signs than
    /// the form allows gives none, as in Rosco, for readers of the tag would misread it.
    pub fn of(package: &str, version: &DebVersion, job: Option<(&str, u64)>) -> Option<Self> {
        let revision = version.revision().filter(|text| text.starts_with('h'));
        let (build, commit) = match revision.and_then(|text| text.strip_prefix('h')) {
            None => (None, None),
            Some(text) => match text.split_once('.') {
                None => (Some(text.to_owned()), None),
                Some((build, commit)) => (Some(build.to_owned()), Some(commit.to_owned())),
            },
        };
        let job = job.map(|(name, number)| (name.replace('/', "-"), number));
        let made = Self {
            package: package.to_owned(),
            version: version.upstream().to_owned(),
            build,
            commit,
            job,
        };
        (made.to_string().parse() == Ok(made.clone())).then_some(made)
    }
}

impl fmt::Display for AppVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.package, self.version)?;
        match (&self.build, &self.commit) {
            (Some(build), Some(commit)) => write!(f, "-h{build}.{commit}")?,
            (Some(build), None) => write!(f, "-h{build}")?,
            (None, Some(commit)) => write!(f, "-{commit}")?,
            (None, None) => {}
        }
        if let Some((job, number)) = &self.job {
            write!(f, "/{job}/{number}")?;
        }
        Ok(())
    }
}

impl FromStr for AppVersion {
    type Err = AppVersionError;
    fn from_str(text: &str) -> Result<Self, AppVersionError> {
        read(text).ok_or_else(|| AppVersionError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<AppVersion> {
    let (head, job) = match text.split_once('/') {
        None => (text, None),
        Some((head, tail)) => {
            let (job, number) = tail.split_once('/')?;
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            let number = number.parse().ok().filter(|_| digits)?;
            (head, is_name(job).then(|| Some((job.to_owned(), number)))?)
        }
    };
    // The last part is the release; the version before it has no hyphen, the name may have some.
    let (rest, release) = head.rsplit_once('-')?;
    let (package, version) = rest.rsplit_once('-')?;
    let sound_version = !version.is_empty()
        && version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '~'));
    if !is_name(package) || !sound_version {
        return None;
    }
    let (release, suffix) = release.split_once('~').map_or((release, None), |(a, b)| (a, Some(b)));
    if suffix.is_some_and(|suffix| !is_name(suffix)) {
        return None;
    }
    let (first, second) = match release.split_once('.') {
        None => (release, None),
        Some((first, second)) => (first, Some(second)),
    };
    if !is_word(first) || second.is_some_and(|second| !is_word(second)) {
        return None;
    }
    let build_of = |text: &str| text.strip_prefix('h').map(str::to_owned);
    // `h` marks the build ("Hudson"); an old form has the change number first.
    let (build, commit) = match (build_of(first), second) {
        (Some(build), commit) => (Some(build), commit.map(str::to_owned)),
        (None, build) => (build.and_then(build_of), Some(first.to_owned())),
    };
    Some(AppVersion {
        package: package.to_owned(),
        version: version.to_owned(),
        build,
        commit,
        job,
    })
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '^');
    !text.is_empty() && text.chars().all(fits)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Package, version, commit, build, job: as in the table of known forms.
    type Row<'a> =
        (&'a str, &'a str, &'a str, Option<&'a str>, Option<&'a str>, Option<(&'a str, u64)>);

    const ROWS: [Row<'static>; 7] = [
        ("subscriberha-1.0.0-h150", "subscriberha", "1.0.0", None, Some("150"), None),
        (
            "sub-1.0.0-586499.h150/WE-WAPP-sub/150",
            "sub",
            "1.0.0",
            Some("586499"),
            Some("150"),
            Some(("WE-WAPP-sub", 150)),
        ),
        (
            "appName-0.1-h150.9b3bc237~focal/mybuild/150",
            "appName",
            "0.1",
            Some("9b3bc237"),
            Some("150"),
            Some(("mybuild", 150)),
        ),
        (
            "my-app-0.0.1~snapshot.202009092025-h108.2258259",
            "my-app",
            "0.0.1~snapshot.202009092025",
            Some("2258259"),
            Some("108"),
            None,
        ),
        (
            "sub-1.2-h78.67ee1291/WE-WAPP-sub.nxt/78",
            "sub",
            "1.2",
            Some("67ee1291"),
            Some("78"),
            Some(("WE-WAPP-sub.nxt", 78)),
        ),
        ("appName-0.1-1", "appName", "0.1", Some("1"), None, None),
        (
            "myapp-1.27-h343.b12/jobname/12",
            "myapp",
            "1.27",
            Some("b12"),
            Some("343"),
            Some(("jobname", 12)),
        ),
    ];

    #[test]
    fn known_forms_are_read() {
        for (text, package, version, commit, build, job) in ROWS {
            let read: AppVersion = text.parse().unwrap();
            assert_eq!(
                (read.package.as_str(), read.version.as_str()),
                (package, version),
                "{text}"
            );
            assert_eq!((read.commit.as_deref(), read.build.as_deref()), (commit, build), "{text}");
            assert_eq!(
                read.job.as_ref().map(|(name, number)| (name.as_str(), *number)),
                job,
                "{text}"
            );
        }
    }

    #[test]
    fn a_tag_is_built_from_package_version_and_job() {
        let version = "1.4.2-h118.3f2a1bc".parse().unwrap();
        let tag = AppVersion::of("shop-web", &version, Some(("shop/package/main", 118))).unwrap();
        assert_eq!(tag.to_string(), "shop-web-1.4.2-h118.3f2a1bc/shop-package-main/118");
        let tag = AppVersion::of("shop-web", &"1.27-h343".parse().unwrap(), None).unwrap();
        assert_eq!(tag.to_string(), "shop-web-1.27-h343");
    }

    #[test]
    fn what_the_form_cannot_carry_gives_no_tag() {
        for version in ["1.0+b1-h1", "1.0", "1.0-rc1-h2"] {
            assert_eq!(AppVersion::of("shop", &version.parse().unwrap(), None), None, "{version}");
        }
        let version = "1.0-h1".parse().unwrap();
        assert_eq!(AppVersion::of("shop", &version, Some(("my job", 1))), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "shop",
            "shop-1.0",
            "shop-1.0-h1/job",
            "shop-1.0-h1/job/x",
            "a b-1-h1",
            "shop-1.0-",
        ] {
            assert!(text.parse::<AppVersion>().is_err(), "{text}");
        }
    }
}
