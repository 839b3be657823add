//! `T(X).method(…)`.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::{
    Class,
    make::{now, real, whole},
};
use crate::{
    arguments::Arguments,
    fault::Trouble,
    format::format,
    instance::{Adjuster, Instance, Unit, WEEKDAYS, random, read_uuid},
    number::{Number, cut, low_bits},
    value::Value,
    world::World,
};

type Called<'s> = Result<Option<Value<'s>>, Trouble>;

/// Calls a static method.
pub(crate) fn call<'s>(
    class: Class,
    name: &str,
    arguments: &Arguments<'_, 's>,
    world: &World<'_>,
) -> Result<Value<'s>, Trouble> {
    let called = match class {
        Class::Text => text(name, arguments),
        Class::Integer | Class::Long | Class::Byte => wholes(class, name, arguments),
        Class::Double => reals(name, arguments),
        Class::Boolean => booleans(name, arguments),
        Class::Math => math(name, arguments, world),
        Class::Date | Class::LocalDate | Class::LocalDateTime | Class::Instant => {
            dates(class, name, arguments, world)
        }
        Class::Uuid => uuid(name, arguments, world),
        Class::DayOfWeek | Class::ChronoUnit => constants(class, name, arguments),
        Class::TemporalAdjusters => adjusters(name, arguments),
        Class::UrlEncoder => match (name, arguments.values.len()) {
            ("encode", 1 | 2) => {
                let text = arguments.text(0)?;
                let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
                Ok(Some(Value::text(encoded)))
            }
            _ => Ok(None),
        },
        Class::Random | Class::SimpleDateFormat => Ok(None),
    };
    called?.ok_or_else(|| {
        let (class, count) = (class.name(), arguments.values.len());
        let name = crate::fault::short(name);
        Trouble::Wrong(format!("`{class}` has no method `{name}` with {count} arguments here"))
    })
}

fn text<'s>(name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    let rest = arguments.values.get(1..).unwrap_or_default();
    Ok(Some(match (name, arguments.values.len()) {
        ("format", 1..) => Value::text(format(&arguments.text(0)?, rest, arguments.limits)?),
        ("valueOf", 1) => Value::text(arguments.printed(0)?),
        ("join", 2..) => {
            let mut parts = Vec::new();
            match (arguments.values.len(), arguments.value(1)?) {
                (2, Value::List(list)) => {
                    let items: Vec<Value<'s>> = list.iter().collect();
                    let items = Arguments { values: &items, limits: arguments.limits };
                    for place in 0..items.values.len() {
                        parts.push(items.printed(place)?);
                    }
                }
                (count, _) => {
                    for place in 1..count {
                        parts.push(arguments.printed(place)?);
                    }
                }
            }
            Value::text(parts.join(&arguments.text(0)?))
        }
        _ => return Ok(None),
    }))
}

fn wholes<'s>(class: Class, name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    let in_class = |number: i64| -> Result<Value<'s>, Trouble> {
        let narrow = match class {
            Class::Long => return Ok(Value::long(number)),
            Class::Byte => i8::try_from(number).ok().map(i32::from),
            Class::Integer
            | Class::Text
            | Class::Double
            | Class::Boolean
            | Class::Math
            | Class::Date
            | Class::Random
            | Class::Uuid
            | Class::SimpleDateFormat
            | Class::LocalDate
            | Class::LocalDateTime
            | Class::DayOfWeek
            | Class::Instant
            | Class::ChronoUnit
            | Class::TemporalAdjusters
            | Class::UrlEncoder => i32::try_from(number).ok(),
        };
        narrow.map(Value::int).ok_or_else(|| Trouble::from("the number does not fit"))
    };
    let pair = || Ok::<_, Trouble>((arguments.long(0)?, arguments.long(1)?));
    let digits = |radix: i64| {
        i64::from_str_radix(
            &arguments.text(0)?,
            u32::try_from(radix).unwrap_or_default().clamp(2, 36),
        )
        .map_err(|_| Trouble::from("the text is not a whole number"))
    };
    Ok(Some(match (name, arguments.values.len()) {
        ("parseInt" | "parseLong" | "parseByte" | "valueOf", 1) => in_class(whole(arguments)?)?,
        ("parseInt" | "parseLong" | "valueOf", 2) => in_class(digits(arguments.long(1)?)?)?,
        ("toString", 1) => Value::text(arguments.long(0)?.to_string()),
        ("toHexString", 1) if class == Class::Integer => {
            Value::text(format!("{:x}", arguments.int(0)?))
        }
        ("toHexString", 1) => Value::text(format!("{:x}", arguments.long(0)?)),
        ("toBinaryString", 1) => Value::text(format!("{:b}", arguments.int(0)?)),
        ("toOctalString", 1) => Value::text(format!("{:o}", arguments.int(0)?)),
        ("max", 2) => pair().map(|(left, right)| left.max(right)).and_then(in_class)?,
        ("min", 2) => pair().map(|(left, right)| left.min(right)).and_then(in_class)?,
        ("sum", 2) => {
            let (left, right) = pair()?;
            let sum = left.wrapping_add(right);
            if class == Class::Long { Value::long(sum) } else { Value::int(low_bits(sum)) }
        }
        ("compare", 2) => {
            let (left, right) = pair()?;
            Value::int(i32::from(left > right) - i32::from(left < right))
        }
        ("signum", 1) => Value::int(low_bits(arguments.long(0)?.signum())),
        _ => return Ok(None),
    }))
}

