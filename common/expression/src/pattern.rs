//! Regular expressions as Java writes them, run by an engine whose time is bounded.
//!
//! What that engine cannot do (looking around, back references, possessive repetition) is an
//! error that says so.

use std::{cell::RefCell, collections::BTreeMap};

use regex::{Captures, Regex, RegexBuilder};

use crate::{fault::Trouble, limits::Limits};

/// Largest compiled form, in bytes.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Most patterns compiled for the expressions of one document: compiling costs more than any step.
const COMPILED_MAX: usize = 100;

/// Compiled patterns: a condition of a selection uses the same one for every item.
#[derive(Default)]
pub(crate) struct Patterns(RefCell<BTreeMap<(Extent, String), Regex>>);

/// How much of a text a pattern must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    Part,
    Whole,
}

impl Patterns {
    /// A pattern that is looked for anywhere.
    pub(crate) fn part(&self, pattern: &str, limits: &Limits) -> Result<Regex, Trouble> {
        self.compiled(Extent::Part, pattern, limits)
    }

    /// A pattern that must match the whole of a text.
    pub(crate) fn whole(&self, pattern: &str, limits: &Limits) -> Result<Regex, Trouble> {
        self.compiled(Extent::Whole, pattern, limits)
    }

    fn compiled(&self, extent: Extent, pattern: &str, limits: &Limits) -> Result<Regex, Trouble> {
        let key = (extent, pattern.to_owned());
        let mut known = self.0.borrow_mut();
        if let Some(regex) = known.get(&key) {
            return Ok(regex.clone());
        }
        if known.len() == COMPILED_MAX {
            let message =
                format!("the expressions use more than {COMPILED_MAX} regular expressions");
            return Err(Trouble::TooMuch(message));
        }
        let regex = match extent {
            Extent::Part => compile(pattern, limits)?,
            Extent::Whole => compile_whole(pattern, limits)?,
        };
        known.insert(key, regex.clone());
        Ok(regex)
    }
}

/// Compiles a pattern.
fn compile(pattern: &str, limits: &Limits) -> Result<Regex, Trouble> {
    let most = limits.pattern_chars_max;
    if pattern.chars().count() > most {
        let message = format!("the regular expression has more than {most} characters");
        return Err(Trouble::TooMuch(message));
    }
    let translated = Translation::of(pattern)?;
    RegexBuilder::new(&translated).size_limit(COMPILED_BYTES_MAX).build().map_err(|error| {
        if matches!(error, regex::Error::CompiledTooBig(_)) {
            return Trouble::TooMuch("the regular expression is too costly".to_owned());
        }
        Trouble::from("the regular expression cannot be read")
    })
}

/// Compiles a pattern that must match the whole of a text.
fn compile_whole(pattern: &str, limits: &Limits) -> Result<Regex, Trouble> {
    // Compiled alone first: brackets that are not closed must not close ours.
    compile(pattern, limits)?;
    let translated = Translation::of(pattern)?;
    RegexBuilder::new(&format!(r"\A(?:{translated})\z"))
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|_| Trouble::TooMuch("the regular expression is too costly".to_owned()))
}

/// A replacement of Java: `$1` and `${name}` are groups, a backslash takes the next letter as it is.
pub(crate) fn expand(
    captures: &Captures<'_>,
    replacement: &str,
    out: &mut String,
) -> Result<(), Trouble> {
    let mut letters = replacement.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.push(
                letters
                    .next()
                    .ok_or_else(|| Trouble::from("the replacement ends with a backslash"))?,
            ),
            '$' if letters.next_if_eq(&'{').is_some() => {
                let name: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                let group = captures.name(&name);
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            '$' => {
                let digit =
                    |letter: &char| letter.to_digit(10).and_then(|d| usize::try_from(d).ok());
                let mut group = letters
                    .next_if(char::is_ascii_digit)
                    .as_ref()
                    .and_then(digit)
                    .filter(|group| *group < captures.len())
                    .ok_or_else(|| {
                        Trouble::from("the replacement names a group that is not there")
                    })?;
                // More digits belong to it as long as there is such a group.
                while let Some(longer) = letters.peek().and_then(digit).map(|d| group * 10 + d)
                    && longer < captures.len()
                {
                    group = longer;
                    letters.next();
                }
                out.push_str(captures.get(group).map_or("", |group| group.as_str()));
            }
            letter => out.push(letter),
        }
    }
    Ok(())
}

