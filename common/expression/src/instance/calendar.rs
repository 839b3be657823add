//! `LocalDate`, `LocalDateTime`, `Instant` and `DayOfWeek` of `java.time`.

use jiff::{
    Span, Timestamp,
    civil::{Date, DateTime, Time, Weekday},
    tz::Offset,
};

use super::{Adjuster, Instance, Unit, WEEKDAYS, named};
use crate::{arguments::Arguments, fault::Trouble, value::Value};

type Called<'s> = Result<Option<Value<'s>>, Trouble>;

fn out_of_range(_: jiff::Error) -> Trouble {
    Trouble::from("the date is out of range")
}

fn of_date<'s>(date: Date) -> Value<'s> {
    Value::Instance(Instance::LocalDate(date).into())
}

fn of_time<'s>(time: DateTime) -> Value<'s> {
    Value::Instance(Instance::LocalDateTime(time).into())
}

fn of_instant<'s>(instant: Timestamp) -> Value<'s> {
    Value::Instance(Instance::Instant(instant).into())
}

/// `LocalDateTime.toString()`: seconds only when there are some.
pub(super) fn printed(time: DateTime) -> String {
    let seconds = time.second() != 0 || time.subsec_nanosecond() != 0;
    if seconds { grouped(time) } else { time.strftime("%Y-%m-%dT%H:%M").to_string() }
}

/// `Instant.toString()`.
pub(super) fn printed_instant(instant: Timestamp) -> String {
    grouped(Offset::UTC.to_datetime(instant)) + "Z"
}

