//! Numbers as Java counts: 32-bit wholes unless one is wider, wrapping without a word.

use std::cmp::Ordering;

use crate::syntax::Arithmetic;

/// A number with its width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
}

/// Two numbers of the wider type of both.
enum Pair {
    Int(i32, i32),
    Long(i64, i64),
    Float(f32, f32),
    Double(f64, f64),
}

/// Division of a whole number by zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DivisionByZero;

impl Number {
    /// A JSON number: 32 bits when it fits, as Jackson reads it.
    pub(crate) fn of_json(number: &serde_json::Number) -> Self {
        match number.as_i64() {
            Some(whole) => Self::whole(whole),
            None => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// A whole number in the smallest type that holds it.
    pub(crate) fn whole(whole: i64) -> Self {
        i32::try_from(whole).map_or(Self::Long(whole), Self::Int)
    }

    fn pair(self, other: Self) -> Pair {
        match (self, other) {
            (Self::Double(left), right) => Pair::Double(left, right.to_double()),
            (left, Self::Double(right)) => Pair::Double(left.to_double(), right),
            (Self::Float(left), right) => Pair::Float(left, narrow(right.to_double())),
            (left, Self::Float(right)) => Pair::Float(narrow(left.to_double()), right),
            (Self::Long(left), right) => Pair::Long(left, right.to_long()),
            (left, Self::Long(right)) => Pair::Long(left.to_long(), right),
            (Self::Int(left), Self::Int(right)) => Pair::Int(left, right),
        }
    }

    pub(crate) fn to_double(self) -> f64 {
        match self {
            Self::Int(number) => f64::from(number),
            Self::Long(number) => widen(number),
            Self::Float(number) => f64::from(number),
            Self::Double(number) => number,
        }
    }

    /// As a cast to `long`: cut to the whole, kept inside 64 bits.
    pub(crate) fn to_long(self) -> i64 {
        match self {
            Self::Int(number) => i64::from(number),
            Self::Long(number) => number,
            Self::Float(number) => cut(f64::from(number)),
            Self::Double(number) => cut(number),
        }
    }

    /// As a cast to `int`.
    pub(crate) fn to_int(self) -> i32 {
        match self {
            Self::Int(number) => number,
            Self::Long(number) => low_bits(number),
            Self::Float(_) | Self::Double(_) => {
                let whole = self.to_long().clamp(i64::from(i32::MIN), i64::from(i32::MAX));
                low_bits(whole)
            }
        }
    }

    pub(crate) const fn is_whole(self) -> bool {
        matches!(self, Self::Int(_) | Self::Long(_))
    }

    pub(crate) fn calculate(
        self,
        operator: Arithmetic,
        other: Self,
    ) -> Result<Self, DivisionByZero> {
        Ok(match self.pair(other) {
            Pair::Int(left, right) => Self::Int(match operator {
                Arithmetic::Add => left.wrapping_add(right),
                Arithmetic::Subtract => left.wrapping_sub(right),
                Arithmetic::Multiply => left.wrapping_mul(right),
                Arithmetic::Divide | Arithmetic::Remainder if right == 0 => {
                    return Err(DivisionByZero);
                }
                Arithmetic::Divide => left.wrapping_div(right),
                Arithmetic::Remainder => left.wrapping_rem(right),
            }),
            Pair::Long(left, right) => Self::Long(match operator {
                Arithmetic::Add => left.wrapping_add(right),
                Arithmetic::Subtract => left.wrapping_sub(right),
                Arithmetic::Multiply => left.wrapping_mul(right),
                Arithmetic::Divide | Arithmetic::Remainder if right == 0 => {
                    return Err(DivisionByZero);
                }
                Arithmetic::Divide => left.wrapping_div(right),
                Arithmetic::Remainder => left.wrapping_rem(right),
            }),
            Pair::Float(left, right) => Self::Float(match operator {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide => left / right,
                Arithmetic::Remainder => left % right,
            }),
            Pair::Double(left, right) => Self::Double(match operator {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide => left / right,
                Arithmetic::Remainder => left % right,
            }),
        })
    }

    /// `self ^ other`; whole numbers stay whole and become 64 bits wide when they must.
    pub(crate) fn power(self, other: Self) -> Self {
        let result = self.to_double().powf(other.to_double());
        match self.pair(other) {
            Pair::Int(..) => Self::whole(cut(result)),
            Pair::Long(..) => Self::Long(cut(result)),
            Pair::Float(..) => Self::Float(narrow(result)),
            Pair::Double(..) => Self::Double(result),
        }
    }

    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Int(number) => Self::Int(number.wrapping_neg()),
            Self::Long(number) => Self::Long(number.wrapping_neg()),
            Self::Float(number) => Self::Float(-number),
            Self::Double(number) => Self::Double(-number),
        }
    }

