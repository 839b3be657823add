//! What a trigger brings beside the build itself, and what a pipeline expects of it.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use crate::{
    fields::{Fields, unresolved},
    limits,
    package::{DebFile, RpmFile},
    problem::{FieldProblem, Findings, Weight, shortened},
};

/// An artifact in Spinnaker's form: `type`, `name`, `version`, `location`, `reference` and whatever else
/// somebody put there.
pub type Artifact = Map<String, Value>;

/// The members an expectation is compared by.
///
/// Source: kork's `ExpectedArtifact`.
const COMPARED: [&str; 5] = ["type", "name", "version", "location", "reference"];

/// One entry of `expectedArtifacts`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedArtifact {
    /// What triggers and stages call it by.
    pub id: String,
    /// What people call it; the id when it has no other name.
    pub display_name: String,
    /// Patterns by member; each must match the whole of the artifact's.
    pub matches: Vec<(String, String)>,
    /// The artifact of an earlier execution will do.
    pub use_prior: bool,
    /// What is taken when nothing else fits.
    pub default: Option<Artifact>,
    /// The entry as given.
    pub body: Map<String, Value>,
}

/// Why artifacts are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactProblem {
    /// Nothing fits.
    #[error("expected artifact `{name}` was not found: nothing that came has {wanted}")]
    Missing {
        /// The expectation.
        name: String,
        /// Its patterns in words.
        wanted: String,
    },
    /// More than one fits.
    #[error("expected artifact `{name}` fits several that came: {}", found.join(", "))]
    Ambiguous {
        /// The expectation.
        name: String,
        /// Their names.
        found: Vec<String>,
    },
}

/// What became of the expectations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bound {
    /// Everything that came, and the fallbacks that were taken.
    pub artifacts: Vec<Artifact>,
    /// The expectations with what they are bound to, as `boundArtifact`.
    pub resolved: Vec<Map<String, Value>>,
}

/// Finds what every expectation stands for: what came, else what an earlier execution had, else its
/// default. Only those are looked at that `required` names or that have something to fall back to.
///
/// Source: Orca's `ArtifactUtils`; an expectation that fits several artifacts is refused.
///
/// # Errors
/// Every expectation that is not met, in the order of the definition.
pub fn bind(
    expected: &[ExpectedArtifact],
    required: &BTreeSet<String>,
    received: &[Artifact],
    prior: &[Artifact],
) -> Result<Bound, Vec<ArtifactProblem>> {
    let mut bound = Bound { artifacts: received.to_vec(), resolved: Vec::new() };
    let mut problems = Vec::new();
    for expectation in expected {
        let falls_back = expectation.use_prior || expectation.default.is_some();
        if !falls_back && !required.contains(&expectation.id) {
            continue;
        }
        match expectation.find(received, prior) {
            Ok(artifact) => {
                let mut entry = expectation.body.clone();
                entry.insert("boundArtifact".to_owned(), Value::Object(artifact.clone()));
                bound.resolved.push(entry);
                if !bound.artifacts.contains(&artifact) {
                    bound.artifacts.push(artifact);
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(bound) } else { Err(problems) }
}

/// The artifact that a file a build archived is, if it is a package.
///
/// Source: igor's decorators; the type is the kind of package, the reference the file's name.
pub fn of_file(file: &str) -> Option<Artifact> {
    let (kind, name, version) = if let Ok(deb) = DebFile::parse(file) {
        ("deb", deb.name, deb.version.as_str().to_owned())
    } else {
        let rpm = RpmFile::parse(file).ok()?;
        ("rpm", rpm.name, format!("{}-{}", rpm.version, rpm.release))
    };
    let members = [("type", kind), ("name", &name), ("version", &version), ("reference", file)];
    Some(members.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect())
}

impl ExpectedArtifact {
    /// Whether an artifact is what is expected.
    pub fn is_met_by(&self, artifact: &Artifact) -> bool {
        self.matches.iter().all(|(member, pattern)| {
            let text = artifact.get(member).and_then(Value::as_str).unwrap_or_default();
            whole(pattern).is_ok_and(|pattern| pattern.is_match(text))
        })
    }

    fn find(&self, received: &[Artifact], prior: &[Artifact]) -> Result<Artifact, ArtifactProblem> {
        if let Some(found) = self.only(received)? {
            return Ok(found);
        }
        if self.use_prior
            && let Some(found) = self.only(prior)?
        {
            return Ok(found);
        }
        self.default.clone().ok_or_else(|| {
            let wanted: Vec<String> = self
                .matches
                .iter()
                .map(|(member, pattern)| format!("{member} `{}`", shortened(pattern)))
                .collect();
            ArtifactProblem::Missing { name: self.display_name.clone(), wanted: wanted.join(", ") }
        })
    }

    fn only(&self, artifacts: &[Artifact]) -> Result<Option<Artifact>, ArtifactProblem> {
        let mut found: Vec<&Artifact> = Vec::new();
        for artifact in artifacts.iter().filter(|artifact| self.is_met_by(artifact)) {
            if !found.contains(&artifact) {
                found.push(artifact);
            }
        }
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some((*one).clone())),
            several => Err(ArtifactProblem::Ambiguous {
                name: self.display_name.clone(),
                found: several.iter().map(|artifact| label(artifact)).collect(),
            }),
        }
    }
}

fn label(artifact: &Artifact) -> String {
    let member = |key: &str| artifact.get(key).and_then(Value::as_str);
    shortened(member("reference").or_else(|| member("name")).unwrap_or("one without a name"))
}

/// Largest compiled pattern.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// The pattern for a whole text. Linear in the text, and bounded in size.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    compiled(pattern, COMPILED_BYTES_MAX)
}

