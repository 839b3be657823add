//! The parameters of a Query call. Each one must be understood: what nobody asked for when an
//! action looked at its form is refused, so that a misspelt parameter is never passed over.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    rules::Rule,
    world::{
        error::ApiError,
        filter::{Filter, PageRequest},
    },
};

/// The parameters of a call.
#[derive(Debug)]
pub(super) struct Form {
    fields: BTreeMap<String, String>,
    seen: RefCell<BTreeSet<String>>,
}

impl Form {
    pub(super) fn parse(body: &str) -> Self {
        let fields = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        Self { fields, seen: RefCell::default() }
    }

    /// A parameter.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.fields.get(name)?;
        self.seen.borrow_mut().insert(name.to_owned());
        Some(value.clone())
    }

    /// A parameter that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, ApiError> {
        self.text(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            let text = format!("The request must contain the parameter {name}");
            ApiError::new(Rule::ParameterMissing, text)
        })
    }

    /// A number, if it is there.
    pub(super) fn number(&self, name: &str) -> Result<Option<u32>, ApiError> {
        self.text(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    let text = format!("Value ({value}) for parameter {name} is invalid");
                    ApiError::new(Rule::ParameterInvalid, text)
                })
            })
            .transpose()
    }

    /// `prefix1`, `prefix2`, …: whatever the numbers are, in their order.
    pub(super) fn list(&self, prefix: &str) -> Vec<String> {
        self.numbers(prefix).iter().filter_map(|n| self.text(&format!("{prefix}{n}"))).collect()
    }

    /// The numbers right after a prefix: 1, 2 for `Tag.1.Key`, `Tag.2.Key` and the prefix `Tag.`.
    pub(super) fn numbers(&self, prefix: &str) -> BTreeSet<u32> {
        let number = |name: &String| {
            let rest = name.strip_prefix(prefix)?;
            rest.split('.').next()?.parse().ok()
        };
        self.fields.keys().filter_map(number).collect()
    }

    /// Parameters with a prefix that are known and change nothing here.
    pub(super) fn accept(&self, prefixes: &[&str]) {
        drop(self.with_prefixes(prefixes));
    }

    /// All parameters with these prefixes.
    pub(super) fn with_prefixes(&self, prefixes: &[&str]) -> BTreeMap<String, String> {
        let fits = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let found: BTreeMap<String, String> = self
            .fields
            .iter()
            .filter(|(name, _)| fits(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        self.seen.borrow_mut().extend(found.keys().cloned());
        found
    }

    /// Refuses what nobody asked for.
    pub(super) fn finish(&self) -> Result<(), ApiError> {
        self.accept(&["Action", "Version"]);
        let seen = self.seen.borrow();
        match self.fields.keys().find(|name| !seen.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let text = format!("The parameter {name} is not recognized");
                Err(ApiError::new(Rule::ParameterUnknown, text))
            }
        }
    }

    /// EC2's `Filter.N.Name` and `Filter.N.Value.M`.
    pub(super) fn filters(&self) -> Result<Vec<Filter>, ApiError> {
        self.numbers("Filter.")
            .iter()
            .map(|n| {
                Ok(Filter {
                    name: self.required(&format!("Filter.{n}.Name"))?,
                    values: self.list(&format!("Filter.{n}.Value.")),
                })
            })
            .collect()
    }

    /// EC2's `TagSpecification.N.ResourceType` and `TagSpecification.N.Tag.M.Key`.
    pub(super) fn tags_of(&self, resource: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let mut tags = BTreeMap::new();
        for n in self.numbers("TagSpecification.") {
            let found = self.tags(&format!("TagSpecification.{n}.Tag."))?;
            if self.required(&format!("TagSpecification.{n}.ResourceType"))? == resource {
                tags.extend(found);
            }
        }
        Ok(tags)
    }

    /// `prefixN.Key` and `prefixN.Value`.
    pub(super) fn tags(&self, prefix: &str) -> Result<BTreeMap<String, String>, ApiError> {
        self.numbers(prefix)
            .iter()
            .map(|n| {
                let key = self.required(&format!("{prefix}{n}.Key"))?;
                Ok((key, self.text(&format!("{prefix}{n}.Value")).unwrap_or_default()))
            })
            .collect()
    }

    /// The page that is asked for, by this API's names of size and token.
    pub(super) fn page(&self, size: &str, token: &str) -> Result<PageRequest, ApiError> {
        let size = self.number(size)?.and_then(|size| usize::try_from(size).ok());
        Ok(PageRequest { size, token: self.text(token) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_filters_and_tags_are_read_by_their_numbers() {
        let form = Form::parse(
            "Action=X&Version=1&InstanceId.1=i-1&InstanceId.2=i-2&Filter.1.Name=tag%3AName\
             &Filter.1.Value.1=a&Filter.1.Value.2=b&TagSpecification.1.ResourceType=image\
             &TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v+w",
        );
        assert_eq!(form.list("InstanceId."), ["i-1", "i-2"]);
        let filter =
            Filter { name: "tag:Name".to_owned(), values: vec!["a".to_owned(), "b".to_owned()] };
        assert_eq!(form.filters(), Ok(vec![filter]));
        let tags = BTreeMap::from([("k".to_owned(), "v w".to_owned())]);
        assert_eq!(form.tags_of("image"), Ok(tags));
        assert_eq!(form.tags_of("snapshot"), Ok(BTreeMap::new()));
        assert_eq!(form.finish(), Ok(()));
    }

    #[test]
    fn a_parameter_nobody_asked_for_is_refused() {
        let form = Form::parse("Action=X&Version=1&ForceDelet=true");
        assert_eq!(form.finish().unwrap_err().code, "UnknownParameter");
    }
}
