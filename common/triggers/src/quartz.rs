//! Moments as Quartz writes them: `second minute hour day-of-month month day-of-week [year]`.
//!
//! Source: Quartz' `CronExpression`. `*`, `?`, lists, ranges (also over the end: `FRI-MON`), steps, names, `L`, `L-3`,
//! `LW`, `15W`, `6L`, `6#3`; days of the week count from Sunday = 1. Where Quartz is stricter than it must be, this
//! is not: `*` in both day fields means every day.

mod field;
mod next;

use std::collections::BTreeSet;

use self::field::{DAYS_OF_WEEK, Field, MONTHS, read_numbers};

/// The years that an expression may name. Source: Quartz.
const YEARS: (i16, i16) = (1970, 2099);

/// Moments at which something fires, in the clock time of a zone that is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    seconds: BTreeSet<i8>,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: Days,
    months: BTreeSet<i8>,
    years: BTreeSet<i16>,
}

/// The days of a month that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    Every,
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

/// A day of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayOfMonth {
    /// This one: `15`.
    Number(i8),
    /// The working day next to it, in the same month: `15W`.
    WorkingDayNear(i8),
    /// So many days before the last one: `L`, `L-3`.
    FromLast(i8),
    /// The working day next to such a day: `LW`, `L-3W`.
    WorkingDayFromLast(i8),
}

/// A day of a week, counted from Sunday = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayOfWeek {
    /// Each: `FRI`.
    Every(i8),
    /// The last of the month: `6L`.
    Last(i8),
    /// The n-th of the month: `6#3`.
    Nth(i8, i8),
}

/// Why a text is none of Quartz' expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What does not fit.
    pub message: String,
    /// The way out.
    pub hint: String,
}

impl Unfit {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

const SHAPE: &str = "write second, minute, hour, day of month, month and day of week, like `0 30 9 ? * MON-FRI`; a year may follow";

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// The first field that does not fit.
    pub fn read(text: &str) -> Result<Self, Unfit> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let ([second, minute, hour, day, month, weekday]
        | [second, minute, hour, day, month, weekday, _]) = fields[..]
        else {
            let message = format!("it has {} fields, not 6 or 7", fields.len());
            return Err(Unfit::new(message, SHAPE));
        };
        let year = fields.get(6).copied().unwrap_or("*");
        let small = |text: &str, name: &'static str, range: (i8, i8)| {
            let range = (i16::from(range.0), i16::from(range.1));
            let numbers = read_numbers(text, &Field { name, range, names: &[] })?;
            Ok::<BTreeSet<i8>, Unfit>(narrow(numbers))
        };
        Ok(Self {
            seconds: small(second, "second", (0, 59))?,
            minutes: small(minute, "minute", (0, 59))?,
            hours: small(hour, "hour", (0, 23))?,
            days: days(day, weekday)?,
            months: narrow(read_numbers(
                month,
                &Field { name: "month", range: (1, 12), names: &MONTHS },
            )?),
            years: read_numbers(year, &Field { name: "year", range: YEARS, names: &[] })?,
        })
    }

    /// Whether it fires in every second of the minutes that fit.
    pub fn every_second(&self) -> bool {
        self.seconds.len() == 60
    }
}

fn narrow(numbers: BTreeSet<i16>) -> BTreeSet<i8> {
    numbers.into_iter().filter_map(|number| i8::try_from(number).ok()).collect()
}

/// The two fields of days. One of them says which days fit, the other says nothing: `?` or `*`.
fn days(of_month: &str, of_week: &str) -> Result<Days, Unfit> {
    let says_nothing = |text: &str| matches!(text, "?" | "*");
    match (says_nothing(of_month), says_nothing(of_week)) {
        (true, true) if of_month == "?" && of_week == "?" => Err(Unfit::new(
            "both day fields are `?`",
            "write `*` for the day of month to fire every day",
        )),
        (true, true) => Ok(Days::Every),
        (false, true) => split(of_month, day_of_month).map(Days::OfMonth),
        (true, false) => split(of_week, day_of_week).map(Days::OfWeek),
        (false, false) => Err(Unfit::new(
            "it says both a day of month and a day of week",
            "write `?` for one of them; two triggers can say one each",
        )),
    }
}

fn split<T>(text: &str, read: impl Fn(&str) -> Result<Vec<T>, Unfit>) -> Result<Vec<T>, Unfit> {
    let mut all = Vec::new();
    for part in text.split(',') {
        all.extend(read(part)?);
    }
    Ok(all)
}

fn day_of_month(text: &str) -> Result<Vec<DayOfMonth>, Unfit> {
    const NAME: &str = "day of month";
    let upper = text.to_ascii_uppercase();
    let working = upper.strip_suffix('W');
    let day = working.unwrap_or(&upper);
    if let Some(rest) = day.strip_prefix('L') {
        let before = match rest.strip_prefix('-') {
            Some(before) => before.parse().ok().filter(|before| (0..=30).contains(before)),
            None => rest.is_empty().then_some(0),
        };
        let before = before.ok_or_else(|| {
            Unfit::new(format!("`{text}` is no {NAME}"), "write `L`, `L-3` or `LW`")
        })?;
        return Ok(vec![match working {
            Some(_) => DayOfMonth::WorkingDayFromLast(before),
            None => DayOfMonth::FromLast(before),
        }]);
    }
    let numbers = read_numbers(day, &Field { name: NAME, range: (1, 31), names: &[] })?;
    let days = narrow(numbers).into_iter();
    Ok(match working {
        Some(_) => days.map(DayOfMonth::WorkingDayNear).collect(),
        None => days.map(DayOfMonth::Number).collect(),
    })
}

fn day_of_week(text: &str) -> Result<Vec<DayOfWeek>, Unfit> {
    const NAME: &str = "day of week";
    let field = Field { name: NAME, range: (1, 7), names: &DAYS_OF_WEEK };
    let upper = text.to_ascii_uppercase();
    let one = |text: &str| match narrow(read_numbers(text, &field)?).into_iter().collect::<Vec<_>>()
        [..]
    {
        [day] => Ok(day),
        _ => Err(Unfit::new(
            format!("`{text}` is not one {NAME}"),
            "write one day, like `6` or `FRI`",
        )),
    };
    if upper == "L" {
        return Ok(vec![DayOfWeek::Every(7)]);
    }
    if let Some((day, nth)) = upper.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
        let nth = nth.ok_or_else(|| {
            Unfit::new(format!("`{text}` names no week of a month"), "write 1 to 5 behind `#`")
        })?;
        return Ok(vec![DayOfWeek::Nth(one(day)?, nth)]);
    }
    if let Some(day) = upper.strip_suffix('L') {
        return Ok(vec![DayOfWeek::Last(one(day)?)]);
    }
    let days = narrow(read_numbers(&upper, &field)?).into_iter();
    Ok(days.map(DayOfWeek::Every).collect())
}

#[cfg(test)]
mod tests;
