//! Setting members of a JSON object without touching the rest of its text: what people wrote comes
//! back as they wrote it, down to blanks, the order of keys and the digits of numbers.

use std::ops::Range;

use serde_json::Value;

/// Sets top-level members of `text`, which must be a JSON object already found valid.
pub(super) fn with_members(text: &str, members: &[(&str, Value)]) -> String {
    let found = top_level(text);
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut added = String::new();
    let mut first = found.is_empty();
    for (key, value) in members {
        // With doubled keys the last one counts.
        if let Some((_, place)) = found.iter().rev().find(|(name, _)| name == key) {
            edits.push((place.clone(), value.to_string()));
            continue;
        }
        if !first {
            added.push(',');
        }
        first = false;
        added.push_str(&Value::from(*key).to_string());
        added.push(':');
        added.push_str(&value.to_string());
    }
    let end = text.rfind('}').unwrap_or(text.len());
    let end = text.get(..end).map_or(end, |before| before.trim_end().len());
    edits.push((end..end, added));
    edits.sort_by_key(|(place, _)| place.start);
    let mut out = String::with_capacity(text.len() + 128);
    let mut at = 0;
    for (place, replacement) in edits {
        out.push_str(text.get(at..place.start).unwrap_or_default());
        out.push_str(&replacement);
        at = place.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Names of the top-level members, and where their values stand.
fn top_level(text: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut depth = 0_u32;
    let mut string_from = None;
    let mut escaped = false;
    let mut key: Option<String> = None;
    let mut value_from = None;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(from) = string_from {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    string_from = None;
                    if depth == 1 && value_from.is_none() {
                        let name =
                            text.get(from..=at).and_then(|name| serde_json::from_str(name).ok());
                        key = name;
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string_from = Some(at),
            b'{' | b'[' => depth += 1,
            b':' if depth == 1 => value_from = Some(at + 1),
            b',' | b'}' if depth == 1 => {
                found.extend(member(text, key.take(), value_from.take(), at));
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

fn member(
    text: &str,
    key: Option<String>,
    from: Option<usize>,
    to: usize,
) -> Option<(String, Range<usize>)> {
    let (key, from) = (key?, from?);
    let value = text.get(from..to)?;
    let start = from + (value.len() - value.trim_start().len());
    Some((key, start..start + value.trim().len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_named_members_change() {
        let text = "{\n  \"name\": \"web\",\n  \"x\": {\"id\": 1.10, \"y\": \"}\\\",{\"},\n  \"id\" : null ,\n  \"n\": 12345678901234567890123\n}\n";
        let out = with_members(text, &[("id", json!("p1")), ("updateTs", json!("5"))]);
        let expected = "{\n  \"name\": \"web\",\n  \"x\": {\"id\": 1.10, \"y\": \"}\\\",{\"},\n  \"id\" : \"p1\" ,\n  \"n\": 12345678901234567890123,\"updateTs\":\"5\"\n}\n";
        assert_eq!(out, expected);
    }

    #[test]
    fn members_are_found_in_every_valid_object() {
        for (text, expected) in [
            ("{}", "{\"id\":\"p\"}"),
            ("{ }", "{\"id\":\"p\" }"),
            ("{\"id\":\"old\"}", "{\"id\":\"p\"}"),
            ("{\"a\":\"id\"}", "{\"a\":\"id\",\"id\":\"p\"}"),
            ("{\"a\":[{\"id\":1},\"id\"]}", "{\"a\":[{\"id\":1},\"id\"],\"id\":\"p\"}"),
            ("{\"i\\u0064\":1}", "{\"i\\u0064\":\"p\"}"),
            ("{\"id\":1,\"id\":2}", "{\"id\":1,\"id\":\"p\"}"),
            ("{\"a\":\"ü}\",\"id\":[1,{}]}", "{\"a\":\"ü}\",\"id\":\"p\"}"),
        ] {
            let out = with_members(text, &[("id", json!("p"))]);
            assert_eq!(out, expected);
            let read: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(read["id"], "p");
        }
    }
}
