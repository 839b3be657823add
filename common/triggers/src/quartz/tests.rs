//! Moments that a person worked out with a calendar.

use jiff::{Timestamp, tz::TimeZoneDatabase};

use super::Expression;

fn next(expression: &str, zone: &str, after: &str) -> Option<String> {
    let expression = Expression::read(expression).unwrap();
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    let after: Timestamp = after.parse().unwrap();
    let found = expression.next(u64::try_from(after.as_millisecond()).unwrap(), &zone)?;
    let found = Timestamp::from_millisecond(i64::try_from(found).unwrap()).unwrap();
    Some(found.to_string())
}

fn runs(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let first = next(expression, zone, after);
    std::iter::successors(first, |last| next(expression, zone, last)).take(count).collect()
}

const UTC: &str = "UTC";
const BERLIN: &str = "Europe/Berlin";

#[test]
fn times_of_day_come_in_their_order() {
    // 2026-11-30 is a Monday.
    let after = "2026-11-30T09:59:59.5Z";
    for (expression, first) in [
        ("0 0 10 * * ?", "2026-11-30T10:00:00Z"),
        ("0 0 10 * * *", "2026-11-30T10:00:00Z"),
        ("* * * * * ?", "2026-11-30T10:00:00Z"),
        ("0 0/15 * * * ?", "2026-11-30T10:00:00Z"),
        ("0 5/15 * * * ?", "2026-11-30T10:05:00Z"),
        ("30 */20 9,11 * * ?", "2026-11-30T11:00:30Z"),
        ("0 0 22-2 * * ?", "2026-11-30T22:00:00Z"),
        ("0 10,44 14 ? 3 WED", "2027-03-03T14:10:00Z"),
        ("0 0 12 1/5 * ?", "2026-12-01T12:00:00Z"),
        ("0 0 9 ? * MON-FRI", "2026-12-01T09:00:00Z"),
        ("0 0 9 ? * FRI-SUN", "2026-12-04T09:00:00Z"),
        ("0 0 9 ? * 2", "2026-12-07T09:00:00Z"),
        ("0 0 9 ? DEC SAT,TUE", "2026-12-01T09:00:00Z"),
        ("0 0 0 29 2 ?", "2028-02-29T00:00:00Z"),
        ("0 0 0 1 1 ? 2030", "2030-01-01T00:00:00Z"),
        ("0 0 0 1 1 ? 2027/3", "2027-01-01T00:00:00Z"),
    ] {
        assert_eq!(next(expression, UTC, after).as_deref(), Some(first), "{expression}");
    }
    let of_the_night = [
        "2026-11-30T22:00:00Z",
        "2026-11-30T23:00:00Z",
        "2026-12-01T00:00:00Z",
        "2026-12-01T01:00:00Z",
        "2026-12-01T02:00:00Z",
        "2026-12-01T22:00:00Z",
    ];
    assert_eq!(runs("0 0 22-2 * * ?", UTC, after, 6), of_the_night);
    assert_eq!(next("0 0 10 * * ?", UTC, "2026-11-30T10:00:00Z").unwrap(), "2026-12-01T10:00:00Z");
}

#[test]
fn last_and_working_days_are_found() {
    let after = "2026-11-30T12:00:00Z";
    for (expression, first) in [
        ("0 0 9 L * ?", "2026-12-31T09:00:00Z"),
        ("0 0 9 L 2 ?", "2027-02-28T09:00:00Z"),
        ("0 0 9 L-3 * ?", "2026-12-28T09:00:00Z"),
        // 31 January 2027 is a Sunday.
        ("0 0 9 LW 1 ?", "2027-01-29T09:00:00Z"),
        ("0 0 9 31W 1 ?", "2027-01-29T09:00:00Z"),
        // 15 May 2027 is a Saturday, 16 May a Sunday.
        ("0 0 9 15W 5 ?", "2027-05-14T09:00:00Z"),
        ("0 0 9 16W 5 ?", "2027-05-17T09:00:00Z"),
        // 1 May 2027 is a Saturday: the working day is not looked for in April.
        ("0 0 9 1W 5 ?", "2027-05-03T09:00:00Z"),
        ("0 0 9 ? * 6L", "2026-12-25T09:00:00Z"),
        ("0 0 9 ? * FRIL", "2026-12-25T09:00:00Z"),
        ("0 0 9 ? * 6#3", "2026-12-18T09:00:00Z"),
        ("0 0 9 ? * MON#5", "2027-03-29T09:00:00Z"),
        ("0 0 9 ? * L", "2026-12-05T09:00:00Z"),
    ] {
        assert_eq!(next(expression, UTC, after).as_deref(), Some(first), "{expression}");
    }
}

