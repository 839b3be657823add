//! `#readYaml` and `#readAllYaml`. Plain scalars mean what they mean to the reader Spinnaker uses
//! (YAML 1.1: `yes` is true), tags other than those of the core are refused, aliases are limited.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map as JsonMap, Number as JsonNumber, Value as Json};

use super::Called;
use crate::{fault::Trouble, limits::Limits, render::weight, value::Value};

/// How many documents a text may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Documents {
    One,
    /// Any number: the result is a list.
    All,
}

/// Reads YAML.
pub(super) fn read<'s>(text: &str, limits: &Limits, documents: Documents) -> Called<'s> {
    let mut reader = Reader {
        open: Vec::new(),
        anchors: BTreeMap::new(),
        documents: Vec::new(),
        left: limits.output_bytes_max,
        depth_max: usize::try_from(limits.value_depth_max).unwrap_or(usize::MAX),
    };
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            Trouble::Wrong(format!("the text is not YAML (line {line}, column {column})"))
        })?;
        reader.take(event)?;
    }
    match documents {
        Documents::All => Ok(Value::list(reader.documents.into_iter().map(Value::made_of))),
        Documents::One => {
            let count = reader.documents.len();
            let mut documents = reader.documents.into_iter();
            match (documents.next(), documents.next()) {
                (Some(only), None) => Ok(Value::made_of(only)),
                (None, _) => Ok(Value::Null),
                (Some(_), Some(_)) => Err(Trouble::Wrong(format!(
                    "the text has {count} YAML documents; #readAllYaml reads them all"
                ))),
            }
        }
    }
}

/// A list or map that is not finished.
enum Open {
    List(usize, Vec<Json>),
    Map(usize, JsonMap<String, Json>, Option<String>),
}

struct Reader {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Json>,
    documents: Vec<Json>,
    /// Bytes that may still be made: aliases multiply.
    left: usize,
    depth_max: usize,
}