fn compiled(pattern: &str, bytes_max: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(bytes_max).build()
}

/// Why a pattern is none. Reading it is cheap, and building the machine for it is not: that is left until
/// something is compared with it, but for patterns that are far too large.
fn refusal(pattern: &str) -> Option<String> {
    match compiled(pattern, 0) {
        Ok(_) | Err(regex::Error::CompiledTooBig(_)) => None,
        Err(error) => Some(reason(&error)),
    }
}

/// Reads a definition's expected artifacts and tells everything that is odd about them.
pub fn read(body: &Map<String, Value>, found: &mut Findings) -> Vec<ExpectedArtifact> {
    let mut fields = Fields::literal(String::new(), body, found);
    let mut told = Findings::default();
    let mut seen = BTreeSet::new();
    let mut bytes_left = limits::PATTERNS_BYTES_MAX;
    let mut expected = Vec::new();
    for (at, map) in fields.objects("expectedArtifacts") {
        let mut inner = Fields::literal(at, map, &mut told);
        let matches = patterns(&mut inner, &mut bytes_left);
        let default = inner.object("defaultArtifact");
        let use_default = inner.flag("useDefaultArtifact").unwrap_or(false);
        // Spinnaker's own form has written both names.
        let use_prior = ["usePriorArtifact", "usePriorExecution"]
            .map(|key| inner.flag(key).unwrap_or(false))
            .contains(&true);
        let Some(id) = inner.text("id") else {
            if inner.value("id").is_none_or(Value::is_string) {
                inner.missing(Weight::Blocks, "id", "write a name that triggers can refer to");
            }
            continue;
        };
        if use_default && default.is_none_or(Map::is_empty) && !inner.is_open("defaultArtifact") {
            inner.missing(Weight::Blocks, "defaultArtifact", "write the artifact to fall back to");
        }
        if !seen.insert(id.clone()) {
            let message = format!("another expected artifact has the id `{}`", shortened(&id));
            let hint = "give each its own id".to_owned();
            inner.hinted(Weight::Error, "duplicate-artifact", "id", (message, hint));
        }
        expected.push(ExpectedArtifact {
            display_name: inner.text("displayName").unwrap_or_else(|| id.clone()),
            id,
            matches,
            use_prior,
            default: default.filter(|_| use_default).cloned(),
            body: map.clone(),
        });
    }
    fields.push_all(told);
    expected
}

/// Reads the patterns of an expected artifact, as long as they fit into what is left for all of them.
fn patterns(fields: &mut Fields<'_, '_>, bytes_left: &mut usize) -> Vec<(String, String)> {
    let at = fields.pointer("matchArtifact");
    let Some(map) = fields.object("matchArtifact") else { return Vec::new() };
    let mut told = Findings::default();
    let mut patterns = Vec::new();
    for member in COMPARED {
        let mut inner = Fields::literal(at.clone(), map, &mut told);
        let Some(pattern) = inner.text(member) else { continue };
        let wrong = if unresolved(&pattern).is_some() {
            None
        } else if pattern.len() > limits::PATTERN_BYTES_MAX {
            let max = limits::PATTERN_BYTES_MAX;
            Some(format!("the pattern is longer than {max} bytes"))
        } else if pattern.len() > *bytes_left {
            let max = limits::PATTERNS_BYTES_MAX;
            Some(format!("all patterns of a pipeline may have {max} bytes together"))
        } else {
            *bytes_left -= pattern.len();
            refusal(&pattern)
        };
        if let Some(reason) = wrong {
            let message = format!("`{member}` is no pattern: {reason}");
            let at = inner.pointer(member);
            let problem = FieldProblem::new(Weight::Error, "bad-pattern", at, message);
            inner
                .push(problem.hint("write a regular expression; put \\ before special characters"));
            continue;
        }
        patterns.push((member.to_owned(), pattern));
    }
    fields.push_all(told);
    patterns
}

