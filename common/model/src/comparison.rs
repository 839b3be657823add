//! Comparisons that people write.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A comparison of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Comparison {
    /// The same.
    #[serde(rename = "==")]
    Equal,
    /// Fewer.
    #[serde(rename = "<")]
    Less,
    /// More.
    #[serde(rename = ">")]
    Greater,
    /// As many or fewer.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// As many or more.
    #[serde(rename = ">=")]
    GreaterOrEqual,
}

impl Comparison {
    /// Every comparison.
    pub const ALL: [Self; 5] =
        [Self::Equal, Self::Less, Self::Greater, Self::LessOrEqual, Self::GreaterOrEqual];

    /// The sign.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The comparison of this sign.
    pub fn of(sign: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == sign)
    }

    /// Whether it holds for `left` and `right`.
    pub const fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::Greater => left > right,
            Self::LessOrEqual => left <= right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