/// Time with a fraction of three, six or nine digits, if there is one.
fn grouped(time: DateTime) -> String {
    let text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let nanos = time.subsec_nanosecond();
    match nanos {
        0 => text,
        _ if nanos % 1_000_000 == 0 => format!("{text}.{:03}", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!("{text}.{:06}", nanos / 1_000),
        _ => format!("{text}.{nanos:09}"),
    }
}

/// So many units as a span.
fn span(count: i64, unit: Unit) -> Result<Span, Trouble> {
    let times = |factor: i64| count.checked_mul(factor).unwrap_or(i64::MAX);
    let span = Span::new();
    let span = match unit {
        Unit::Millis => span.try_milliseconds(count),
        Unit::Seconds => span.try_seconds(count),
        Unit::Minutes => span.try_minutes(count),
        Unit::Hours => span.try_hours(count),
        Unit::HalfDays => span.try_hours(times(12)),
        Unit::Days => span.try_days(count),
        Unit::Weeks => span.try_days(times(7)),
        Unit::Months => span.try_months(count),
        Unit::Years => span.try_years(count),
        Unit::Decades => span.try_years(times(10)),
    };
    span.map_err(out_of_range)
}

/// The span a method such as `plusDays` or `minus` moves by; none when it is no such method.
fn moved(name: &str, arguments: &Arguments<'_, '_>) -> Result<Option<Span>, Trouble> {
    let (sign, unit) = match (name.strip_prefix("plus"), name.strip_prefix("minus")) {
        (Some(unit), _) => (1, unit),
        (None, Some(unit)) => (-1, unit),
        (None, None) => return Ok(None),
    };
    let unit = match (unit, arguments.values.len()) {
        ("", 2) => self::unit(arguments, 1)?,
        (name, 1) => {
            let found = Unit::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            match found {
                Some((_, unit)) if !name.is_empty() => *unit,
                Some(_) | None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let count = arguments.long(0)?.checked_mul(sign).unwrap_or(i64::MAX);
    span(count, unit).map(Some)
}

fn unit(arguments: &Arguments<'_, '_>, place: usize) -> Result<Unit, Trouble> {
    arguments.made(place, "a ChronoUnit", |made| {
        if let Instance::Unit(unit) = made { Some(*unit) } else { None }
    })
}

/// Only whole days can be added to a date.
fn day_span(span: Span) -> Result<Span, Trouble> {
    let whole = span.get_hours() == 0
        && span.get_minutes() == 0
        && span.get_seconds() == 0
        && span.get_milliseconds() == 0;
    if whole { Ok(span) } else { Err(Trouble::from("a LocalDate has no time of day")) }
}

pub(super) fn date_call<'s>(date: Date, name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    if let Some(span) = moved(name, arguments)? {
        return date.checked_add(day_span(span)?).map(of_date).map(Some).map_err(out_of_range);
    }
    let other = || {
        arguments.made(0, "a LocalDate", |made| {
            if let Instance::LocalDate(other) = made { Some(*other) } else { None }
        })
    };
    let small = |place: usize| i8::try_from(arguments.int(place)?).map_err(|_| range());
    Ok(Some(match (name, arguments.values.len()) {
        ("withDayOfMonth", 1) => of_date(date.with().day(small(0)?).build().map_err(out_of_range)?),
        ("withMonth", 1) => {
            let first = date.first_of_month().with().month(small(0)?).build();
            let first = first.map_err(out_of_range)?;
            let day = date.day().min(first.days_in_month());
            of_date(first.with().day(day).build().map_err(out_of_range)?)
        }
        ("isBefore", 1) => Value::Bool(date < other()?),
        ("isAfter", 1) => Value::Bool(date > other()?),
        ("isEqual", 1) => Value::Bool(date == other()?),
        ("isLeapYear", 0) => Value::Bool(date.in_leap_year()),
        ("lengthOfMonth", 0) => Value::int(i32::from(date.days_in_month())),
        ("lengthOfYear", 0) => Value::int(i32::from(date.days_in_year())),
        ("toEpochDay", 0) => Value::long(days_since_1970(date)?),
        ("atStartOfDay", 0) => of_time(date.to_datetime(Time::midnight())),
        ("with", 1) => of_date(adjusted(date, arguments)?),
        ("until", 2) => Value::long(between(
            date.to_datetime(Time::midnight()),
            other()?.to_datetime(Time::midnight()),
            unit(arguments, 1)?,
        )?),
        (_, 0) => return Ok(day_getter(date, name)),
        _ => return Ok(None),
    }))
}

fn day_getter<'s>(date: Date, name: &str) -> Option<Value<'s>> {
    Some(match name {
        "getYear" => Value::int(i32::from(date.year())),
        "getMonthValue" => Value::int(i32::from(date.month())),
        "getDayOfMonth" => Value::int(i32::from(date.day())),
        "getDayOfYear" => Value::int(i32::from(date.day_of_year())),
        "getDayOfWeek" => Value::Instance(Instance::DayOfWeek(date.weekday()).into()),
        _ => return None,
    })
}

pub(super) fn time_call<'s>(
    time: DateTime,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Called<'s> {
    if let Some(span) = moved(name, arguments)? {
        return time.checked_add(span).map(of_time).map(Some).map_err(out_of_range);
    }
    let other = || {
        arguments.made(0, "a LocalDateTime", |made| {
            if let Instance::LocalDateTime(other) = made { Some(*other) } else { None }
        })
    };
    let small = |place: usize| i8::try_from(arguments.int(place)?).map_err(|_| range());
    let built = |built: Result<DateTime, jiff::Error>| built.map(of_time).map_err(out_of_range);
    Ok(Some(match (name, arguments.values.len()) {
        ("getHour", 0) => Value::int(i32::from(time.hour())),
        ("getMinute", 0) => Value::int(i32::from(time.minute())),
        ("getSecond", 0) => Value::int(i32::from(time.second())),
        ("toLocalDate", 0) => of_date(time.date()),
        ("isBefore", 1) => Value::Bool(time < other()?),
        ("isAfter", 1) => Value::Bool(time > other()?),
        ("isEqual", 1) => Value::Bool(time == other()?),
        ("withHour", 1) => built(time.with().hour(small(0)?).build())?,
        ("withMinute", 1) => built(time.with().minute(small(0)?).build())?,
        ("withSecond", 1) => built(time.with().second(small(0)?).build())?,
        ("withDayOfMonth", 1) => built(time.with().day(small(0)?).build())?,
        ("truncatedTo", 1) => of_time(truncated(time, unit(arguments, 0)?)?),
        ("with", 1) => of_time(adjusted(time.date(), arguments)?.to_datetime(time.time())),
        ("until", 2) => Value::long(between(time, other()?, unit(arguments, 1)?)?),
        (_, 0) => return Ok(day_getter(time.date(), name)),
        _ => return Ok(None),
    }))
}

pub(super) fn instant_call<'s>(
    instant: Timestamp,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Called<'s> {
    let time = Offset::UTC.to_datetime(instant);
    let moved_to =
        |time: DateTime| Offset::UTC.to_timestamp(time).map(of_instant).map_err(out_of_range);
    if let Some(span) = moved(name, arguments)? {
        return moved_to(time.checked_add(span).map_err(out_of_range)?).map(Some);
    }
    let other = || {
        arguments.made(0, "an Instant", |made| {
            if let Instance::Instant(other) = made { Some(*other) } else { None }
        })
    };
    Ok(Some(match (name, arguments.values.len()) {
        ("toEpochMilli", 0) => Value::long(instant.as_millisecond()),
        ("getEpochSecond", 0) => Value::long(instant.as_second()),
        ("getNano", 0) => Value::int(time.subsec_nanosecond()),
        ("isBefore", 1) => Value::Bool(instant < other()?),
        ("isAfter", 1) => Value::Bool(instant > other()?),
        ("truncatedTo", 1) => moved_to(truncated(time, unit(arguments, 0)?)?)?,
        ("until", 2) => {
            let other = Offset::UTC.to_datetime(other()?);
            Value::long(between(time, other, unit(arguments, 1)?)?)
        }
        _ => return Ok(None),
    }))
}

