//! What a Jenkins notification says. Pure.
//!
//! Bodies come from many plugin versions, so little is asked of them: which job, which number,
//! which phase. A body is a hint; what is true about the build is asked of Jenkins later.

mod body;
mod path;

use model::jenkins::JobName;
use serde::Deserialize;
use serde_json::Value;

/// Longest full name of a job. Folders nest, and each segment may be 255 bytes long.
const JOB_BYTES_MAX: usize = 1024;

/// The phase at which a build counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DoneAt {
    /// `FINALIZED` (`FINISHED` before plugin 1.6): after the last post-build step.
    Finalized,
    /// `COMPLETED` too, for endpoints that are told of nothing later.
    Completed,
}

/// A build of which somebody says that it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedBuild {
    /// Full name of the job, as [`JobName`] writes it.
    pub job: String,
    /// Its number.
    pub number: u64,
}

/// What there was to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A build is done.
    Build(FinishedBuild),
    /// A notification of something else.
    Ignored {
        /// Of what.
        reason: String,
    },
    /// No notification.
    Invalid {
        /// What is wrong, as a JSON pointer; empty for the whole body.
        pointer: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads the body of a notification of the controller whose root is `base_url`.
pub fn read_notification(body: &[u8], base_url: &str, done_at: DoneAt) -> Reading {
    read(body, base_url, done_at).unwrap_or_else(|reading| reading)
}

/// The error is a reading as well: one that ended early.
fn read(body: &[u8], base_url: &str, done_at: DoneAt) -> Result<Reading, Reading> {
    let body = body::json(body).map_err(|reason| invalid("", reason))?;
    if !body.is_object() {
        return Err(invalid("", "must be a JSON object"));
    }
    if !body.get("build").is_some_and(Value::is_object) {
        return Err(invalid("/build", "is missing, or is no object"));
    }
    let phase = text(&body, "/build/phase")?
        .ok_or_else(|| invalid("/build/phase", "is missing"))?
        .to_ascii_uppercase();
    let done = match phase.as_str() {
        "FINALIZED" | "FINISHED" => true,
        "COMPLETED" => done_at == DoneAt::Completed,
        _ => false,
    };
    if !done {
        let shown: String = phase.chars().filter(|c| !c.is_control()).take(32).collect();
        return Err(Reading::Ignored {
            reason: format!("phase {shown} is not the end of a build"),
        });
    }
    let number = number(&body)?;
    let job = job(&body, base_url)?;
    Ok(Reading::Build(FinishedBuild { job, number }))
}

fn invalid(pointer: &str, reason: impl Into<String>) -> Reading {
    Reading::Invalid { pointer: pointer.to_owned(), reason: reason.into() }
}

fn text<'a>(body: &'a Value, pointer: &str) -> Result<Option<&'a str>, Reading> {
    match body.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(invalid(pointer, "must be text"))
        }
    }
}

fn number(body: &Value) -> Result<u64, Reading> {
    let at = "/build/number";
    let found = body.pointer(at).ok_or_else(|| invalid(at, "is missing"))?;
    let number = found.as_u64().filter(|number| *number > 0);
    number.ok_or_else(|| invalid(at, "must be a whole number from 1"))
}

/// The first place that names a job wins: the absolute URL knows the folders and is only absent
/// when Jenkins does not know its own address; the short name knows no folders.
fn job(body: &Value, base_url: &str) -> Result<String, Reading> {
    for pointer in ["/build/full_url", "/build/url", "/url"] {
        let Some(url) = text(body, pointer)? else {
            continue;
        };
        let found = path::job(url, base_url).map_err(|reason| invalid(pointer, reason))?;
        if let Some(job) = found {
            return checked(&job, pointer);
        }
    }
    let name = text(body, "/name")?.map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| {
        invalid("/build/full_url", "names no job, and neither do build.url, url and name")
    })?;
    let job = path::top_level(name).map_err(|reason| invalid("/name", reason))?;
    checked(&job, "/name")
}

fn checked(job: &JobName, pointer: &str) -> Result<String, Reading> {
    let job = job.to_string();
    if job.len() > JOB_BYTES_MAX {
        return Err(invalid(pointer, format!("names a job of over {JOB_BYTES_MAX} bytes")));
    }
    Ok(job)
}
