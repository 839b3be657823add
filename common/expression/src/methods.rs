//! Methods people call on text, lists, maps, numbers and booleans.
//!
//! Only those that Spinnaker lets through exist: a method whose declared result is `Object`
//! (`map.get`, `list.get`) is refused there, and here, with the way to write it instead.

mod text;

use crate::{
    arguments::Arguments,
    fault::{Trouble, names_there, short},
    number::Number,
    operators::{order, same},
    render::java_text,
    value::{Form, List, Map, Value},
    world::World,
};

pub(crate) use self::text::hash;

type Called<'s> = Result<Option<Value<'s>>, Trouble>;

/// Calls a method of a value.
pub(crate) fn call<'s>(
    value: &Value<'s>,
    name: &str,
    arguments: &Arguments<'_, 's>,
    world: &World<'_>,
) -> Result<Value<'s>, Trouble> {
    let count = arguments.values.len();
    let (called, known) = match value {
        Value::Text(text) => (text::call(text, name, arguments, world), text::NAMES),
        Value::List(list) if list.form == Form::List => (on_list(list, name, arguments), LIST),
        Value::Map(map) => (on_map(map, name, arguments), MAP),
        Value::Number(number) => (on_number(*number, name, arguments), NUMBER),
        Value::Bool(truth) => (on_bool(*truth, name, count), BOOL),
        Value::Instance(instance) => (instance.call(name, arguments, world), &[][..]),
        Value::Class(class) => return crate::java::call(*class, name, arguments, world),
        Value::Verbatim(inner) => return call(inner, name, arguments, world),
        Value::Null | Value::List(_) | Value::Object(_) => (Ok(None), &[][..]),
    };
    if let Some(result) = called? {
        return Ok(result);
    }
    if (name, count) == ("equals", 1) {
        return Ok(Value::Bool(same(value, arguments.value(0)?)));
    }
    Err(unknown(value, name, count, known))
}

fn unknown(value: &Value<'_>, name: &str, count: usize, known: &[&str]) -> Trouble {
    let noun = value.noun();
    let hint = match (value, name) {
        (Value::Map(_), "get" | "getOrDefault") => "; write `map['key']`".to_owned(),
        (Value::List(List { form: Form::List, .. }), "get") => "; write `list[0]`".to_owned(),
        (Value::List(List { form: Form::Array, .. }), "size" | "length") => {
            "; an array has the property `length`".to_owned()
        }
        _ if known.is_empty() => String::new(),
        _ => format!("; {}", names_there(name, known.iter().copied())),
    };
    let name = short(name);
    Trouble::Wrong(format!("{noun} has no method `{name}` with {count} arguments{hint}"))
}

const LIST: &[&str] = &[
    "size",
    "isEmpty",
    "contains",
    "containsAll",
    "indexOf",
    "lastIndexOf",
    "subList",
    "toString",
    "equals",
    "hashCode",
];

fn on_list<'s>(list: &List<'s>, name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    let position = |found: Option<usize>| found.map_or(Value::int(-1), Value::count);
    let is = |wanted: &Value<'s>| {
        let wanted = wanted.clone();
        move |item: Value<'s>| same(&item, &wanted)
    };
    Ok(Some(match (name, arguments.values.len()) {
        ("size", 0) => Value::count(list.len()),
        ("isEmpty", 0) => Value::Bool(list.len() == 0),
        ("contains", 1) => Value::Bool(list.iter().any(is(arguments.value(0)?))),
        ("containsAll", 1) => {
            let wanted = arguments.list(0)?;
            if list.len().saturating_mul(wanted.len()) > arguments.limits.output_bytes_max {
                return Err(Trouble::TooMuch("the lists are too long to compare".to_owned()));
            }
            Value::Bool(wanted.iter().all(|wanted| list.iter().any(is(&wanted))))
        }
        ("indexOf", 1) => position(list.iter().position(is(arguments.value(0)?))),
        ("lastIndexOf", 1) => {
            let wanted = arguments.value(0)?;
            let places = (0..list.len()).rev();
            position(
                places
                    .into_iter()
                    .find(|place| list.get(*place).is_some_and(|item| same(&item, wanted))),
            )
        }
        ("subList", 2) => {
            let place = |number: i32| usize::try_from(number).ok().filter(|n| *n <= list.len());
            match (place(arguments.int(0)?), place(arguments.int(1)?)) {
                (Some(from), Some(to)) if from <= to => {
                    Value::list((from..to).filter_map(|place| list.get(place)))
                }
                _ => {
                    let length = list.len();
                    let message = format!("the range is not inside a list of {length} items");
                    return Err(Trouble::Wrong(message));
                }
            }
        }
        ("toString", 0) => printed(&Value::List(list.clone()), arguments)?,
        ("hashCode", 0) => {
            let mut code = 1_i32;
            for item in list.iter() {
                code = code.wrapping_mul(31).wrapping_add(hash(&item)?);
            }
            Value::int(code)
        }
        _ => return Ok(None),
    }))
}