fn reals<'s>(name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    Ok(Some(match (name, arguments.values.len()) {
        ("parseDouble" | "valueOf", 1) => Value::double(real(arguments)?),
        ("toString", 1) => Value::text(Number::Double(arguments.double(0)?).text()),
        ("max", 2) => Value::double(arguments.double(0)?.max(arguments.double(1)?)),
        ("min", 2) => Value::double(arguments.double(0)?.min(arguments.double(1)?)),
        ("sum", 2) => Value::double(arguments.double(0)? + arguments.double(1)?),
        ("isNaN", 1) => Value::Bool(arguments.double(0)?.is_nan()),
        ("isInfinite", 1) => Value::Bool(arguments.double(0)?.is_infinite()),
        ("isFinite", 1) => Value::Bool(arguments.double(0)?.is_finite()),
        _ => return Ok(None),
    }))
}

fn booleans<'s>(name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    Ok(Some(match (name, arguments.values.len()) {
        ("parseBoolean" | "valueOf", 1) => {
            let is_true = |text: String| text.eq_ignore_ascii_case("true");
            Value::Bool(!arguments.value(0)?.is_null() && is_true(arguments.text(0)?))
        }
        ("toString", 1) => Value::text(arguments.bool(0)?.to_string()),
        ("logicalAnd", 2) => Value::Bool(arguments.bool(0)? & arguments.bool(1)?),
        ("logicalOr", 2) => Value::Bool(arguments.bool(0)? | arguments.bool(1)?),
        ("logicalXor", 2) => Value::Bool(arguments.bool(0)? ^ arguments.bool(1)?),
        _ => return Ok(None),
    }))
}

