//! What a person or a script is asked for when a pipeline starts, and what becomes of the answers.

mod reading;

use serde_json::{Map, Value};

pub use self::reading::read;
use crate::problem::{shortened, shown};

/// One entry of `parameterConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The key among the execution's parameters.
    pub name: String,
    /// What people see instead; never empty.
    pub label: String,
    /// Help for people, Markdown.
    pub description: Option<String>,
    /// Taken when nothing is given.
    pub default: Option<Value>,
    /// Nothing starts without it, unless it is hidden.
    pub required: bool,
    /// Shown with the execution.
    pub pinned: bool,
    /// The only values it may have, as texts; empty when any will do.
    pub options: Vec<String>,
    /// What form the value must have.
    pub constraint: Option<Constraint>,
    /// Hidden unless this holds.
    pub condition: Option<Condition>,
}

/// What form a value must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// A day: `2024-02-29`.
    Date,
}

/// When a parameter is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Another parameter.
    pub parameter: String,
    /// How its value compares.
    pub comparator: Comparator,
    /// With what.
    pub value: String,
}

/// How a parameter's value compares with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// The same text.
    Equal,
    /// Another text.
    NotEqual,
    /// As numbers.
    Less,
    /// As numbers.
    Greater,
    /// As numbers.
    LessOrEqual,
    /// As numbers.
    GreaterOrEqual,
}

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterProblem {
    /// Nothing was given and there is no default.
    #[error("parameter `{name}` is required")]
    Missing {
        /// The parameter.
        name: String,
    },
    /// The value is not among the options.
    #[error("parameter `{name}` is {value}; allowed are {}", listed(allowed))]
    NotAllowed {
        /// The parameter.
        name: String,
        /// What was given, shortened.
        value: String,
        /// What may be given, all of it.
        allowed: Vec<String>,
    },
    /// The value is no day.
    #[error("parameter `{name}` is {value}; write a date as YYYY-MM-DD, like 2024-02-29")]
    NotADate {
        /// The parameter.
        name: String,
        /// What was given, shortened.
        value: String,
    },
}

/// Fills defaults in and checks what was given. Parameters nobody asked for are kept, and so are the
/// types of values; `null` counts as not given.
///
/// Source: Orca fills in defaults, also of parameters that are hidden; required values and options are
/// checked by Spinnaker's form only, here by everything that starts a pipeline.
///
/// # Errors
/// Everything that is refused, in the order of the definition.
pub fn resolve_parameters(
    parameters: &[Parameter],
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<ParameterProblem>> {
    let mut resolved = given.clone();
    resolved.retain(|_, value| !value.is_null());
    for parameter in parameters {
        if let Some(default) = &parameter.default
            && !resolved.contains_key(&parameter.name)
        {
            resolved.insert(parameter.name.clone(), default.clone());
        }
    }
    let shown = parameters.iter().filter(|parameter| parameter.is_shown(&resolved));
    let problems: Vec<ParameterProblem> =
        shown.filter_map(|parameter| parameter.refusal(resolved.get(&parameter.name))).collect();
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

impl Parameter {
    /// Whether it is asked for, the others being what they are.
    pub fn is_shown(&self, parameters: &Map<String, Value>) -> bool {
        self.condition
            .as_ref()
            .is_none_or(|condition| condition.holds(parameters.get(&condition.parameter)))
    }

    fn refusal(&self, value: Option<&Value>) -> Option<ParameterProblem> {
        let name = self.name.clone();
        let Some(value) = value.filter(|value| !is_blank(value)) else {
            // A default that is blank stands for a choice to be made.
            return self.required.then_some(ParameterProblem::Missing { name });
        };
        let text = text_of(value);
        if !self.options.is_empty() && !self.options.contains(&text) {
            let allowed = self.options.clone();
            return Some(ParameterProblem::NotAllowed { name, value: shown(value), allowed });
        }
        match self.constraint {
            Some(Constraint::Date) if !is_date(&text) => {
                Some(ParameterProblem::NotADate { name, value: shown(value) })
            }
            Some(Constraint::Date) | None => None,
        }
    }
}

impl Condition {
    /// Source: Spinnaker's form; equality is of texts, order is of numbers and false without them.
    fn holds(&self, value: Option<&Value>) -> bool {
        let text = value.map(text_of).unwrap_or_default();
        let numbers = || Some((text.trim().parse::<f64>().ok()?, self.value.trim().parse().ok()?));
        match self.comparator {
            Comparator::Equal => text == self.value,
            Comparator::NotEqual => text != self.value,
            Comparator::Less => numbers().is_some_and(|(left, right): (f64, f64)| left < right),
            Comparator::Greater => numbers().is_some_and(|(left, right)| left > right),
            Comparator::LessOrEqual => numbers().is_some_and(|(left, right)| left <= right),
            Comparator::GreaterOrEqual => numbers().is_some_and(|(left, right)| left >= right),
        }
    }
}

impl Comparator {
    const ALL: [Self; 6] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::Greater,
        Self::LessOrEqual,
        Self::GreaterOrEqual,
    ];

    /// The sign.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The comparator of this sign; `==` is one way to write `=`.
    pub fn of(sign: &str) -> Option<Self> {
        let sign = if sign == "==" { "=" } else { sign };
        Self::ALL.into_iter().find(|known| known.as_str() == sign)
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A value as the text people would type.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The allowed values in a sentence. All of them, unless there are very many.
fn listed(allowed: &[String]) -> String {
    const LISTED_MAX: usize = 50;
    let some: Vec<String> =
        allowed.iter().take(LISTED_MAX).map(|value| format!("\"{}\"", shortened(value))).collect();
    let more = match allowed.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", some.join(", "))
}

/// Whether a text is a day of the Gregorian calendar, as `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let digits = |part: &str, many: usize| {
        let fits = part.len() == many && part.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| part.parse::<u32>().ok()).flatten()
    };
    let mut parts = text.split('-');
    let mut next = |many| parts.next().and_then(|part| digits(part, many));
    let (Some(year), Some(month), Some(day)) = (next(4), next(2), next(2)) else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    parts.next().is_none() && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests;
