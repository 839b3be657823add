//! Reads fields of a JSON object as people write them, and tells every field that does not fit.

pub mod declared;
mod reader;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use self::{
    declared::{Choices, Effect, Field, Kind, Presence},
    reader::Reader,
};
use crate::{
    limits,
    problem::{FieldProblem, Findings, Weight, member, shortened, shown},
};

/// An object, and below it what applies when the object does not say.
#[derive(Debug)]
pub struct Fields<'a, 'f> {
    layers: Vec<(String, &'a Map<String, Value>)>,
    found: &'f mut Findings,
    expressions: Expressions,
}

/// What becomes of an expression in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expressions {
    /// It is evaluated when the stage begins.
    Evaluated,
    /// It stays what it is: a text.
    Kept,
}

/// What a text holds that somebody else must fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// `${…}`.
    Expression,
    /// `{{…}}`, `{%…%}`, `{}` or `#name(…)` of a template language.
    Placeholder,
}

/// Looks for what is not yet a value in a text.
pub fn unresolved(text: &str) -> Option<Unresolved> {
    if text.contains("${") {
        return Some(Unresolved::Expression);
    }
    let call = text.split('#').skip(1).any(|rest| {
        rest.split_once('(').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    });
    let marked = ["{{", "{%", "{}"].into_iter().any(|mark| text.contains(mark));
    (call || marked).then_some(Unresolved::Placeholder)
}

impl<'a, 'f> Fields<'a, 'f> {
    /// Reads `map`, which stands at `at`, of a stage: expressions in it are evaluated when it begins.
    pub fn new(at: String, map: &'a Map<String, Value>, found: &'f mut Findings) -> Self {
        Self { layers: vec![(at, map)], found, expressions: Expressions::Evaluated }
    }

    /// Reads `map`, which stands at `at`, where expressions are not evaluated.
    pub fn literal(at: String, map: &'a Map<String, Value>, found: &'f mut Findings) -> Self {
        Self { layers: vec![(at, map)], found, expressions: Expressions::Kept }
    }

    /// Puts an object above: what it says comes first.
    #[must_use]
    pub fn above(mut self, at: String, map: &'a Map<String, Value>) -> Self {
        self.layers.insert(0, (at, map));
        self
    }

