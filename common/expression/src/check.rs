//! Whether the expressions of a definition can be read, said before anything runs.

use model::{
    pipeline::Parsed,
    stages::{FieldProblem, Weight},
};
use serde_json::Value as Json;

use crate::{
    bare,
    fault::{Fault, short},
    limits::Limits,
    parse::parse,
    template::{Piece, cut},
};

/// Adds a warning (`expression-syntax`) for everything in the stages of a definition that is marked as an
/// expression and cannot be read. `text` is what was parsed.
///
/// Source: Spinnaker saves such pipelines and keeps the text when the stage runs; so nothing is refused
/// here. A condition that cannot be read fails its stage.
pub fn check_expressions(text: &str, parsed: &mut Parsed) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // What is no JSON has been told already.
    let Ok(Json::Object(body)) = serde_json::from_str(text) else { return };
    let mut walk = Walk { pointer: "/stages".to_owned(), found: Vec::new() };
    for (index, stage) in
        body.get("stages").and_then(Json::as_array).into_iter().flatten().enumerate()
    {
        walk.below(&index.to_string(), |walk| walk.stage(stage));
    }
    parsed.add(text, walk.found);
}

struct Walk {
    pointer: String,
    found: Vec<FieldProblem>,
}

/// How a text stands where it stands.
#[derive(Clone, Copy)]
enum Form {
    /// Text with `${…}` in it.
    Template,
    /// An expression without `${}` around it.
    Bare,
}

impl Walk {
    fn below(&mut self, step: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        walk(self);
        self.pointer.truncate(length);
    }

    fn stage(&mut self, stage: &Json) {
        let Json::Object(fields) = stage else { return };
        let checks = stage.get("type").and_then(Json::as_str) == Some("checkPreconditions");
        for (key, value) in fields {
            self.key(key);
            self.below(key, |walk| match key.as_str() {
                "stageEnabled" => walk.condition(value),
                "preconditions" if checks => walk.preconditions(value),
                _ => walk.document(value),
            });
        }
    }

    fn preconditions(&mut self, list: &Json) {
        for (index, entry) in list.as_array().into_iter().flatten().enumerate() {
            self.below(&index.to_string(), |walk| walk.condition(entry));
        }
    }

    /// An object whose `expression` is a condition; that of a precondition may stand one level deeper.
    fn condition(&mut self, value: &Json) {
        for (key, value) in value.as_object().into_iter().flatten() {
            self.below(key, |walk| match value {
                Json::String(text) if key == "expression" => walk.text(text, Form::Bare),
                Json::Object(_) if key == "context" => walk.condition(value),
                Json::Null
                | Json::Bool(_)
                | Json::Number(_)
                | Json::String(_)
                | Json::Array(_)
                | Json::Object(_) => walk.document(value),
            });
        }
    }

    fn document(&mut self, value: &Json) {
        match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
            Json::String(text) => self.text(text, Form::Template),
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.below(&index.to_string(), |walk| walk.document(item));
                }
            }
            Json::Object(fields) => {
                for (key, value) in fields {
                    self.key(key);
                    self.below(key, |walk| walk.document(value));
                }
            }
        }
    }

    fn key(&mut self, key: &str) {
        if key.contains("${") {
            self.below(key, |walk| walk.text(key, Form::Template));
        }
    }

    fn text(&mut self, text: &str, form: Form) {
        match form {
            Form::Bare if text.trim().is_empty() => {}
            Form::Bare => {
                if let Err(fault) = bare::syntax(text, &Limits::STANDARD) {
                    self.push(Weight::Blocks, text, &fault);
                }
            }
            Form::Template if !text.contains("${") => {}
            Form::Template => match cut(text) {
                Err(fault) => self.push(Weight::Advice, text, &fault),
                Ok(pieces) => pieces.into_iter().for_each(|piece| self.piece(piece)),
            },
        }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        let Piece::Expression { source, offset } = piece else { return };
        if let Err(fault) = parse(source, &Limits::STANDARD) {
            let at = fault.at.saturating_add(offset);
            self.push(Weight::Advice, source, &Fault { at, ..fault });
        }
    }

    fn push(&mut self, weight: Weight, text: &str, fault: &Fault) {
        let Fault { kind: _, at, message } = fault;
        let what = match weight {
            Weight::Blocks => "condition",
            Weight::Error | Weight::Advice | Weight::Later => "expression",
        };
        let hint = match weight {
            Weight::Blocks => {
                "the stage fails when it begins; `bowline eval` tries expressions out"
            }
            Weight::Error | Weight::Advice | Weight::Later => {
                "the whole text stays as it is when the stage runs; `bowline eval` tries expressions out"
            }
        };
        let shown = short(text).replace(char::is_control, " ");
        self.found.push(FieldProblem {
            weight,
            code: "expression-syntax",
            pointer: self.pointer.clone(),
            message: format!(
                "the {what} `{shown}` cannot be read: {message} (character {} of the text)",
                at.saturating_add(1)
            ),
            hint: Some(hint.to_owned()),
        });
    }
}
