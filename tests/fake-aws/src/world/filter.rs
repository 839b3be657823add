//! Filters and pages of describing calls.

use std::collections::BTreeMap;

use super::error::ApiError;
use crate::rules::Rule;

/// `Filter.N`: any of the values fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `state`, `tag:Name`, …
    pub name: String,
    /// Patterns with `*` and `?`.
    pub values: Vec<String>,
}

impl Filter {
    /// One name, one value.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), values: vec![value.to_owned()] }
    }
}

/// A thing that can be filtered.
pub trait Filtered {
    /// The filters there are for its kind, beside those on tags.
    const FILTERS: &'static [&'static str];

    /// Its tags.
    fn tags(&self) -> &BTreeMap<String, String>;
    /// The values that a filter of this name looks at; none if there is no such filter.
    fn values(&self, filter: &str) -> Vec<String>;
}

/// The things that fit all filters, in the order given.
///
/// # Errors
///
/// A filter this kind of thing does not have, whatever there is.
pub fn select<'a, T: Filtered + Clone + 'a>(
    things: impl Iterator<Item = &'a T>,
    filters: &[Filter],
) -> Result<Vec<T>, ApiError> {
    let known =
        |name: &str| name == "tag-key" || name.starts_with("tag:") || T::FILTERS.contains(&name);
    if let Some(unknown) = filters.iter().find(|filter| !known(&filter.name)) {
        let text = format!("The filter '{}' is invalid", unknown.name);
        return Err(ApiError::new(Rule::FilterUnknown, text));
    }
    Ok(things.filter(|thing| filters.iter().all(|filter| fits(*thing, filter))).cloned().collect())
}

fn fits(thing: &impl Filtered, filter: &Filter) -> bool {
    let held = match filter.name.strip_prefix("tag:") {
        Some(key) => thing.tags().get(key).cloned().into_iter().collect(),
        None if filter.name == "tag-key" => thing.tags().keys().cloned().collect(),
        None => thing.values(&filter.name),
    };
    held.iter().any(|value| filter.values.iter().any(|pattern| matches_pattern(pattern, value)))
}

/// `*` is any text, `?` any one character.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || text.get(t) == Some(&c) => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                // The last star takes one character more.
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                p = star_at + 1;
                t = taken + 1;
            }
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&c| c == '*'))
}

/// Which part of a long answer is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many; `None` is the service's default.
    pub size: Option<usize>,
    /// What the last page said.
    pub token: Option<String>,
}

/// A part of a long answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The things.
    pub items: Vec<T>,
    /// What to ask the next page with, if there is one.
    pub next: Option<String>,
}

/// Cuts a page out of everything.
///
/// # Errors
///
/// A token that no page said.
pub fn page<T>(all: Vec<T>, request: &PageRequest, default: usize) -> Result<Page<T>, ApiError> {
    let start = match &request.token {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|text| text.parse::<usize>().ok())
            .filter(|start| *start <= all.len())
            .ok_or_else(|| {
                ApiError::new(Rule::PageToken, format!("The token '{token}' is invalid"))
            })?,
    };
    let size = request.size.unwrap_or(default).max(1);
    let end = start.saturating_add(size);
    let next = (end < all.len()).then(|| format!("page-{end}"));
    Ok(Page { items: all.into_iter().skip(start).take(size).collect(), next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_know_stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("shop-*", "shop-web-1", true),
            ("shop-*", "cart-web", false),
            ("*web?1", "shop-web-1", true),
            ("*a*b", "xaxxab", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn pages_follow_each_other_and_end() {
        let ask = |token| PageRequest { size: Some(2), token };
        let first = page(vec![1, 2, 3], &ask(None), 50).unwrap();
        assert_eq!(first.items, [1, 2]);
        let second = page(vec![1, 2, 3], &ask(first.next), 50).unwrap();
        assert_eq!((second.items, second.next), (vec![3], None));
        assert!(page(vec![1], &ask(Some("page-9".to_owned())), 50).is_err());
        assert!(page(vec![1], &ask(Some("nonsense".to_owned())), 50).is_err());
    }
}
