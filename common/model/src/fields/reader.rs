//! Reads an object whose fields are declared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Fields,
    declared::{Default, Effect, Field, Kind, Presence},
};
use crate::problem::{FieldProblem, Findings, Speller, Weight, shortened};

/// Reads an object with the fields of a table, tells what is odd about them, and in the end about those nobody
/// read and nobody declared.
#[derive(Debug)]
pub struct Reader<'a, 'f> {
    fields: Fields<'a, 'f>,
    table: &'static [Field],
    own: &'a Map<String, Value>,
    /// Keys that belong to somebody else who reads the same object.
    foreign: Vec<&'static [Field]>,
    maps: Vec<(String, &'a Map<String, Value>)>,
    read: BTreeSet<&'static str>,
}

impl<'a, 'f> Reader<'a, 'f> {
    /// Reads `map`, which stands at `at`: expressions in it are evaluated before it counts.
    pub fn new(
        table: &'static [Field],
        at: String,
        map: &'a Map<String, Value>,
        found: &'f mut Findings,
    ) -> Self {
        Self::over(table, (at.clone(), map), Fields::new(at, map, found))
    }

    /// Reads `map`, which stands at `at`, where expressions are not evaluated.
    pub fn literal(
        table: &'static [Field],
        at: String,
        map: &'a Map<String, Value>,
        found: &'f mut Findings,
    ) -> Self {
        Self::over(table, (at.clone(), map), Fields::literal(at, map, found))
    }

    fn over(
        table: &'static [Field],
        (at, map): (String, &'a Map<String, Value>),
        fields: Fields<'a, 'f>,
    ) -> Self {
        Self {
            fields,
            table,
            own: map,
            foreign: Vec::new(),
            maps: vec![(at, map)],
            read: BTreeSet::new(),
        }
    }

    /// Puts an object above: what it says comes first.
    #[must_use]
    pub fn above(mut self, at: String, map: &'a Map<String, Value>) -> Self {
        self.maps.push((at.clone(), map));
        self.fields = self.fields.above(at, map);
        self
    }

    /// Says that the fields of another table may stand in the same object.
    #[must_use]
    pub fn beside(mut self, table: &'static [Field]) -> Self {
        self.foreign.push(table);
        self
    }

    /// The object itself; without what was put above it.
    pub fn map(&self) -> &'a Map<String, Value> {
        self.own
    }

    /// Where the object stands.
    pub fn at(&self) -> &str {
        self.maps.first().map_or("", |(at, _)| at)
    }

    /// The reader below, for what the declarations cannot say.
    pub const fn fields(&mut self) -> &mut Fields<'a, 'f> {
        &mut self.fields
    }

    /// The value as it is written, `null` being none.
    pub fn value(&mut self, key: &str) -> Option<&'a Value> {
        self.declared(key);
        self.fields.value(key)
    }

