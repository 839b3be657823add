//! Property files that a job archives: Java properties, or JSON when the name says so.

use std::collections::BTreeMap;

use serde_json::Value;

/// A property file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PropertiesError {
    /// The name says JSON, the content is not.
    #[error("property file `{file}` is not JSON")]
    Json {
        /// Its name.
        file: String,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// It is JSON, but not names and values.
    #[error("property file `{file}` holds {found}, a JSON object is needed")]
    NotAnObject {
        /// Its name.
        file: String,
        /// What it holds.
        found: String,
    },
    /// The name says YAML, which is not read.
    #[error(
        "property file `{file}` is YAML, which is not read; archive it as .properties or .json"
    )]
    Yaml {
        /// Its name.
        file: String,
    },
    /// A Unicode escape (a backslash, `u`, four hexadecimal digits) is broken.
    #[error("line {line} of property file `{file}` has a broken \\u escape")]
    Escape {
        /// Its name.
        file: String,
        /// Which line, from 1.
        line: usize,
    },
}

/// Reads a property file by the ending of its name: `.json` is JSON, anything else Java properties.
/// Values that are not texts are kept as their JSON text.
///
/// # Errors
/// When the content does not fit the name. YAML is refused rather than misread.
pub fn read_properties(
    file: &str,
    text: &str,
) -> Result<BTreeMap<String, String>, PropertiesError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("json") => json(file, text),
        Some("yml" | "yaml") => Err(PropertiesError::Yaml { file: file.to_owned() }),
        Some(_) | None => java(file, text),
    }
}

fn json(file: &str, text: &str) -> Result<BTreeMap<String, String>, PropertiesError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|cause| PropertiesError::Json { file: file.to_owned(), cause })?;
    let Value::Object(map) = value else {
        let found = crate::problem::shown(&value);
        return Err(PropertiesError::NotAnObject { file: file.to_owned(), found });
    };
    let text_of = |value: Value| match value {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    };
    Ok(map.into_iter().map(|(key, value)| (key, text_of(value))).collect())
}

/// Source: the format of `java.util.Properties`.
fn java(file: &str, text: &str) -> Result<BTreeMap<String, String>, PropertiesError> {
    let mut properties = BTreeMap::new();
    for (line, content) in logical_lines(text) {
        let (key, value) = split(&content);
        let broken = || PropertiesError::Escape { file: file.to_owned(), line };
        let key = unescaped(key).ok_or_else(broken)?;
        let value = unescaped(value).ok_or_else(broken)?;
        properties.insert(key, value);
    }
    Ok(properties)
}

/// Lines without comments and blank ones; a backslash at the end joins the next one, without its
/// leading blanks. With the number of the first line of each.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.split('\n').enumerate() {
        let line = line.trim_start_matches([' ', '\t', '\u{c}']);
        let comment = line.is_empty() || line.starts_with(['#', '!']);
        if comment && open.is_none() {
            continue;
        }
        let (number, mut content) = open.take().unwrap_or((index + 1, String::new()));
        let slashes = line.chars().rev().take_while(|c| *c == '\\').count();
        if slashes % 2 == 1 {
            content.push_str(line.strip_suffix('\\').unwrap_or(line));
            open = Some((number, content));
        } else {
            content.push_str(line);
            lines.push((number, content));
        }
    }
    lines.extend(open);
    lines
}

/// Key and value: the first `=`, `:` or blank that no backslash escapes parts them.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, c)| {
        let parts = !escaped && matches!(c, '=' | ':' | ' ' | '\t' | '\u{c}');
        escaped = *c == '\\' && !escaped;
        parts
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(place, _)| place));
    let blank = [' ', '\t', '\u{c}'];
    let rest = rest.trim_start_matches(blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(blank))
}

/// Takes escapes away. `None` when `\u` is not followed by four hexadecimal digits.
fn unescaped(text: &str) -> Option<String> {
    // Java writes UTF-16: characters beyond the first 65536 are two escapes.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| hex)?);
                    continue;
                }
                Some(other) => other,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        read_properties("build.properties", text).unwrap().into_iter().collect()
    }

    #[test]
    fn java_properties_are_read_as_java_does() {
        for (text, key, value) in [
            ("a=b", "a", "b"),
            ("  a  =  b  ", "a", "b  "),
            ("a:b", "a", "b"),
            ("a b c", "a", "b c"),
            ("a = = b", "a", "= b"),
            ("a", "a", ""),
            ("a=", "a", ""),
            ("a\\=b=c", "a=b", "c"),
            ("a\\ b c", "a b", "c"),
            ("a=x\\\n   y\\\r\n z", "a", "xyz"),
            ("a=x\\\\", "a", "x\\"),
            ("a=1\\t2\\n3", "a", "1\t2\n3"),
            ("a=\\u00fc\\uD83D\\uDE00", "a", "ü😀"),
            ("a=größe", "a", "größe"),
            ("a=c:\\dir", "a", "c:dir"),
            ("# x=1\n! y=2\n\n\ta=b", "a", "b"),
            ("a=1\na=2", "a", "2"),
            ("a=b # no comment", "a", "b # no comment"),
            ("\u{feff}a=b", "a", "b"),
            ("a=x\\", "a", "x"),
        ] {
            assert_eq!(read(text), [(key.to_owned(), value.to_owned())], "{text:?}");
        }
        assert!(read("").is_empty());
    }

    #[test]
    fn json_is_read_by_its_ending() {
        let read = read_properties("build.JSON", r#"{"a": "x", "n": 3, "l": [1, "b"]}"#).unwrap();
        let pairs: Vec<(&str, &str)> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "x"), ("l", "[1,\"b\"]"), ("n", "3")]);
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        for (file, text, message) in [
            (
                "a.json",
                "[1]",
                "property file `a.json` holds a list of 1 value, a JSON object is needed",
            ),
            ("a.json", "{", "property file `a.json` is not JSON"),
            (
                "a.yml",
                "a: b",
                "property file `a.yml` is YAML, which is not read; archive it as .properties or .json",
            ),
            ("a.txt", "x=1\ny=\\u12", "line 2 of property file `a.txt` has a broken \\u escape"),
            ("a", "x=\\u+123", "line 1 of property file `a` has a broken \\u escape"),
        ] {
            assert_eq!(read_properties(file, text).unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn any_pair_written_with_escapes_is_read_back(key in "[^\\x00-\\x1f\\x7f]{1,10}", value in "[^\\x00-\\x1f\\x7f]{0,10}") {
            let escape = |text: &str| -> String {
                text.chars().flat_map(|c| ['\\', c]).collect::<String>()
                    // Letters after a backslash may mean something.
                    .replace("\\t", "t").replace("\\n", "n").replace("\\r", "r").replace("\\f", "f").replace("\\u", "u")
            };
            let text = format!("{}={}", escape(&key), escape(&value));
            prop_assert_eq!(read(&text), [(key, value)]);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\\\a=: \n\ru0#é]{0,40}") {
            drop(read_properties("x.properties", &text));
        }
    }
}
