//! Debian versions and their order.
//!
//! Source: deb-version(7), and the behaviour of dpkg 1.21 where the two differ.

use std::{cmp::Ordering, fmt, str::FromStr};

/// A Debian version: `[epoch:]upstream[-revision]`.
///
/// Equality is dpkg's: `1.0` equals `1.0-0` and `0:1.0`. The text is kept as it was written.
#[derive(Clone, Debug)]
pub struct DebVersion {
    epoch: u32,
    upstream: String,
    revision: Option<String>,
    text: String,
}

/// Text that is no Debian version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a Debian version: {why}")]
pub struct VersionError {
    text: String,
    why: &'static str,
}

impl DebVersion {
    /// Beats everything else; 0 when not written.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The version of the software.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The version of the packaging, behind the last hyphen.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for DebVersion {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        const VERSION_MAX: usize = 256;
        let wrong = |why| VersionError { text: text.to_owned(), why };
        if text.len() > VERSION_MAX {
            return Err(wrong("it is too long"));
        }
        let (epoch, rest) = match text.split_once(':') {
            None => (0, text),
            Some((epoch, rest)) => {
                let digits = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
                let number = epoch.parse::<u32>().ok().filter(|_| digits);
                (number.ok_or_else(|| wrong("the part before `:` is not a number"))?, rest)
            }
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            None => (rest, None),
            Some((_, "")) => return Err(wrong("nothing follows the last hyphen")),
            Some((upstream, revision)) => (upstream, Some(revision)),
        };
        if upstream.is_empty() {
            return Err(wrong("it is empty"));
        }
        if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(wrong("it does not begin with a digit"));
        }
        let colon = |c: char| c == ':' && text != rest;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~');
        if !upstream.chars().all(|c| plain(c) || c == '-' || colon(c))
            || !revision.unwrap_or_default().chars().all(plain)
        {
            return Err(wrong("letters, digits, `.`, `+`, `~` and `-` are allowed"));
        }
        Ok(Self {
            epoch,
            upstream: upstream.to_owned(),
            revision: revision.map(str::to_owned),
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for DebVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for DebVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let revision = |version: &Self| version.revision.clone().unwrap_or_default();
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(&self.upstream, &other.upstream))
            .then_with(|| compare(&revision(self), &revision(other)))
    }
}

impl PartialOrd for DebVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DebVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DebVersion {}

/// Takes non-digits and digits in turn. Non-digits compare by [`weight`], digits as numbers.
fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let (left_word, left_rest) = split(left, |byte| !byte.is_ascii_digit());
        let (right_word, right_rest) = split(right, |byte| !byte.is_ascii_digit());
        let (left_number, left_rest) = split(left_rest, u8::is_ascii_digit);
        let (right_number, right_rest) = split(right_rest, u8::is_ascii_digit);
        let order = compare_words(left_word, right_word)
            .then_with(|| compare_numbers(left_number, right_number));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn split(bytes: &[u8], mine: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !mine(byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

fn compare_words(left: &[u8], right: &[u8]) -> Ordering {
    let length = left.len().max(right.len());
    let weights = |word: &[u8], index: usize| weight(word.get(index).copied());
    (0..length)
        .map(|index| weights(left, index).cmp(&weights(right, index)))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

/// `~` before the end, the end before letters, letters before the rest.
fn weight(byte: Option<u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(byte) if byte.is_ascii_alphabetic() => 2 + u16::from(byte),
        Some(byte) => 512 + u16::from(byte),
    }
}

/// Numbers of any length: the longer is larger once leading zeros are gone.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split(left, |byte| *byte == b'0');
    let (_, right) = split(right, |byte| *byte == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> DebVersion {
        text.parse().unwrap()
    }

    #[test]
    fn order_is_that_of_dpkg() {
        use Ordering::{Equal, Greater, Less};
        for (left, order, right) in [
            ("1.0~rc1", Less, "1.0"),
            ("2.0~~", Less, "2.0~"),
            ("1.0", Less, "1.0a"),
            ("1.0a", Less, "1.0.1"),
            ("1.0", Less, "1.0+b1"),
            ("1.0", Equal, "1.0-0"),
            ("1.27-h343", Less, "1.27-h1000"),
            ("1.0-h9.abc", Less, "1.0-h10.0aa"),
            ("1.0-h12.070cdbd", Less, "1.0-h12.170cdbd"),
            ("1:0.1", Greater, "9.9"),
            ("1.9", Less, "1.10"),
            ("0:1.0", Equal, "1.0"),
            ("1.0-1", Less, "1.0-2"),
            ("1.0-1-1", Greater, "1.0-1"),
            ("1.001", Equal, "1.1"),
            ("1.0-00", Equal, "1.0"),
            ("1.0~~a", Less, "1.0~"),
            ("1.0-1~bpo1", Less, "1.0-1"),
            ("99999999999999999999998", Less, "99999999999999999999999"),
            ("1.0.0-h2", Greater, "1.0-h3"),
        ] {
            assert_eq!(version(left).cmp(&version(right)), order, "{left} {right}");
            assert_eq!(version(right).cmp(&version(left)), order.reverse(), "{right} {left}");
        }
    }

    #[test]
    fn the_revision_stands_behind_the_last_hyphen() {
        for (text, epoch, upstream, revision) in [
            ("1.0.0-rc1-2", 0, "1.0.0-rc1", Some("2")),
            ("2:1.0", 2, "1.0", None),
            ("1:2.0~rc1+dfsg-3ubuntu1.1", 1, "2.0~rc1+dfsg", Some("3ubuntu1.1")),
            ("1.27-h343", 0, "1.27", Some("h343")),
            ("1:2:3-4", 1, "2:3", Some("4")),
        ] {
            let version = version(text);
            assert_eq!(
                (version.epoch(), version.upstream(), version.revision(), version.as_str()),
                (epoch, upstream, revision, text)
            );
        }
    }

    #[test]
    fn what_dpkg_refuses_is_refused() {
        for text in
            ["", "1.0-", "a1", "-1", ":1", "x:1", "1:", "1.0_1", "1 0", "1/0", "1.0;rm", "1.0-é"]
        {
            assert!(text.parse::<DebVersion>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_is_total(
            a in "[0-9][0-9a-b.~+]{0,6}(-[0-9a~]{1,3})?",
            b in "[0-9][0-9a-b.~+]{0,6}(-[0-9a~]{1,3})?",
            c in "[0-9][0-9a-b.~+]{0,6}(-[0-9a~]{1,3})?",
        ) {
            let (a, b, c) = (version(&a), version(&b), version(&c));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }
    }
}
