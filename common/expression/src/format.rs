//! `String.format`. Source: the documentation of `java.util.Formatter`.

use crate::{arguments::Arguments, fault::Trouble, limits::Limits, number::Number, value::Value};

/// Widest field, so that a width cannot make a text of any size.
const WIDTH_MAX: usize = 1_000;

/// One `%…` of a format.
#[derive(Default)]
struct Field {
    /// Which argument, from 1; the next one if absent.
    place: Option<usize>,
    flags: String,
    width: usize,
    precision: Option<usize>,
}

impl Field {
    fn flag(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn padded(&self, text: &str) -> String {
        let width = self.width;
        if self.flag('-') { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

/// Formats values.
pub(crate) fn format(
    pattern: &str,
    values: &[Value<'_>],
    limits: &Limits,
) -> Result<String, Trouble> {
    let mut out = String::new();
    let mut next = 0;
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (field, conversion, after) = read(after)?;
        rest = after;
        match conversion {
            '%' => out.push_str(&field.padded("%")),
            'n' => out.push('\n'),
            conversion => {
                let place = match field.place {
                    Some(place) => place.checked_sub(1),
                    None => Some(next),
                };
                next += usize::from(field.place.is_none());
                let value = place.and_then(|place| values.get(place));
                let value = value.ok_or_else(|| {
                    Trouble::from("the format has more fields than there are arguments")
                })?;
                let values = std::slice::from_ref(value);
                let arguments = Arguments { values, limits };
                out.push_str(&converted(&field, conversion, &arguments)?);
            }
        }
        if out.len() > limits.output_bytes_max {
            return Err(Trouble::TooMuch("the formatted text is too large".to_owned()));
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Reads what follows a percent sign, up to the letter that says how to convert.
fn read(text: &str) -> Result<(Field, char, &str), Trouble> {
    let mut field = Field::default();
    let digits = |text: &str| -> String { text.chars().take_while(char::is_ascii_digit).collect() };
    let mut rest = text;
    let place = digits(rest);
    if let Some(after) = rest.strip_prefix(place.as_str()).and_then(|rest| rest.strip_prefix('$')) {
        field.place = place.parse().ok();
        rest = after;
    }
    let flags: String = rest.chars().take_while(|flag| "-#+ 0,(".contains(*flag)).collect();
    rest = rest.strip_prefix(flags.as_str()).unwrap_or(rest);
    field.flags = flags;
    let width = digits(rest);
    rest = rest.strip_prefix(width.as_str()).unwrap_or(rest);
    field.width = if width.is_empty() { 0 } else { bounded(&width)? };
    if let Some(after) = rest.strip_prefix('.') {
        let precision = digits(after);
        rest = after.strip_prefix(precision.as_str()).unwrap_or(after);
        field.precision = Some(bounded(&precision)?);
    }
    let mut letters = rest.chars();
    let conversion = letters.next().ok_or_else(|| Trouble::from("the format ends after `%`"))?;
    Ok((field, conversion, letters.as_str()))
}

fn bounded(digits: &str) -> Result<usize, Trouble> {
    let number = digits.parse().ok().filter(|number| *number <= WIDTH_MAX);
    number
        .ok_or_else(|| Trouble::from("a width or precision of the format is missing or too large"))
}

fn converted(
    field: &Field,
    conversion: char,
    arguments: &Arguments<'_, '_>,
) -> Result<String, Trouble> {
    let value = arguments.value(0)?;
    let text = match (conversion.to_ascii_lowercase(), value) {
        ('s', _) => cut(field, arguments.printed(0)?),
        ('b', Value::Null) => cut(field, "false".to_owned()),
        ('b', Value::Bool(truth)) => cut(field, truth.to_string()),
        ('b', _) => cut(field, "true".to_owned()),
        ('d' | 'x' | 'o' | 'f' | 'e', Value::Null) => "null".to_owned(),
        ('c', _) => arguments.text(0)?,
        ('d', Value::Number(number)) if number.is_whole() => {
            let sign = number.to_long() < 0;
            let digits = number.to_long().unsigned_abs().to_string();
            return Ok(signed(field, sign, &grouped(field, &digits)));
        }
        ('x', Value::Number(Number::Int(number))) => {
            return Ok(signed(field, false, &cased(conversion, format!("{number:x}"))));
        }
        ('x', Value::Number(Number::Long(number))) => {
            return Ok(signed(field, false, &cased(conversion, format!("{number:x}"))));
        }
        ('o', Value::Number(Number::Int(number))) => {
            return Ok(signed(field, false, &format!("{number:o}")));
        }
        ('f', Value::Number(number)) if !number.is_whole() => {
            let precision = field.precision.unwrap_or(6);
            let real = number.to_double();
            let text = format!("{:.precision$}", real.abs());
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let point = if fraction.is_empty() { "" } else { "." };
            let text = format!("{}{point}{fraction}", grouped(field, whole));
            return Ok(signed(field, real.is_sign_negative(), &text));
        }
        ('d' | 'x' | 'o' | 'f', other) => {
            let noun = other.noun();
            return Err(Trouble::Wrong(format!("`%{conversion}` does not fit {noun}")));
        }
        _ => return Err(Trouble::Wrong(format!("`%{conversion}` is not known here"))),
    };
    Ok(field.padded(&cased(conversion, text)))
}

fn cased(conversion: char, text: String) -> String {
    if conversion.is_ascii_uppercase() { text.to_uppercase() } else { text }
}

fn cut(field: &Field, text: String) -> String {
    match field.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    }
}

/// Digits in groups of three, when asked for.
fn grouped(field: &Field, digits: &str) -> String {
    if !field.flag(',') {
        return digits.to_owned();
    }
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn signed(field: &Field, negative: bool, digits: &str) -> String {
    let sign = match negative {
        true => "-",
        false if field.flag('+') => "+",
        false if field.flag(' ') => " ",
        false => "",
    };
    if field.flag('0') {
        let width = field.width.saturating_sub(sign.len());
        return format!("{sign}{digits:0>width$}");
    }
    field.padded(&format!("{sign}{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_formatted_as_java_formats_them() {
        let values = [Value::text("abc"), Value::int(-7), Value::double(2.345), Value::Bool(true)];
        for (pattern, text) in [
            ("%s|%5s|%-6s|%.2s", "abc|   -7|2.345 |tr"),
            ("%S %03d", "ABC -07"),
            ("%2$d %2$+d %1$10s", "-7 -7        abc"),
            ("%3$.1f %3$08.1f%% %4$b", "2.3 000002.3% true"),
            ("plain", "plain"),
        ] {
            assert_eq!(format(pattern, &values, &Limits::STANDARD).unwrap(), text);
        }
        assert!(format("%s %s %s %s %s", &values, &Limits::STANDARD).is_err());
        let one = |pattern: &str, value: Value<'_>| format(pattern, &[value], &Limits::STANDARD);
        assert_eq!(one("%,d", Value::long(1_234_567)).unwrap(), "1,234,567");
        assert_eq!(one("%x", Value::int(255)).unwrap(), "ff");
        assert_eq!(one("%X", Value::int(255)).unwrap(), "FF");
        assert!(one("%d", Value::text("x")).is_err());
        assert!(one("%2000d", Value::int(1)).is_err());
        assert!(one("%", Value::int(1)).is_err());
    }
}
