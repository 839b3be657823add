//! What is wrong with a definition, and how to say it: what was found, where, and the way out.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::limits;

/// How bad a problem is for a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot be used.
    Error,
    /// It can be saved; something in it will not do what it seems to say.
    Warning,
}

/// One problem of a definition, with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Stable word to search for: `cycle`, `unknown-stage-type`.
    pub code: &'static str,
    /// Where, as RFC 6901 says it. May name a field that is missing.
    pub pointer: String,
    /// Line of the value, or of what should hold it, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What was found.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

/// What a problem of a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The definition is wrong.
    Error,
    /// The definition may be kept, the stage cannot run as it stands.
    Blocks,
    /// It runs, though perhaps not as meant.
    Advice,
    /// An expression stands where something else is needed: whether that fits is known once it is
    /// evaluated. Nothing to tell about a definition; what still stands there when the stage runs stops
    /// it.
    Later,
}

/// One problem of a field, without a place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// What it means.
    pub weight: Weight,
    /// Stable word to search for.
    pub code: &'static str,
    /// Where, relative to what was read.
    pub pointer: String,
    /// What was found.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl FieldProblem {
    /// A problem without a way out.
    pub const fn new(weight: Weight, code: &'static str, pointer: String, message: String) -> Self {
        Self { weight, code, pointer, message, hint: None }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What it means for a whole definition.
    pub const fn severity(&self) -> Severity {
        match self.weight {
            Weight::Error => Severity::Error,
            Weight::Blocks | Weight::Advice | Weight::Later => Severity::Warning,
        }
    }
}

/// Collects problems, up to a bound: a hostile body must not make a report larger than itself.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<FieldProblem>,
    left_out: usize,
    left_out_error: bool,
    /// Reading ended before the end of the definition.
    stopped: bool,
}

impl Findings {
    /// Adds a problem.
    pub fn push(&mut self, problem: FieldProblem) {
        let weight = problem.weight;
        self.push_with(weight, || problem);
    }

    /// Adds a problem whose wording costs something, which is spent only if it is listed.
    pub fn push_with(&mut self, weight: Weight, problem: impl FnOnce() -> FieldProblem) {
        if self.is_full() {
            self.left_out += 1;
            self.left_out_error |= weight == Weight::Error;
        } else {
            self.list.push(problem());
        }
    }

    /// True when more problems change nothing: the list is full, and the definition is wrong.
    pub fn is_hopeless(&self) -> bool {
        let wrong = |problem: &FieldProblem| problem.weight == Weight::Error;
        self.is_full() && (self.left_out_error || self.list.iter().any(wrong))
    }

    /// Notes that the rest of the definition was not looked at.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// True when more problems are only counted: no work should go into their wording.
    pub fn is_full(&self) -> bool {
        self.list.len() >= limits::PROBLEMS_MAX
    }

    /// Adds what another collection holds, and what it left out.
    pub fn absorb(&mut self, other: Self) {
        let Self { list, left_out, left_out_error, stopped } = other;
        for problem in list {
            self.push(problem);
        }
        self.left_out += left_out;
        self.left_out_error |= left_out_error;
        self.stopped |= stopped;
    }

    /// Lets no error be more than a reason not to run.
    pub fn soften(&mut self) {
        for problem in &mut self.list {
            problem.weight = problem.weight.max(Weight::Blocks);
        }
        self.left_out_error = false;
    }

    /// Adds problems found below `base`.
    pub fn extend_at(&mut self, base: &str, problems: Vec<FieldProblem>) {
        for mut problem in problems {
            problem.pointer.insert_str(0, base);
            self.push(problem);
        }
    }

    /// The problems, and a last one that counts what was left out.
    pub fn into_list(mut self) -> Vec<FieldProblem> {
        if self.left_out > 0 || self.stopped {
            let weight = if self.left_out_error { Weight::Error } else { Weight::Advice };
            let message = match (self.left_out, self.stopped) {
                (many, false) => format!("{many} more problems are not listed"),
                (0, true) => "the rest of the definition was not looked at".to_owned(),
                (many, true) => {
                    format!("{many} more problems are not listed, and the rest was not looked at")
                }
            };
            self.list.push(FieldProblem::new(weight, "more-problems", String::new(), message));
        }
        self.list
    }
}

/// A pointer to a member of what `base` points to.
pub fn member(base: &str, key: &str) -> String {
    format!("{base}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A value in a few words.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => shortened(&number.to_string()),
        Value::String(text) => format!("\"{}\"", shortened(text)),
        Value::Array(list) => match list.len() {
            0 => "an empty list".to_owned(),
            1 => "a list of 1 value".to_owned(),
            more => format!("a list of {more} values"),
        },
        Value::Object(map) => shown_object(map),
    }
}

fn shown_object(map: &Map<String, Value>) -> String {
    match map.keys().next() {
        None => "an empty object".to_owned(),
        Some(key) => format!("an object with `{}`", shortened(key)),
    }
}

/// Enough of a text to know it again; line breaks would break the message.
pub fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.chars().take(SHOWN_MAX).map(plain).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        out.push('…');
    }
    out
}

/// Finds the word that was meant. Looks at a bounded number of names: where a definition has hundreds of
/// wrong ones, the last of them get no hint.
#[derive(Debug)]
pub struct Speller {
    comparisons_left: usize,
}

impl Default for Speller {
    fn default() -> Self {
        Self::new()
    }
}

