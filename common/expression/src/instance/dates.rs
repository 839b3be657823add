//! `java.util.Date` and `java.text.SimpleDateFormat`.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::Instance;
use crate::{arguments::Arguments, fault::Trouble, value::Value};

/// A moment as civil time in UTC.
pub(super) fn civil(ms: i64) -> Result<DateTime, Trouble> {
    let moment = Timestamp::from_millisecond(ms);
    let moment = moment.map_err(|_| Trouble::Wrong(format!("{ms} is no time of the calendar")))?;
    Ok(Offset::UTC.to_datetime(moment))
}

/// Milliseconds since 1970 of a civil time in UTC.
pub(super) fn millis(time: DateTime) -> Result<i64, Trouble> {
    let moment = Offset::UTC.to_timestamp(time);
    moment.map(Timestamp::as_millisecond).map_err(|_| Trouble::from("the date is out of range"))
}

fn date_of(made: &Instance) -> Option<i64> {
    if let Instance::Date(ms) = made { Some(*ms) } else { None }
}

/// `Date.toString()`.
pub(super) fn printed(ms: i64) -> String {
    format(ms, "EEE MMM dd HH:mm:ss 'UTC' yyyy").unwrap_or_else(|_| ms.to_string())
}

pub(super) fn call<'s>(
    ms: i64,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Result<Option<Value<'s>>, Trouble> {
    let other = || arguments.made(0, "a Date", date_of);
    Ok(Some(match (name, arguments.values.len()) {
        ("getTime", 0) => Value::long(ms),
        ("before", 1) => Value::Bool(ms < other()?),
        ("after", 1) => Value::Bool(ms > other()?),
        ("compareTo", 1) => Value::int(match ms.cmp(&other()?) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        }),
        ("toInstant", 0) => {
            let moment = Timestamp::from_millisecond(ms);
            let moment = moment.map_err(|_| Trouble::from("the date is out of range"))?;
            Value::Instance(Instance::Instant(moment).into())
        }
        _ => return Ok(None),
    }))
}

pub(super) fn format_call<'s>(
    pattern: &str,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Result<Option<Value<'s>>, Trouble> {
    let text = match (name, arguments.values.len()) {
        ("toPattern", 0) => pattern.to_owned(),
        ("format", 1) => match arguments.value(0)?.as_number() {
            Some(ms) => format(ms.to_long(), pattern)?,
            None => format(arguments.made(0, "a Date", date_of)?, pattern)?,
        },
        ("parse", 1) => {
            return Err(Trouble::from(
                "dates are not parsed here; java.time.LocalDate.parse reads 2006-01-31",
            ));
        }
        _ => return Ok(None),
    };
    Ok(Some(Value::text(text)))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment by a pattern of letters. Source: the documentation of `SimpleDateFormat`.
fn format(ms: i64, pattern: &str) -> Result<String, Trouble> {
    let time = civil(ms)?;
    let mut out = String::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            quoted(&mut letters, &mut out)?;
        } else if letter.is_ascii_alphabetic() {
            let mut width = 1;
            while letters.next_if_eq(&letter).is_some() {
                width += 1;
            }
            out.push_str(&field(time, letter, width)?);
        } else {
            out.push(letter);
        }
    }
    Ok(out)
}

/// What stands between two quotes is itself; two quotes are one.
fn quoted(
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    out: &mut String,
) -> Result<(), Trouble> {
    if letters.next_if_eq(&'\'').is_some() {
        out.push('\'');
        return Ok(());
    }
    loop {
        match letters.next() {
            Some('\'') if letters.next_if_eq(&'\'').is_some() => out.push('\''),
            Some('\'') => return Ok(()),
            Some(letter) => out.push(letter),
            None => return Err(Trouble::from("a quote in the date pattern does not end")),
        }
    }
}

/// Widest field of a pattern: no calendar has more digits.
const WIDTH_MAX: usize = 32;

fn field(time: DateTime, letter: char, width: usize) -> Result<String, Trouble> {
    if width > WIDTH_MAX {
        return Err(Trouble::from("the date pattern has a field that is too wide"));
    }
    let digits = |number: i64| format!("{number:0width$}");
    let hour = i64::from(time.hour());
    let name = |name: &str| {
        if width > 3 { name.to_owned() } else { name.chars().take(3).collect() }
    };
    let weekday = super::capitalized(super::named(&super::WEEKDAYS, &time.weekday()));
    Ok(match letter {
        'y' | 'Y' if width == 2 => {
            format!("{:02}", time.year().rem_euclid(100))
        }
        'y' | 'Y' => digits(i64::from(time.year())),
        'M' | 'L' if width > 2 => {
            let month = usize::try_from(time.month()).unwrap_or_default();
            name(MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default())
        }
        'M' | 'L' => digits(i64::from(time.month())),
        'd' => digits(i64::from(time.day())),
        'D' => digits(i64::from(time.date().day_of_year())),
        'E' => name(&weekday),
        'u' => digits(i64::from(time.weekday().to_monday_one_offset())),
        'H' => digits(hour),
        'k' => digits(if hour == 0 { 24 } else { hour }),
        'K' => digits(hour % 12),
        'h' => digits(if hour % 12 == 0 { 12 } else { hour % 12 }),
        'm' => digits(i64::from(time.minute())),
        's' => digits(i64::from(time.second())),
        'S' => digits(i64::from(time.millisecond())),
        'a' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        'z' => "UTC".to_owned(),
        'Z' => "+0000".to_owned(),
        'X' => "Z".to_owned(),
        'G' => "AD".to_owned(),
        other => return Err(Trouble::Wrong(format!("`{other}` means nothing in a date pattern"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_simple_date_format() {
        let ms = 1_136_214_245_006; // 2006-01-02T15:04:05.006Z, a Monday
        for (pattern, text) in [
            ("yyyyMMdd-HHmmss", "20060102-150405"),
            ("yy.M.d h:mm a", "06.1.2 3:04 PM"),
            ("EEEE, d MMMM yyyy 'at' HH'h'", "Monday, 2 January 2006 at 15h"),
            ("''EEE''", "'Mon'"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2006-01-02T15:04:05.006+0000"),
        ] {
            assert_eq!(format(ms, pattern).unwrap(), text);
        }
        assert_eq!(printed(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert!(format(ms, "yyyy 'open").is_err());
        assert!(format(ms, "b").is_err());
        assert!(format(ms, &"y".repeat(4_000)).is_err());
    }
}
