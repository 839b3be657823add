//! Regular expressions that people write for whole texts.

use regex::{Regex, RegexBuilder};

use crate::limits;

/// Largest compiled pattern.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// A regular expression that a whole text must fit. Bounded in size, and its time is linear in the text.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// Why it is none, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > limits::PATTERN_BYTES_MAX {
            let (many, max) = (text.len(), limits::PATTERN_BYTES_MAX);
            return Err(format!("it has {many} bytes, {max} are allowed"));
        }
        let built =
            RegexBuilder::new(&format!("^(?:{text})$")).size_limit(COMPILED_BYTES_MAX).build();
        built.map(Self).map_err(|error| error.to_string())
    }

    /// Whether the whole text fits.
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_must_fit() {
        let pattern = Pattern::new("shop-.*|cart").unwrap();
        for (text, fits) in [("shop-web", true), ("cart", true), ("my-shop-web", false)] {
            assert_eq!(pattern.fits(text), fits, "{text}");
        }
        assert!(Pattern::new("shop-(").is_err());
        assert!(Pattern::new(&"a".repeat(limits::PATTERN_BYTES_MAX + 1)).is_err());
    }
}
