//! Packages: names and versions in file names and requests, and which file of a build is meant.

mod appversion;
mod deb;
mod resolve;
mod rpm;
mod version;

pub use self::{
    appversion::{AppVersion, AppVersionError},
    deb::{DebFile, FileNameError},
    resolve::{PackageRef, PackageRefError, ResolveError, Resolved, resolve},
    rpm::RpmFile,
    version::{DebVersion, VersionError},
};

/// The grammar of package names: what a package manager takes for a name and for nothing else.
/// A leading hyphen would be an option, a leading `@` a group.
pub(crate) fn is_package_name(text: &str) -> bool {
    const NAME_MAX: usize = 128;
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-'));
    first && rest && text.len() <= NAME_MAX
}

/// Architectures are single words: `all`, `amd64`, `kfreebsd-amd64`, `x86_64`.
pub(crate) fn is_arch(text: &str) -> bool {
    const ARCH_MAX: usize = 32;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(fits)
        && text.len() <= ARCH_MAX
}