impl Speller {
    /// A speller that has compared nothing yet.
    pub fn new() -> Self {
        Self { comparisons_left: limits::COMPARISONS_MAX }
    }

    /// The known word that is most like a mistyped one.
    pub fn nearest<'a>(
        &mut self,
        word: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let left = &mut self.comparisons_left;
        let counted = known.take_while(|_| {
            let more = *left > 0;
            *left = left.saturating_sub(1);
            more
        });
        nearest(word, counted)
    }
}

/// The known word that is most like a mistyped one, of a few; [`Speller`] is for many.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const WORD_MAX: usize = 64;
    if word.len() > WORD_MAX {
        return None;
    }
    let lower: Vec<char> = word.to_lowercase().chars().collect();
    let allowed = (lower.len() / 3).clamp(1, 3);
    known
        .filter(|candidate| candidate.len() <= WORD_MAX)
        .filter_map(|candidate| {
            let other: Vec<char> = candidate.to_lowercase().chars().collect();
            Some((edits(&lower, &other, allowed)?, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be added, taken away, replaced or swapped with their neighbour; `None` for
/// more than `most`, which is known as soon as every way to go on costs more.
fn edits(left: &[char], right: &[char], most: usize) -> Option<usize> {
    if left.len().abs_diff(right.len()) > most {
        return None;
    }
    let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replaced = cell(&above, j) + usize::from(a != b);
            let mut least = replaced.min(cell(&above, j + 1) + 1).min(cell(&row, j) + 1);
            let swapped =
                i > 0 && j > 0 && left.get(i - 1) == Some(b) && right.get(j - 1) == Some(a);
            if swapped {
                least = least.min(cell(&before, j - 1) + 1);
            }
            row.push(least);
        }
        // A swap looks two rows back, so both must be beyond hope.
        let hopeless = |row: &[usize]| row.iter().all(|cost| *cost > most);
        if hopeless(&row) && hopeless(&above) {
            return None;
        }
        before = std::mem::replace(&mut above, row);
    }
    Some(cell(&above, right.len())).filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mistyped_words_find_their_neighbour() {
        for (word, expected) in [
            ("depoly", Some("deploy")),
            ("Bake", Some("bake")),
            ("deployy", Some("deploy")),
            ("wait", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, ["bake", "deploy"].into_iter()), expected, "{word}");
        }
        let edits = |left: &str, right: &str, most| {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            edits(&letters(left), &letters(right), most)
        };
        assert_eq!(edits("", "abc", 3), Some(3));
        assert_eq!(edits("kitten", "sitting", 3), Some(3));
        assert_eq!(edits("kitten", "sitting", 2), None);
        assert_eq!(edits("ab", "ba", 1), Some(1));
        assert_eq!(edits("aaaabaaaa", "aaaaabaaa", 1), Some(1));
        assert_eq!(edits("abcdef", "uvwxyz", 3), None);
    }

    #[test]
    fn a_speller_compares_so_many_names_and_no_more() {
        let mut speller = Speller::new();
        let mut compared = 0;
        let many = std::iter::repeat_n("other", 3000).inspect(|_| compared += 1);
        assert_eq!(speller.nearest("depoly", many.chain(["deploy"])), Some("deploy"));
        let many = std::iter::repeat_n("other", 3000);
        assert_eq!(speller.nearest("depoly", many.chain(["deploy"])), None);
        assert_eq!(speller.nearest("depoly", ["deploy"].into_iter()), None);
        assert_eq!((compared, speller.comparisons_left), (3000, 0));
    }

    #[test]
    fn reading_may_end_when_more_problems_change_nothing() {
        let mut found = Findings::default();
        let problem = |weight| FieldProblem::new(weight, "a", String::new(), String::new());
        for _ in 0..limits::PROBLEMS_MAX {
            found.push(problem(Weight::Advice));
        }
        found.push_with(Weight::Advice, || panic!("nobody reads it"));
        assert!(!found.is_hopeless(), "an error may still come");
        found.push_with(Weight::Error, || panic!("nobody reads it"));
        assert!(found.is_hopeless());
        found.stop();
        let told = found.into_list();
        let last = told.last().unwrap();
        assert_eq!((told.len(), last.weight), (limits::PROBLEMS_MAX + 1, Weight::Error));
        assert_eq!(last.message, "2 more problems are not listed, and the rest was not looked at");
    }

    #[test]
    fn values_are_shown_short_and_on_one_line() {
        assert_eq!(shown(&json!("yes\nno")), "\"yes no\"");
        assert_eq!(shown(&json!("x".repeat(50))), format!("\"{}…\"", "x".repeat(40)));
        assert_eq!(shown(&json!([1, 2])), "a list of 2 values");
        assert_eq!(shown(&json!({"a": 1})), "an object with `a`");
    }

    #[test]
    fn a_full_collection_counts_what_it_leaves_out_and_stays_an_error() {
        let mut found = Findings::default();
        for _ in 0..limits::PROBLEMS_MAX {
            found.push(FieldProblem::new(Weight::Advice, "a", String::new(), String::new()));
        }
        found.push(FieldProblem::new(Weight::Error, "e", String::new(), String::new()));
        let told = found.into_list();
        let last = told.last().unwrap();
        assert_eq!((last.code, last.weight), ("more-problems", Weight::Error));
        assert_eq!(last.message, "1 more problems are not listed");
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(member("/tags", "a/b~c"), "/tags/a~1b~0c");
    }
}