fn math<'s>(name: &str, arguments: &Arguments<'_, 's>, world: &World<'_>) -> Called<'s> {
    let overflow = || Trouble::from("the result does not fit");
    let first = || arguments.number(0);
    let exact = |calculated: Option<i64>, wide: bool| match calculated {
        Some(number) if wide => Ok(Value::long(number)),
        Some(number) => i32::try_from(number).map(Value::int).map_err(|_| overflow()),
        None => Err(overflow()),
    };
    Ok(Some(match (name, arguments.values.len()) {
        ("random", 0) => Value::double(random::unit(world)?),
        ("max" | "min", 2) => {
            let (left, right) = (first()?, arguments.number(1)?);
            let zero = Number::Int(0);
            // Adding a zero of the other's width makes both equally wide.
            let wide = |one: Number, other: Number| {
                let zero = zero.calculate(crate::syntax::Arithmetic::Multiply, other);
                let zero = zero.unwrap_or(Number::Int(0));
                one.calculate(crate::syntax::Arithmetic::Add, zero).unwrap_or(one)
            };
            let larger = left.order(right).is_some_and(std::cmp::Ordering::is_ge);
            let take_left = if name == "max" { larger } else { !larger };
            Value::Number(if take_left { wide(left, right) } else { wide(right, left) })
        }
        ("abs", 1) => {
            let number = first()?;
            let negative = number.order(Number::Int(0)).is_some_and(std::cmp::Ordering::is_lt);
            Value::Number(if negative { number.negated() } else { number })
        }
        ("round", 1) => {
            let number = first()?;
            let rounded = (number.to_double() + 0.5).floor();
            let narrow = matches!(number, Number::Float(_));
            if narrow {
                Value::int(Number::Double(rounded).to_int())
            } else {
                Value::long(cut(rounded))
            }
        }
        ("addExact" | "subtractExact" | "multiplyExact" | "floorDiv" | "floorMod", 2) => {
            let (left, right) = (arguments.long(0)?, arguments.long(1)?);
            let wide = [first()?, arguments.number(1)?]
                .iter()
                .any(|number| matches!(number, Number::Long(_)));
            let whole = match name {
                "addExact" => left.checked_add(right),
                "subtractExact" => left.checked_sub(right),
                "multiplyExact" => left.checked_mul(right),
                _ if right == 0 => return Err(Trouble::from("division by zero")),
                "floorDiv" => left.checked_div(right).map(|quotient| {
                    let inexact = left.wrapping_rem(right) != 0 && (left < 0) != (right < 0);
                    quotient - i64::from(inexact)
                }),
                _ => Some(left.wrapping_rem(right).wrapping_add(right).wrapping_rem(right)),
            };
            exact(whole, wide)?
        }
        ("toIntExact", 1) => exact(Some(arguments.long(0)?), false)?,
        ("pow", 2) => Value::double(arguments.double(0)?.powf(arguments.double(1)?)),
        (_, 1) => match real_function(name) {
            Some(function) => Value::double(function(arguments.double(0)?)),
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

fn real_function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "floor" => f64::floor,
        "ceil" => f64::ceil,
        "rint" => f64::round_ties_even,
        "sqrt" => f64::sqrt,
        "cbrt" => f64::cbrt,
        "exp" => f64::exp,
        "log" => f64::ln,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "signum" => |number: f64| if number == 0.0 { number } else { number.signum() },
        _ => return None,
    })
}

fn dates<'s>(
    class: Class,
    name: &str,
    arguments: &Arguments<'_, 's>,
    world: &World<'_>,
) -> Called<'s> {
    let wrong =
        |_: jiff::Error| Trouble::from("the date or time cannot be read or is out of range");
    let small = |place: usize| {
        i8::try_from(arguments.int(place)?).map_err(|_| Trouble::from("the date is out of range"))
    };
    let civil = || -> Result<DateTime, Trouble> {
        Ok(Offset::UTC.to_datetime(Timestamp::from_millisecond(now(world)?).map_err(wrong)?))
    };
    let date_of = || {
        let year = i16::try_from(arguments.int(0)?);
        let year = year.map_err(|_| Trouble::from("the year is out of range"))?;
        jiff::civil::Date::new(year, small(1)?, small(2)?).map_err(wrong)
    };
    let instance = match (class, name, arguments.values.len()) {
        (Class::LocalDate, "now", 0) => Instance::LocalDate(civil()?.date()),
        (Class::LocalDate, "of", 3) => Instance::LocalDate(date_of()?),
        (Class::LocalDate, "parse", 1) => {
            Instance::LocalDate(arguments.text(0)?.parse().map_err(wrong)?)
        }
        (Class::LocalDate, "ofEpochDay", 1) => {
            let ms = arguments.long(0)?.checked_mul(86_400_000).unwrap_or(i64::MAX);
            let moment = Timestamp::from_millisecond(ms).map_err(wrong)?;
            Instance::LocalDate(Offset::UTC.to_datetime(moment).date())
        }
        (Class::LocalDateTime, "now", 0) => Instance::LocalDateTime(civil()?),
        (Class::LocalDateTime, "parse", 1) => {
            Instance::LocalDateTime(arguments.text(0)?.parse().map_err(wrong)?)
        }
        (Class::LocalDateTime, "of", 5 | 6) => {
            let second = if arguments.values.len() == 6 { small(5)? } else { 0 };
            let time = jiff::civil::Time::new(small(3)?, small(4)?, second, 0).map_err(wrong)?;
            Instance::LocalDateTime(date_of()?.to_datetime(time))
        }
        (Class::Instant, "now", 0) => {
            Instance::Instant(Timestamp::from_millisecond(now(world)?).map_err(wrong)?)
        }
        (Class::Instant, "parse", 1) => {
            Instance::Instant(arguments.text(0)?.parse().map_err(wrong)?)
        }
        (Class::Instant, "ofEpochMilli", 1) => {
            Instance::Instant(Timestamp::from_millisecond(arguments.long(0)?).map_err(wrong)?)
        }
        (Class::Instant, "ofEpochSecond", 1) => {
            Instance::Instant(Timestamp::from_second(arguments.long(0)?).map_err(wrong)?)
        }
        (Class::Date, "from", 1) => arguments.made(0, "an Instant", |made| {
            if let Instance::Instant(instant) = made {
                Some(Instance::Date(instant.as_millisecond()))
            } else {
                None
            }
        })?,
        _ => return Ok(None),
    };
    Ok(Some(Value::Instance(instance.into())))
}

