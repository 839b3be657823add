//! Names of rpm package files.

use super::{deb::FileNameError, is_arch};

/// What an `.rpm` file's name says: `name-version-release.arch.rpm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpmFile {
    /// The package.
    pub name: String,
    /// Version of the software.
    pub version: String,
    /// Version of the packaging.
    pub release: String,
    /// Its architecture: `noarch`, `x86_64`.
    pub arch: String,
}

impl RpmFile {
    /// Reads a file name from the right: only the name may hold hyphens.
    pub fn parse(file: &str) -> Result<Self, FileNameError> {
        let Some(stem) = file.strip_suffix(".rpm") else {
            return Err(FileNameError::OtherFile { file: file.to_owned(), suffix: ".rpm" });
        };
        Self::parse_stem(stem).ok_or_else(|| FileNameError::Convention {
            file: file.to_owned(),
            convention: "name-version-release.arch.rpm",
        })
    }

    fn parse_stem(stem: &str) -> Option<Self> {
        let (rest, arch) = stem.rsplit_once('.')?;
        let (rest, release) = rest.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | '^');
        let sound = |text: &str| !text.is_empty() && text.chars().all(plain);
        let named = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| plain(c) || c == '-');
        (named && sound(version) && sound(release) && is_arch(arch)).then(|| Self {
            name: name.to_owned(),
            version: version.to_owned(),
            release: release.to_owned(),
            arch: arch.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_right() {
        for (file, name, version, release, arch) in [
            ("alsa-lib-1.0.17-1.el5.i386.rpm", "alsa-lib", "1.0.17", "1.el5", "i386"),
            (
                "openmotif22-libs-2.2.4-192.1.3.x86_64.rpm",
                "openmotif22-libs",
                "2.2.4",
                "192.1.3",
                "x86_64",
            ),
            ("sf-lucifer-0.0.10-1.noarch.rpm", "sf-lucifer", "0.0.10", "1", "noarch"),
            (
                "billinggateway-1.0-h2385.e0a09ce.all.rpm",
                "billinggateway",
                "1.0",
                "h2385.e0a09ce",
                "all",
            ),
            (
                "package-something-4.11.4h-1.x86_64.rpm",
                "package-something",
                "4.11.4h",
                "1",
                "x86_64",
            ),
        ] {
            let expected = RpmFile {
                name: name.to_owned(),
                version: version.to_owned(),
                release: release.to_owned(),
                arch: arch.to_owned(),
            };
            assert_eq!(RpmFile::parse(file).unwrap(), expected);
        }
    }

    #[test]
    fn what_names_no_package_is_refused() {
        for file in [
            "hodor-1.1.noarch.rpm",
            "x.rpm",
            "-a-1-1.noarch.rpm",
            "a-1-.noarch.rpm",
            "a--1.noarch.rpm",
            "a-1-1.deb",
        ] {
            assert!(RpmFile::parse(file).is_err(), "{file}");
        }
    }
}
