//! Evaluation of whole documents: every key and every string in them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map as JsonMap, Value as Json};

use crate::{
    fault::{ExpressionError, Fault, FaultKind},
    limits::Limits,
    machine::Machine,
    parse::parse,
    render,
    scope::Scope,
    template::{Piece, cut, unmarked},
    world::World,
};

/// A document after evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The document; what stayed unresolved or failed is the text it was.
    pub value: Json,
    /// What stayed unresolved or failed, by the text without `${}`. The shape is that of
    /// `expressionEvaluationSummary` in Orca's stage contexts, without the time.
    pub summary: BTreeMap<String, Vec<Entry>>,
}

/// Why a string was not, or not wholly, evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// For people: where, and why. Without `$`, so that it never looks like an expression.
    pub description: String,
    /// The kind of error; none when the value is merely null.
    pub exception_type: Option<&'static str>,
    /// How bad it is.
    pub level: Level,
    /// JSON pointer to the string; empty when the document is the string.
    pub pointer: String,
    /// Where in the string, in characters counted from 1.
    pub column: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// The value is null: the expression stays as text.
    Info,
    /// The expression cannot be read or evaluated: the whole string stays as text.
    Error,
}

/// True when evaluating could change something.
pub fn mentions_expression(document: &Json) -> bool {
    match document {
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
        Json::String(text) => text.contains("${"),
        Json::Array(items) => items.iter().any(mentions_expression),
        Json::Object(fields) => {
            fields.iter().any(|(key, value)| key.contains("${") || mentions_expression(value))
        }
    }
}

/// Evaluates every string and every key of a document.
///
/// A string that is exactly one expression becomes the value, with its type; otherwise every part
/// becomes text. Results are never evaluated again. Total: it ends within the limits and never panics.
///
/// Source: the rules of Orca's `ContextParameterProcessor` and `ExpressionTransform`.
pub fn evaluate(document: &Json, scope: &Scope, limits: &Limits) -> Evaluated {
    let world = World::new(scope.facts());
    let mut walk = Walk {
        scope,
        limits,
        world: &world,
        steps: 0,
        bytes: 0,
        path: Vec::new(),
        summary: BTreeMap::new(),
    };
    let value = walk.document(document);
    Evaluated { value, summary: walk.summary }
}

struct Walk<'s> {
    scope: &'s Scope,
    limits: &'s Limits,
    world: &'s World<'s>,
    /// Spent by all strings so far.
    steps: u32,
    bytes: usize,
    path: Vec<String>,
    summary: BTreeMap<String, Vec<Entry>>,
}

/// What a string became.
struct Outcome {
    value: Json,
    /// Parts that were null.
    unresolved: Vec<Fault>,
}

impl Walk<'_> {
    fn document(&mut self, json: &Json) -> Json {
        match json {
            Json::Null | Json::Bool(_) | Json::Number(_) => json.clone(),
            Json::String(text) => self.string(text),
            Json::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(place, item)| self.below(&place.to_string(), item)).collect()
            }
            Json::Object(fields) => {
                let mut made = JsonMap::new();
                for (key, value) in fields {
                    let value = self.below(key, value);
                    let key = if key.contains("${") { self.key(key) } else { key.clone() };
                    made.insert(key, value);
                }
                Json::Object(made)
            }
        }
    }

    fn below(&mut self, step: &str, json: &Json) -> Json {
        self.path.push(step.to_owned());
        let value = self.document(json);
        self.path.pop();
        value
    }

    fn key(&mut self, key: &str) -> String {
        match self.string(key) {
            Json::String(text) => text,
            Json::Null => key.to_owned(),
            value @ (Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
                let value = crate::value::Value::view(&value, crate::value::Nature::Data);
                render::joined_text(&value, self.limits).unwrap_or_else(|_| key.to_owned())
            }
        }
    }

    fn string(&mut self, text: &str) -> Json {
        if !text.contains("${") {
            return Json::String(text.to_owned());
        }
        match self.evaluated(text) {
            Ok(Outcome { value, unresolved }) => {
                for fault in unresolved {
                    self.note(text, &fault);
                }
                value
            }
            Err(fault) => {
                self.note(text, &fault);
                Json::String(text.to_owned())
            }
        }
    }

    fn evaluated(&mut self, text: &str) -> Result<Outcome, Fault> {
        let Limits { document_steps_max, document_bytes_max, .. } = *self.limits;
        if self.steps > document_steps_max {
            let message =
                format!("the expressions take more than {document_steps_max} steps together");
            return Err(Fault::limit(0, message));
        }
        if self.bytes > document_bytes_max {
            let message =
                format!("the expressions make more than {document_bytes_max} bytes together");
            return Err(Fault::limit(0, message));
        }
        let mut machine = Machine::new(self.scope, self.limits, self.world);
        let outcome = string(&mut machine, text);
        self.steps = self.steps.saturating_add(machine.steps());
        let (outcome, bytes) = outcome?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(outcome)
    }

    fn note(&mut self, text: &str, fault: &Fault) {
        let Fault { kind, at, message } = fault;
        let (level, exception_type) = match kind {
            FaultKind::Unresolved => (Level::Info, None),
            FaultKind::Syntax | FaultKind::Evaluation | FaultKind::Limit => {
                (Level::Error, Some(kind.as_str()))
            }
        };
        let place = self.path.first().map_or_else(|| ":".to_owned(), |key| format!(" [{key}]"));
        let description = format!("Failed to evaluate{place} {message}").replace('$', "");
        let pointer = self.path.iter().fold(String::new(), |pointer, step| {
            pointer + "/" + &step.replace('~', "~0").replace('/', "~1")
        });
        let entry =
            Entry { description, exception_type, level, pointer, column: at.saturating_add(1) };
        self.summary.entry(unmarked(text)).or_default().push(entry);
    }
}

