//! Reading from values: names, properties, indexes, methods, selections, projections.

use super::{Evaluation, Machine, Missed, Reason, size};
use crate::{
    arguments::Arguments,
    fault::{Fault, short},
    methods,
    number::Number,
    syntax::{Access, AccessKind, Node, NodeKind, OnNull, Pick},
    value::{Form, List, Map, Value},
};

impl<'s> Machine<'s> {
    /// A start and what is read from it. Arguments, indexes and conditions inside do not look at the
    /// value before them but at `here` (an index at the root).
    pub(super) fn path(
        &mut self,
        start: Option<&Node>,
        accesses: &[Access],
        here: &Value<'s>,
    ) -> Evaluation<'s> {
        let mut value = match start {
            Some(start) => self.evaluate(start, here)?,
            None => here.clone(),
        };
        for access in accesses {
            let at = access.at;
            self.pay(at, 0)?;
            if value.is_null() && access.on_null == OnNull::StayNull {
                continue;
            }
            value = match &access.kind {
                AccessKind::Property(name) => self.property(&value, name, at)?,
                AccessKind::Method(name, arguments) => {
                    let values = self.values(arguments, here)?;
                    match (&value, values.as_slice(), getter_of(name)) {
                        (Value::Object(object), [], Some(property)) => {
                            self.object_property(*object, &property, at)?
                        }
                        _ => self.method(&value, name, &values, at)?,
                    }
                }
                AccessKind::Index(index) => self.index(&value, index, at)?,
                AccessKind::Select(pick, test) => self.select(&value, *pick, test, at)?,
                AccessKind::Project(inner) => self.project(&value, inner, at)?,
                AccessKind::Other(other) => self.evaluate(other, here)?,
            };
        }
        Ok(value)
    }

    /// A bare name.
    pub(super) fn name(&mut self, here: &Value<'s>, name: &str, at: usize) -> Evaluation<'s> {
        let at_root = matches!(here, Value::Map(Map::Root(_)));
        if at_root && name == "deployedServerGroups" {
            self.pay_for_stages(at)?;
            return crate::functions::call(self, name, &[]).map_err(|trouble| trouble.at(at));
        }
        self.property(here, name, at)
    }

    pub(super) fn property(&mut self, value: &Value<'s>, name: &str, at: usize) -> Evaluation<'s> {
        match value {
            Value::Map(map) => self.entry(map, name, at),
            Value::Object(object) => self.object_property(*object, name, at),
            Value::Null => Err(self.read_from_null(&format!("`{}`", short(name)), at)),
            Value::List(list) => match (list.form, name) {
                (Form::Array, "length") => Ok(Value::count(list.len())),
                (Form::List, "empty") => Ok(Value::Bool(list.len() == 0)),
                (Form::List | Form::Array, _) => Err(Fault::evaluation(
                    at,
                    format!(
                        "{} has no property `{name}`; take an item (`[0]`) or read it from each (`.![{name}]`)",
                        value.noun(),
                        name = short(name),
                    ),
                )),
            },
            Value::Text(text) if name == "empty" => Ok(Value::Bool(text.is_empty())),
            Value::Instance(_) => self.getter(value, name, at),
            Value::Verbatim(inner) => self.property(inner, name, at),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Class(_) => {
                let (noun, name) = (value.noun(), short(name));
                Err(Fault::evaluation(at, format!("{noun} has no property `{name}`")))
            }
        }
    }

    /// `date.time` is `date.getTime()`.
    fn getter(&self, value: &Value<'s>, name: &str, at: usize) -> Evaluation<'s> {
        let mut letters = name.chars();
        let first: String = letters.by_ref().take(1).flat_map(char::to_uppercase).collect();
        let getter = |prefix: &str| format!("{prefix}{first}{}", letters.as_str());
        self.method(value, &getter("get"), &[], at)
            .or_else(|_| self.method(value, &getter("is"), &[], at))
            .map_err(|_| {
                let (noun, name) = (value.noun(), short(name));
                Fault::evaluation(at, format!("{noun} has no property `{name}`"))
            })
    }

    fn read_from_null(&self, what: &str, at: usize) -> Fault {
        let reason = match &self.missed {
            Some(missed) => format!(": {}", missed.message()),
            None => String::new(),
        };
        Fault::evaluation(at, format!("{what} cannot be read from null{reason}"))
    }

    /// An entry of a map; what is not there is null, and remembered.
    fn entry(&mut self, map: &Map<'s>, key: &str, at: usize) -> Evaluation<'s> {
        if let Some(value) = map.own(key) {
            if value.is_null() {
                self.missed = Some(Missed { at, reason: Reason::NullValue(key.to_owned()) });
            }
            return Ok(value);
        }
        if let Map::Context(stage) = map {
            self.pay_for_stages(at)?;
            if let Some(value) = self.scope.inherited(stage, key) {
                return Ok(value);
            }
        }
        self.miss(at, Reason::NoKey(key.to_owned(), map.clone()))
    }

    pub(super) fn method(
        &self,
        value: &Value<'s>,
        name: &str,
        values: &[Value<'s>],
        at: usize,
    ) -> Evaluation<'s> {
        if value.is_null() {
            return Err(self.read_from_null(&format!("`{}()`", short(name)), at));
        }
        self.pay(at, size(value))?;
        self.pay_for(at, values)?;
        let arguments = Arguments { values, limits: self.limits };
        methods::call(value, name, &arguments, self.world).map_err(|trouble| trouble.at(at))
    }

    fn index(&mut self, value: &Value<'s>, index: &Node, at: usize) -> Evaluation<'s> {
        // In a map, a bare word is the key itself.
        if let (Value::Map(map), NodeKind::Name(word)) = (value, &index.kind) {
            return self.entry(map, word, at);
        }
        let root = self.scope.root();
        let index = self.evaluate(index, &root)?;
        let unfit = |noun: &str| {
            let found = index.noun();
            Fault::evaluation(at, format!("{noun} is not indexed with {found}"))
        };
        match value {
            Value::Null => Err(self.read_from_null("an index", at)),
            Value::Map(_) if index.is_null() => self.miss(at, Reason::NullKey),
            Value::Map(map) => {
                let key = self.key(&index, at)?;
                self.entry(map, &key, at)
            }
            Value::Object(object) => {
                let name = index.as_text().ok_or_else(|| unfit(value.noun()))?;
                self.object_property(*object, name, at)
            }
            Value::List(list) => {
                let place = place(&index).ok_or_else(|| unfit(value.noun()))?;
                let item = usize::try_from(place).ok().and_then(|place| list.get(place));
                item.ok_or_else(|| {
                    let count = list.len();
                    let message = format!("there is no item {place}: the list has {count} items");
                    Fault::evaluation(at, message)
                })
            }
            Value::Text(_) => {
                let place = place(&index).ok_or_else(|| unfit("text"))?;
                let place = i32::try_from(place).unwrap_or(i32::MAX);
                self.method(value, "charAt", &[Value::int(place)], at)
            }
            Value::Verbatim(inner) => self.property(inner, &self.key(&index, at)?, at),
            Value::Bool(_) | Value::Number(_) | Value::Instance(_) | Value::Class(_) => {
                Err(Fault::evaluation(at, format!("{} cannot be indexed", value.noun())))
            }
        }
    }

    fn key(&self, index: &Value<'s>, at: usize) -> Result<String, Fault> {
        let text = crate::render::joined_text(index, self.limits);
        text.map_err(|refusal| refusal.explained(self.limits).at(at))
    }

    /// The items a condition is true for.
    fn select(&mut self, value: &Value<'s>, pick: Pick, test: &Node, at: usize) -> Evaluation<'s> {
        let list = self.items(value, "a selection", at)?;
        let mut found = Vec::new();
        for item in list.iter() {
            let outcome = self.evaluate(test, &item)?;
            let Value::Bool(matched) = outcome else {
                let noun = outcome.noun();
                let message = format!("the condition of a selection is true or false, not {noun}");
                return Err(Fault::evaluation(test.at, message));
            };
            if matched {
                found.push(item);
            }
            if pick == Pick::First && !found.is_empty() {
                break;
            }
        }
        Ok(match pick {
            Pick::All => Value::made_list(list.form, found),
            Pick::First => found.into_iter().next().unwrap_or(Value::Null),
            Pick::Last => found.pop().unwrap_or(Value::Null),
        })
    }

    /// What an expression makes of each item.
    fn project(&mut self, value: &Value<'s>, inner: &Node, at: usize) -> Evaluation<'s> {
        let list = self.items(value, "a projection", at)?;
        let made: Result<Vec<Value<'s>>, Fault> =
            list.iter().map(|item| self.evaluate(inner, &item)).collect();
        Ok(Value::made_list(list.form, made?))
    }

    fn items(&self, value: &Value<'s>, what: &str, at: usize) -> Result<List<'s>, Fault> {
        match value {
            Value::List(list) => Ok(list.clone()),
            Value::Verbatim(inner) => self.items(inner, what, at),
            Value::Null => Err(self.read_from_null(what, at)),
            Value::Map(map) if map.len() == 0 => Ok(List::default()),
            Value::Map(_) => Err(Fault::evaluation(
                at,
                format!("{what} does not work on a map; its `values()` are a list"),
            )),
            Value::Bool(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::Object(_)
            | Value::Instance(_)
            | Value::Class(_) => {
                Err(Fault::evaluation(at, format!("{what} does not work on {}", value.noun())))
            }
        }
    }

    /// Checks that something could be assigned. Nothing is: the scope belongs to the execution.
    pub(super) fn assignable(&mut self, target: &Node, here: &Value<'s>) -> Result<(), Fault> {
        if let NodeKind::Name(_) = &target.kind {
            return Ok(());
        }
        if let NodeKind::Path(start, accesses) = &target.kind
            && let Some((last, before)) = accesses.split_last()
            && matches!(last.kind, AccessKind::Property(_) | AccessKind::Index(_))
        {
            let owner = self.path(start.as_deref(), before, here)?;
            if owner.is_null() {
                return Err(self.read_from_null("what is assigned to", last.at));
            }
            return Ok(());
        }
        let message = "only a name, a property or an index can be assigned to";
        Err(Fault::evaluation(target.at, message))
    }
}

/// The property that `getName()` reads.
fn getter_of(method: &str) -> Option<String> {
    let mut letters = method.strip_prefix("get")?.chars();
    let first = letters.next().filter(char::is_ascii_uppercase)?;
    Some(format!("{}{}", first.to_ascii_lowercase(), letters.as_str()))
}

/// A position: a whole number, or text that is one.
fn place(index: &Value<'_>) -> Option<i64> {
    let number = index.as_number().map(Number::to_long);
    number.or_else(|| index.as_text()?.trim().parse().ok())
}