/// A pattern on its way from Java's form to that of the engine.
struct Translation<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    out: String,
    /// Open square brackets.
    classes: usize,
}

impl<'p> Translation<'p> {
    fn of(pattern: &'p str) -> Result<String, Trouble> {
        let mut translation =
            Self { rest: pattern.chars().peekable(), out: String::new(), classes: 0 };
        while let Some(letter) = translation.rest.next() {
            translation.letter(letter)?;
        }
        Ok(translation.out)
    }

    fn letter(&mut self, letter: char) -> Result<(), Trouble> {
        match letter {
            '\\' => return self.escape(),
            '[' => {
                self.classes += 1;
                self.out.push('[');
                if self.rest.next_if_eq(&'^').is_some() {
                    self.out.push('^');
                }
                // A bracket that comes first stands for itself.
                if self.rest.next_if_eq(&']').is_some() {
                    self.out.push_str("\\]");
                }
            }
            ']' if self.classes > 0 => {
                self.classes -= 1;
                self.out.push(']');
            }
            // In classes of the engine these have meanings that Java's do not have.
            '~' | '-' if self.classes > 0 && self.rest.peek() == Some(&letter) => {
                self.out.push('\\');
                self.out.push(letter);
            }
            // A dot does not match any end of a line.
            '.' if self.classes == 0 => {
                self.out.push_str(r"(?-s:[^\n\r\u{85}\u{2028}\u{2029}])");
            }
            '(' if self.classes == 0 => return self.group(),
            '*' | '+' | '?' | '}' if self.classes == 0 => {
                self.out.push(letter);
                if self.rest.peek() == Some(&'+') {
                    return Err(unsupported("possessive repetition (`*+`)"));
                }
            }
            letter => self.out.push(letter),
        }
        Ok(())
    }

