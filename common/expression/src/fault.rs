//! Why an expression has no value.

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The text is no expression.
    Syntax,
    /// The expression cannot be evaluated on this data.
    Evaluation,
    /// It would cost more than it may.
    Limit,
    /// Its value is null: a name or key is not there, or what is there is null.
    Unresolved,
}

impl FaultKind {
    /// The word in `exceptionType` of a summary.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "ExpressionSyntaxError",
            Self::Evaluation => "ExpressionEvaluationError",
            Self::Limit => "ExpressionLimitError",
            Self::Unresolved => "ExpressionUnresolved",
        }
    }
}

/// Trouble inside an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// Where, in characters from the beginning of the expression.
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn syntax(at: usize, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Syntax, at, message: message.into() }
    }

    pub(crate) fn evaluation(at: usize, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Evaluation, at, message: message.into() }
    }

    pub(crate) fn limit(at: usize, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Limit, at, message: message.into() }
    }
}

/// Trouble without a place: of a method or function, whose call knows where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Wrong(String),
    TooMuch(String),
}

impl Trouble {
    pub(crate) fn at(self, at: usize) -> Fault {
        match self {
            Self::Wrong(message) => Fault::evaluation(at, message),
            Self::TooMuch(message) => Fault::limit(at, message),
        }
    }
}

impl From<String> for Trouble {
    fn from(message: String) -> Self {
        Self::Wrong(message)
    }
}

impl From<&str> for Trouble {
    fn from(message: &str) -> Self {
        Self::Wrong(message.to_owned())
    }
}

/// An expression that has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (in `{expression}`, column {column})")]
pub struct ExpressionError {
    /// What kind of trouble it is.
    pub kind: FaultKind,
    /// The text as it was given.
    pub expression: String,
    /// Where the trouble is, in characters of that text, counted from 1.
    pub column: usize,
    /// What is wrong, with the names that would have existed.
    pub message: String,
}

impl ExpressionError {
    pub(crate) fn new(text: &str, offset: usize, fault: Fault) -> Self {
        let Fault { kind, at, message } = fault;
        Self { kind, expression: text.to_owned(), column: offset + at + 1, message }
    }
}

/// Most names shown to a person.
const SUGGESTIONS_MAX: usize = 5;
/// Longest name compared; a longer one is no slip of the finger.
const COMPARED_CHARS_MAX: usize = 64;
/// Most names compared.
const COMPARED_NAMES_MAX: usize = 200;

/// The names that exist, nearest to the wanted one first, as a clause for a message.
pub(crate) fn names_there<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<(usize, &str)> =
        names.take(COMPARED_NAMES_MAX).map(|name| (distance(wanted, name), name)).collect();
    known.sort_unstable();
    known.truncate(SUGGESTIONS_MAX);
    if known.is_empty() {
        return "nothing is".to_owned();
    }
    let shown: Vec<String> = known.iter().map(|(_, name)| format!("`{}`", short(name))).collect();
    let verb = if shown.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", shown.join(", "))
}

/// A name as it is shown in a message.
pub(crate) fn short(name: &str) -> String {
    if name.chars().count() <= COMPARED_CHARS_MAX {
        return name.to_owned();
    }
    let mut cut: String = name.chars().take(COMPARED_CHARS_MAX).collect();
    cut.push('…');
    cut
}

/// How many letters must change to make one name the other, whatever their case.
fn distance(one: &str, other: &str) -> usize {
    let letters = |name: &str| -> Vec<char> {
        name.chars().take(COMPARED_CHARS_MAX).flat_map(char::to_lowercase).collect()
    };
    let (one, other) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.iter().enumerate() {
        let mut corner = line;
        let mut before = line + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, right) in row.iter_mut().skip(1).zip(&other) {
            let changed = corner + usize::from(left != right);
            corner = *cell;
            before = changed.min(corner + 1).min(before + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_comes_first() {
        let names = ["branch", "BRANCH_NAME", "user", "x", "aVeryLongNameIndeed", "z"];
        assert_eq!(
            names_there("brnach", names.into_iter()),
            "`branch`, `user`, `x`, `z`, `BRANCH_NAME` are"
        );
        assert_eq!(names_there("a", std::iter::empty()), "nothing is");
    }

    #[test]
    fn distance_counts_changed_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("Same", "same"), 0);
    }
}
