//! The one place that prints. Results go to standard output, everything else to standard error.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

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

/// Prints rows under headings, each column as wide as it must be.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) {
    line(&columns(headings, rows));
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
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let rows = [["a".to_owned(), "größe".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(columns(["ID", "NAME"], &rows), "ID    NAME\na     größe\nlong");
        assert_eq!(columns(["ID"], &[]), "ID");
    }
}