/// Evaluates one string; the size of the result is in bytes.
fn string(machine: &mut Machine<'_>, text: &str) -> Result<(Outcome, usize), Fault> {
    let pieces = cut(text)?;
    if let [Piece::Expression { source, offset }] = pieces.as_slice() {
        let value = piece(machine, source, *offset)?;
        if value.is_null() {
            let unresolved = vec![not_found(machine, source, *offset)];
            return Ok((Outcome { value: Json::String(text.to_owned()), unresolved }, 0));
        }
        let (value, bytes) = render::json(&value, machine.limits)
            .map_err(|refusal| refusal.explained(machine.limits).at(*offset))?;
        return Ok((Outcome { value, unresolved: Vec::new() }, bytes));
    }
    let mut joined = String::new();
    let mut unresolved = Vec::new();
    for part in pieces {
        match part {
            Piece::Text(text) => joined.push_str(text),
            Piece::Expression { source, offset } => {
                let value = piece(machine, source, offset)?;
                if value.is_null() {
                    unresolved.push(not_found(machine, source, offset));
                    joined.extend(["${", source, "}"]);
                    continue;
                }
                let text = render::joined_text(&value, machine.limits)
                    .map_err(|refusal| refusal.explained(machine.limits).at(offset))?;
                joined.push_str(&text);
            }
        }
        if joined.len() > machine.limits.output_bytes_max.saturating_add(text.len()) {
            return Err(render::Refusal::TooLarge.explained(machine.limits).at(0));
        }
    }
    let bytes = joined.len();
    Ok((Outcome { value: Json::String(joined), unresolved }, bytes))
}

/// What is told of an expression whose value is null.
fn not_found(machine: &Machine<'_>, source: &str, offset: usize) -> Fault {
    let (at, message) = machine.why_null();
    let message = format!("{source} not found: {message}");
    Fault { kind: FaultKind::Unresolved, at: offset + at, message }
}

/// Evaluates an expression that begins so many characters into the string.
pub(crate) fn piece<'s>(
    machine: &mut Machine<'s>,
    source: &str,
    offset: usize,
) -> Result<crate::value::Value<'s>, Fault> {
    let found = parse(source, machine.limits).and_then(|node| machine.run(&node));
    found.map_err(|fault| Fault { at: fault.at + offset, ..fault })
}

/// Evaluates one template string to its value.
///
/// # Errors
/// When the string cannot be evaluated, or is one expression whose value is null
/// ([`FaultKind::Unresolved`]).
pub fn evaluate_text(text: &str, scope: &Scope, limits: &Limits) -> Result<Json, ExpressionError> {
    let world = World::new(scope.facts());
    let mut machine = Machine::new(scope, limits, &world);
    let outcome = string(&mut machine, text);
    let (outcome, _) = outcome.map_err(|fault| ExpressionError::new(text, 0, fault))?;
    match outcome.unresolved.into_iter().next() {
        None => Ok(outcome.value),
        Some(fault) => Err(ExpressionError::new(text, 0, fault)),
    }
}