impl Reader {
    fn pay(&mut self, bytes: usize) -> Result<(), Trouble> {
        let left = self.left.checked_sub(bytes.saturating_add(2));
        self.left = left.ok_or_else(|| Trouble::TooMuch("the YAML is too large".to_owned()))?;
        Ok(())
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Trouble> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or_else(|| Trouble::from("a YAML alias names nothing"))?;
                self.pay(weight(&value))?;
                if self.open.len() + depth(&value) > self.depth_max {
                    return Err(too_deep());
                }
                self.put(value, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.pay(text.len())?;
                let value = scalar(&text, style, tag.as_deref())?;
                self.put(value, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                core_only(tag.as_deref())?;
                self.begin(Open::List(anchor, Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                core_only(tag.as_deref())?;
                self.begin(Open::Map(anchor, JsonMap::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(anchor, items)) => self.put(Json::Array(items), anchor),
                Some(Open::Map(anchor, fields, _)) => self.put(Json::Object(fields), anchor),
                None => Err(Trouble::from("the YAML ends something that did not begin")),
            },
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), Trouble> {
        self.pay(0)?;
        if self.open.len() >= self.depth_max {
            return Err(too_deep());
        }
        self.open.push(open);
        Ok(())
    }

    fn put(&mut self, value: Json, anchor: usize) -> Result<(), Trouble> {
        if anchor > 0 {
            self.pay(weight(&value))?;
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(value),
            Some(Open::List(_, items)) => items.push(value),
            Some(Open::Map(_, fields, key)) => match key.take() {
                None => *key = Some(key_text(value)?),
                Some(name) if name == "<<" => merge(fields, value)?,
                Some(name) => {
                    fields.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

fn too_deep() -> Trouble {
    Trouble::TooMuch("the YAML is nested too deep".to_owned())
}

/// `<<: *defaults`: what the map does not say itself.
fn merge(fields: &mut JsonMap<String, Json>, value: Json) -> Result<(), Trouble> {
    match value {
        Json::Object(defaults) => {
            for (key, value) in defaults {
                fields.entry(key).or_insert(value);
            }
            Ok(())
        }
        Json::Array(list) => list.into_iter().try_for_each(|defaults| merge(fields, defaults)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(Trouble::from("`<<` in YAML needs a map"))
        }
    }
}

fn key_text(key: Json) -> Result<String, Trouble> {
    match key {
        Json::String(text) => Ok(text),
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(key.to_string()),
        Json::Array(_) | Json::Object(_) => Err(Trouble::from("a key in YAML must be text")),
    }
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Json::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
    }
}

/// The name of a tag of the core, if it is one.
fn core_tag(tag: Option<&Tag>) -> Result<Option<&str>, Trouble> {
    const CORE: &[&str] = &["str", "int", "float", "bool", "null", "seq", "map"];
    match tag {
        None => Ok(None),
        Some(tag) if tag.is_yaml_core_schema() && CORE.contains(&tag.suffix.as_str()) => {
            Ok(Some(&tag.suffix))
        }
        Some(_) => {
            Err(Trouble::from("the YAML has a tag that is not of the core (`!!str`, `!!int` …)"))
        }
    }
}

fn core_only(tag: Option<&Tag>) -> Result<(), Trouble> {
    core_tag(tag).map(|_| ())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Json, Trouble> {
    let tag = core_tag(tag)?;
    if tag == Some("str") || (tag.is_none() && style != ScalarStyle::Plain) {
        return Ok(Json::String(text.to_owned()));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Json::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Json::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Json::Bool(false)
        }
        _ => number(text).unwrap_or_else(|| Json::String(text.to_owned())),
    })
}

/// `7`, `-1_000`, `0x1F`, `017` (octal), `1.5`, `1e3` is text without a point.
fn number(text: &str) -> Option<Json> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let plain: String = digits.chars().filter(|letter| *letter != '_').collect();
    let whole = |digits: &str, radix: u32| {
        let number = i64::from_str_radix(digits, radix).ok()?;
        number.checked_mul(sign).map(Json::from)
    };
    if let Some(hex) = plain.strip_prefix("0x") {
        return whole(hex, 16);
    }
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| matches!(b, b'0'..=b'7'))
    {
        return whole(&plain, 8);
    }
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return whole(&plain, 10);
    }
    let real = plain.contains('.')
        && plain.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let number: f64 = real.then(|| plain.parse().ok()).flatten()?;
    let number = if sign < 0 { -number } else { number };
    JsonNumber::from_f64(number).map(Json::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all(text: &str) -> Result<Json, Trouble> {
        let limits = &Limits::STANDARD;
        let value = read(text, limits, Documents::All)?;
        Ok(crate::render::json(&value, limits).unwrap().0)
    }

    #[test]
    fn scalars_mean_what_they_mean_in_yaml_1_1() {
        let text =
            "a: yes\nb: 017\nc: 0x1F\nd: 1_000\ne: 1.5\nf: '7'\ng: ~\nh: 1.2.3\ni: !!str 5\n";
        let expected = json!([{
            "a": true, "b": 15, "c": 31, "d": 1000, "e": 1.5, "f": "7", "g": null, "h": "1.2.3", "i": "5",
        }]);
        assert_eq!(all(text).unwrap(), expected);
    }

    #[test]
    fn aliases_and_merges_work_and_do_not_explode() {
        let text = "base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\nlist: [*b]\n";
        let base = json!({"x": 1, "y": 2});
        let own = json!({"x": 1, "y": 3});
        assert_eq!(all(text).unwrap(), json!([{"base": base, "own": own, "list": [base]}]));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for round in 1..12 {
            let before = format!("*a{}", round - 1);
            let line = format!("a{round}: &a{round} [{}]\n", vec![before; 10].join(","));
            bomb.push_str(&line);
        }
        assert!(matches!(all(&bomb), Err(Trouble::TooMuch(_))));
        assert!(matches!(all(&"[".repeat(200)), Err(Trouble::TooMuch(_))));
    }

    #[test]
    fn foreign_tags_and_broken_text_are_refused() {
        assert!(all("!!java.io.FileInputStream [/dev/null]").is_err());
        assert!(all("!thing {a: 1}").is_err());
        assert!(all("a: [1,").is_err());
    }
}
