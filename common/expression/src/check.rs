//! Whether the expressions of a definition can be read, said before anything runs.

use model::problem::{FieldProblem, Weight};
use serde_json::{Map, Value as Json};

use crate::{
    bare,
    fault::{Fault, short},
    limits::Limits,
    parse::parse,
    template::{Piece, cut},
};

/// Most bytes of texts with expressions that are looked at in one definition.
const CHECKED_BYTES_MAX: usize = 128 * 1024;

/// A warning (`expression-syntax`) for each expression in the stages of a definition that cannot be read.
///
/// Where there is very much to read, the rest is not looked at, and that is told (`expressions-not-checked`).
///
/// Source: Spinnaker saves such pipelines and keeps the text when the stage runs; so nothing is refused
/// here. A condition that cannot be read fails its stage.
pub fn check_expressions(definition: &Map<String, Json>) -> Vec<FieldProblem> {
    let stages = definition.get("stages").and_then(Json::as_array);
    let mut walk = Walk {
        pointer: "/stages".to_owned(),
        found: Vec::new(),
        bytes_left: CHECKED_BYTES_MAX,
        left_out: 0,
    };
    for (index, stage) in stages.into_iter().flatten().enumerate() {
        walk.below(&index.to_string(), |walk| walk.stage(stage));
    }
    if walk.left_out > 0 {
        let (many, max) = (walk.left_out, CHECKED_BYTES_MAX);
        walk.found.push(FieldProblem {
            weight: Weight::Advice,
            code: "expressions-not-checked",
            pointer: walk.pointer,
            message: format!(
                "{many} texts were not looked at: those with expressions have more than {max} bytes"
            ),
            hint: Some("split the pipeline into several".to_owned()),
        });
    }
    walk.found
}

struct Walk {
    pointer: String,
    found: Vec<FieldProblem>,
    bytes_left: usize,
    /// Texts that were not looked at.
    left_out: usize,
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
        let nothing = match form {
            Form::Template => !text.contains("${"),
            Form::Bare => text.trim().is_empty(),
        };
        if nothing {
            return;
        }
        if text.len() > self.bytes_left {
            self.left_out += 1;
            return;
        }
        self.bytes_left -= text.len();
        match form {
            Form::Bare => {
                if let Err(fault) = bare::syntax(text, &Limits::STANDARD) {
                    self.push(Weight::Blocks, text, &fault);
                }
            }
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
