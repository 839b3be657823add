//! Dates, times, ids and random sources, as the Java classes of these names behave. Time zones do
//! not exist here: everything is UTC.

mod calendar;
mod dates;
pub(crate) mod random;

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Weekday},
};

use crate::{arguments::Arguments, fault::Trouble, java::Class, value::Value, world::World};

/// Something `new` or a static method made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instance {
    /// `java.util.Date`, in milliseconds since 1970.
    Date(i64),
    LocalDate(Date),
    LocalDateTime(DateTime),
    Instant(Timestamp),
    DayOfWeek(Weekday),
    Unit(Unit),
    Adjuster(Adjuster),
    /// `java.text.SimpleDateFormat` with its pattern.
    Format(String),
    Uuid(u128),
    /// `java.util.Random`; without a seed it draws from the facts.
    Random(Option<i64>),
}

/// Units of `ChronoUnit`, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    Millis,
    Seconds,
    Minutes,
    Hours,
    HalfDays,
    Days,
    Weeks,
    Months,
    Years,
    Decades,
}

impl Unit {
    pub(crate) const ALL: [(&'static str, Self); 10] = [
        ("MILLIS", Self::Millis),
        ("SECONDS", Self::Seconds),
        ("MINUTES", Self::Minutes),
        ("HOURS", Self::Hours),
        ("HALF_DAYS", Self::HalfDays),
        ("DAYS", Self::Days),
        ("WEEKS", Self::Weeks),
        ("MONTHS", Self::Months),
        ("YEARS", Self::Years),
        ("DECADES", Self::Decades),
    ];
}

/// What `TemporalAdjusters` makes of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adjuster {
    FirstDayOfMonth,
    LastDayOfMonth,
    FirstDayOfNextMonth,
    FirstDayOfYear,
    LastDayOfYear,
    FirstDayOfNextYear,
    Next(Weekday),
    NextOrSame(Weekday),
    Previous(Weekday),
    PreviousOrSame(Weekday),
    FirstInMonth(Weekday),
    LastInMonth(Weekday),
}

/// Days of the week as Java names them, Monday first.
pub(crate) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MONDAY", Weekday::Monday),
    ("TUESDAY", Weekday::Tuesday),
    ("WEDNESDAY", Weekday::Wednesday),
    ("THURSDAY", Weekday::Thursday),
    ("FRIDAY", Weekday::Friday),
    ("SATURDAY", Weekday::Saturday),
    ("SUNDAY", Weekday::Sunday),
];

/// The name of a value among named ones.
fn named<T: PartialEq>(known: &[(&'static str, T)], wanted: &T) -> &'static str {
    known.iter().find(|(_, value)| value == wanted).map_or("", |(name, _)| *name)
}

impl Instance {
    pub(crate) const fn noun(&self) -> &'static str {
        match self {
            Self::Date(_) => "a Date",
            Self::LocalDate(_) => "a LocalDate",
            Self::LocalDateTime(_) => "a LocalDateTime",
            Self::Instant(_) => "an Instant",
            Self::DayOfWeek(_) => "a DayOfWeek",
            Self::Unit(_) => "a ChronoUnit",
            Self::Adjuster(_) => "a TemporalAdjuster",
            Self::Format(_) => "a SimpleDateFormat",
            Self::Uuid(_) => "a UUID",
            Self::Random(_) => "a Random",
        }
    }

    /// The class it is of, if that can be named.
    pub(crate) const fn class(&self) -> Option<Class> {
        match self {
            Self::Date(_) => Some(Class::Date),
            Self::LocalDate(_) => Some(Class::LocalDate),
            Self::LocalDateTime(_) => Some(Class::LocalDateTime),
            Self::Instant(_) => Some(Class::Instant),
            Self::DayOfWeek(_) => Some(Class::DayOfWeek),
            Self::Unit(_) => Some(Class::ChronoUnit),
            Self::Format(_) => Some(Class::SimpleDateFormat),
            Self::Uuid(_) => Some(Class::Uuid),
            Self::Random(_) => Some(Class::Random),
            Self::Adjuster(_) => None,
        }
    }

    /// `toString()`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Date(ms) => dates::printed(*ms),
            Self::LocalDate(date) => date.to_string(),
            Self::LocalDateTime(time) => calendar::printed(*time),
            Self::Instant(instant) => calendar::printed_instant(*instant),
            Self::DayOfWeek(day) => named(&WEEKDAYS, day).to_owned(),
            Self::Unit(Unit::HalfDays) => "HalfDays".to_owned(),
            Self::Unit(unit) => capitalized(named(&Unit::ALL, unit)),
            Self::Uuid(id) => uuid_text(*id),
            Self::Adjuster(_) | Self::Format(_) | Self::Random(_) => self.noun().to_owned(),
        }
    }

    /// Calls a method; none when there is no such method.
    pub(crate) fn call<'s>(
        &self,
        name: &str,
        arguments: &Arguments<'_, 's>,
        world: &World<'_>,
    ) -> Result<Option<Value<'s>>, Trouble> {
        let common = match (name, arguments.values.len()) {
            ("toString", 0) => Some(Value::text(self.text())),
            ("equals", 1) => {
                let other = arguments.value(0)?;
                Some(Value::Bool(matches!(other, Value::Instance(other) if **other == *self)))
            }
            _ => None,
        };
        if common.is_some() {
            return Ok(common);
        }
        match self {
            Self::Date(ms) => dates::call(*ms, name, arguments),
            Self::Format(pattern) => dates::format_call(pattern, name, arguments),
            Self::LocalDate(date) => calendar::date_call(*date, name, arguments),
            Self::LocalDateTime(time) => calendar::time_call(*time, name, arguments),
            Self::Instant(instant) => calendar::instant_call(*instant, name, arguments),
            Self::DayOfWeek(day) => Ok(calendar::weekday_call(*day, name, arguments)?),
            Self::Random(seed) => random::call(*seed, name, arguments, world),
            Self::Unit(unit) => Ok(match (name, arguments.values.len()) {
                ("name", 0) => Some(Value::text(named(&Unit::ALL, unit))),
                _ => None,
            }),
            Self::Uuid(_) | Self::Adjuster(_) => Ok(None),
        }
    }
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    let first: String = letters.by_ref().take(1).collect();
    first + &letters.as_str().to_lowercase()
}

/// The usual form of an id of 128 bits.
fn uuid_text(id: u128) -> String {
    let digits = format!("{id:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Reads the usual form.
pub(crate) fn read_uuid(text: &str) -> Option<u128> {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    let usual = lengths == [8, 4, 4, 4, 12];
    usual.then(|| u128::from_str_radix(&digits, 16).ok()).flatten()
}
