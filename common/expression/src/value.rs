//! Values while an expression is evaluated. What comes from the scope is borrowed, not copied.

use std::{collections::BTreeMap, ops::Deref, rc::Rc};

use serde_json::{Map as JsonMap, Value as Json};

use crate::{instance::Instance, java::Class, number::Number};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value<'s> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text<'s>),
    List(List<'s>),
    Map(Map<'s>),
    Object(Object<'s>),
    /// Made by `new` or a static method.
    Instance(Rc<Instance>),
    /// `T(…)`.
    Class(Class),
    /// `#doNotEval(…)`: may hold `${` when it is turned into JSON text.
    Verbatim(Rc<Value<'s>>),
}

/// Text of the scope or made here.
#[derive(Clone, Debug)]
pub(crate) enum Text<'s> {
    Borrowed(&'s str),
    Made(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// Items in order.
#[derive(Clone, Debug)]
pub(crate) struct List<'s> {
    pub(crate) form: Form,
    pub(crate) items: Items<'s>,
}

/// Lists have methods; arrays have a `length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    List,
    Array,
}

#[derive(Clone, Debug)]
pub(crate) enum Items<'s> {
    Json(&'s [Json], Nature),
    Made(Rc<[Value<'s>]>),
}

/// What the objects of a piece of JSON are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Maps: every key can be read, a missing one is null.
    Data,
    /// Objects, of which only some properties can be read.
    Object(Kind),
}

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Execution,
    Stage,
    Trigger,
    Authentication,
    Paused,
    SourceControl,
}

/// A map with text as keys.
#[derive(Clone, Debug)]
pub(crate) enum Map<'s> {
    Json(&'s JsonMap<String, Json>),
    /// All roots.
    Root(&'s JsonMap<String, Json>),
    /// The context of a stage: what it does not have itself may be an output of an ancestor.
    Context(&'s JsonMap<String, Json>),
    Made(Rc<Entries<'s>>),
}

/// Entries in the order in which they were put in; a later one of the same key replaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries<'s> {
    order: Vec<(Rc<str>, Value<'s>)>,
    index: BTreeMap<Rc<str>, usize>,
}

/// An execution, a stage or a part of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'s> {
    pub(crate) kind: Kind,
    pub(crate) fields: &'s JsonMap<String, Json>,
}

impl<'s> Entries<'s> {
    pub(crate) fn put(&mut self, key: Rc<str>, value: Value<'s>) {
        let known = self.index.get(&key).and_then(|place| self.order.get_mut(*place));
        if let Some((_, old)) = known {
            *old = value;
        } else {
            self.index.insert(Rc::clone(&key), self.order.len());
            self.order.push((key, value));
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value<'s>> {
        self.index.get(key).and_then(|place| self.order.get(*place)).map(|(_, value)| value)
    }
}

impl<'s> Value<'s> {
    /// A piece of the scope.
    pub(crate) fn view(json: &'s Json, nature: Nature) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => Self::Number(Number::of_json(number)),
            Json::String(text) => Self::Text(Text::Borrowed(text)),
            Json::Array(items) => {
                Self::List(List { form: Form::List, items: Items::Json(items, nature) })
            }
            Json::Object(fields) => match nature {
                Nature::Data => Self::Map(Map::Json(fields)),
                Nature::Object(kind) => Self::Object(Object { kind, fields }),
            },
        }
    }

    /// JSON that is not part of the scope.
    pub(crate) fn made_of(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(truth),
            Json::Number(number) => Self::Number(Number::of_json(&number)),
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.into_iter().map(Self::made_of)),
            Json::Object(fields) => {
                let mut entries = Entries::default();
                for (key, value) in fields {
                    entries.put(key.into(), Self::made_of(value));
                }
                Self::map(entries)
            }
        }
    }

    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    pub(crate) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::made_list(Form::List, items)
    }

    pub(crate) fn array(items: impl IntoIterator<Item = Self>) -> Self {
        Self::made_list(Form::Array, items)
    }

    pub(crate) fn made_list(form: Form, items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(List { form, items: Items::Made(items.into_iter().collect()) })
    }

    pub(crate) fn map(entries: Entries<'s>) -> Self {
        Self::Map(Map::Made(Rc::new(entries)))
    }

    pub(crate) const fn int(number: i32) -> Self {
        Self::Number(Number::Int(number))
    }

    pub(crate) const fn long(number: i64) -> Self {
        Self::Number(Number::Long(number))
    }

    pub(crate) const fn double(number: f64) -> Self {
        Self::Number(Number::Double(number))
    }

    /// A length or position.
    pub(crate) fn count(count: usize) -> Self {
        Self::int(i32::try_from(count).unwrap_or(i32::MAX))
    }

    /// The number, if it is one.
    pub(crate) const fn as_number(&self) -> Option<Number> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The list or array, if it is one.
    pub(crate) const fn as_list(&self) -> Option<&List<'s>> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// What `new` or a static method made, if it is that.
    pub(crate) fn as_instance(&self) -> Option<&Instance> {
        if let Self::Instance(instance) = self { Some(instance) } else { None }
    }

    /// The class, if it is one.
    pub(crate) const fn as_class(&self) -> Option<Class> {
        if let Self::Class(class) = self { Some(*class) } else { None }
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What a person would call it.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(List { form: Form::List, .. }) => "a list",
            Self::List(List { form: Form::Array, .. }) => "an array",
            Self::Map(_) => "a map",
            Self::Object(object) => object.kind.noun(),
            Self::Instance(instance) => instance.noun(),
            Self::Class(_) => "a class",
            Self::Verbatim(inner) => inner.noun(),
        }
    }
}

impl Kind {
    /// What a person would call it.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Execution => "an execution",
            Self::Stage => "a stage",
            Self::Trigger => "an execution's trigger",
            Self::Authentication => "an authentication",
            Self::Paused => "a pause",
            Self::SourceControl => "a source control entry",
        }
    }
}

