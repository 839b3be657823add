//! Inputs written by hand.

use std::{fs, io, path::PathBuf};

/// The inputs of a target, by file name; a target without any is an error of ours.
///
/// # Errors
///
/// The folder cannot be read, or is empty.
pub fn seeds(target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    // Where it runs counts, not where it was built: checkouts may share a folder of build results.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let folder = here.join("corpus").join(target);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push((name, fs::read(&path)?));
    }
    found.sort();
    if found.is_empty() {
        return Err(io::Error::other(format!("`{}` holds no inputs", folder.display())));
    }
    Ok(found)
}