pub(super) fn weekday_call<'s>(
    day: Weekday,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Called<'s> {
    let days =
        |sign: i64| Ok::<_, Trouble>(day.wrapping_add(arguments.long(0)?.rem_euclid(7) * sign));
    let of_day = |day: Weekday| Value::Instance(Instance::DayOfWeek(day).into());
    Ok(Some(match (name, arguments.values.len()) {
        ("getValue", 0) => Value::int(i32::from(day.to_monday_one_offset())),
        ("ordinal", 0) => Value::int(i32::from(day.to_monday_zero_offset())),
        ("name", 0) => Value::text(named(&WEEKDAYS, &day)),
        ("plus", 1) => of_day(days(1)?),
        ("minus", 1) => of_day(days(-1)?),
        _ => return Ok(None),
    }))
}

fn range() -> Trouble {
    Trouble::from("the number is out of the range of this field")
}

fn days_since_1970(date: Date) -> Result<i64, Trouble> {
    Ok(super::dates::millis(date.to_datetime(Time::midnight()))?.div_euclid(86_400_000))
}

/// Whole units from one time to the other.
fn between(from: DateTime, to: DateTime, unit: Unit) -> Result<i64, Trouble> {
    let months = || -> Result<i64, Trouble> {
        let span = from.until((jiff::Unit::Month, to)).map_err(out_of_range)?;
        Ok(i64::from(span.get_months()))
    };
    let length: i64 = match unit {
        Unit::Months => return months(),
        Unit::Years => return Ok(months()? / 12),
        Unit::Decades => return Ok(months()? / 120),
        Unit::Millis => 1,
        Unit::Seconds => 1_000,
        Unit::Minutes => 60_000,
        Unit::Hours => 3_600_000,
        Unit::HalfDays => 43_200_000,
        Unit::Days => 86_400_000,
        Unit::Weeks => 604_800_000,
    };
    Ok((super::dates::millis(to)? - super::dates::millis(from)?) / length)
}