impl Default for List<'_> {
    fn default() -> Self {
        Self { form: Form::List, items: Items::Json(&[], Nature::Data) }
    }
}

impl<'s> List<'s> {
    pub(crate) fn len(&self) -> usize {
        match &self.items {
            Items::Json(items, _) => items.len(),
            Items::Made(items) => items.len(),
        }
    }

    pub(crate) fn get(&self, place: usize) -> Option<Value<'s>> {
        match &self.items {
            Items::Json(items, nature) => items.get(place).map(|item| Value::view(item, *nature)),
            Items::Made(items) => items.get(place).cloned(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Value<'s>> {
        (0..self.len()).filter_map(|place| self.get(place))
    }
}

impl<'s> Map<'s> {
    /// The entries it has itself.
    pub(crate) fn entries(&self) -> Vec<(Text<'s>, Value<'s>)> {
        match self {
            Self::Made(entries) => entries
                .order
                .iter()
                .map(|(key, value)| (Text::Made(Rc::clone(key)), value.clone()))
                .collect(),
            Self::Json(_) | Self::Root(_) | Self::Context(_) => self
                .fields()
                .into_iter()
                .flatten()
                .map(|(key, value)| (Text::Borrowed(key), Value::view(value, Nature::Data)))
                .collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Made(entries) => entries.order.len(),
            Self::Json(_) | Self::Root(_) | Self::Context(_) => {
                self.fields().map_or(0, JsonMap::len)
            }
        }
    }

    /// An entry it has itself.
    pub(crate) fn own(&self, key: &str) -> Option<Value<'s>> {
        match self {
            Self::Made(entries) => entries.get(key).cloned(),
            Self::Root(roots) => roots.get(key).map(|json| Value::view(json, nature_of(key, json))),
            Self::Json(_) | Self::Context(_) => {
                self.fields()?.get(key).map(|json| Value::view(json, Nature::Data))
            }
        }
    }

    fn fields(&self) -> Option<&'s JsonMap<String, Json>> {
        match self {
            Self::Json(fields) | Self::Root(fields) => Some(fields),
            Self::Context(stage) => stage.get("context")?.as_object(),
            Self::Made(_) => None,
        }
    }
}

/// Whether a root is an object. An execution without an id is somebody's data of that name.
fn nature_of(root: &str, json: &Json) -> Nature {
    match root {
        "execution" if json.get("id").is_some_and(|id| !id.is_null()) => {
            Nature::Object(Kind::Execution)
        }
        "scmInfo" => Nature::Object(Kind::SourceControl),
        _ => Nature::Data,
    }
}