fn uuid<'s>(name: &str, arguments: &Arguments<'_, 's>, world: &World<'_>) -> Called<'s> {
    let id = match (name, arguments.values.len()) {
        ("randomUUID", 0) => {
            let bits = u128::from(world.draw()?) << 64 | u128::from(world.draw()?);
            // Version 4, variant 1.
            bits & !(0xF << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62
        }
        ("fromString", 1) => {
            read_uuid(&arguments.text(0)?).ok_or_else(|| Trouble::from("the text is not a UUID"))?
        }
        _ => return Ok(None),
    };
    Ok(Some(Value::Instance(Instance::Uuid(id).into())))
}

fn constants<'s>(class: Class, name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    if name == "of" && class == Class::DayOfWeek && arguments.values.len() == 1 {
        let place = usize::try_from(arguments.long(0)? - 1).unwrap_or(usize::MAX);
        let (_, day) = WEEKDAYS.get(place).ok_or_else(|| Trouble::from("days are 1 to 7"))?;
        return Ok(Some(Value::Instance(Instance::DayOfWeek(*day).into())));
    }
    if name != "valueOf" || arguments.values.len() != 1 {
        return Ok(None);
    }
    let text = arguments.text(0)?;
    let day = WEEKDAYS.iter().find(|(known, _)| *known == text);
    let unit = Unit::ALL.iter().find(|(known, _)| *known == text);
    let found = if class == Class::DayOfWeek {
        day.map(|(_, day)| Instance::DayOfWeek(*day))
    } else {
        unit.map(|(_, unit)| Instance::Unit(*unit))
    };
    let found = found.ok_or_else(|| {
        Trouble::Wrong(format!("`{}` has no constant of this name", class.name()))
    })?;
    Ok(Some(Value::Instance(found.into())))
}

fn adjusters<'s>(name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    let adjuster = match (name, arguments.values.len()) {
        ("firstDayOfMonth", 0) => Adjuster::FirstDayOfMonth,
        ("lastDayOfMonth", 0) => Adjuster::LastDayOfMonth,
        ("firstDayOfNextMonth", 0) => Adjuster::FirstDayOfNextMonth,
        ("firstDayOfYear", 0) => Adjuster::FirstDayOfYear,
        ("lastDayOfYear", 0) => Adjuster::LastDayOfYear,
        ("firstDayOfNextYear", 0) => Adjuster::FirstDayOfNextYear,
        (_, 1) => {
            let day = arguments.made(0, "a DayOfWeek", |made| {
                if let Instance::DayOfWeek(day) = made { Some(*day) } else { None }
            })?;
            match name {
                "next" => Adjuster::Next(day),
                "nextOrSame" => Adjuster::NextOrSame(day),
                "previous" => Adjuster::Previous(day),
                "previousOrSame" => Adjuster::PreviousOrSame(day),
                "firstInMonth" => Adjuster::FirstInMonth(day),
                "lastInMonth" => Adjuster::LastInMonth(day),
                _ => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(Value::Instance(Instance::Adjuster(adjuster).into())))
}