fn truncated(time: DateTime, unit: Unit) -> Result<DateTime, Trouble> {
    let cut = time.with();
    let cut = match unit {
        Unit::Millis => cut.millisecond(time.millisecond()).microsecond(0).nanosecond(0),
        Unit::Seconds => cut.subsec_nanosecond(0),
        Unit::Minutes => cut.second(0).subsec_nanosecond(0),
        Unit::Hours => cut.minute(0).second(0).subsec_nanosecond(0),
        Unit::HalfDays => cut.hour(time.hour() / 12 * 12).minute(0).second(0).subsec_nanosecond(0),
        Unit::Days => cut.hour(0).minute(0).second(0).subsec_nanosecond(0),
        Unit::Weeks | Unit::Months | Unit::Years | Unit::Decades => {
            return Err(Trouble::from("a time is not truncated to more than days"));
        }
    };
    cut.build().map_err(out_of_range)
}

fn adjusted(date: Date, arguments: &Arguments<'_, '_>) -> Result<Date, Trouble> {
    let adjuster = arguments.made(0, "a TemporalAdjuster", |made| {
        if let Instance::Adjuster(adjuster) = made { Some(*adjuster) } else { None }
    })?;
    let month = date.first_of_month();
    let year = date.first_of_year();
    let next = |first: Result<Date, jiff::Error>| first.map_err(out_of_range);
    let days_on = |day: Weekday| i64::from(date.weekday().until(day));
    let days_back = |day: Weekday| i64::from(date.weekday().since(day));
    let not_today = |days: i64| if days == 0 { 7 } else { days };
    let moved = |days: i64| next(date.checked_add(span(days, Unit::Days)?));
    match adjuster {
        Adjuster::FirstDayOfMonth => Ok(month),
        Adjuster::LastDayOfMonth => Ok(date.last_of_month()),
        Adjuster::FirstDayOfNextMonth => next(month.checked_add(span(1, Unit::Months)?)),
        Adjuster::FirstDayOfYear => Ok(year),
        Adjuster::LastDayOfYear => Ok(date.last_of_year()),
        Adjuster::FirstDayOfNextYear => next(year.checked_add(span(1, Unit::Years)?)),
        Adjuster::NextOrSame(day) => moved(days_on(day)),
        Adjuster::PreviousOrSame(day) => moved(-days_back(day)),
        Adjuster::Next(day) => moved(not_today(days_on(day))),
        Adjuster::Previous(day) => moved(-not_today(days_back(day))),
        Adjuster::FirstInMonth(day) => next(date.nth_weekday_of_month(1, day)),
        Adjuster::LastInMonth(day) => next(date.nth_weekday_of_month(-1, day)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    #[test]
    fn times_are_printed_as_java_prints_them() {
        assert_eq!(printed(datetime(2026, 3, 1, 9, 5, 0, 0)), "2026-03-01T09:05");
        assert_eq!(printed(datetime(2026, 3, 1, 9, 5, 7, 0)), "2026-03-01T09:05:07");
        let fraction = datetime(2026, 3, 1, 9, 5, 7, 120_000_000);
        assert_eq!(printed(fraction), "2026-03-01T09:05:07.120");
        assert_eq!(printed_instant(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn whole_units_between_two_times_are_counted() {
        let (from, to) = (datetime(2025, 1, 31, 0, 0, 0, 0), datetime(2026, 2, 1, 12, 0, 0, 0));
        assert_eq!(between(from, to, Unit::Days), Ok(366));
        assert_eq!(between(from, to, Unit::Months), Ok(12));
        assert_eq!(between(from, to, Unit::Years), Ok(1));
        assert_eq!(between(to, from, Unit::HalfDays), Ok(-733));
    }

    #[test]
    fn a_month_is_added_within_the_length_of_the_next() {
        let added = date(2026, 1, 31).checked_add(span(1, Unit::Months).unwrap()).unwrap();
        assert_eq!(added, date(2026, 2, 28));
    }
}
