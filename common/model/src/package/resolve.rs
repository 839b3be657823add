//! Which file of a build a stage's package means. Every execution installs what its own build made:
//! a wrong guess here bakes somebody else's version.

use std::{cmp::Ordering, str::FromStr};

use super::{
    DebVersion, VersionError,
    deb::{DEB_CONVENTION, DebFile},
    is_package_name,
};

/// A package as a stage names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRef {
    /// Its name.
    pub name: String,
    /// Exactly this version, if the stage says one.
    pub version: Option<DebVersion>,
    /// Architecture, if the stage says one.
    pub arch: Option<String>,
}

/// Text that names no package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageRefError {
    /// It cannot be the name of a package.
    #[error(
        "`{text}` is not the name of a package: letters, digits, `+`, `-` and `.` are, a letter or digit first"
    )]
    Name {
        /// What was given.
        text: String,
    },
    /// The name is fine, the version behind `=` is not.
    #[error("`{text}` does not pin a version")]
    Version {
        /// What was given.
        text: String,
        /// Why.
        #[source]
        cause: VersionError,
    },
    /// It has underscores but is not `name_version_arch`.
    #[error("`{text}` does not follow `name_version_arch`")]
    Convention {
        /// What was given.
        text: String,
    },
}

impl FromStr for PackageRef {
    type Err = PackageRefError;
    /// Reads `name`, `name=version` or `name_version_arch`.
    fn from_str(text: &str) -> Result<Self, PackageRefError> {
        let text_owned = || text.to_owned();
        if let Some((name, version)) = text.split_once('=') {
            if !is_package_name(name) {
                return Err(PackageRefError::Name { text: text_owned() });
            }
            let version = version
                .parse()
                .map_err(|cause| PackageRefError::Version { text: text_owned(), cause })?;
            return Ok(Self { name: name.to_owned(), version: Some(version), arch: None });
        }
        if text.contains('_') {
            let stem = text.strip_suffix(".deb").unwrap_or(text);
            let DebFile { name, version, arch } = DebFile::parse_stem(stem)
                .ok_or_else(|| PackageRefError::Convention { text: text_owned() })?;
            return Ok(Self { name, version: Some(version), arch });
        }
        if is_package_name(text) {
            Ok(Self { name: text.to_owned(), version: None, arch: None })
        } else {
            Err(PackageRefError::Name { text: text_owned() })
        }
    }
}

/// What to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The package.
    pub name: String,
    /// Exactly this version; `None` is the newest in the repository.
    pub version: Option<String>,
    /// Architecture, if known.
    pub arch: Option<String>,
    /// The file of the build it was read from.
    pub file: Option<String>,
    /// Other files that fit too and were passed over, when there was a choice.
    pub passed_over: Vec<String>,
}

/// Why a package's version is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The stage names no package.
    #[error(transparent)]
    Package(#[from] PackageRefError),
    /// The build archived files, and none of them is the package.
    #[error(
        "the build archived no file of package `{package}`; a file named `{package}_…` that follows \
         `{DEB_CONVENTION}` is looked for, there are: {listed}"
    )]
    NoneFits {
        /// The package.
        package: String,
        /// The files, some of them.
        listed: String,
    },
    /// Several files have the highest version.
    #[error(
        "the build archived several files of package `{package}` with one version: {candidates}; pin \
         one in the stage, as `name_version_arch`"
    )]
    Ambiguous {
        /// The package.
        package: String,
        /// The files.
        candidates: String,
    },
}

/// Finds the version of each package among the files a build archived.
///
/// A file belongs to a package when the name in it equals the package's, not when it begins so. Of
/// several versions the highest is taken; several files of that version are an error. Without any
/// files the bare name is the answer: the newest in the repository. A pinned package stays as it is.
/// File names do not carry the epoch of a version, so a package with an epoch must be pinned.
///
/// Source: the rules are Orca's, without its "first file that begins with the name".
///
/// # Errors
/// For the first package whose version cannot be known; the definition or the build must change.
pub fn resolve(packages: &[String], artifacts: &[String]) -> Result<Vec<Resolved>, ResolveError> {
    let files: Vec<(&str, DebFile)> = artifacts
        .iter()
        .map(|path| path.rsplit('/').next().unwrap_or(path))
        .filter_map(|file| DebFile::parse(file).ok().map(|deb| (file, deb)))
        .collect();
    packages.iter().map(|package| one(package, artifacts, &files)).collect()
}

fn one(
    package: &str,
    artifacts: &[String],
    files: &[(&str, DebFile)],
) -> Result<Resolved, ResolveError> {
    let wanted: PackageRef = package.parse()?;
    if wanted.version.is_some() || artifacts.is_empty() {
        return Ok(Resolved {
            name: wanted.name,
            version: wanted.version.map(|version| version.to_string()),
            arch: wanted.arch,
            file: None,
            passed_over: Vec::new(),
        });
    }
    let mut fitting: Vec<&(&str, DebFile)> =
        files.iter().filter(|(_, deb)| deb.name == wanted.name).collect();
    // Highest version first, then by name: the answer must not hang on the order Jenkins lists in.
    fitting.sort_by(|(a_file, a), (b_file, b)| b.version.cmp(&a.version).then(a_file.cmp(b_file)));
    fitting.dedup();
    let Some((file, best)) = fitting.first().copied() else {
        return Err(ResolveError::NoneFits { package: wanted.name, listed: listed(artifacts) });
    };
    let same = |(_, deb): &&&(&str, DebFile)| deb.version.cmp(&best.version) == Ordering::Equal;
    let highest: Vec<&str> = fitting.iter().filter(same).map(|(file, _)| *file).collect();
    if highest.len() > 1 {
        let candidates = highest.join(", ");
        return Err(ResolveError::Ambiguous { package: wanted.name, candidates });
    }
    Ok(Resolved {
        name: wanted.name,
        version: Some(best.version.to_string()),
        arch: best.arch.clone(),
        file: Some((*file).to_owned()),
        passed_over: fitting.iter().skip(1).map(|(file, _)| (*file).to_owned()).collect(),
    })
}

