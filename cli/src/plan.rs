//! What a run would do, for people.

use serde_json::Value;

use crate::output;

/// Prints a plan.
pub(crate) fn show(plan: &Value) {
    output::json(plan);
}
