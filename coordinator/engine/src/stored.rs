//! The stored form of a document, as JSON text beside the number of its form.

use crate::document::{Document, SCHEMA};

/// Why a stored document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableDocument {
    /// An earlier version of the coordinator wrote it.
    #[error(
        "its document has form {found}, this version reads form {SCHEMA}: it was written by an earlier version of Bowline; let that version finish or cancel it, or start this one with an empty store"
    )]
    Older {
        /// The form it has.
        found: u32,
    },
    /// A later version of the coordinator wrote it.
    #[error(
        "its document has form {found}, this version reads form {SCHEMA}: it was written by a later version of Bowline; upgrade this coordinator"
    )]
    Newer {
        /// The form it has.
        found: u32,
    },
    /// It has the right number and does not fit the form.
    #[error("its document is damaged")]
    Damaged(#[from] serde_json::Error),
}

/// Reads a stored document of this version's form.
///
/// # Errors
///
/// Documents of other forms, and texts that are none.
pub fn read(schema: u32, text: &str) -> Result<Document, UnreadableDocument> {
    match schema {
        SCHEMA => Ok(serde_json::from_str(text)?),
        0..SCHEMA => Err(UnreadableDocument::Older { found: schema }),
        _ => Err(UnreadableDocument::Newer { found: schema }),
    }
}
