//! EC2 tags of things that exist.

use std::collections::BTreeMap;

use super::{
    Caller, Region, World,
    error::{ApiError, CallError},
    ledger::Effect,
};
use crate::rules::Rule;

/// Checks tags as AWS does.
pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    for (key, value) in tags {
        let problem = if key.is_empty() || key.chars().count() > 128 {
            "Tag keys have 1 to 128 characters"
        } else if value.chars().count() > 256 {
            "Tag values have at most 256 characters"
        } else if key.starts_with("aws:") {
            "Tag keys starting with 'aws:' are reserved for internal use"
        } else {
            continue;
        };
        return Err(ApiError::new(Rule::TagReserved, format!("{problem}: '{key}'")));
    }
    Ok(())
}

impl Region {
    fn tags_of(&mut self, id: &str) -> Option<&mut BTreeMap<String, String>> {
        if let Some(image) = self.images.get_mut(id) {
            return Some(&mut image.tags);
        }
        if let Some(instance) = self.instances.get_mut(id) {
            return Some(&mut instance.tags);
        }
        self.templates.get_mut(id).map(|template| &mut template.tags)
    }
}

impl World {
    /// EC2 `CreateTags`.
    ///
    /// # Errors
    ///
    /// A tag AWS does not take, or something that does not exist; then nothing is tagged.
    pub fn create_tags(
        &mut self,
        caller: &Caller,
        ids: &[String],
        tags: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let summary = format!("{} {tags:?}", ids.join(","));
        self.write(caller, "CreateTags", summary, |world, site| {
            check(tags)?;
            let region = world.region_mut(site)?;
            for id in ids {
                if region.tags_of(id).is_none() {
                    let text = format!("The ID '{id}' is not valid");
                    return Err(ApiError::new(Rule::TagResourceUnknown, text));
                }
            }
            let mut effect = Effect::NoEffect;
            for id in ids {
                let Some(held) = region.tags_of(id) else { continue };
                for (key, value) in tags {
                    if held.insert(key.clone(), value.clone()).as_ref() != Some(value) {
                        effect = Effect::Changed;
                    }
                }
            }
            Ok(((), effect))
        })
    }
}
