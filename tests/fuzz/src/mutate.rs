//! Inputs made from others: of bytes, and of JSON where both have it.

use serde_json::Value;

/// Bytes that mean something to one of our readers.
const TELLING: &[&[u8]] = &[
    b"${",
    b"}",
    b"\"",
    b"'",
    b"\\",
    b"/",
    b"..",
    b"-",
    b"_",
    b"~",
    b":",
    b"=",
    b"\n",
    b"\0",
    b"%2F",
    b"\xff",
    "\u{202e}".as_bytes(),
    "é".as_bytes(),
    b"0",
    b"00",
    b"18446744073709551616",
    b"-1",
    b"1e999",
    b"null",
    b"[",
    b"]",
    b"{",
    b"true",
    b"-v000",
    b"job/",
    b".deb",
    b"@",
    b"#",
    b"?:",
    b"?.",
];
/// An input grows no further: what is larger is cut off before any reader sees it.
const BYTES_MAX: usize = 64 * 1024;

/// A sequence of choices that one number decides.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The choices of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number. Source: `SplitMix64` (Steele, Lea, Flood 2014).
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or(0)
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

/// Makes another input of this one, with parts of `other` now and then.
pub fn mutate(input: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut made = input.to_vec();
    for _ in 0..=chance.below(4) {
        made = match (serde_json::from_slice(&made), chance.below(3)) {
            (Ok(json), 0 | 1) => json_again(json, other, chance),
            (Ok(_) | Err(_), _) => bytes_again(made, other, chance),
        };
    }
    made.truncate(BYTES_MAX);
    made
}

fn bytes_again(mut bytes: Vec<u8>, other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let at = chance.below(bytes.len().saturating_add(1));
    let until = at.saturating_add(chance.below(16)).min(bytes.len());
    match chance.below(6) {
        0 => drop(bytes.drain(at..until)),
        1 => {
            let piece: Vec<u8> = bytes.drain(at..until).collect();
            let place = chance.below(bytes.len().saturating_add(1));
            bytes.splice(place..place, piece);
        }
        2 => {
            let telling = chance.of(TELLING).copied().unwrap_or_default();
            bytes.splice(at..until.min(at.saturating_add(1)), telling.iter().copied());
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        4 => {
            let piece: Vec<u8> = bytes.get(at..until).unwrap_or_default().repeat(chance.below(9));
            bytes.splice(at..at, piece);
        }
        _ => {
            let from = chance.below(other.len().saturating_add(1));
            let piece = other.get(from..).unwrap_or_default().iter().take(64).copied();
            bytes.splice(at..until, piece);
        }
    }
    bytes
}

/// Changes one value of a JSON document, or the name of a field.
fn json_again(mut json: Value, other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut left = chance.below(places(&json));
    let donor: Value = serde_json::from_slice(other).unwrap_or(Value::Null);
    change(&mut json, &mut left, &donor, chance);
    json.to_string().into_bytes()
}

fn places(json: &Value) -> usize {
    let inside: usize = match json {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(fields) => fields.values().map(places).sum(),
    };
    inside.saturating_add(1)
}

/// Changes the value that is `left` places further; true when that was done.
fn change(json: &mut Value, left: &mut usize, donor: &Value, chance: &mut Chance) -> bool {
    if *left == 0 {
        *json = changed(json, donor, chance);
        return true;
    }
    *left = left.saturating_sub(1);
    match json {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        Value::Array(items) => items.iter_mut().any(|item| change(item, left, donor, chance)),
        Value::Object(fields) => fields.values_mut().any(|item| change(item, left, donor, chance)),
    }
}

fn changed(json: &Value, donor: &Value, chance: &mut Chance) -> Value {
    let plain = [
        Value::Null,
        Value::Bool(true),
        Value::from(0),
        Value::from(-1),
        Value::from(u64::MAX),
        Value::from(1.5),
        Value::from(""),
        Value::from("${1 + 1}"),
        Value::from("../../x"),
        Value::Array(Vec::new()),
        Value::Object(serde_json::Map::new()),
    ];
    match (chance.below(5), json) {
        (0, _) => chance.of(&plain).cloned().unwrap_or_default(),
        (1, _) => donor.clone(),
        (2, Value::Array(items)) => {
            let mut items = items.clone();
            items.extend(chance.of(&items.clone()).cloned());
            Value::Array(items)
        }
        (2, Value::Object(fields)) => {
            let mut fields = fields.clone();
            let name = fields.keys().nth(chance.below(fields.len())).cloned();
            if let Some(gone) = name.and_then(|name| fields.remove(&name)) {
                fields.insert("else".to_owned(), gone);
            }
            Value::Object(fields)
        }
        (3, Value::String(text)) => {
            let bytes = bytes_again(text.clone().into_bytes(), b"", chance);
            Value::from(String::from_utf8_lossy(&bytes).into_owned())
        }
        (4, _) => Value::Array(vec![json.clone()]),
        (_, _) => Value::from(json.to_string()),
    }
}