const MAP: &[&str] =
    &["size", "isEmpty", "containsKey", "containsValue", "keySet", "values", "toString", "equals"];

fn on_map<'s>(map: &Map<'s>, name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    let values = || map.entries().into_iter().map(|(_, value)| value);
    Ok(Some(match (name, arguments.values.len()) {
        ("size", 0) => Value::count(map.len()),
        ("isEmpty", 0) => Value::Bool(map.len() == 0),
        ("containsKey", 1) => {
            let key = arguments.value(0)?;
            Value::Bool(!key.is_null() && map.own(&arguments.text(0)?).is_some())
        }
        ("containsValue", 1) => {
            let wanted = arguments.value(0)?;
            Value::Bool(values().any(|value| same(&value, wanted)))
        }
        ("keySet", 0) => Value::list(map.entries().into_iter().map(|(key, _)| Value::Text(key))),
        ("values", 0) => Value::list(values()),
        ("toString", 0) => printed(&Value::Map(map.clone()), arguments)?,
        _ => return Ok(None),
    }))
}

fn printed<'s>(value: &Value<'s>, arguments: &Arguments<'_, 's>) -> Result<Value<'s>, Trouble> {
    let limits = arguments.limits;
    java_text(value, limits).map(Value::text).map_err(|refusal| refusal.explained(limits))
}

const NUMBER: &[&str] = &[
    "intValue",
    "longValue",
    "doubleValue",
    "floatValue",
    "toString",
    "compareTo",
    "equals",
    "hashCode",
    "isNaN",
    "isInfinite",
];

fn on_number<'s>(number: Number, name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    let real = number.to_double();
    Ok(Some(match (name, arguments.values.len()) {
        ("intValue", 0) => Value::int(number.to_int()),
        ("longValue", 0) => Value::long(number.to_long()),
        ("doubleValue", 0) => Value::double(real),
        ("floatValue", 0) => Value::Number(Number::Float(crate::number::narrow(real))),
        ("toString", 0) => Value::text(number.text()),
        ("hashCode", 0) => Value::int(hash(&Value::Number(number))?),
        ("isNaN", 0) if !number.is_whole() => Value::Bool(real.is_nan()),
        ("isInfinite", 0) if !number.is_whole() => Value::Bool(real.is_infinite()),
        ("compareTo", 1) => {
            let other = Value::Number(arguments.number(0)?);
            let order = order(&Value::Number(number), &other).map_err(Trouble::Wrong)?;
            Value::int(order.map_or(0, sign_of))
        }
        _ => return Ok(None),
    }))
}

const BOOL: &[&str] = &["toString", "equals", "booleanValue", "hashCode"];

fn on_bool<'s>(truth: bool, name: &str, count: usize) -> Called<'s> {
    Ok(Some(match (name, count) {
        ("toString", 0) => Value::text(truth.to_string()),
        ("booleanValue", 0) => Value::Bool(truth),
        ("hashCode", 0) => Value::int(hash(&Value::Bool(truth))?),
        _ => return Ok(None),
    }))
}

fn sign_of(order: std::cmp::Ordering) -> i32 {
    match order {
        std::cmp::Ordering::Less => -1,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Greater => 1,
    }
}
