//! Identities. One textual form each, used in URLs, keys, headers and logs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Text that is not an id of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: 1 to 64 letters, digits, `-` or `_` are")]
pub struct IdError {
    text: String,
    what: &'static str,
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// 26 characters of Crockford's base 32 from a SHA-256 over the parts: 130 bits of the hash, in the
/// form of a ULID. Parts are separated, so that no two lists of parts collide by concatenation.
pub fn derived_id(parts: &[&str]) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut out = String::with_capacity(26);
    let (mut bits, mut held) = (0_u32, 0_u32);
    // 17 bytes hold the 130 bits; to go on would overflow `held`.
    for byte in digest.into_iter().take(17) {
        bits = (bits << 8) | u32::from(byte);
        held += 8;
        while held >= 5 && out.len() < 26 {
            held -= 5;
            let index = usize::try_from((bits >> held) & 31).unwrap_or(0);
            out.push(ALPHABET.get(index).copied().map_or('0', char::from));
        }
        bits &= (1 << held) - 1;
    }
    out
}

/// Hexadecimal SHA-256 of a text: the digest by which a message is compared with what was committed.
pub fn digest(text: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        _ = write!(out, "{byte:02x}");
    }
    out
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError { text: text.to_owned(), what: $what })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// One run of a pipeline. Derived from the event and the pipeline, so that one event told many
    /// times makes one execution.
    ExecutionId, "an execution id";
    /// A node of an execution's graph.
    StageId, "a stage id";
}

impl ExecutionId {
    /// The one execution that an event makes of a pipeline.
    pub fn of_event(event_key: &str, pipeline_id: &str) -> Self {
        Self(derived_id(&["execution", event_key, pipeline_id]))
    }
}

impl StageId {
    /// The id of a stage: `path` is its ref id, or its parent's id and its place for a synthetic one.
    pub fn of(execution: &ExecutionId, path: &str) -> Self {
        Self(derived_id(&["stage", execution.as_str(), path]))
    }
}

/// One try of a stage's work: `execution/stage/attempt`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId {
    /// The execution it belongs to.
    pub execution: ExecutionId,
    /// The stage it works for.
    pub stage: StageId,
    /// Which try, from 1.
    pub attempt: u32,
}

impl TaskId {
    /// What locks taken for this task belong to: its stage, whichever attempt.
    pub fn owner(&self) -> String {
        format!("{}/{}", self.execution, self.stage)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.execution, self.stage, self.attempt)
    }
}

impl FromStr for TaskId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong =
            || IdError { text: text.to_owned(), what: "a task id (execution/stage/attempt)" };
        let mut parts = text.split('/');
        let (Some(execution), Some(stage), Some(attempt), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        Ok(Self {
            execution: execution.parse().map_err(|_| wrong())?,
            stage: stage.parse().map_err(|_| wrong())?,
            attempt: attempt.parse().map_err(|_| wrong())?,
        })
    }
}

impl TryFrom<String> for TaskId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_stable_and_look_like_ulids() {
        let id = ExecutionId::of_event("jenkins/ci/shop/118/1/done", "p1");
        assert_eq!(id, ExecutionId::of_event("jenkins/ci/shop/118/1/done", "p1"));
        assert_ne!(id, ExecutionId::of_event("jenkins/ci/shop/119/1/done", "p1"));
        assert_eq!(id.as_str().len(), 26);
        assert_ne!(derived_id(&["ab", "c"]), derived_id(&["a", "bc"]));
    }

    #[test]
    fn task_id_round_trips_and_rejects_the_rest() {
        let id: TaskId = "E1/S1/3".parse().unwrap();
        assert_eq!(id.attempt, 3);
        assert_eq!(id.to_string(), "E1/S1/3");
        for bad in ["", "E1/S1", "E1/S1/x", "E1/S1/1/2", "E 1/S1/1", "/S1/1"] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
    }
}