    /// The order of two numbers; none when one of them is not a number.
    pub(crate) fn order(self, other: Self) -> Option<Ordering> {
        match self.pair(other) {
            Pair::Int(left, right) => Some(left.cmp(&right)),
            Pair::Long(left, right) => Some(left.cmp(&right)),
            Pair::Float(left, right) => left.partial_cmp(&right),
            Pair::Double(left, right) => left.partial_cmp(&right),
        }
    }

    /// As Java prints it.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Long(number) => number.to_string(),
            Self::Float(number) if number.is_finite() => real(&format!("{number:e}")),
            Self::Double(number) if number.is_finite() => real(&format!("{number:e}")),
            Self::Float(_) | Self::Double(_) => {
                let number = self.to_double();
                let sign = if number < 0.0 { "-" } else { "" };
                let word = if number.is_nan() { "NaN" } else { "Infinity" };
                format!("{sign}{word}")
            }
        }
    }
}

/// `1.25e2` as Java prints it: plain from a thousandth up to ten million, else as `1.0E10`.
fn real(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    let or_zero = |part: &str| if part.is_empty() { "0".to_owned() } else { part.to_owned() };
    if digits == "0" {
        return format!("{sign}0.0");
    }
    if (-3..0).contains(&exponent) {
        return format!("{sign}0.{}{digits}", zeros(-exponent - 1));
    }
    if (0..7).contains(&exponent) {
        let whole = usize::try_from(exponent).unwrap_or_default() + 1;
        let before: String = digits.chars().take(whole).collect();
        let after: String = digits.chars().skip(whole).collect();
        let missing = zeros(exponent + 1 - i32::try_from(before.len()).unwrap_or_default());
        return format!("{sign}{before}{missing}.{}", or_zero(&after));
    }
    let (first, rest) = digits.split_at(1);
    format!("{sign}{first}.{}E{exponent}", or_zero(rest))
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "Java's cast to double")]
pub(crate) const fn widen(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "Java's cast to long")]
pub(crate) const fn cut(number: f64) -> i64 {
    number as i64
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "Java's cast to float")]
pub(crate) const fn narrow(number: f64) -> f32 {
    number as f32
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "Java's cast to int")]
pub(crate) const fn low_bits(number: i64) -> i32 {
    number as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_are_printed_as_java_prints_them() {
        for (number, text) in [
            (1.5, "1.5"),
            (10.0, "10.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.001, "0.001"),
            (0.0125, "0.0125"),
            (0.0001, "1.0E-4"),
            (1_234_567.5, "1234567.5"),
            (9_999_999.0, "9999999.0"),
            (10_000_000.0, "1.0E7"),
            (1.25e20, "1.25E20"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(Number::Double(number).text(), text);
        }
        assert_eq!(Number::Float(0.1).text(), "0.1");
    }

    #[test]
    fn wholes_wrap_and_the_wider_type_wins() {
        let add = |left: Number, right: Number| left.calculate(Arithmetic::Add, right);
        assert_eq!(add(Number::Int(i32::MAX), Number::Int(1)), Ok(Number::Int(i32::MIN)));
        assert_eq!(add(Number::Long(1), Number::Int(1)), Ok(Number::Long(2)));
        assert_eq!(add(Number::Int(1), Number::Double(0.5)), Ok(Number::Double(1.5)));
        let divide = |left: i32, right: i32| {
            Number::Int(left).calculate(Arithmetic::Divide, Number::Int(right))
        };
        assert_eq!(divide(5, 2), Ok(Number::Int(2)));
        assert_eq!(divide(-5, 2), Ok(Number::Int(-2)));
        assert_eq!(divide(5, 0), Err(DivisionByZero));
        assert_eq!(Number::Int(2).power(Number::Int(40)), Number::Long(1 << 40));
    }
}