    /// The value of a field, `null` being none.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        let values = self.layers.iter().filter_map(|(_, map)| map.get(key));
        values.into_iter().find(|value| !value.is_null())
    }

    /// Where a field stands, or would stand.
    pub fn pointer(&self, key: &str) -> String {
        let holds = |map: &Map<String, Value>| map.get(key).is_some_and(|value| !value.is_null());
        let layer = self.layers.iter().find(|(_, map)| holds(map)).or_else(|| self.layers.last());
        layer.map_or_else(String::new, |(at, _)| member(at, key))
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: FieldProblem) {
        self.found.push(problem);
    }

    /// Adds a problem that is put into words only if it is listed.
    pub fn push_with(&mut self, weight: Weight, problem: impl FnOnce() -> FieldProblem) {
        self.found.push_with(weight, problem);
    }

    /// Adds what was found below this object.
    pub fn push_all(&mut self, found: Findings) {
        self.found.absorb(found);
    }

    /// Adds a problem of a field.
    pub fn problem(
        &mut self,
        weight: Weight,
        code: &'static str,
        key: &str,
        message: String,
    ) -> &mut Self {
        self.found.push(FieldProblem::new(weight, code, self.pointer(key), message));
        self
    }

    /// Adds a problem of a field, with the way out.
    pub fn hinted(
        &mut self,
        weight: Weight,
        code: &'static str,
        key: &str,
        (message, hint): (String, String),
    ) {
        let problem = FieldProblem::new(weight, code, self.pointer(key), message).hint(hint);
        self.found.push(problem);
    }

    /// Says that a required field is missing.
    pub fn missing(&mut self, weight: Weight, key: &str, hint: &str) {
        let blank = self.value(key).is_some();
        let message =
            if blank { format!("`{key}` is empty") } else { format!("`{key}` is missing") };
        self.hinted(weight, "missing-field", key, (message, hint.to_owned()));
    }

    fn wrong_type(&mut self, key: &str, wanted: &str) {
        let Some(value) = self.value(key) else { return };
        let message = format!("`{key}` is {}, not {wanted}", shown(value));
        self.hinted(Weight::Error, "wrong-type", key, (message, format!("write {wanted}")));
    }

    /// True when a text stands there that has yet to become something.
    pub fn is_open(&self, key: &str) -> bool {
        self.value(key).and_then(Value::as_str).is_some_and(|text| unresolved(text).is_some())
    }

    /// Says that a text that stands for `wanted` is still to be filled in. False if it is not that.
    fn tell_unresolved(&mut self, key: &str, wanted: &str) -> bool {
        let Some(text) = self.value(key).and_then(Value::as_str) else {
            return false;
        };
        let Some(what) = unresolved(text) else {
            return false;
        };
        let shown = shortened(text);
        let (weight, code, message) = match (what, self.expressions) {
            (Unresolved::Expression, Expressions::Evaluated) => (
                Weight::Later,
                "expression",
                format!(
                    "`{key}` is \"{shown}\", which was not evaluated, where {wanted} is needed"
                ),
            ),
            (Unresolved::Expression, Expressions::Kept) => (
                Weight::Blocks,
                "expression",
                format!(
                    "`{key}` is an expression where {wanted} is needed; it is not evaluated here"
                ),
            ),
            (Unresolved::Placeholder, _) => (
                Weight::Blocks,
                "placeholder",
                format!("`{key}` is a placeholder of a template (\"{shown}\")"),
            ),
        };
        self.hinted(weight, code, key, (message, format!("write {wanted}")));
        true
    }

    fn note_unresolved(&mut self, key: &str, text: &str) {
        match (unresolved(text), self.expressions) {
            (None, _) | (Some(Unresolved::Expression), Expressions::Evaluated) => {}
            (Some(Unresolved::Expression), Expressions::Kept) => {
                let message = format!(
                    "`{key}` holds an expression; it is not evaluated here but taken as it is"
                );
                self.problem(Weight::Advice, "expression", key, message);
            }
            (Some(Unresolved::Placeholder), _) => {
                let message = format!(
                    "`{key}` holds a placeholder of a template (\"{}\"); it is taken as it is",
                    shortened(text)
                );
                self.problem(Weight::Advice, "placeholder", key, message);
            }
        }
    }

    /// A text that is not blank.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => {
                self.note_unresolved(key, text);
                (!text.trim().is_empty()).then(|| text.clone())
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {
                self.wrong_type(key, "a text");
                None
            }
        }
    }

    /// True or false; the words as texts count too, as in Spinnaker.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        match flag_of(value) {
            Some(flag) => Some(flag),
            None if value.as_str().is_some_and(|text| text.trim().is_empty()) => None,
            None => {
                if !self.tell_unresolved(key, "true or false") {
                    self.wrong_type(key, "true or false");
                }
                None
            }
        }
    }

    /// A whole number up to `max`, or digits in a text.
    pub fn number(&mut self, key: &str, max: u32) -> Option<u32> {
        let number = self.large_number(key, u64::from(max))?;
        u32::try_from(number).ok()
    }

    /// The same for numbers that may be large, like milliseconds.
    pub fn large_number(&mut self, key: &str, max: u64) -> Option<u64> {
        let value = self.value(key)?;
        if value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return None;
        }
        let wanted = format!("a whole number from 0 to {max}");
        let Some(number) = whole(value) else {
            if !self.tell_unresolved(key, &wanted) {
                self.wrong_type(key, &wanted);
            }
            return None;
        };
        let fitting = u64::try_from(number).ok().filter(|number| *number <= max);
        if fitting.is_none() {
            let message = format!("`{key}` is {}, out of range", shown(value));
            self.hinted(Weight::Error, "out-of-range", key, (message, format!("write {wanted}")));
        }
        fitting
    }

    /// An object.
    pub fn object(&mut self, key: &str) -> Option<&'a Map<String, Value>> {
        let value = self.value(key)?;
        if value.as_object().is_none() && !self.tell_unresolved(key, "an object") {
            self.wrong_type(key, "an object");
        }
        value.as_object()
    }

    /// A list.
    pub fn list(&mut self, key: &str) -> Option<&'a Vec<Value>> {
        let value = self.value(key)?;
        if value.as_array().is_none() && !self.tell_unresolved(key, "a list") {
            self.wrong_type(key, "a list");
        }
        value.as_array()
    }

    /// The objects of a list with their pointers. Of a list with very many entries none is read.
    pub fn objects(&mut self, key: &str) -> Vec<(String, &'a Map<String, Value>)> {
        let base = self.pointer(key);
        let mut objects = Vec::new();
        if self.tell_too_many(key) {
            return objects;
        }
        for (index, value) in self.list(key).into_iter().flatten().enumerate() {
            let at = format!("{base}/{index}");
            match value.as_object() {
                Some(map) => objects.push((at, map)),
                None if value.as_str().is_some_and(|text| unresolved(text).is_some()) => {
                    let message = format!(
                        "entry {index} of `{key}` is yet to be filled in: {}",
                        shown(value)
                    );
                    let (weight, code) = self.weight_of_open(value);
                    let problem = FieldProblem::new(weight, code, at, message);
                    self.push(problem.hint("write an object in braces"));
                }
                None => {
                    let message =
                        format!("entry {index} of `{key}` is {}, not an object", shown(value));
                    let problem = FieldProblem::new(Weight::Error, "wrong-type", at, message);
                    self.push(problem.hint("write an object in braces"));
                }
            }
        }
        objects
    }

    /// Says that a list or an object has more entries than anybody reads. False if it has not.
    pub fn tell_too_many(&mut self, key: &str) -> bool {
        let many = match self.value(key) {
            Some(Value::Array(list)) => list.len(),
            Some(Value::Object(map)) => map.len(),
            None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => 0,
        };
        let max = limits::ENTRIES_MAX;
        if many > max {
            let message = format!("`{key}` has {many} entries, {max} are allowed");
            let hint = "take away those that nobody needs".to_owned();
            self.hinted(Weight::Error, "too-many-entries", key, (message, hint));
        }
        many > max
    }

    fn weight_of_open(&self, value: &Value) -> (Weight, &'static str) {
        match (value.as_str().and_then(unresolved), self.expressions) {
            (Some(Unresolved::Expression), Expressions::Evaluated) => (Weight::Later, "expression"),
            (Some(Unresolved::Expression), Expressions::Kept) => (Weight::Blocks, "expression"),
            (Some(Unresolved::Placeholder) | None, _) => (Weight::Blocks, "placeholder"),
        }
    }

    /// Texts of a list, blanks left out. One wrong entry is told, the first.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        let pointer = self.pointer(key);
        if self.tell_too_many(key) {
            return Vec::new();
        }
        let list = self.list(key).map_or(&[][..], Vec::as_slice);
        self.texts_of(key, &pointer, list)
    }

    fn texts_of(&mut self, key: &str, pointer: &str, list: &[Value]) -> Vec<String> {
        let wrong =
            list.iter().enumerate().find(|(_, value)| !value.is_string() && !value.is_null());
        if let Some((index, value)) = wrong {
            let message = format!("entry {index} of `{key}` is {}, not a text", shown(value));
            let at = format!("{pointer}/{index}");
            self.push(
                FieldProblem::new(Weight::Error, "wrong-type", at, message)
                    .hint("write a text in quotes"),
            );
        }
        let texts: Vec<String> = list
            .iter()
            .filter_map(Value::as_str)
            .filter(|text| !text.trim().is_empty())
            .map(str::to_owned)
            .collect();
        if let Some(text) = texts.iter().find(|text| unresolved(text).is_some()) {
            self.note_unresolved(key, text);
        }
        texts
    }

    /// Lists of texts by name.
    pub fn text_lists(&mut self, key: &str) -> BTreeMap<String, Vec<String>> {
        let base = self.pointer(key);
        let mut lists = BTreeMap::new();
        if self.tell_too_many(key) {
            return lists;
        }
        for (name, value) in self.object(key).into_iter().flatten() {
            let at = member(&base, name);
            let texts = match value {
                Value::Array(list) => self.texts_of(name, &at, list),
                Value::Null => Vec::new(),
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                    self.found.push_with(Weight::Error, || {
                        let message =
                            format!("`{}` is {}, not a list", shortened(name), shown(value));
                        FieldProblem::new(Weight::Error, "wrong-type", at, message)
                            .hint("write a list")
                    });
                    Vec::new()
                }
            };
            lists.insert(name.clone(), texts);
        }
        lists
    }

    /// Texts by name; numbers, true and false are taken as texts. `null` is left out.
    pub fn pairs(&mut self, key: &str) -> BTreeMap<String, String> {
        let base = self.pointer(key);
        let mut pairs = BTreeMap::new();
        if self.tell_too_many(key) {
            return pairs;
        }
        for (name, value) in self.object(key).into_iter().flatten() {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    self.found.push_with(Weight::Error, || {
                        let message =
                            format!("`{}` is {}, not a text", shortened(name), shown(value));
                        let at = member(&base, name);
                        FieldProblem::new(Weight::Error, "wrong-type", at, message)
                            .hint("write a text in quotes")
                    });
                    continue;
                }
            };
            pairs.insert(name.clone(), text);
        }
        if let Some(text) = pairs.values().find(|text| unresolved(text).is_some()) {
            self.note_unresolved(key, text);
        }
        pairs
    }

    /// True when a field says anything: not `null`, `false`, zero, or empty.
    pub fn says_something(&self, key: &str) -> bool {
        match self.value(key) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.trim().is_empty() && text != "false",
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Object(map)) => !map.is_empty(),
        }
    }
}

/// True or false, as a value or as a word.
pub fn flag_of(value: &Value) -> Option<bool> {
    value.as_str().map_or_else(|| value.as_bool(), word_flag)
}

fn word_flag(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A whole number, however it is written: `3`, `3.0`, `"3"`, `"3.0"`.
fn whole(value: &Value) -> Option<i128> {
    let number = value.as_number().map(ToString::to_string);
    let text = number.as_deref().or_else(|| value.as_str())?.trim();
    // Whole when nothing but zeros stands behind the point.
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let zeros = !rest.is_empty() && rest.bytes().all(|byte| byte == b'0');
    zeros.then(|| whole.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
