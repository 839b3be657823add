//! How requests to workers are written.

use serde::Serialize;

/// JSON text of a request. Requests are plain data, so this does not fail; if it ever did, the
/// worker would say so.
pub(crate) fn text_of<T: Serialize>(request: &T) -> String {
    serde_json::to_string(request).unwrap_or_default()
}
