//! Methods of text. Positions count UTF-16 units, as in Java.

use regex::Regex;

use super::Called;
use crate::{
    arguments::Arguments,
    fault::Trouble,
    number::{Number, low_bits},
    operators::bounded,
    pattern,
    value::Value,
    world::World,
};

pub(super) const NAMES: &[&str] = &[
    "charAt",
    "codePointAt",
    "compareTo",
    "compareToIgnoreCase",
    "concat",
    "contains",
    "contentEquals",
    "endsWith",
    "equals",
    "equalsIgnoreCase",
    "format",
    "formatted",
    "hashCode",
    "indexOf",
    "isBlank",
    "isEmpty",
    "lastIndexOf",
    "length",
    "matches",
    "repeat",
    "replace",
    "replaceAll",
    "replaceFirst",
    "split",
    "startsWith",
    "strip",
    "stripLeading",
    "stripTrailing",
    "substring",
    "toCharArray",
    "toLowerCase",
    "toString",
    "toUpperCase",
    "trim",
];

/// Spaces and everything before them, as `String.trim` sees it.
fn blank(letter: char) -> bool {
    letter <= ' '
}

pub(super) fn call<'s>(
    text: &str,
    name: &str,
    arguments: &Arguments<'_, 's>,
    world: &World<'_>,
) -> Called<'s> {
    let count = arguments.values.len();
    if count == 0 {
        return plain(text, name);
    }
    let limits = arguments.limits;
    let pattern = |place: usize| world.patterns.part(&arguments.text(place)?, limits);
    Ok(Some(match (name, count) {
        ("contains", 1) => Value::Bool(text.contains(&arguments.text(0)?)),
        ("startsWith", 1) => Value::Bool(text.starts_with(&arguments.text(0)?)),
        ("startsWith", 2) => {
            let rest = slice(text, arguments.int(1)?, None).unwrap_or_default();
            Value::Bool(rest.starts_with(&arguments.text(0)?))
        }
        ("endsWith", 1) => Value::Bool(text.ends_with(&arguments.text(0)?)),
        ("contentEquals", 1) => Value::Bool(text == arguments.text(0)?),
        ("equalsIgnoreCase", 1) => Value::Bool(
            !arguments.value(0)?.is_null()
                && text.to_lowercase() == arguments.text(0)?.to_lowercase(),
        ),
        ("compareTo", 1) => Value::int(distance(text, &arguments.text(0)?)),
        ("compareToIgnoreCase", 1) => {
            Value::int(distance(&text.to_lowercase(), &arguments.text(0)?.to_lowercase()))
        }
        ("concat", 1) => bounded(text.to_owned() + &arguments.text(0)?, limits)?,
        ("charAt", 1) => {
            let place = arguments.int(0)?;
            let after = place.checked_add(1);
            Value::text(slice(text, place, after).ok_or_else(|| outside(text))?)
        }
        ("codePointAt", 1) => {
            let rest = slice(text, arguments.int(0)?, None).ok_or_else(|| outside(text))?;
            let letter = rest.chars().next().ok_or_else(|| outside(text))?;
            Value::int(low_bits(i64::from(u32::from(letter))))
        }
        ("substring", 1) => {
            Value::text(slice(text, arguments.int(0)?, None).ok_or_else(|| outside(text))?)
        }
        ("substring", 2) => {
            let part = slice(text, arguments.int(0)?, Some(arguments.int(1)?));
            Value::text(part.ok_or_else(|| outside(text))?)
        }
        ("indexOf" | "lastIndexOf", 1 | 2) => position(text, name, arguments)?,
        ("repeat", 1) => {
            let times = usize::try_from(arguments.int(0)?);
            let times =
                times.map_err(|_| Trouble::from("text is not repeated less than 0 times"))?;
            if text.len().saturating_mul(times) > limits.output_bytes_max {
                return Err(Trouble::TooMuch("the repeated text is too large".to_owned()));
            }
            Value::text(text.repeat(times))
        }
        ("replace", 2) => replaced(text, arguments)?,
        ("matches", 1) => {
            Value::Bool(world.patterns.whole(&arguments.text(0)?, limits)?.is_match(text))
        }
        ("replaceAll" | "replaceFirst", 2) => replaced_by_pattern(text, name, arguments, world)?,
        ("split", 1) => split(text, &pattern(0)?, 0),
        ("split", 2) => split(text, &pattern(0)?, arguments.int(1)?),
        ("formatted", _) => Value::text(crate::format::format(text, arguments.values, limits)?),
        _ => return Ok(None),
    }))
}

