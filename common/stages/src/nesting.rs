//! Pipelines that start pipelines: how deep.
//!
//! The trigger of an execution that a stage started carries it, so that nobody has to read the executions above.

use serde_json::{Map, Value};

/// The key in a trigger under which stands how many executions are above this one.
pub const DEPTH: &str = "pipelineDepth";

/// How many executions are above the one with this trigger.
pub fn depth(trigger: &Map<String, Value>) -> u32 {
    let depth = trigger.get(DEPTH).and_then(Value::as_u64).unwrap_or(0);
    u32::try_from(depth).unwrap_or(u32::MAX)
}
