//! `new X(…)`.

use crate::{
    arguments::{Arguments, read_number},
    fault::Trouble,
    instance::Instance,
    java::Class,
    number::Number,
    value::Value,
    world::World,
};

/// Makes an object.
pub(crate) fn make<'s>(
    class: Class,
    arguments: &Arguments<'_, 's>,
    world: &World<'_>,
) -> Result<Value<'s>, Trouble> {
    let of = |instance: Instance| Ok(Value::Instance(instance.into()));
    match (class, arguments.values.len()) {
        (Class::Text, 0) => Ok(Value::text("")),
        (Class::Text, 1) => arguments.text(0).map(Value::text),
        (Class::Integer, 1) => whole(arguments).and_then(|number| {
            let number = i32::try_from(number);
            number
                .map(Value::int)
                .map_err(|_| Trouble::from("the number does not fit into 32 bits"))
        }),
        (Class::Byte, 1) => whole(arguments).and_then(|number| {
            let number = i8::try_from(number).map(i32::from);
            number.map(Value::int).map_err(|_| Trouble::from("the number does not fit into 8 bits"))
        }),
        (Class::Long, 1) => whole(arguments).map(Value::long),
        (Class::Double, 1) => real(arguments).map(Value::double),
        (Class::Boolean, 1) => Ok(Value::Bool(arguments.text(0)?.eq_ignore_ascii_case("true"))),
        (Class::Date, 0) => of(Instance::Date(now(world)?)),
        (Class::Date, 1) => of(Instance::Date(arguments.long(0)?)),
        (Class::Random, 0) => of(Instance::Random(None)),
        (Class::Random, 1) => of(Instance::Random(Some(arguments.long(0)?))),
        (Class::SimpleDateFormat, 1) => of(Instance::Format(arguments.text(0)?)),
        (Class::Uuid, 2) => {
            let half =
                |place| arguments.long(place).map(|half| u64::from_ne_bytes(half.to_ne_bytes()));
            of(Instance::Uuid(u128::from(half(0)?) << 64 | u128::from(half(1)?)))
        }
        _ => Err(Trouble::Wrong(format!(
            "`new {}` with {} arguments does not exist",
            class.name(),
            arguments.values.len()
        ))),
    }
}

/// Now, or that nobody said what time it is.
pub(super) fn now(world: &World<'_>) -> Result<i64, Trouble> {
    world.facts.now_ms.ok_or_else(|| Trouble::from("the time is not given here"))
}

/// A whole number, from a number or text that is one.
pub(super) fn whole(arguments: &Arguments<'_, '_>) -> Result<i64, Trouble> {
    if let Some(number) = arguments.value(0)?.as_number() {
        return Ok(number.to_long());
    }
    let text = arguments.text(0)?;
    let digits = text.strip_prefix('+').unwrap_or(&text);
    digits.parse().map_err(|_| Trouble::from("the text is not a whole number"))
}

/// A real number, from a number or text that is one.
pub(super) fn real(arguments: &Arguments<'_, '_>) -> Result<f64, Trouble> {
    let number = match arguments.value(0)?.as_number() {
        Some(number) => Some(number),
        None => read_number(&arguments.text(0)?),
    };
    number.map(Number::to_double).ok_or_else(|| Trouble::from("the text is not a number"))
}