/// Methods without arguments.
fn plain<'s>(text: &str, name: &str) -> Called<'s> {
    Ok(Some(match name {
        "length" => Value::count(text.encode_utf16().count()),
        "isEmpty" => Value::Bool(text.is_empty()),
        "isBlank" => Value::Bool(text.trim().is_empty()),
        "trim" => Value::text(text.trim_matches(blank)),
        "strip" => Value::text(text.trim()),
        "stripLeading" => Value::text(text.trim_start()),
        "stripTrailing" => Value::text(text.trim_end()),
        "toLowerCase" => Value::text(text.to_lowercase()),
        "toUpperCase" => Value::text(text.to_uppercase()),
        "toString" | "intern" => Value::text(text),
        "hashCode" => Value::int(text_hash(text)),
        "toCharArray" => Value::array(text.chars().map(|letter| Value::text(letter.to_string()))),
        _ => return Ok(None),
    }))
}

/// A part of a text by UTF-16 positions; none when it is not inside.
fn slice(text: &str, from: i32, to: Option<i32>) -> Option<String> {
    let from = usize::try_from(from).ok()?;
    let to = to.map(usize::try_from).transpose().ok()?;
    if text.is_ascii() {
        let part = match to {
            Some(to) => text.get(from..to),
            None => text.get(from..),
        };
        return part.map(str::to_owned);
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    let part = units.get(from..to.unwrap_or(units.len()))?;
    Some(String::from_utf16_lossy(part))
}

fn outside(text: &str) -> Trouble {
    let length = text.encode_utf16().count();
    Trouble::Wrong(format!("the position is not inside a text of {length} characters"))
}

fn position<'s>(
    text: &str,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Result<Value<'s>, Trouble> {
    let wanted = if let Some(code) = arguments.value(0)?.as_number() {
        let letter = u32::try_from(code.to_long()).ok().and_then(char::from_u32);
        letter.map(String::from).unwrap_or_default()
    } else {
        arguments.text(0)?
    };
    let text: Vec<u16> = text.encode_utf16().collect();
    let wanted: Vec<u16> = wanted.encode_utf16().collect();
    let last = text.len().checked_sub(wanted.len());
    let begins = |place: &usize| text.get(*place..).is_some_and(|rest| rest.starts_with(&wanted));
    let limit = if arguments.values.len() == 2 { Some(arguments.int(1)?) } else { None };
    let found = match (name, last) {
        (_, None) => None,
        ("indexOf", Some(last)) => {
            let from = usize::try_from(limit.unwrap_or(0)).unwrap_or(0);
            (from..=last).find(begins)
        }
        (_, Some(last)) => {
            let from = limit.map_or(Some(last), |limit| usize::try_from(limit).ok());
            from.and_then(|from| (0..=from.min(last)).rev().find(begins))
        }
    };
    Ok(found.map_or(Value::int(-1), Value::count))
}

fn replaced<'s>(text: &str, arguments: &Arguments<'_, 's>) -> Result<Value<'s>, Trouble> {
    let (from, to) = (arguments.text(0)?, arguments.text(1)?);
    let found = text.matches(&from).count();
    if text.len().saturating_add(found.saturating_mul(to.len())) > arguments.limits.output_bytes_max
    {
        return Err(Trouble::TooMuch("the replaced text is too large".to_owned()));
    }
    Ok(Value::text(text.replace(&from, &to)))
}

fn replaced_by_pattern<'s>(
    text: &str,
    name: &str,
    arguments: &Arguments<'_, 's>,
    world: &World<'_>,
) -> Result<Value<'s>, Trouble> {
    let regex = world.patterns.part(&arguments.text(0)?, arguments.limits)?;
    let replacement = arguments.text(1)?;
    let most = if name == "replaceFirst" { 1 } else { usize::MAX };
    let mut out = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(text).take(most) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(text.get(end..whole.start()).unwrap_or_default());
        pattern::expand(&captures, &replacement, &mut out)?;
        end = whole.end();
        if out.len() > arguments.limits.output_bytes_max {
            return Err(Trouble::TooMuch("the replaced text is too large".to_owned()));
        }
    }
    out.push_str(text.get(end..).unwrap_or_default());
    bounded(out, arguments.limits)
}

