//! What operators make of two values. Source: Spring Expression, measured.

use std::cmp::Ordering;

use crate::{
    fault::Trouble,
    limits::Limits,
    number::Number,
    render::{java_text, joined_text},
    syntax::Arithmetic,
    value::{Map, Value},
};

/// A condition: a boolean, or a text that is a word for one.
pub(crate) fn truth(value: &Value<'_>) -> Result<bool, String> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Text(text) => match text.trim().to_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err("the text is neither true nor false".to_owned()),
        },
        Value::Verbatim(inner) => truth(inner),
        Value::Null
        | Value::Number(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Object(_)
        | Value::Instance(_)
        | Value::Class(_) => {
            Err(format!("{} is neither true nor false; compare it with something", value.noun()))
        }
    }
}

/// `==`: numbers by value, everything else only with its own kind; nothing is converted.
pub(crate) fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.order(*right) == Some(Ordering::Equal),
        _ => same(left, right),
    }
}

/// Java's `equals`: numbers of different widths differ.
pub(crate) fn same(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Verbatim(left), right) => same(left, right),
        (left, Value::Verbatim(right)) => same(left, right),
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Text(left), Value::Text(right)) => **left == **right,
        (Value::Number(left), Value::Number(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|(left, right)| same(&left, &right))
        }
        (Value::Map(left), Value::Map(right)) => same_maps(left, right),
        (Value::Object(left), Value::Object(right)) => {
            left.kind == right.kind && left.fields == right.fields
        }
        (Value::Instance(left), Value::Instance(right)) => left == right,
        (Value::Class(left), Value::Class(right)) => left == right,
        _ => false,
    }
}

fn same_maps(left: &Map<'_>, right: &Map<'_>) -> bool {
    left.len() == right.len()
        && left
            .entries()
            .iter()
            .all(|(key, value)| right.own(key).is_some_and(|other| same(value, &other)))
}

/// The order of two values; null comes before everything.
pub(crate) fn order(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, String> {
    match (left, right) {
        (Value::Verbatim(left), right) => order(left, right),
        (left, Value::Verbatim(right)) => order(left, right),
        (Value::Number(left), Value::Number(right)) => Ok(left.order(*right)),
        (Value::Text(left), Value::Text(right)) => {
            Ok(Some(left.encode_utf16().cmp(right.encode_utf16())))
        }
        (Value::Bool(left), Value::Bool(right)) => Ok(Some(left.cmp(right))),
        (Value::Null, Value::Null) => Ok(Some(Ordering::Equal)),
        (Value::Null, _) => Ok(Some(Ordering::Less)),
        (_, Value::Null) => Ok(Some(Ordering::Greater)),
        _ => Err(format!(
            "{} cannot be compared with {}; #toInt makes a number of text",
            left.noun(),
            right.noun()
        )),
    }
}

/// `+ - * / %`.
pub(crate) fn calculate<'s>(
    left: &Value<'s>,
    operator: Arithmetic,
    right: &Value<'s>,
    limits: &Limits,
) -> Result<Value<'s>, Trouble> {
    match (operator, left, right) {
        (_, Value::Number(left), Value::Number(right)) => left
            .calculate(operator, *right)
            .map(Value::Number)
            .map_err(|_| Trouble::from("division by zero")),
        (Arithmetic::Add, Value::Text(_), _) | (Arithmetic::Add, _, Value::Text(_)) => {
            let mut text = part(left, limits)?;
            text.push_str(&part(right, limits)?);
            bounded(text, limits)
        }
        (Arithmetic::Multiply, Value::Text(text), Value::Number(Number::Int(times))) => {
            let times = usize::try_from(*times).unwrap_or_default();
            if text.len().saturating_mul(times) > limits.output_bytes_max {
                return Err(too_large(limits));
            }
            Ok(Value::text(text.repeat(times)))
        }
        // A curiosity of Spring: the letter so many places before.
        (Arithmetic::Subtract, Value::Text(text), Value::Number(Number::Int(places))) => {
            let mut letters = text.chars();
            let moved = match (letters.next(), letters.next()) {
                (Some(letter), None) => {
                    let code = i64::from(u32::from(letter)) - i64::from(*places);
                    u32::try_from(code).ok().and_then(char::from_u32)
                }
                _ => None,
            };
            let moved = moved.ok_or_else(|| unfit(left, operator, right))?;
            Ok(Value::text(moved.to_string()))
        }
        _ => Err(unfit(left, operator, right)),
    }
}

/// What a value is when text is added to it.
fn part(value: &Value<'_>, limits: &Limits) -> Result<String, Trouble> {
    let text = match value {
        Value::List(_) => joined_text(value, limits),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::Map(_)
        | Value::Object(_)
        | Value::Instance(_)
        | Value::Class(_)
        | Value::Verbatim(_) => java_text(value, limits),
    };
    text.map_err(|refusal| refusal.explained(limits))
}

/// Text that may be kept.
pub(crate) fn bounded<'s>(text: String, limits: &Limits) -> Result<Value<'s>, Trouble> {
    if text.len() > limits.output_bytes_max {
        return Err(too_large(limits));
    }
    Ok(Value::text(text))
}

fn too_large(limits: &Limits) -> Trouble {
    crate::render::Refusal::TooLarge.explained(limits)
}

fn unfit(left: &Value<'_>, operator: Arithmetic, right: &Value<'_>) -> Trouble {
    let text = matches!(left, Value::Text(_)) || matches!(right, Value::Text(_));
    let hint = if text { "; #toInt makes a number of text" } else { "" };
    Trouble::Wrong(format!(
        "`{}` does not work on {} and {}{hint}",
        operator.symbol(),
        left.noun(),
        right.noun()
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::Nature;

    #[test]
    fn words_for_true_and_false_are_conditions_and_nothing_else_is() {
        for (word, meant) in
            [("TRUE", true), ("on", true), ("Yes", true), ("1", true), ("off", false)]
        {
            assert_eq!(truth(&Value::text(word)), Ok(meant), "{word}");
        }
        for value in [Value::Null, Value::text(""), Value::text("abc"), Value::int(1)] {
            assert!(truth(&value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn numbers_are_equal_by_value_and_texts_are_never_numbers() {
        assert!(equal(&Value::int(10), &Value::double(10.0)));
        assert!(!equal(&Value::int(10), &Value::text("10")));
        assert!(!equal(&Value::Null, &Value::text("")));
        assert!(!same(&Value::int(1), &Value::long(1)));
        let (left, right) = (json!({"a": [1, "x"], "b": null}), json!({"b": null, "a": [1, "x"]}));
        assert!(equal(&Value::view(&left, Nature::Data), &Value::view(&right, Nature::Data)));
    }

    #[test]
    fn text_grows_only_as_far_as_it_may() {
        let limits = Limits { output_bytes_max: 10, ..Limits::STANDARD };
        let text = Value::text("abcd");
        let times = |times| calculate(&text, Arithmetic::Multiply, &Value::int(times), &limits);
        assert!(times(2).is_ok());
        assert!(matches!(times(3), Err(Trouble::TooMuch(_))));
        assert!(matches!(times(i32::MAX), Err(Trouble::TooMuch(_))));
        assert!(times(-1).is_ok());
        let sum = calculate(&text, Arithmetic::Add, &Value::text("1234567"), &limits);
        assert!(matches!(sum, Err(Trouble::TooMuch(_))));
    }
}