#[test]
fn what_never_comes_is_none() {
    for expression in
        ["0 0 0 31 2 ?", "0 0 0 30 FEB ?", "0 0 0 31 4,6 ?", "0 0 0 29 2 ? 2027", "0 0 0 31W 2 ?"]
    {
        assert_eq!(next(expression, UTC, "1970-01-01T00:00:00Z"), None, "{expression}");
    }
    assert_eq!(next("0 0 0 1 1 ? 2020", UTC, "2026-11-30T12:00:00Z"), None);
}

#[test]
fn a_time_that_the_clock_skips_comes_once() {
    // On 28 March 2027 clocks go from 02:00 to 03:00; 03:00 there is 01:00 here.
    let after = "2027-03-27T12:00:00Z";
    let at_half_past_two = ["2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z"];
    assert_eq!(runs("0 30 2 * * ?", BERLIN, after, 2), at_half_past_two);
    let hourly = ["2027-03-28T00:00:00Z", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"];
    assert_eq!(runs("0 0 * * * ?", BERLIN, "2027-03-27T23:30:00Z", 3), hourly);
    let half_hourly = ["2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z"];
    assert_eq!(runs("0 0/30 * * * ?", BERLIN, "2027-03-28T00:00:00Z", 3), half_hourly);
}

#[test]
fn a_time_that_the_clock_shows_twice_comes_once() {
    // On 31 October 2027 clocks go from 03:00 back to 02:00; 02:30 there is 00:30 here, and 01:30 again.
    let at_half_past_two = ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"];
    assert_eq!(runs("0 30 2 * * ?", BERLIN, "2027-10-30T12:00:00Z", 2), at_half_past_two);
    let hourly = ["2027-10-31T00:00:00Z", "2027-10-31T01:00:00Z", "2027-10-31T02:00:00Z"];
    assert_eq!(
        runs("0 0 * * * ?", BERLIN, "2027-10-30T23:30:00Z", 3),
        hourly,
        "every hour goes on"
    );
}

#[test]
fn zones_say_what_the_hour_is() {
    let after = "2026-11-30T12:00:00Z";
    assert_eq!(next("0 0 9 * * ?", "America/Los_Angeles", after).unwrap(), "2026-11-30T17:00:00Z");
    assert_eq!(next("0 0 9 * * ?", "Asia/Kolkata", after).unwrap(), "2026-12-01T03:30:00Z");
    assert_eq!(next("0 0 0 1 * ?", "Pacific/Auckland", after).unwrap(), "2026-12-31T11:00:00Z");
}

#[test]
fn what_is_no_expression_is_told_with_the_way_out() {
    for (expression, message) in [
        ("", "it has 0 fields, not 6 or 7"),
        ("0 10 * * *", "it has 5 fields, not 6 or 7"),
        ("60 0 0 * * ?", "`60` is no second"),
        ("0 0 24 * * ?", "`24` is no hour"),
        ("0 0 0 0 * ?", "`0` is no day of month"),
        ("0 0 0 32 * ?", "`32` is no day of month"),
        ("0 0 0 1 13 ?", "`13` is no month"),
        ("0 0 0 1 FOO ?", "`FOO` is no month"),
        ("0 0 0 ? * 8", "`8` is no day of week"),
        ("0 0 0 ? * 6#6", "`6#6` names no week of a month"),
        ("0 0 0 ? * 2-4L", "`2-4` is not one day of week"),
        ("0 0 0 L-x * ?", "`L-x` is no day of month"),
        ("0 0 0 ? * ?", "both day fields are `?`"),
        ("0 0 0 1 * MON", "it says both a day of month and a day of week"),
        ("0 0/0 * * * ?", "`0/0` is no minute"),
        ("0 -1 * * * ?", "`` is no minute"),
        ("0 0 0 1 1 ? 1969", "`1969` is no year"),
        ("+1 0 0 * * ?", "`+1` is no second"),
    ] {
        let unfit = Expression::read(expression).unwrap_err();
        assert_eq!(unfit.message, message, "{expression}");
        assert!(!unfit.hint.is_empty());
    }
}