/// `String.split`: empty parts at the end are dropped unless a limit is given.
fn split<'s>(text: &str, regex: &Regex, limit: i32) -> Value<'s> {
    let most = usize::try_from(limit).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let mut parts: Vec<&str> = Vec::new();
    let mut end = 0;
    for found in regex.find_iter(text) {
        if parts.len() + 1 >= most {
            break;
        }
        // An empty match at the beginning does not split, nor does one at the end.
        if found.is_empty() && (found.start() == 0 || found.start() == text.len()) {
            continue;
        }
        parts.push(text.get(end..found.start()).unwrap_or_default());
        end = found.end();
    }
    if parts.is_empty() {
        return Value::array([Value::text(text)]);
    }
    parts.push(text.get(end..).unwrap_or_default());
    if limit == 0 {
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
    }
    Value::array(parts.into_iter().map(Value::text))
}

/// `compareTo`: the difference at the first different unit, or of the lengths.
fn distance(left: &str, right: &str) -> i32 {
    let units = left.encode_utf16().zip(right.encode_utf16());
    let mut differing = units.filter(|(left, right)| left != right);
    if let Some((left, right)) = differing.next() {
        return i32::from(left) - i32::from(right);
    }
    let length = |text: &str| i64::try_from(text.encode_utf16().count()).unwrap_or(i64::MAX);
    low_bits(length(left) - length(right))
}

fn text_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0_i32, |code, unit| code.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `hashCode` of what has one that does not change from run to run.
pub(crate) fn hash(value: &Value<'_>) -> Result<i32, Trouble> {
    let folded = |bits: i64| low_bits(bits ^ ((bits >> 32) & 0xFFFF_FFFF));
    match value {
        Value::Null => Ok(0),
        Value::Bool(truth) => Ok(if *truth { 1231 } else { 1237 }),
        Value::Text(text) => Ok(text_hash(text)),
        Value::Number(Number::Int(number)) => Ok(*number),
        Value::Number(Number::Long(number)) => Ok(folded(*number)),
        Value::Number(Number::Double(number)) => {
            Ok(folded(i64::from_ne_bytes(number.to_ne_bytes())))
        }
        Value::Number(Number::Float(number)) => Ok(i32::from_ne_bytes(number.to_ne_bytes())),
        Value::List(_)
        | Value::Map(_)
        | Value::Object(_)
        | Value::Instance(_)
        | Value::Class(_)
        | Value::Verbatim(_) => {
            Err(Trouble::Wrong(format!("{} has no hash code here", value.noun())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, pattern::Patterns, scope::Facts};

    fn called(text: &str, name: &str, arguments: &[Value<'static>]) -> Value<'static> {
        let arguments = Arguments { values: arguments, limits: &Limits::STANDARD };
        call(text, name, &arguments, &World::new(&Facts::default())).unwrap().unwrap()
    }

    fn shown(value: &Value<'_>) -> String {
        crate::render::java_text(value, &Limits::STANDARD).unwrap()
    }

    #[test]
    fn split_drops_empty_parts_at_the_end_only() {
        for (text, by, limit, parts) in [
            ("a,b,,", ",", 0, "[a, b]"),
            (",a,b", ",", 0, "[, a, b]"),
            ("a,b,,", ",", -1, "[a, b, , ]"),
            ("a,b,c", ",", 2, "[a, b,c]"),
            ("abc", "", 0, "[a, b, c]"),
            ("", ",", 0, "[]"),
            ("a1b22c", "[0-9]+", 0, "[a, b, c]"),
            ("a.b", "\\.", 0, "[a, b]"),
            ("a|b", "|", 0, "[a, |, b]"),
        ] {
            let regex = Patterns::default().part(by, &Limits::STANDARD).unwrap();
            let found = split(text, &regex, limit);
            assert_eq!(shown(&found), parts, "{text} by {by}");
        }
    }

    #[test]
    fn positions_count_utf16_units() {
        let text = "a😀b";
        assert_eq!(shown(&called(text, "length", &[])), "4");
        assert_eq!(shown(&called(text, "indexOf", &[Value::text("b")])), "3");
        assert_eq!(shown(&called(text, "substring", &[Value::int(3)])), "b");
        assert_eq!(shown(&called("abcabc", "lastIndexOf", &[Value::text("b")])), "4");
        assert_eq!(shown(&called("abcabc", "indexOf", &[Value::int(99), Value::int(3)])), "5");
    }

    #[test]
    fn positions_outside_are_errors() {
        let values = [Value::int(4)];
        let arguments = Arguments { values: &values, limits: &Limits::STANDARD };
        let facts = Facts::default();
        let world = World::new(&facts);
        assert!(call("abc", "substring", &arguments, &world).is_err());
        assert!(call("abc", "charAt", &arguments, &world).is_err());
    }

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(text_hash("abc"), 96_354);
        assert_eq!(hash(&Value::double(1.5)).unwrap(), 1_073_217_536);
        assert_eq!(hash(&Value::long(-1)).unwrap(), 0);
    }
}