    /// The declaration of a key.
    fn declared(&mut self, key: &str) -> Option<&'static Field> {
        let field = self.table.iter().find(|field| field.key == key);
        debug_assert!(field.is_some(), "field `{key}` is read and not declared");
        if let Some(field) = field {
            self.read.insert(field.key);
        }
        field
    }

    /// A text that is not blank; its default where it is not written. A required one that is missing is told.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let field = self.declared(key)?;
        let text = self.fields.text(key);
        if text.is_none() && self.fields.value(key).is_none_or(Value::is_string) {
            self.tell_missing(field);
        }
        text.or(match field.default {
            Default::Text(text) => Some(text.to_owned()),
            Default::Absent | Default::Number(_) | Default::True | Default::Described(_) => None,
        })
    }

    /// True or false, with its default.
    pub fn flag(&mut self, key: &str) -> bool {
        let default = self.declared(key).is_some_and(|field| field.default == Default::True);
        self.fields.flag(key).unwrap_or(default)
    }

    /// True or false, where it is written.
    pub fn written_flag(&mut self, key: &str) -> Option<bool> {
        self.declared(key)?;
        self.fields.flag(key)
    }

    /// A whole number within its declared bound; its default where it is not written.
    pub fn number(&mut self, key: &str) -> Option<u64> {
        let field = self.declared(key)?;
        let Kind::Number { max, .. } = field.kind else {
            debug_assert!(false, "field `{key}` is read as a number and not declared as one");
            return None;
        };
        if self.fields.value(key).is_none() {
            self.tell_missing(field);
        }
        self.fields.large_number(key, max).or(match field.default {
            Default::Number(number) => Some(number),
            Default::Absent | Default::Text(_) | Default::True | Default::Described(_) => None,
        })
    }

    /// As [`Self::number`], for numbers of 32 bits; 0 where there is none.
    pub fn small_number(&mut self, key: &str) -> u32 {
        self.number(key).and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
    }

    /// Texts of a list, blanks left out.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        self.declared(key);
        self.fields.texts(key)
    }

    /// Lists of texts, by name.
    pub fn text_lists(&mut self, key: &str) -> BTreeMap<String, Vec<String>> {
        self.declared(key);
        self.fields.text_lists(key)
    }

    /// Texts by name.
    pub fn pairs(&mut self, key: &str) -> BTreeMap<String, String> {
        self.declared(key);
        self.fields.pairs(key)
    }

    /// An object of any form.
    pub fn object(&mut self, key: &str) -> Option<&'a Map<String, Value>> {
        self.declared(key);
        self.fields.object(key)
    }

    /// Reads an object below this one with its declared fields.
    pub fn inner<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Reader<'a, '_>) -> T,
    ) -> Option<T> {
        let field = self.declared(key)?;
        let at = self.fields.pointer(key);
        let map = self.fields.object(key)?;
        let mut found = Findings::default();
        let mut inner = Reader::new(table_of(field), at, map, &mut found);
        let value = read(&mut inner);
        inner.finish();
        self.fields.push_all(found);
        Some(value)
    }

    /// Reads the objects of a list with their declared fields.
    pub fn each<T>(&mut self, key: &str, mut read: impl FnMut(&mut Reader<'a, '_>) -> T) -> Vec<T> {
        let Some(field) = self.declared(key) else { return Vec::new() };
        if self.fields.value(key).is_none() {
            self.tell_missing(field);
        }
        let mut found = Findings::default();
        let mut values = Vec::new();
        for (at, map) in self.fields.objects(key) {
            let mut inner = Reader::new(table_of(field), at, map, &mut found);
            values.push(read(&mut inner));
            inner.finish();
        }
        self.fields.push_all(found);
        values
    }

    fn tell_missing(&mut self, field: &Field) {
        match field.presence {
            Presence::Optional => {}
            Presence::Required { hint } => self.fields.missing(Weight::Error, field.key, hint),
            Presence::RequiredToRun { hint } => {
                self.fields.missing(Weight::Blocks, field.key, hint);
            }
        }
    }

    /// Tells what is left to tell: declared fields that nobody read, those without effect, and unknown ones.
    pub fn finish(mut self) {
        self.finish_declared();
        self.tell_unknown();
    }

    /// As [`Self::finish`], for an object that somebody else reads, too: says nothing of unknown fields.
    pub fn finish_declared(&mut self) {
        for field in self.table.iter().filter(|field| !self.read.contains(field.key)) {
            match field.effect {
                Effect::Ignored(why) => {
                    if self.fields.says_something(field.key) {
                        let message = format!("`{}` has no effect: {why}", field.key);
                        self.fields.problem(Weight::Advice, "ignored-field", field.key, message);
                    }
                }
                Effect::ActedOn | Effect::Kept => check(&mut self.fields, field),
            }
        }
    }

    fn tell_unknown(&mut self) {
        let known: Vec<&'static str> = self
            .foreign
            .iter()
            .chain([&self.table])
            .flat_map(|table| table.iter().map(|field| field.key))
            .collect();
        let mut speller = Speller::new();
        for (at, map) in &self.maps {
            for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
                if !self.fields.says_something(key) {
                    continue;
                }
                self.fields.push_with(Weight::Advice, || {
                    let shown = shortened(key);
                    let hint = match speller.nearest(key, known.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "take it away if it is not needed".to_owned(),
                    };
                    let message =
                        format!("`{shown}` is not a field that is known here: it has no effect");
                    FieldProblem::new(
                        Weight::Advice,
                        "unknown-field",
                        crate::problem::member(at, key),
                        message,
                    )
                    .hint(hint)
                });
            }
        }
    }
}

const fn table_of(field: &'static Field) -> &'static [Field] {
    match field.kind {
        Kind::Object(table) | Kind::Objects(table) => table,
        Kind::Flag
        | Kind::Number { .. }
        | Kind::Text
        | Kind::Texts
        | Kind::TextLists
        | Kind::Pairs
        | Kind::Json => &[],
    }
}

/// Checks a field that the type does not read: a value of the wrong kind is a problem all the same.
fn check(fields: &mut Fields<'_, '_>, field: &Field) {
    match field.kind {
        Kind::Flag => drop(fields.flag(field.key)),
        Kind::Number { max, .. } => drop(fields.large_number(field.key, max)),
        Kind::Text => drop(fields.text(field.key)),
        Kind::Texts => drop(fields.texts(field.key)),
        Kind::TextLists => drop(fields.text_lists(field.key)),
        Kind::Pairs => drop(fields.pairs(field.key)),
        Kind::Object(_) => drop(fields.object(field.key)),
        Kind::Objects(_) => drop(fields.objects(field.key)),
        Kind::Json => {}
    }
}