/// The last line of what the parser says; the ones before draw an arrow.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    shortened(last.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::Weight;

    fn expected(entries: &Value) -> Vec<ExpectedArtifact> {
        let body = json!({ "expectedArtifacts": entries });
        let mut found = Findings::default();
        let expected = read(body.as_object().unwrap(), &mut found);
        assert!(found.into_list().iter().all(|problem| problem.weight != Weight::Error));
        expected
    }

    fn artifact(value: &Value) -> Artifact {
        value.as_object().unwrap().clone()
    }

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_package_file_is_an_artifact() {
        let read = |file: &str| of_file(file).map(Value::Object);
        assert_eq!(
            read("shop-web_1.2.3-h4.ab12_all.deb"),
            Some(json!({"type": "deb", "name": "shop-web", "version": "1.2.3-h4.ab12",
                "reference": "shop-web_1.2.3-h4.ab12_all.deb"}))
        );
        assert_eq!(
            read("shop-web-1.2.3-4.x86_64.rpm"),
            Some(json!({"type": "rpm", "name": "shop-web", "version": "1.2.3-4",
                "reference": "shop-web-1.2.3-4.x86_64.rpm"}))
        );
        assert_eq!(read("notes.txt"), None);
    }

    #[test]
    fn a_pattern_must_match_the_whole_member_and_blank_ones_match_anything() {
        let expectations = expected(&json!([{"id": "a", "matchArtifact":
            {"kind": "custom", "type": "deb", "name": "shop-.*", "version": "", "reference": null}}]));
        let met = |value: &Value| expectations[0].is_met_by(&artifact(value));
        assert!(met(&json!({"type": "deb", "name": "shop-web", "version": "7"})));
        assert!(!met(&json!({"type": "debian", "name": "shop-web"})));
        assert!(!met(&json!({"type": "deb", "name": "my-shop-web"})));
        assert!(!met(&json!({"name": "shop-web"})));
    }

    #[test]
    fn what_came_beats_the_prior_one_and_that_the_default() {
        let entry = |use_prior: bool, use_default: bool| {
            json!([{"id": "a", "displayName": "web", "matchArtifact": {"type": "deb", "name": "shop"},
                "usePriorArtifact": use_prior, "useDefaultArtifact": use_default,
                "defaultArtifact": {"type": "deb", "name": "shop", "version": "0"}}])
        };
        let of =
            |version: &str| artifact(&json!({"type": "deb", "name": "shop", "version": version}));
        let other = artifact(&json!({"type": "deb", "name": "other", "version": "9"}));
        // Fall back to the prior one, to the default; what came, what was; the version it is bound to.
        for (prior, default, received, before, version) in [
            (true, true, vec![other.clone(), of("3")], vec![of("2")], Some("3")),
            (true, true, vec![other.clone()], vec![of("2")], Some("2")),
            (true, true, vec![other.clone()], vec![], Some("0")),
            (false, true, vec![], vec![of("2")], Some("0")),
            (false, false, vec![of("3")], vec![], Some("3")),
            (true, false, vec![], vec![], None),
        ] {
            let bound = bind(&expected(&entry(prior, default)), &ids(&["a"]), &received, &before);
            let found = bound
                .as_ref()
                .ok()
                .map(|bound| bound.resolved[0]["boundArtifact"]["version"].clone());
            assert_eq!(
                found,
                version.map(Value::from),
                "{prior} {default} {received:?} {before:?}"
            );
            if let Ok(bound) = bound {
                assert_eq!(bound.resolved[0]["displayName"], "web");
                assert!(bound.artifacts.len() >= received.len());
            }
        }
    }

    #[test]
    fn an_expectation_that_nobody_asks_for_is_left_alone() {
        let expectations =
            expected(&json!([{"id": "a", "matchArtifact": {"type": "docker/image"}}]));
        assert_eq!(bind(&expectations, &ids(&[]), &[], &[]), Ok(Bound::default()));
        let refused = bind(&expectations, &ids(&["a"]), &[], &[]).unwrap_err();
        assert_eq!(
            refused[0].to_string(),
            "expected artifact `a` was not found: nothing that came has type `docker/image`"
        );
    }

    #[test]
    fn two_that_fit_are_refused_by_name_and_one_that_came_twice_is_one() {
        let expectations = expected(&json!([{"id": "a", "matchArtifact": {"type": "deb"}}]));
        let one = of_file("shop_1_all.deb").unwrap();
        let two = of_file("shop_2_all.deb").unwrap();
        let refused = bind(&expectations, &ids(&["a"]), &[one.clone(), two], &[]).unwrap_err();
        assert_eq!(
            refused[0].to_string(),
            "expected artifact `a` fits several that came: shop_1_all.deb, shop_2_all.deb"
        );
        assert!(bind(&expectations, &ids(&["a"]), &[one.clone(), one], &[]).is_ok());
    }
}
