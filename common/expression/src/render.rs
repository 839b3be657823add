//! Values as text and as JSON, never more than the limits allow.

use serde_json::{Map as JsonMap, Number as JsonNumber, Value as Json};

use crate::{
    fault::Trouble,
    instance::Instance,
    limits::Limits,
    number::Number,
    value::{List, Map, Value},
};

/// Why a value has no such form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooLarge,
    TooDeep,
    /// This kind of value has no such form.
    NoForm(&'static str),
}

impl Refusal {
    pub(crate) fn explained(self, limits: &Limits) -> Trouble {
        match self {
            Self::TooLarge => {
                let most = limits.output_bytes_max;
                Trouble::TooMuch(format!("the result is larger than {most} bytes"))
            }
            Self::TooDeep => {
                let most = limits.value_depth_max;
                Trouble::TooMuch(format!("the result is nested more than {most} levels deep"))
            }
            Self::NoForm(noun) => Trouble::Wrong(format!(
                "{noun} cannot be turned into text; name the property you want, or use #toJson"
            )),
        }
    }
}

/// How collections become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `[a, b]` and `{a=1}`, as `toString()` of Java's collections.
    Java,
    /// `a,b`; maps have no such form. Source: Spring's conversion to text.
    Joined,
}

/// `toString()`, and what a map or list is when it is added to text.
pub(crate) fn java_text(value: &Value<'_>, limits: &Limits) -> Result<String, Refusal> {
    text(value, Style::Java, limits)
}

/// What a value is among other text.
pub(crate) fn joined_text(value: &Value<'_>, limits: &Limits) -> Result<String, Refusal> {
    text(value, Style::Joined, limits)
}

fn text(value: &Value<'_>, style: Style, limits: &Limits) -> Result<String, Refusal> {
    let mut writer = Writer { out: String::new(), style, limits, depth: 0 };
    writer.value(value)?;
    Ok(writer.out)
}

struct Writer<'l> {
    out: String,
    style: Style,
    limits: &'l Limits,
    depth: u32,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) -> Result<(), Refusal> {
        if self.out.len().saturating_add(text.len()) > self.limits.output_bytes_max {
            return Err(Refusal::TooLarge);
        }
        self.out.push_str(text);
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>) -> Result<(), Refusal> {
        match value {
            Value::Null => self.put("null"),
            Value::Bool(truth) => self.put(if *truth { "true" } else { "false" }),
            Value::Number(number) => self.put(&number.text()),
            Value::Text(text) => self.put(text),
            Value::List(list) => self.nested(|writer| writer.list(list)),
            Value::Map(map) => self.nested(|writer| writer.map(map)),
            Value::Instance(instance) => self.put(&instance.text()),
            Value::Verbatim(inner) => self.value(inner),
            Value::Object(_) | Value::Class(_) => Err(Refusal::NoForm(value.noun())),
        }
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if self.depth == self.limits.value_depth_max {
            return Err(Refusal::TooDeep);
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn list(&mut self, list: &List<'_>) -> Result<(), Refusal> {
        let (start, between, end) = match self.style {
            Style::Java => ("[", ", ", "]"),
            Style::Joined => ("", ",", ""),
        };
        self.put(start)?;
        for (place, item) in list.iter().enumerate() {
            if place > 0 {
                self.put(between)?;
            }
            self.value(&item)?;
        }
        self.put(end)
    }

    fn map(&mut self, map: &Map<'_>) -> Result<(), Refusal> {
        match self.style {
            Style::Joined => return Err(Refusal::NoForm("a map")),
            Style::Java => {}
        }
        self.put("{")?;
        for (place, (key, value)) in map.entries().into_iter().enumerate() {
            if place > 0 {
                self.put(", ")?;
            }
            self.put(&key)?;
            self.put("=")?;
            self.value(&value)?;
        }
        self.put("}")
    }
}

/// The value as JSON, and how large that is in bytes (about).
pub(crate) fn json(value: &Value<'_>, limits: &Limits) -> Result<(Json, usize), Refusal> {
    let mut builder = Builder { limits, used: 0 };
    let json = builder.value(value, limits.value_depth_max)?;
    Ok((json, builder.used))
}

struct Builder<'l> {
    limits: &'l Limits,
    used: usize,
}