/// Some of the files; a build may archive thousands.
fn listed(artifacts: &[String]) -> String {
    const LISTED_MAX: usize = 10;
    let some = artifacts.iter().take(LISTED_MAX).map(|file| crate::problem::shortened(file));
    let mut text = some.collect::<Vec<_>>().join(", ");
    if artifacts.len() > LISTED_MAX {
        let more = artifacts.len() - LISTED_MAX;
        text = format!("{text} and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn versions(
        packages: &[&str],
        artifacts: &[&str],
    ) -> Result<Vec<(String, Option<String>)>, ResolveError> {
        let resolved = resolve(&owned(packages), &owned(artifacts))?;
        Ok(resolved.into_iter().map(|found| (found.name, found.version)).collect())
    }

    #[test]
    fn a_package_gets_the_version_of_its_build() {
        let found = resolve(
            &owned(&["mayo"]),
            &owned(&["mayo_1.0-h24.853b2ea_all.deb", "dependencies.txt", "igorProperties.txt"]),
        )
        .unwrap();
        let expected = Resolved {
            name: "mayo".to_owned(),
            version: Some("1.0-h24.853b2ea".to_owned()),
            arch: Some("all".to_owned()),
            file: Some("mayo_1.0-h24.853b2ea_all.deb".to_owned()),
            passed_over: Vec::new(),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn the_order_of_the_stage_is_kept_and_names_must_be_equal() {
        let artifacts =
            ["spinnakerdeps_0.1.0-114_all.deb", "target/deb/spinnaker_0.2.0-114_all.deb"];
        assert_eq!(
            versions(&["spinnaker", "spinnakerdeps"], &artifacts).unwrap(),
            [
                ("spinnaker".to_owned(), Some("0.2.0-114".to_owned())),
                ("spinnakerdeps".to_owned(), Some("0.1.0-114".to_owned())),
            ]
        );
        assert!(versions(&["spinn"], &artifacts).is_err());
    }

    #[test]
    fn the_highest_version_wins_in_any_order_and_the_others_are_told() {
        let files = ["shop_1.9_all.deb", "shop_1.10_all.deb", "shop_1.10~rc1_all.deb"];
        for rotation in 0..files.len() {
            let mut files = owned(&files);
            files.rotate_left(rotation);
            let found = resolve(&owned(&["shop"]), &files).unwrap();
            assert_eq!(found[0].version.as_deref(), Some("1.10"));
            assert_eq!(found[0].passed_over, ["shop_1.10~rc1_all.deb", "shop_1.9_all.deb"]);
        }
    }

    #[test]
    fn one_version_for_two_architectures_is_ambiguous() {
        let error = versions(&["shop"], &["shop_1.0_arm64.deb", "shop_1.0_amd64.deb"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the build archived several files of package `shop` with one version: \
             shop_1.0_amd64.deb, shop_1.0_arm64.deb; pin one in the stage, as `name_version_arch`"
        );
        assert!(versions(&["shop"], &["a/shop_1.0_all.deb", "b/shop_1.0_all.deb"]).is_ok());
    }

    #[test]
    fn a_build_without_the_package_is_told_with_its_files_and_the_convention() {
        let error = versions(&["shop"], &["api.txt", "shop-1.0.deb"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the build archived no file of package `shop`; a file named `shop_…` that follows \
             `name_version-release_arch.deb` is looked for, there are: api.txt, shop-1.0.deb"
        );
    }

    #[test]
    fn without_files_the_bare_name_is_the_answer() {
        assert_eq!(versions(&["shop"], &[]).unwrap(), [("shop".to_owned(), None)]);
    }

    #[test]
    fn a_pinned_package_stays_as_it_is() {
        let artifacts = ["shop_2.0_all.deb"];
        let found = resolve(&owned(&["shop=1.0-1", "tool_3.0_arm64"]), &owned(&artifacts)).unwrap();
        assert_eq!((found[0].version.as_deref(), found[0].arch.as_deref()), (Some("1.0-1"), None));
        assert_eq!(
            (found[1].version.as_deref(), found[1].arch.as_deref()),
            (Some("3.0"), Some("arm64"))
        );
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in [
            "",
            "-rf",
            "--option=x",
            "@group",
            "a b",
            "a;b",
            "$(x)",
            "a/b",
            "shop=",
            "shop=1 0",
            "shop=;x",
            "a_b",
            "é",
        ] {
            assert!(name.parse::<PackageRef>().is_err(), "{name}");
            assert!(versions(&[name], &[]).is_err(), "{name}");
        }
    }
}
