//! `java.util.Random`: the same numbers for the same seed.

use crate::{
    arguments::Arguments,
    fault::Trouble,
    number::{low_bits, widen},
    value::Value,
    world::World,
};

/// Java's generator. Source: the documentation of `java.util.Random`.
struct Generator(i64);

impl Generator {
    const fn new(seed: i64) -> Self {
        Self((seed ^ 0x5_DEEC_E66D) & ((1 << 48) - 1))
    }

    const fn next(&mut self, bits: u32) -> i32 {
        self.0 = self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & ((1 << 48) - 1);
        low_bits(self.0 >> (48 - bits))
    }

    fn below(&mut self, bound: i32) -> i32 {
        if bound & (bound - 1) == 0 {
            return low_bits((i64::from(bound) * i64::from(self.next(31))) >> 31);
        }
        loop {
            let bits = self.next(31);
            let value = bits % bound;
            // Values of the last, incomplete range would come more often than others.
            if bits.wrapping_sub(value).wrapping_add(bound - 1) >= 0 {
                return value;
            }
        }
    }

    fn long(&mut self) -> i64 {
        let high = i64::from(self.next(32)) << 32;
        high.wrapping_add(i64::from(self.next(32)))
    }

    fn real(&mut self) -> f64 {
        let bits = (i64::from(self.next(26)) << 27) + i64::from(self.next(27));
        widen(bits) / widen(1 << 53)
    }
}

pub(super) fn call<'s>(
    seed: Option<i64>,
    name: &str,
    arguments: &Arguments<'_, 's>,
    world: &World<'_>,
) -> Result<Option<Value<'s>>, Trouble> {
    let count = arguments.values.len();
    let known = matches!(
        (name, count),
        ("nextInt", 0..=2) | ("nextLong" | "nextDouble" | "nextBoolean", 0)
    );
    if !known {
        return Ok(None);
    }
    let seed = match seed {
        Some(seed) => seed,
        None => i64::from_ne_bytes(world.draw()?.to_ne_bytes()),
    };
    let mut generator = Generator::new(seed);
    let bound = |bound: i32| {
        if bound > 0 { Ok(bound) } else { Err(Trouble::from("the bound must be positive")) }
    };
    Ok(Some(match (name, count) {
        ("nextInt", 0) => Value::int(generator.next(32)),
        ("nextInt", 1) => Value::int(generator.below(bound(arguments.int(0)?)?)),
        ("nextInt", _) => {
            let from = arguments.int(0)?;
            let range = arguments.int(1)?.checked_sub(from).unwrap_or(i32::MAX);
            Value::int(from + generator.below(bound(range)?))
        }
        ("nextLong", _) => Value::long(generator.long()),
        ("nextDouble", _) => Value::double(generator.real()),
        _ => Value::Bool(generator.next(1) != 0),
    }))
}

/// A real number from 0 up to 1.
pub(crate) fn unit(world: &World<'_>) -> Result<f64, Trouble> {
    let seed = i64::from_ne_bytes(world.draw()?.to_ne_bytes());
    Ok(Generator::new(seed).real())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_what_java_gives() {
        // The first numbers of `new Random(42)`.
        let mut generator = Generator::new(42);
        assert_eq!(generator.next(32), -1_170_105_035);
        assert_eq!(generator.next(32), 234_785_527);
        let mut generator = Generator::new(42);
        assert_eq!([generator.below(10), generator.below(10)], [0, 3]);
    }
}
