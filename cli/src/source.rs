//! Input files; `-` is standard input.

use std::{io::Read as _, path::Path};

use crate::CommandError;

/// Largest input that is read: well over any definition or webhook body that would be accepted.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads a whole file as text.
pub(crate) fn read(path: &Path) -> Result<String, CommandError> {
    let failed = |cause| CommandError::Read { path: path.display().to_string(), cause };
    let mut text = String::new();
    // One byte more than is taken, so that what is too large is not taken for what is cut off.
    let bytes_max = BYTES_MAX.saturating_add(1);
    if path == Path::new("-") {
        std::io::stdin().lock().take(bytes_max).read_to_string(&mut text).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(bytes_max).read_to_string(&mut text).map_err(failed)?;
    }
    if u64::try_from(text.len()).is_ok_and(|length| length > BYTES_MAX) {
        return Err(failed(std::io::Error::other(format!("it has more than {BYTES_MAX} bytes"))));
    }
    Ok(text)
}
