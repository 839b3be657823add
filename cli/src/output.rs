//! The one place that prints. Results go to standard output, everything else to standard error.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::args::Format;

/// Prints a line of result. A reader that went away (`| head`) is no error of ours.
pub(crate) fn line(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Prints a result as JSON.
pub(crate) fn json<T: Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(error) => note(&format!("error: could not print the result as JSON: {error}")),
    }
}

/// Prints a result as data: as YAML if that is asked for, and as JSON otherwise.
pub(crate) fn data<T: Serialize>(value: &T, format: Format) {
    match format {
        Format::Table | Format::Json => json(value),
        Format::Yaml => match yaml(value) {
            Ok(text) => line(text.strip_suffix('\n').unwrap_or(&text)),
            Err(error) => note(&format!("error: could not print the result as YAML: {error}")),
        },
    }
}

/// A YAML document, with the line in front that lets several stand behind each other. Texts that a reader
/// of YAML 1.1 or 1.2 could take for something else are quoted.
fn yaml<T: Serialize>(value: &T) -> Result<String, serde_saphyr::ser::Error> {
    // Long lines stay lines: folding them saves no reader's time.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let body = serde_saphyr::to_string_with_options(value, options)?;
    Ok(format!("---\n{body}"))
}

/// Prints rows under headings, each column as wide as it must be; without rows, only says that there are none.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]], nothing: &str) {
    if rows.is_empty() {
        note(nothing);
    } else {
        line(&columns(headings, rows));
    }
}

/// `1 error`, `2 errors`.
pub(crate) fn count(many: usize, word: &str) -> String {
    format!("{many} {word}{}", if many == 1 { "" } else { "s" })
}

/// Says something about progress or trouble.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Whether progress can be drawn, or must be told line by line.
pub(crate) fn can_draw() -> bool {
    std::io::stderr().is_terminal()
}

fn columns<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut put = |cells: [&str; N]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    put(headings);
    for row in rows {
        put(row.each_ref().map(String::as_str));
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use expression::{Facts, Limits, Scope, evaluate};
    use serde_json::{Map, Value, json};

    use super::*;

    /// What another reader makes of a YAML text: the one of the expression language, which reads it as
    /// Spinnaker does.
    fn read(text: &str) -> Value {
        let roots = Map::from_iter([("text".to_owned(), json!(text))]);
        let scope = Scope::new(roots, Facts::default());
        let read = evaluate(&json!("${ {#readYaml(text)} }"), &scope, &Limits::STANDARD);
        assert!(read.summary.is_empty(), "{text}: {:?}", read.summary);
        read.value[0].clone()
    }

    #[test]
    fn yaml_says_what_json_says() {
        for (value, text) in [
            (json!(null), "null"),
            (json!([true, 12, -1.5, "plain text"]), "- true\n- 12\n- -1.5\n- plain text"),
            (json!({}), "{}"),
            (json!([]), "[]"),
            (
                json!({ "a": {}, "b": [], "c": { "d": [{ "e": 1, "f": [2] }, "g"] } }),
                "a: {}\nb: []\nc:\n  d:\n  - e: 1\n    f:\n    - 2\n  - g",
            ),
            (json!("no"), "\"no\""),
            (json!("1e3"), "\"1e3\""),
            (json!("~"), "\"~\""),
            (json!(""), "\"\""),
            (json!("null"), "\"null\""),
            (json!("0123"), "\"0123\""),
            (json!("12:30:00"), "\"12:30:00\""),
            (json!("2024-02-29"), "\"2024-02-29\""),
            (json!("  leading"), "\"  leading\""),
            (json!("a: b"), "\"a: b\""),
            (json!("größe ☃"), "größe ☃"),
            (json!({ "no": "yes", "a b": "it's" }), "\"no\": \"yes\"\na b: it's"),
            (json!({ "script": "set -e\n  echo hi\n" }), "script: |\n  set -e\n    echo hi"),
        ] {
            let yaml = yaml(&value).unwrap();
            assert_eq!(yaml, format!("---\n{text}\n"), "{value}");
            assert_eq!(read(&yaml), value, "{yaml}");
        }
    }

    #[test]
    fn no_text_changes_on_its_way_through_yaml() {
        let long = "word ".repeat(100);
        for text in [
            "\n",
            "a\n\n",
            "\n a",
            " a\n b",
            "a\r\nb",
            "tab\there",
            "- a",
            "? a",
            "#",
            "# a",
            "a #b",
            "%",
            "@a",
            "`a`",
            "!a",
            "&a",
            "*a",
            "{a",
            "[a",
            "|",
            ">",
            "---",
            "...",
            "'",
            "\"",
            "\\",
            "on",
            "Off",
            "Y",
            ".5",
            "+1",
            "0x1F",
            "0o17",
            "1_000",
            ".nan",
            "-.inf",
            "=",
            "a:",
            ":a",
            ", a",
            "\u{0}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "trailing ",
            "a\n---\nb",
            "${ a }",
            &long,
        ] {
            for value in [json!(text), json!({ text: [text] })] {
                let yaml = yaml(&value).unwrap();
                assert_eq!(read(&yaml), value, "{yaml:?}");
            }
        }
    }

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let rows = [["a".to_owned(), "größe".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(columns(["ID", "NAME"], &rows), "ID    NAME\na     größe\nlong");
        assert_eq!(columns(["ID"], &[]), "ID");
    }
}