    fn group(&mut self) -> Result<(), Trouble> {
        self.out.push('(');
        if self.rest.peek() != Some(&'?') {
            return Ok(());
        }
        let mut ahead = self.rest.clone();
        ahead.next();
        match (ahead.next(), ahead.next()) {
            (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => {
                Err(unsupported("looking around (`(?=…)`, `(?<!…)` and so on)"))
            }
            (Some('>'), _) => Err(unsupported("an atomic group (`(?>…)`)")),
            _ => Ok(()),
        }
    }

    fn escape(&mut self) -> Result<(), Trouble> {
        let Some(letter) = self.rest.next() else {
            return Err(Trouble::from("the regular expression ends with a backslash"));
        };
        // Java's classes are of ASCII letters; the engine's are of all.
        let class = match letter {
            'd' => "0-9",
            'w' => "A-Za-z0-9_",
            's' => r" \t\n\x0B\x0C\r",
            'D' => "^0-9",
            'W' => "^A-Za-z0-9_",
            'S' => r"^ \t\n\x0B\x0C\r",
            'h' => r" \t\u{A0}\u{1680}\u{180E}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}",
            'p' | 'P' => {
                self.property(letter);
                return Ok(());
            }
            'Q' => {
                self.quotation();
                return Ok(());
            }
            'R' => {
                self.out.push_str(r"(?:\r\n|[\n\x0B\x0C\r\u{85}\u{2028}\u{2029}])");
                return Ok(());
            }
            'b' if self.classes == 0 => {
                self.out.push_str(r"(?-u:\b)");
                return Ok(());
            }
            'Z' => {
                self.out.push_str(r"(?:\n?\z)");
                return Ok(());
            }
            '1'..='9' | 'k' => return Err(unsupported("a back reference (`\\1`)")),
            'G' | 'X' => return Err(unsupported("`\\G` and `\\X`")),
            letter if letter.is_ascii_alphanumeric() => {
                self.out.extend(['\\', letter]);
                return Ok(());
            }
            letter => {
                self.out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
                return Ok(());
            }
        };
        self.out.push('[');
        self.out.push_str(class);
        self.out.push(']');
        Ok(())
    }

    /// `\p{…}`: the names Java has for ASCII, and the general categories.
    fn property(&mut self, letter: char) {
        if self.rest.next_if_eq(&'{').is_none() {
            self.out.extend(['\\', letter]);
            return;
        }
        let name: String = self.rest.by_ref().take_while(|letter| *letter != '}').collect();
        let ascii = match name.as_str() {
            "Lower" | "Upper" | "Alpha" | "Digit" | "Alnum" | "Punct" | "Graph" | "Print"
            | "Blank" | "Cntrl" | "XDigit" | "Space" => name.to_lowercase(),
            "ASCII" => "ascii".to_owned(),
            _ => {
                let name = name.strip_prefix("Is").unwrap_or(&name);
                self.out.extend(['\\', letter, '{']);
                self.out.push_str(name);
                self.out.push('}');
                return;
            }
        };
        let not = if letter == 'P' { "^" } else { "" };
        self.out.extend(["[[:", not, &ascii, ":]]"]);
    }

    /// `\Q…\E`: everything between stands for itself.
    fn quotation(&mut self) {
        let mut quoted = String::new();
        while !quoted.ends_with("\\E") {
            let Some(letter) = self.rest.next() else { break };
            quoted.push(letter);
        }
        self.out.push_str(&regex::escape(quoted.strip_suffix("\\E").unwrap_or(&quoted)));
    }
}

fn unsupported(what: &str) -> Trouble {
    Trouble::Wrong(format!("the regular expression has {what}, which is not supported here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compile_whole(pattern, &Limits::STANDARD).unwrap().is_match(text)
    }

    #[test]
    fn classes_are_of_ascii_as_in_java() {
        assert!(matches(r"\w+", "a_9"));
        assert!(!matches(r"\w+", "é"));
        assert!(matches(r"[\w-]+", "a-b"));
        assert!(matches(r"[^\W\d]+", "ab"));
        assert!(matches(r"\p{Alpha}\p{Punct}", "a!"));
        assert!(matches(r"\Qa.b\E.", "a.bc"));
        assert!(!matches(".", "\n"));
        assert!(matches("[a-z&&[^b]]", "c"));
    }

    #[test]
    fn the_whole_text_must_match() {
        assert!(!matches("b", "abc"));
        assert!(matches("a|abc", "abc"));
    }

    #[test]
    fn what_the_engine_cannot_do_is_said() {
        for (pattern, word) in [
            ("(?=a)", "looking around"),
            (r"(a)\1", "back reference"),
            ("a*+", "possessive"),
            ("(", "cannot be read"),
            ("(?<x>a){500}{500}{500}", "costly"),
        ] {
            let trouble = compile(pattern, &Limits::STANDARD).unwrap_err();
            assert!(format!("{trouble:?}").contains(word), "{pattern}: {trouble:?}");
        }
        assert!(compile(&"a".repeat(1_001), &Limits::STANDARD).is_err());
    }

    #[test]
    fn groups_in_replacements_take_as_many_digits_as_there_are_groups() {
        let regex = compile("(a)(b)", &Limits::STANDARD).unwrap();
        let captures = regex.captures("ab").unwrap();
        let mut out = String::new();
        expand(&captures, r"$2$1-$12\$", &mut out).unwrap();
        assert_eq!(out, "ba-a2$");
        assert!(expand(&captures, "$3", &mut out).is_err());
    }
}
