//! The arguments of a method or function, converted as Spring converts them for Java.

use crate::{
    fault::Trouble,
    instance::Instance,
    limits::Limits,
    number::Number,
    render::{self, java_text},
    value::{List, Value},
};

/// Arguments, and what may be spent on them.
pub(crate) struct Arguments<'a, 's> {
    pub(crate) values: &'a [Value<'s>],
    pub(crate) limits: &'a Limits,
}

impl<'s> Arguments<'_, 's> {
    pub(crate) fn value(&self, place: usize) -> Result<&Value<'s>, Trouble> {
        match self.values.get(place) {
            Some(Value::Verbatim(inner)) => Ok(inner),
            Some(value) => Ok(value),
            None => Err(Trouble::Wrong(format!("argument {} is missing", place + 1))),
        }
    }

    /// Text; numbers, booleans and lists are converted.
    pub(crate) fn text(&self, place: usize) -> Result<String, Trouble> {
        let value = self.value(place)?;
        if value.is_null() {
            return Err(Trouble::Wrong(format!("argument {} is null", place + 1)));
        }
        render::joined_text(value, self.limits).map_err(|refusal| refusal.explained(self.limits))
    }

    pub(crate) fn number(&self, place: usize) -> Result<Number, Trouble> {
        let value = self.value(place)?;
        let read = value.as_number().or_else(|| read_number(value.as_text()?));
        read.ok_or_else(|| {
            Trouble::Wrong(format!("argument {} must be a number, not {}", place + 1, value.noun()))
        })
    }

    pub(crate) fn int(&self, place: usize) -> Result<i32, Trouble> {
        let number = self.number(place)?.to_long();
        i32::try_from(number).map_err(|_| {
            Trouble::Wrong(format!("argument {}, {number}, does not fit into 32 bits", place + 1))
        })
    }

    pub(crate) fn long(&self, place: usize) -> Result<i64, Trouble> {
        self.number(place).map(Number::to_long)
    }

    pub(crate) fn double(&self, place: usize) -> Result<f64, Trouble> {
        self.number(place).map(Number::to_double)
    }

    pub(crate) fn bool(&self, place: usize) -> Result<bool, Trouble> {
        crate::operators::truth(self.value(place)?).map_err(Trouble::Wrong)
    }

    pub(crate) fn list(&self, place: usize) -> Result<List<'s>, Trouble> {
        let value = self.value(place)?;
        value.as_list().cloned().ok_or_else(|| {
            Trouble::Wrong(format!("argument {} must be a list, not {}", place + 1, value.noun()))
        })
    }

    /// Something `new` or a static method made, if it is what is wanted.
    pub(crate) fn made<T>(
        &self,
        place: usize,
        wanted: &str,
        pick: impl FnOnce(&Instance) -> Option<T>,
    ) -> Result<T, Trouble> {
        let value = self.value(place)?;
        value.as_instance().and_then(pick).ok_or_else(|| {
            let noun = value.noun();
            Trouble::Wrong(format!("argument {} must be {wanted}, not {noun}", place + 1))
        })
    }

    /// `toString()` of an argument.
    pub(crate) fn printed(&self, place: usize) -> Result<String, Trouble> {
        let value = self.value(place)?;
        java_text(value, self.limits).map_err(|refusal| refusal.explained(self.limits))
    }
}

/// A number written as text, whole or real.
pub(crate) fn read_number(text: &str) -> Option<Number> {
    let text = text.trim();
    let plain =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'));
    if !plain {
        return None;
    }
    let whole = text.parse().ok().map(Number::whole);
    whole.or_else(|| text.parse().ok().map(Number::Double))
}
