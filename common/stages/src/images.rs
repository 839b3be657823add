//! What stage types have in common that bring an image for each of their regions.

use std::collections::BTreeSet;

use model::problem::{FieldProblem, Weight};
use serde_json::{Map, Value};

use crate::{
    add_once,
    context::{Context, EndedPart},
    stage_type::{Surroundings, of},
};

/// Where a stage says that it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    /// The regions of its own field.
    pub(crate) regions: &'a [String],
    /// Only those, not the ones of later deploys.
    pub(crate) only_these: bool,
}

impl Named<'_> {
    /// The stage's regions, and those in which later stages need its image, unless it says not to look.
    pub(crate) fn with_later(self, context: &dyn Context) -> Vec<String> {
        let mut regions = Vec::new();
        add_once(&mut regions, self.regions.iter().cloned());
        if self.only_these || regions.iter().any(|region| region == "global") {
            return regions;
        }
        for later in context.descendants() {
            let Some(entry) = of(later.kind) else { continue };
            let wanted: BTreeSet<String> =
                (entry.image_regions)(later.written).into_iter().collect();
            add_once(&mut regions, wanted);
        }
        regions
    }

    /// A stage must know where: from its own field, or from a stage behind it. `found` holds the problems
    /// of its fields that are known already.
    pub(crate) fn missing(
        self,
        weight: Weight,
        found: &[FieldProblem],
        pipeline: &Surroundings<'_>,
    ) -> Option<FieldProblem> {
        let told = |problem: &FieldProblem| problem.pointer.starts_with("/region");
        let detected = pipeline.image_is_needed_later && !self.only_these;
        if !self.regions.is_empty() || detected || found.iter().any(told) {
            return None;
        }
        let problem = FieldProblem::new(
            weight,
            "missing-field",
            "/regions".to_owned(),
            "`regions` is missing, and no deploy that builds on this stage says a region"
                .to_owned(),
        );
        Some(problem.hint("write \"regions\": [\"us-east-1\"]"))
    }
}

/// An image in a region, under the names that Spinnaker's stages use.
pub(crate) fn image_outputs(region: &str, id: &str, name: &str) -> Map<String, Value> {
    let pairs = [
        ("ami", id),
        ("imageId", id),
        ("amiName", name),
        ("imageName", name),
        ("region", region),
        ("cloudProvider", "aws"),
        ("cloudProviderType", "aws"),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// The images of a stage's parts, where later stages look for them: one entry for each region.
pub(crate) fn deployment_details(parts: &[EndedPart<'_>]) -> Map<String, Value> {
    let made = parts.iter().filter(|part| part.outputs.contains_key("ami"));
    let details = made.map(|part| Value::Object(part.outputs.clone())).collect();
    Map::from_iter([("deploymentDetails".to_owned(), Value::Array(details))])
}
