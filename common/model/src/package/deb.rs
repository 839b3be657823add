//! Names of Debian package files.

use super::{DebVersion, is_arch, is_package_name};

/// What a `.deb` file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebFile {
    /// The package.
    pub name: String,
    /// Its version. The epoch is only there if the name carries one, as apt's cache does.
    pub version: DebVersion,
    /// Its architecture; `None` when the name does not say.
    pub arch: Option<String>,
}

/// A file name that is not one of a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// It is some other file.
    #[error("`{file}` does not end with `{suffix}`")]
    OtherFile {
        /// The file.
        file: String,
        /// What it should end with.
        suffix: &'static str,
    },
    /// It ends right, but does not name package and version.
    #[error("`{file}` does not follow `{convention}`")]
    Convention {
        /// The file.
        file: String,
        /// How it should look.
        convention: &'static str,
    },
}

/// How a Debian package file is named.
pub(crate) const DEB_CONVENTION: &str = "name_version-release_arch.deb";

impl DebFile {
    /// Reads a file name: `shop-web_1.4.2-h118.3f2a1bc_all.deb`. The architecture may be missing,
    /// as some build tools leave it out.
    pub fn parse(file: &str) -> Result<Self, FileNameError> {
        let Some(stem) = file.strip_suffix(".deb") else {
            return Err(FileNameError::OtherFile { file: file.to_owned(), suffix: ".deb" });
        };
        Self::parse_stem(stem).ok_or_else(|| FileNameError::Convention {
            file: file.to_owned(),
            convention: DEB_CONVENTION,
        })
    }

    /// Reads a file name without its ending. A name has no underscore, so they split cleanly.
    pub(crate) fn parse_stem(stem: &str) -> Option<Self> {
        let mut parts = stem.splitn(3, '_');
        let (name, version, arch) = (parts.next()?, parts.next()?, parts.next());
        if !is_package_name(name) || arch.is_some_and(|arch| !is_arch(arch) || arch.contains('_')) {
            return None;
        }
        // Apt writes the colon behind an epoch as in an address.
        let version = version.replace("%3a", ":").replace("%3A", ":").parse().ok()?;
        Some(Self { name: name.to_owned(), version, arch: arch.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for (file, name, version, arch) in [
            ("mayo_1.0-h24.853b2ea_all.deb", "mayo", "1.0-h24.853b2ea", Some("all")),
            (
                "nflx-djangobase-enhanced_0.1-h12.170cdbd_all.deb",
                "nflx-djangobase-enhanced",
                "0.1-h12.170cdbd",
                Some("all"),
            ),
            ("myapp_1.27-h343.deb", "myapp", "1.27-h343", None),
            ("test_2.13.deb", "test", "2.13", None),
            ("test_0_all.deb", "test", "0", Some("all")),
            (
                "my-app+x_2.0~rc1+dfsg-3ubuntu1.1_all.deb",
                "my-app+x",
                "2.0~rc1+dfsg-3ubuntu1.1",
                Some("all"),
            ),
            ("x_1%3a2.0-1_amd64.deb", "x", "1:2.0-1", Some("amd64")),
            ("shop_1.0.0-rc1-2_kfreebsd-amd64.deb", "shop", "1.0.0-rc1-2", Some("kfreebsd-amd64")),
        ] {
            let deb = DebFile::parse(file).unwrap();
            assert_eq!(
                (deb.name.as_str(), deb.version.as_str(), deb.arch.as_deref()),
                (name, version, arch)
            );
        }
    }

    #[test]
    fn what_names_no_package_is_refused_with_the_convention() {
        for file in [
            "api.deb",
            "another-package-4.3.2.deb",
            "package-name.0.0-20160531141100_amd64.deb",
            "shop_1.0_all_extra.deb",
            "-rf_1.0_all.deb",
            "@shop_1.0_all.deb",
            "shop_1.0-_all.deb",
            "shop_1.0_.deb",
            "_1.0_all.deb",
            "shop_v1.0_all.deb",
            ".deb",
            "sh op_1.0_all.deb",
            "../shop_1.0_all.deb",
        ] {
            let error = DebFile::parse(file).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{file}` does not follow `name_version-release_arch.deb`")
            );
        }
        assert!(matches!(
            DebFile::parse("shop_1.0_all.deb.asc"),
            Err(FileNameError::OtherFile { .. })
        ));
    }
}
