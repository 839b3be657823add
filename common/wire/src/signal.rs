//! What happens outside an execution and may start pipelines, whatever it comes from.

use model::{ExecutionId, ExecutionStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something happened that pipelines may wait for: a build, a moment, the end of another pipeline.
///
/// Only the trigger kind named by `source` understands `body`. The store, and whoever passes a signal on, look
/// at the keys alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The name of the trigger kind that understands it, as definitions write it: `jenkins`.
    pub source: String,
    /// What makes it the same signal however often it is told. The event that carries it has this key.
    pub dedupe: String,
    /// The keys under which the definitions are indexed that it may start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The id of the one definition it is for. When absent, it is for all that are indexed under its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// What happened, in the form of the source. Data, never evaluated.
    pub body: Map<String, Value>,
}

/// The body of the signal of a time trigger: one of its moments has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The trigger's identity in its definition.
    pub trigger: String,
    /// The moment, in epoch milliseconds.
    pub at_ms: u64,
}

impl Fired {
    /// The signal for the definition that has the trigger. One moment of one trigger is one signal.
    pub fn signal(&self, source: &str, pipeline_id: &str) -> Signal {
        Signal {
            source: source.to_owned(),
            dedupe: format!("{source}/{pipeline_id}/{}/{}", self.trigger, self.at_ms),
            keys: Vec::new(),
            only: Some(pipeline_id.to_owned()),
            body: body_of(self),
        }
    }
}

/// The body of the signal of an execution that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionEnded {
    /// The execution.
    pub id: ExecutionId,
    /// The owner of its pipeline.
    pub application: String,
    /// The name of its pipeline.
    pub name: String,
    /// The id of its pipeline.
    pub pipeline_config_id: String,
    /// What it ended as.
    pub status: ExecutionStatus,
    /// When it began, in epoch milliseconds; absent when it never did.
    pub start_time: Option<u64>,
    /// When it ended, in epoch milliseconds. A stage that is restarted makes it end once more.
    pub end_time: u64,
    /// What started it, without what started its own parent.
    pub trigger: Map<String, Value>,
}

impl ExecutionEnded {
    /// The name of the trigger kind that understands this signal.
    pub const SOURCE: &'static str = "pipeline";

    /// The key under which definitions are indexed that wait for the end of a pipeline.
    pub fn key_of(pipeline_id: &str) -> String {
        format!("{}/{pipeline_id}", Self::SOURCE)
    }

    /// The signal. Each end of an execution is one signal.
    pub fn signal(&self) -> Signal {
        Signal {
            source: Self::SOURCE.to_owned(),
            dedupe: format!("{}/{}/{}", Self::SOURCE, self.id, self.end_time),
            keys: vec![Self::key_of(&self.pipeline_config_id)],
            only: None,
            body: body_of(self),
        }
    }
}

/// The JSON object of a body. Bodies are structs of plain data, so that there always is one.
pub fn body_of<T: Serialize>(body: &T) -> Map<String, Value> {
    match serde_json::to_value(body) {
        Ok(Value::Object(map)) => map,
        Ok(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        )
        | Err(_) => Map::new(),
    }
}
