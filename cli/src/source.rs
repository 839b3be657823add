//! Input files; `-` is standard input.

use std::{io::Read as _, path::Path};

use crate::CommandError;

/// Largest input that is read: well over any definition or webhook body that would be accepted.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads a whole file as text.
pub(crate) fn read(path: &Path) -> Result<String, CommandError> {
    let failed = |cause| CommandError::Read { path: path.display().to_string(), cause };
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(text)
}
