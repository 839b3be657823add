//! The numbers of one field: `*`, lists, ranges, steps, names.

use std::collections::BTreeSet;

use super::Unfit;

/// Names of months; the first is 1.
pub(super) const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
/// Names of days; the first is 1.
pub(super) const DAYS_OF_WEEK: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What may stand in a field.
pub(super) struct Field<'a> {
    pub(super) name: &'static str,
    /// The smallest and the largest number.
    pub(super) range: (i16, i16),
    /// Names of numbers, from 1.
    pub(super) names: &'a [&'static str],
}

impl Field<'_> {
    fn unfit(&self, text: &str) -> Unfit {
        let (first, last) = self.range;
        let names = match self.names {
            [one, .., other] => format!(" or {one} to {other}"),
            [_] | [] => String::new(),
        };
        Unfit::new(
            format!("`{text}` is no {}", self.name),
            format!(
                "write {first} to {last}{names}, `*`, lists (`1,3`), ranges (`1-5`) or steps (`0/15`)"
            ),
        )
    }

    fn number(&self, text: &str) -> Result<i16, Unfit> {
        let named =
            self.names.iter().zip(1_i16..).find(|(name, _)| text.eq_ignore_ascii_case(name));
        let digits = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
        let number = named.map(|(_, number)| number).or_else(|| digits().flatten());
        let (first, last) = self.range;
        number.filter(|number| (first..=last).contains(number)).ok_or_else(|| self.unfit(text))
    }
}

/// Reads the numbers of a field.
pub(super) fn read_numbers(text: &str, field: &Field<'_>) -> Result<BTreeSet<i16>, Unfit> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',') {
        numbers.extend(part_of(part, field)?);
    }
    Ok(numbers)
}

fn part_of(text: &str, field: &Field<'_>) -> Result<Vec<i16>, Unfit> {
    let (first, last) = field.range;
    let (whole, step) = match text.split_once('/') {
        Some((whole, step)) => {
            let step: Option<i16> = step.parse().ok().filter(|step| (1..=last).contains(step));
            (whole, Some(step.ok_or_else(|| field.unfit(text))?))
        }
        None => (text, None),
    };
    let (from, to) = match (whole, whole.split_once('-')) {
        ("*" | "", _) if step.is_some() || whole == "*" => (first, last),
        (_, Some((from, to))) => (field.number(from)?, field.number(to)?),
        (_, None) => {
            let from = field.number(whole)?;
            // With a step, one number is where counting begins.
            (from, if step.is_some() { last } else { from })
        }
    };
    let numbers: Vec<i16> = if from <= to {
        (from..=to).collect()
    } else {
        // Over the end: `FRI-MON`, `22-2`.
        (from..=last).chain(first..=to).collect()
    };
    let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1);
    Ok(numbers.into_iter().step_by(step).collect())
}
