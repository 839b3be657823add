//! `bowline eval`: expressions are evaluated by the same code as in a stage, without a server.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use expression::{Entry, Evaluated, Facts, Level, Limits, Scope, evaluate};
use serde_json::{Map, Value};

use crate::{
    CommandError,
    args::{Eval, Format},
    exit::Exit,
    output, source,
};

/// Evaluates, prints the result, and tells what stayed as text.
pub(crate) fn run(eval: &Eval, format: Format) -> Result<Exit, CommandError> {
    let roots = match &eval.context {
        Some(path) => context(path)?,
        None => Map::new(),
    };
    let document = match (&eval.document, &eval.expression) {
        (Some(path), _) => json(path)?,
        (None, Some(text)) => Value::String(text.clone()),
        (None, None) => Value::Null,
    };
    let scope = Scope::new(roots, facts(eval));
    let Evaluated { value, summary } = evaluate(&document, &scope, &Limits::STANDARD);
    output::data(&value, format);
    for entry in summary.values().flatten() {
        output::note(&told(entry));
    }
    let failed = eval.strict && !summary.is_empty();
    Ok(if failed { Exit::Failed } else { Exit::Succeeded })
}

fn json(path: &Path) -> Result<Value, CommandError> {
    let text = source::read(path)?;
    serde_json::from_str(&text)
        .map_err(|cause| CommandError::Json { path: path.display().to_string(), cause })
}

fn context(path: &Path) -> Result<Map<String, Value>, CommandError> {
    match json(path)? {
        Value::Object(roots) => Ok(roots),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(CommandError::NoObject { path: path.display().to_string() })
        }
    }
}

/// The world as this machine sees it.
fn facts(eval: &Eval) -> Facts {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let random = ulid::Ulid::new().random().to_be_bytes();
    let seed = random.iter().fold(0_u64, |seed, byte| seed.rotate_left(8) ^ u64::from(*byte));
    Facts {
        now_ms: now.and_then(|now| i64::try_from(now.as_millis()).ok()),
        seed: Some(seed),
        current_stage: eval.stage.clone(),
        ..Facts::default()
    }
}

fn told(entry: &Entry) -> String {
    let Entry { description, exception_type: _, level, pointer, column } = entry;
    let word = match level {
        Level::Info => "unresolved",
        Level::Error => "error",
    };
    let place = if pointer.is_empty() { String::new() } else { format!("{pointer}, ") };
    format!("{word}: {place}column {column}: {description}")
}
