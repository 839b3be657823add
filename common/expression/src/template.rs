//! Cutting a string into text and expressions.

use crate::fault::Fault;

/// A piece of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Text(&'t str),
    Expression {
        /// What stands between the braces, without blanks around it.
        source: &'t str,
        /// Where that begins, in characters of the whole string.
        offset: usize,
    },
}

const OPEN: &str = "${";

/// Cuts a string at `${` and the brace that closes it. Brackets inside are counted and quoted text is
/// skipped. Expressions do not nest and there is no escape character.
pub(crate) fn cut(text: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut offset = 0;
    while let Some((before, after)) = rest.split_once(OPEN) {
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        offset += before.chars().count() + OPEN.len();
        let length = closing(after, offset)?;
        let (inner, beyond) = after.split_at(length);
        let source = inner.trim();
        if source.is_empty() {
            return Err(Fault::syntax(offset, "there is no expression between the braces"));
        }
        let blanks = inner.chars().take_while(|letter| letter.is_whitespace()).count();
        pieces.push(Piece::Expression { source, offset: offset + blanks });
        offset += inner.chars().count() + 1;
        rest = beyond.strip_prefix('}').unwrap_or(beyond);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// How many bytes the expression has that begins here; `offset` is its place in characters.
fn closing(text: &str, offset: usize) -> Result<usize, Fault> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    for (place, (index, letter)) in text.char_indices().enumerate() {
        let at = offset + place;
        match quote {
            Some((mark, _)) if mark == letter => quote = None,
            Some(_) => {}
            None => match letter {
                '}' if open.is_empty() => return Ok(index),
                '\'' | '"' => quote = Some((letter, at)),
                '{' | '[' | '(' => open.push((letter, at)),
                '}' | ']' | ')' => match open.pop() {
                    Some((begin, _)) if closes(begin, letter) => {}
                    Some((begin, at)) => {
                        let message = format!("`{begin}` is closed by `{letter}`");
                        return Err(Fault::syntax(at, message));
                    }
                    None => {
                        let message = format!("`{letter}` closes nothing");
                        return Err(Fault::syntax(at, message));
                    }
                },
                _ => {}
            },
        }
    }
    if let Some((_, at)) = quote {
        return Err(Fault::syntax(at, "a text begins here and does not end"));
    }
    match open.pop() {
        Some((begin, at)) => Err(Fault::syntax(at, format!("`{begin}` is not closed"))),
        None => Err(Fault::syntax(offset, "the expression that begins here is not closed by `}`")),
    }
}

const fn closes(begin: char, end: char) -> bool {
    matches!((begin, end), ('{', '}') | ('[', ']') | ('(', ')'))
}

/// The string without the marks of expressions, as summaries name it.
pub(crate) fn unmarked(text: &str) -> String {
    match cut(text) {
        Ok(pieces) => pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => *text,
                Piece::Expression { source, .. } => source,
            })
            .collect(),
        Err(_) => text.replace('$', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Vec<String> {
        let pieces = cut(text).unwrap();
        let shown = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Expression { source, offset } => format!("{offset}<{source}>"),
        };
        pieces.iter().map(shown).collect()
    }

    #[test]
    fn text_and_expressions_are_told_apart() {
        assert_eq!(sources("plain $x {y} #{z}"), ["plain $x {y} #{z}"]);
        assert_eq!(sources("a ${ b } c${d}"), ["a ", "5<b>", " c", "12<d>"]);
        assert_eq!(sources("$${a}"), ["$", "3<a>"]);
        assert_eq!(sources("ü${x}"), ["ü", "3<x>"]);
    }

    #[test]
    fn braces_in_quotes_and_brackets_do_not_close() {
        assert_eq!(sources("${'}'}"), ["2<'}'>"]);
        assert_eq!(sources("${ {'a': {1}} }"), ["3<{'a': {1}}>"]);
        assert_eq!(sources("${\"it's }\"}!"), ["2<\"it's }\">", "!"]);
    }

    #[test]
    fn what_is_not_closed_is_named_with_its_place() {
        for (text, at) in
            [("${a", 2), ("${", 2), ("x ${a[0}", 5), ("${'a}", 2), ("${a)}", 3), ("${ }", 2)]
        {
            assert_eq!(cut(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn a_summary_names_the_string_without_its_marks() {
        assert_eq!(unmarked("this fails: ${ a * c }"), "this fails: a * c");
        assert_eq!(unmarked("${a"), "{a");
    }
}
