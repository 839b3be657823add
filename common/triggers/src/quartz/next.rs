//! The next moment of an expression in a zone.
//!
//! Clocks are set forward and back. A time of day that a clock skips is taken at the moment to which the clock is
//! set forward by as much; one that a clock shows twice is taken the first time, so that something at 2:30 every
//! day happens once every day. An expression that fits every hour goes on every hour: it takes both.

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time},
    tz::{Offset, TimeZone},
};

use super::{DayOfMonth, DayOfWeek, Days, Expression, YEARS};

impl Expression {
    /// The first moment after `after_ms`, in epoch milliseconds.
    pub fn next(&self, after_ms: u64, zone: &TimeZone) -> Option<u64> {
        let second = i64::try_from(after_ms / 1_000).ok()?.checked_add(1)?;
        let start = Timestamp::from_second(second).ok()?;
        // What a clock skipped the day before may come today.
        let mut date = zone.to_datetime(start).date().yesterday().ok()?;
        while date.year() <= YEARS.1 {
            if !self.years.contains(&date.year()) {
                date = Date::new(date.year().checked_add(1)?, 1, 1).ok()?;
            } else if !self.months.contains(&date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
            } else {
                let found = self.fits(date).then(|| self.on(date, start, zone)).flatten();
                if let Some(found) = found {
                    return u64::try_from(found.as_millisecond()).ok();
                }
                date = date.tomorrow().ok()?;
            }
        }
        None
    }

    /// The first moment of a day that is not before `start`.
    fn on(&self, date: Date, start: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let begins = date.to_datetime(Time::midnight());
        let ends = date.tomorrow().ok()?.to_datetime(Time::midnight());
        if offset_at(begins, zone) == offset_at(ends, zone) {
            let local = zone.to_datetime(start);
            let from = match local.date().cmp(&date) {
                std::cmp::Ordering::Less => Time::midnight(),
                std::cmp::Ordering::Equal => local.time(),
                std::cmp::Ordering::Greater => return None,
            };
            let time = self.time_from(from)?;
            let found = zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()?;
            return (found >= start).then_some(found);
        }
        self.on_uneven_day(date, start, zone)
    }

    /// The first time of day that is not before `from`.
    fn time_from(&self, from: Time) -> Option<Time> {
        for hour in self.hours.range(from.hour()..) {
            let same_hour = *hour == from.hour();
            let minute = if same_hour { from.minute() } else { 0 };
            for minute in self.minutes.range(minute..) {
                let same_minute = same_hour && *minute == from.minute();
                let second = if same_minute { from.second() } else { 0 };
                if let Some(second) = self.seconds.range(second..).next() {
                    return Time::new(*hour, *minute, *second, 0).ok();
                }
            }
        }
        None
    }

    /// The same on a day on which the clock is set: every minute is looked at.
    fn on_uneven_day(&self, date: Date, start: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut first: Option<Timestamp> = None;
        for hour in &self.hours {
            for minute in &self.minutes {
                let time = Time::new(*hour, *minute, 0, 0).ok()?;
                let ambiguous = zone.to_ambiguous_timestamp(date.to_datetime(time));
                let again = (self.hours.len() == 24).then(|| ambiguous.later().ok());
                let minutes = [ambiguous.compatible().ok(), again.flatten()];
                for at in minutes.into_iter().flatten() {
                    let found = self.second_from(at, start);
                    first = match (first, found) {
                        (Some(first), Some(found)) => Some(first.min(found)),
                        (known, found) => known.or(found),
                    };
                }
            }
        }
        first
    }

    /// The first moment of a minute that is not before `start`.
    fn second_from(&self, minute: Timestamp, start: Timestamp) -> Option<Timestamp> {
        let moments = self
            .seconds
            .iter()
            .filter_map(|second| minute.checked_add(i64::from(*second).seconds()).ok());
        moments.into_iter().find(|moment| *moment >= start)
    }

    /// Whether a day of a month and year that fit does.
    fn fits(&self, date: Date) -> bool {
        match &self.days {
            Days::Every => true,
            Days::OfMonth(days) => days.iter().any(|day| day.is(date)),
            Days::OfWeek(days) => days.iter().any(|day| day.is(date)),
        }
    }
}

/// How far the clock of a zone is from UTC at a time of its own.
fn offset_at(at: DateTime, zone: &TimeZone) -> Option<Offset> {
    let moment = zone.to_ambiguous_timestamp(at).compatible().ok()?;
    Some(zone.to_offset(moment))
}

impl DayOfMonth {
    fn is(self, date: Date) -> bool {
        let last = date.days_in_month();
        match self {
            Self::Number(day) => date.day() == day,
            Self::FromLast(before) => date.day() == last.saturating_sub(before),
            Self::WorkingDayNear(day) => day <= last && date.day() == working_day(date, day),
            Self::WorkingDayFromLast(before) => {
                let day = last.saturating_sub(before);
                day >= 1 && date.day() == working_day(date, day)
            }
        }
    }
}

/// The working day next to a day of the month of `date`, which never is in another month.
fn working_day(date: Date, day: i8) -> i8 {
    let Ok(wanted) = Date::new(date.year(), date.month(), day) else { return 0 };
    let last = date.days_in_month();
    match wanted.weekday() {
        jiff::civil::Weekday::Saturday if day == 1 => 3,
        jiff::civil::Weekday::Saturday => day.saturating_sub(1),
        jiff::civil::Weekday::Sunday if day == last => day.saturating_sub(2),
        jiff::civil::Weekday::Sunday => day.saturating_add(1),
        jiff::civil::Weekday::Monday
        | jiff::civil::Weekday::Tuesday
        | jiff::civil::Weekday::Wednesday
        | jiff::civil::Weekday::Thursday
        | jiff::civil::Weekday::Friday => day,
    }
}

impl DayOfWeek {
    fn is(self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_one_offset();
        match self {
            Self::Every(day) => weekday == day,
            Self::Last(day) => {
                weekday == day && date.day() > date.days_in_month().saturating_sub(7)
            }
            Self::Nth(day, nth) => {
                weekday == day && (date.day().saturating_sub(1) / 7).saturating_add(1) == nth
            }
        }
    }
}
