//! Where a value stands in a JSON text: `serde_json` tells line and column of syntax errors only,
//! people need them for every problem.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use model::limits;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// From 1.
    pub(crate) line: u32,
    /// In characters, from 1.
    pub(crate) column: u32,
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// A key that an object has twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DuplicateKey {
    pub(crate) pointer: String,
    pub(crate) key: String,
    pub(crate) at: Position,
}

/// Places of all values of one JSON text.
#[derive(Debug)]
pub(crate) struct Positions<'t> {
    /// Every value in the order of the text; the values inside one stand between it and its `end`.
    nodes: Vec<Node<'t>>,
    /// Keys that hide an earlier one, in the order of the text.
    pub(crate) duplicates: Vec<DuplicateKey>,
}

#[derive(Debug)]
struct Node<'t> {
    key: Key<'t>,
    at: Position,
    end: usize,
}

#[derive(Clone, Debug)]
enum Key<'t> {
    Root,
    Index(usize),
    Name(Cow<'t, str>),
}

impl<'t> Positions<'t> {
    /// Scans a text that `serde_json` has accepted. Of any other text it knows a part.
    pub(crate) fn scan(text: &'t str) -> Self {
        let mut scanner = Scanner {
            text,
            offset: 0,
            at: Position::START,
            path: Vec::new(),
            found: Self { nodes: Vec::new(), duplicates: Vec::new() },
        };
        // A text that ends too early leaves a part of the nodes, which is what the contract says.
        _ = scanner.value(Key::Root);
        scanner.found
    }

    /// Finds places; looks at the members of each object or list once, however many places are asked for.
    pub(crate) fn locator(&self) -> Locator<'_> {
        Locator { nodes: &self.nodes, members: BTreeMap::new() }
    }

    /// The place of what a pointer names, or of the innermost value on the way there.
    pub(crate) fn locate(&self, pointer: &str) -> Position {
        self.locator().locate(pointer)
    }
}

/// Finds the places of values.
#[derive(Debug)]
pub(crate) struct Locator<'p> {
    nodes: &'p [Node<'p>],
    /// The members of the values that were looked into.
    members: BTreeMap<usize, Members<'p>>,
}

/// The members of a value, by their index or name.
#[derive(Debug, Default)]
struct Members<'p> {
    listed: Vec<usize>,
    named: BTreeMap<&'p str, usize>,
}

impl<'p> Locator<'p> {
    /// The place of what a pointer names, or of the innermost value on the way there.
    pub(crate) fn locate(&mut self, pointer: &str) -> Position {
        let mut index = 0;
        for part in pointer.split('/').skip(1) {
            let Some(child) = self.child(index, &part.replace("~1", "/").replace("~0", "~")) else {
                break;
            };
            index = child;
        }
        self.nodes.get(index).map_or(Position::START, |node| node.at)
    }

    fn child(&mut self, parent: usize, part: &str) -> Option<usize> {
        if !self.members.contains_key(&parent) {
            let members = self.members_of(parent);
            self.members.insert(parent, members);
        }
        let members = self.members.get(&parent)?;
        let by_index = || members.listed.get(part.parse::<usize>().ok()?);
        members.named.get(part).or_else(by_index).copied()
    }

    /// Of equal keys the last counts, as for `serde_json`.
    fn members_of(&self, parent: usize) -> Members<'p> {
        let mut members = Members::default();
        let end = self.nodes.get(parent).map_or(0, |node| node.end);
        let mut index = parent + 1;
        while index < end {
            let Some(node) = self.nodes.get(index) else { break };
            match &node.key {
                Key::Root => {}
                Key::Index(_) => members.listed.push(index),
                Key::Name(name) => {
                    members.named.insert(name, index);
                }
            }
            index = node.end.max(index + 1);
        }
        members
    }
}

