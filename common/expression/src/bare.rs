//! Expressions without `${}`: conditions of stages and preconditions.
//!
//! Spinnaker evaluates such a text as a template first and its outcome as an expression again, so
//! that `'${parameters.env}' == 'prod'` works, and a parameter can bring an expression of its own. Here
//! the pieces are evaluated once and stand in the expression as what they are: data.

use serde_json::Value as Json;

use crate::{
    arguments::read_number,
    evaluate::piece,
    fault::{ExpressionError, Fault, FaultKind},
    limits::Limits,
    machine::Machine,
    operators::bounded,
    parse::parse,
    render,
    scope::Scope,
    template::{Piece, cut},
    value::Value,
    world::World,
};

/// Evaluates an expression that stands without `${}`, or has some inside.
///
/// # Errors
/// When it cannot be evaluated, or is null ([`FaultKind::Unresolved`]).
pub fn evaluate_bare(text: &str, scope: &Scope, limits: &Limits) -> Result<Json, ExpressionError> {
    let world = World::new(scope.facts());
    let mut machine = Machine::new(scope, limits, &world);
    let found = run(&mut machine, text).and_then(|value| {
        if value.is_null() {
            let (at, message) = machine.why_null();
            return Err(Fault { kind: FaultKind::Unresolved, at, message });
        }
        let json = render::json(&value, limits);
        json.map(|(json, _)| json).map_err(|refusal| refusal.explained(limits).at(0))
    });
    found.map_err(|fault| ExpressionError::new(text, 0, fault))
}

/// Evaluates a condition: true or false, also as text.
///
/// # Errors
/// When it cannot be evaluated or is neither true nor false.
pub fn evaluate_condition(
    text: &str,
    scope: &Scope,
    limits: &Limits,
) -> Result<bool, ExpressionError> {
    let value = evaluate_bare(text, scope, limits)?;
    let word = match &value {
        Json::Bool(truth) => return Ok(*truth),
        Json::String(text) => text.trim().to_ascii_lowercase(),
        Json::Null | Json::Number(_) | Json::Array(_) | Json::Object(_) => String::new(),
    };
    match word.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            let noun = match value {
                Json::Null => "null",
                Json::Bool(_) => "a boolean",
                Json::Number(_) => "a number",
                Json::String(_) => "some other text",
                Json::Array(_) => "a list",
                Json::Object(_) => "a map",
            };
            let message = format!("a condition is true or false, and this is {noun}");
            Err(ExpressionError::new(text, 0, Fault::evaluation(0, message)))
        }
    }
}

fn run<'s>(machine: &mut Machine<'s>, text: &str) -> Result<Value<'s>, Fault> {
    if !text.contains("${") {
        return piece(machine, text, 0);
    }
    let source = with_variables(text, |Inserted { source, offset, quoted: inside }| {
        let value = piece(machine, source, offset)?;
        let name = format!("piece{}", machine.variables.len());
        let value = if inside { quoted(machine, &value, offset)? } else { literal(value) };
        machine.variables.insert(name.clone(), value);
        Ok(name)
    })?;
    // Places in the rewritten text mean nothing to its author.
    let node = parse(&source, machine.limits).map_err(|fault| Fault { at: 0, ..fault })?;
    machine.run(&node).map_err(|fault| Fault { at: 0, ..fault })
}

/// Whether a text could be evaluated, as far as that can be known without data.
pub(crate) fn syntax(text: &str, limits: &Limits) -> Result<(), Fault> {
    if !text.contains("${") {
        return parse(text, limits).map(drop);
    }
    let source = with_variables(text, |Inserted { source, offset, quoted: _ }| {
        let read = parse(source, limits);
        read.map(|_| "piece".to_owned())
            .map_err(|fault| Fault { at: fault.at.saturating_add(offset), ..fault })
    })?;
    parse(&source, limits).map(drop).map_err(|fault| Fault { at: 0, ..fault })
}

/// A `${…}` in a text without one around it.
struct Inserted<'t> {
    source: &'t str,
    /// In characters of the whole text.
    offset: usize,
    /// Whether it stands inside quotes.
    quoted: bool,
}

/// Puts the variable that `name` gives in the place of each `${…}`; inside quotes it is added to the text
/// around it.
fn with_variables<'t>(
    text: &'t str,
    mut name: impl FnMut(Inserted<'t>) -> Result<String, Fault>,
) -> Result<String, Fault> {
    let mut out = String::new();
    // The quote that is open, where it began, and whether a piece stands in it.
    let mut quote: Option<(char, usize, bool)> = None;
    for part in cut(text)? {
        match part {
            Piece::Text(text) => {
                for letter in text.chars() {
                    match quote {
                        Some((mark, _, pieces)) if mark == letter => {
                            out.push(letter);
                            if pieces {
                                out.push(')');
                            }
                            quote = None;
                        }
                        None if letter == '\'' || letter == '"' => {
                            quote = Some((letter, out.len(), false));
                            out.push(letter);
                        }
                        Some(_) | None => out.push(letter),
                    }
                }
            }
            Piece::Expression { source, offset } => {
                let name = name(Inserted { source, offset, quoted: quote.is_some() })?;
                if let Some((mark, begin, pieces)) = &mut quote {
                    if !*pieces {
                        out.insert(*begin, '(');
                        *pieces = true;
                    }
                    out.extend([*mark, ' ', '+', ' ', '#']);
                    out.push_str(&name);
                    out.extend([' ', '+', ' ', *mark]);
                } else {
                    out.push('#');
                    out.push_str(&name);
                }
            }
        }
    }
    Ok(out)
}

/// A value inside quotes is text.
fn quoted<'s>(machine: &Machine<'s>, value: &Value<'s>, at: usize) -> Result<Value<'s>, Fault> {
    if value.is_null() {
        let (_, message) = machine.why_null();
        return Err(Fault { kind: FaultKind::Unresolved, at, message });
    }
    let text = render::joined_text(value, machine.limits);
    let text = text.map_err(|refusal| refusal.explained(machine.limits));
    text.and_then(|text| bounded(text, machine.limits)).map_err(|trouble| trouble.at(at))
}

/// A value outside quotes: text that spells a number or a boolean is that, as if it had been written.
fn literal(value: Value<'_>) -> Value<'_> {
    let meant = value.as_text().and_then(|text| match text.to_ascii_lowercase().as_str() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        text => read_number(text).map(Value::Number),
    });
    meant.unwrap_or(value)
}