impl Builder<'_> {
    fn charge(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.used = self.used.saturating_add(bytes).saturating_add(2);
        if self.used > self.limits.output_bytes_max { Err(Refusal::TooLarge) } else { Ok(()) }
    }

    fn value(&mut self, value: &Value<'_>, depth: u32) -> Result<Json, Refusal> {
        let below = || depth.checked_sub(1).ok_or(Refusal::TooDeep);
        match value {
            Value::Null => self.charge(4).map(|()| Json::Null),
            Value::Bool(truth) => self.charge(4).map(|()| Json::Bool(*truth)),
            Value::Number(number) => self.charge(8).map(|()| json_number(*number)),
            Value::Text(text) => self.charge(text.len()).map(|()| Json::String(text.to_string())),
            Value::List(list) => {
                let below = below()?;
                self.charge(0)?;
                list.iter().map(|item| self.value(&item, below)).collect()
            }
            Value::Map(map) => {
                let below = below()?;
                self.charge(0)?;
                let mut fields = JsonMap::new();
                for (key, value) in map.entries() {
                    self.charge(key.len())?;
                    fields.insert(key.to_string(), self.value(&value, below)?);
                }
                Ok(Json::Object(fields))
            }
            Value::Object(object) => self.value(&Value::Map(Map::Json(object.fields)), depth),
            Value::Instance(instance) => {
                self.charge(16)?;
                if let Instance::Date(ms) = **instance {
                    return Ok(Json::from(ms));
                }
                Ok(Json::String(instance.text()))
            }
            Value::Verbatim(inner) => self.value(inner, depth),
            Value::Class(_) => Err(Refusal::NoForm(value.noun())),
        }
    }
}

/// How large a piece of JSON is, in bytes (about).
pub(crate) fn weight(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::String(text) => text.len() + 2,
        Json::Array(items) => items.iter().map(weight).sum::<usize>() + 2,
        Json::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + 2 + weight(value)).sum::<usize>() + 2
        }
    }
}

/// A real that JSON does not know becomes text, as Jackson writes it.
fn json_number(number: Number) -> Json {
    match number {
        Number::Int(whole) => Json::from(whole),
        Number::Long(whole) => Json::from(whole),
        // By way of its digits: 0.1 of 32 bits is 0.1, not 0.10000000149011612.
        Number::Float(real) if real.is_finite() => real
            .to_string()
            .parse()
            .ok()
            .and_then(JsonNumber::from_f64)
            .map_or(Json::Null, Json::Number),
        Number::Double(real) if real.is_finite() => {
            JsonNumber::from_f64(real).map_or(Json::Null, Json::Number)
        }
        Number::Float(_) | Number::Double(_) => Json::String(number.text()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::Nature;

    fn texts(value: &Json) -> (Option<String>, Option<String>) {
        let value = Value::view(value, Nature::Data);
        let limits = &Limits::STANDARD;
        (java_text(&value, limits).ok(), joined_text(&value, limits).ok())
    }

    fn both(java: &str, joined: &str) -> (Option<String>, Option<String>) {
        (Some(java.to_owned()), Some(joined.to_owned()))
    }

    #[test]
    fn lists_are_joined_by_commas_among_text_and_bracketed_by_to_string() {
        let list = json!(["a", null, true, [1, [2.5]]]);
        assert_eq!(texts(&list), both("[a, null, true, [1, [2.5]]]", "a,null,true,1,2.5"));
        assert_eq!(texts(&json!([])), both("[]", ""));
    }

    #[test]
    fn a_map_has_no_text_among_other_text_wherever_it_stands() {
        assert_eq!(texts(&json!({"a": 1, "b": [2]})), (Some("{a=1, b=[2]}".to_owned()), None));
        assert_eq!(texts(&json!(["x", {"a": 1}])), (Some("[x, {a=1}]".to_owned()), None));
    }

    #[test]
    fn results_are_bounded_in_size_and_depth() {
        let limits = Limits { output_bytes_max: 20, value_depth_max: 2, ..Limits::STANDARD };
        let long = json!("a text of more than twenty bytes");
        let deep = json!([[[1]]]);
        let view = |json| Value::view(json, Nature::Data);
        assert_eq!(json(&view(&long), &limits), Err(Refusal::TooLarge));
        assert_eq!(java_text(&view(&long), &limits), Err(Refusal::TooLarge));
        assert_eq!(json(&view(&deep), &limits), Err(Refusal::TooDeep));
        assert_eq!(joined_text(&view(&deep), &limits), Err(Refusal::TooDeep));
    }
}