/// Line and column in characters of a byte column that `serde_json` reported.
pub(crate) fn of_syntax_error(text: &str, line: usize, byte_column: usize) -> Position {
    let content = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let before = content.bytes().take(byte_column).filter(|byte| is_char_start(*byte)).count();
    Position { line: narrow(line.max(1)), column: narrow(before.max(1)) }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const fn is_char_start(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

/// Deeper than `serde_json` goes; what is deeper has been refused before.
const DEPTH_MAX: usize = 256;

struct Scanner<'t> {
    text: &'t str,
    offset: usize,
    at: Position,
    path: Vec<Key<'t>>,
    found: Positions<'t>,
}

impl<'t> Scanner<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn advance(&mut self) {
        match self.peek() {
            Some(b'\n') => {
                self.at.line = self.at.line.saturating_add(1);
                self.at.column = 1;
            }
            Some(byte) if is_char_start(byte) => {
                self.at.column = self.at.column.saturating_add(1);
            }
            Some(_) | None => {}
        }
        self.offset += 1;
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.advance();
        }
    }

    /// Takes `byte`, or stops the scan.
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        (self.peek()? == byte).then(|| self.advance())
    }

    fn value(&mut self, key: Key<'t>) -> Option<()> {
        self.skip_blanks();
        let index = self.found.nodes.len();
        let end = index + 1;
        self.found.nodes.push(Node { key: key.clone(), at: self.at, end });
        if self.path.len() >= DEPTH_MAX {
            return None;
        }
        self.path.push(key);
        let done = match self.peek()? {
            b'{' => self.object(),
            b'[' => self.list(),
            b'"' => self.string().map(drop),
            _ => self.literal(),
        };
        self.path.pop();
        let end = self.found.nodes.len();
        if let Some(node) = self.found.nodes.get_mut(index) {
            node.end = end;
        }
        done
    }

    fn object(&mut self) -> Option<()> {
        self.expect(b'{')?;
        let mut seen: BTreeSet<Cow<'t, str>> = BTreeSet::new();
        self.skip_blanks();
        while self.peek()? != b'}' {
            self.skip_blanks();
            let at = self.at;
            let key = self.string()?;
            if !seen.insert(key.clone()) {
                self.duplicate(&key, at);
            }
            self.expect(b':')?;
            self.value(Key::Name(key))?;
            self.skip_blanks();
            if self.peek()? == b',' {
                self.advance();
                self.skip_blanks();
            }
        }
        self.advance();
        Some(())
    }

    fn list(&mut self) -> Option<()> {
        self.expect(b'[')?;
        self.skip_blanks();
        let mut index = 0;
        while self.peek()? != b']' {
            self.value(Key::Index(index))?;
            index += 1;
            self.skip_blanks();
            if self.peek()? == b',' {
                self.advance();
                self.skip_blanks();
            }
        }
        self.advance();
        Some(())
    }

    fn string(&mut self) -> Option<Cow<'t, str>> {
        let start = self.offset;
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.advance();
                    self.advance();
                }
                _ => self.advance(),
            }
        }
        self.advance();
        if escaped {
            let decoded = serde_json::from_str(self.text.get(start..self.offset)?).ok()?;
            return Some(Cow::Owned(decoded));
        }
        Some(Cow::Borrowed(self.text.get(start + 1..self.offset - 1)?))
    }

    /// A number or word. Without one there is nothing here that JSON knows, and no way on.
    fn literal(&mut self) -> Option<()> {
        let start = self.offset;
        while !matches!(self.peek(), None | Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))
        {
            self.advance();
        }
        (self.offset > start).then_some(())
    }

    fn duplicate(&mut self, key: &str, at: Position) {
        if self.found.duplicates.len() >= limits::PROBLEMS_MAX {
            return;
        }
        let mut pointer = String::new();
        for part in &self.path {
            match part {
                Key::Root => {}
                Key::Index(number) => {
                    pointer = model::problem::member(&pointer, &number.to_string());
                }
                Key::Name(name) => pointer = model::problem::member(&pointer, name),
            }
        }
        let pointer = model::problem::member(&pointer, key);
        self.found.duplicates.push(DuplicateKey { pointer, key: key.to_owned(), at });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str, pointer: &str) -> (u32, u32) {
        let place = Positions::scan(text).locate(pointer);
        (place.line, place.column)
    }

    const TEXT: &str = r#"{
  "name": "größe", "after": 1,
  "stages": [
    { "refId": "1" },
    { "a/b": [true, {"x~y": null}], "q\"\u0061": 7 }
  ],
  "empty": {}, "last": -1.5e3
}"#;

    #[test]
    fn every_value_has_its_place() {
        for (pointer, expected) in [
            ("", (1, 1)),
            ("/name", (2, 11)),
            ("/after", (2, 29)),
            ("/stages", (3, 13)),
            ("/stages/0", (4, 5)),
            ("/stages/0/refId", (4, 16)),
            ("/stages/1/a~1b", (5, 14)),
            ("/stages/1/a~1b/1/x~0y", (5, 29)),
            ("/stages/1/q\"a", (5, 50)),
            ("/empty", (7, 12)),
            ("/last", (7, 24)),
        ] {
            assert_eq!(at(TEXT, pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn what_is_missing_is_placed_where_it_should_be() {
        assert_eq!(at(TEXT, "/stages/0/type"), (4, 5));
        assert_eq!(at(TEXT, "/stages/7/type"), (3, 13));
        assert_eq!(at(TEXT, "/no/such/thing"), (1, 1));
    }

    #[test]
    fn keys_given_twice_are_told_with_the_second_place() {
        let text = "{\"a\": 1, \"b\": [{\"c\": 1,\n \"c\": 2}], \"\\u0061\": 3}";
        let positions = Positions::scan(text);
        let told: Vec<_> = positions
            .duplicates
            .iter()
            .map(|key| (key.pointer.as_str(), key.at.line, key.at.column))
            .collect();
        assert_eq!(told, [("/b/0/c", 2, 2), ("/a", 2, 12)]);
        assert_eq!(positions.locate("/a"), Position { line: 2, column: 22 });
    }

    #[test]
    fn columns_of_syntax_errors_count_characters() {
        let text = "{\n \"größe\": x }";
        let error = serde_json::from_str::<serde_json::Value>(text).unwrap_err();
        let place = of_syntax_error(text, error.line(), error.column());
        assert_eq!((place.line, place.column), (2, 11));
        assert_eq!(of_syntax_error("", 0, 0), Position::START);
    }

    #[test]
    fn the_members_of_a_value_are_looked_at_once() {
        let text = format!("{{\"a\": [{}0], \"b\": {{\"c\": 1}}}}", "0,".repeat(999));
        let positions = Positions::scan(&text);
        let mut locator = positions.locator();
        for index in 0..1000_u32 {
            let column = 8 + 2 * index;
            assert_eq!(locator.locate(&format!("/a/{index}")), Position { line: 1, column });
        }
        locator.locate("/b/c");
        let kept = |members: &Members<'_>| members.listed.len() + members.named.len();
        assert_eq!(locator.members.values().map(kept).collect::<Vec<_>>(), [2, 1000, 1]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:\\\\ a1\nü]{0,60}", pointer in "[/a~01]{0,6}") {
            _ = Positions::scan(&text).locate(&pointer);
        }
    }
}
