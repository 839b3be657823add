//! What an expression can see.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map as JsonMap, Value as Json};

use crate::value::{Kind, Map, Nature, Object, Value};

/// The names at the root of an expression, and facts of the world that functions ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    roots: JsonMap<String, Json>,
    facts: Facts,
    /// Places of the execution's stages by ref id and by id.
    by_ref: BTreeMap<String, usize>,
    by_id: BTreeMap<String, usize>,
}

/// What the world looks like; nothing here is asked from a clock or from chance. What is absent
/// makes the functions that need it fail.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Now, in milliseconds since 1970, for dates.
    pub now_ms: Option<i64>,
    /// Something unpredictable, for random numbers and ids.
    pub seed: Option<u64>,
    /// Who runs the execution.
    pub user: Option<String>,
    /// Id of the stage that is being run.
    pub current_stage: Option<String>,
    /// The saved pipelines.
    pub pipelines: Option<Vec<SavedPipeline>>,
    /// What a name or key that does not exist is.
    pub unknown_names: UnknownNames,
}

/// A saved pipeline that can be looked up by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPipeline {
    /// Its owner.
    pub application: String,
    /// Its name.
    pub name: String,
    /// Its pipeline config id.
    pub id: String,
}

/// What a name or key that does not exist is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownNames {
    /// Null, as in stages: `x ?: 'default'` works.
    #[default]
    AreNull,
    /// An error, as in Spinnaker's look at a pipeline before its start.
    AreErrors,
}

impl Scope {
    /// Makes a scope of roots: the stage's context keys, and `execution`, `trigger`, `parameters`,
    /// `templateVariables`.
    ///
    /// `trigger` is that of the execution when it is not given; `parameters` are the trigger's when it
    /// has any; `scmInfo` is derived from the build info.
    ///
    /// Source: Orca's `ContextParameterProcessor.buildExecutionContext`.
    pub fn new(mut roots: JsonMap<String, Json>, facts: Facts) -> Self {
        if !roots.contains_key("trigger")
            && let Some(trigger) = roots.get("execution").and_then(|run| run.get("trigger"))
        {
            roots.insert("trigger".to_owned(), trigger.clone());
        }
        let given = roots.get("trigger").and_then(|trigger| trigger.get("parameters"));
        let given = given.and_then(Json::as_object).filter(|given| !given.is_empty());
        if let Some(given) = given {
            roots.insert("parameters".to_owned(), Json::Object(given.clone()));
        } else if !roots.contains_key("parameters") {
            roots.insert("parameters".to_owned(), Json::Object(JsonMap::new()));
        }
        if let Some(source) = source_control(&roots) {
            roots.insert("scmInfo".to_owned(), source);
        }
        let mut scope = Self { roots, facts, by_ref: BTreeMap::new(), by_id: BTreeMap::new() };
        scope.by_ref = scope.places("refId");
        scope.by_id = scope.places("id");
        scope
    }

    fn places(&self, key: &str) -> BTreeMap<String, usize> {
        let mut places = BTreeMap::new();
        for (place, stage) in self.stages().enumerate() {
            if let Some(name) = stage.fields.get(key).and_then(Json::as_str) {
                places.entry(name.to_owned()).or_insert(place);
            }
        }
        places
    }

    /// The roots.
    pub const fn roots(&self) -> &JsonMap<String, Json> {
        &self.roots
    }

    pub(crate) const fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn root(&self) -> Value<'_> {
        Value::Map(Map::Root(&self.roots))
    }

    /// The execution, if there is one.
    pub(crate) fn execution(&self) -> Option<Object<'_>> {
        match Map::Root(&self.roots).own("execution") {
            Some(Value::Object(object)) => Some(object),
            Some(_) | None => None,
        }
    }

    /// The stages of the execution, in order.
    pub(crate) fn stages(&self) -> impl Iterator<Item = Object<'_>> {
        let stages = self.execution().and_then(|run| run.fields.get("stages")?.as_array());
        stages
            .into_iter()
            .flatten()
            .filter_map(|stage| Some(Object { kind: Kind::Stage, fields: stage.as_object()? }))
    }

    /// The stages a stage builds on, nearest first: those it requires, the stage it is a part of, and
    /// what these build on.
    pub(crate) fn ancestors<'s>(&'s self, stage: &'s JsonMap<String, Json>) -> Vec<Object<'s>> {
        let stages: Vec<Object<'s>> = self.stages().collect();
        let own = stage.get("id").and_then(Json::as_str).and_then(|id| self.by_id.get(id));
        let mut seen: BTreeSet<usize> = own.into_iter().copied().collect();
        let mut found: Vec<Object<'s>> = Vec::new();
        let mut next = VecDeque::from([stage]);
        while let Some(current) = next.pop_front() {
            for place in self.preceding(current) {
                if let Some(near) = stages.get(place).filter(|_| seen.insert(place)) {
                    found.push(*near);
                    next.push_back(near.fields);
                }
            }
        }
        found
    }

    /// Places of the stages a stage directly requires or is a part of.
    fn preceding(&self, stage: &JsonMap<String, Json>) -> Vec<usize> {
        let required = stage.get("requisiteStageRefIds").and_then(Json::as_array);
        let required = required.into_iter().flatten().filter_map(Json::as_str);
        let parent = stage.get("parentStageId").and_then(Json::as_str);
        let required = required.filter_map(|ref_id| self.by_ref.get(ref_id));
        required.chain(parent.and_then(|id| self.by_id.get(id))).copied().collect()
    }

    /// What a stage finds under a key that its own context does not have.
    pub(crate) fn inherited<'s>(
        &'s self,
        stage: &'s JsonMap<String, Json>,
        key: &str,
    ) -> Option<Value<'s>> {
        let ancestors = self.ancestors(stage);
        let mut outputs = ancestors.into_iter().filter_map(|near| near.fields.get("outputs"));
        outputs.find_map(|outputs| outputs.get(key)).map(|json| Value::view(json, Nature::Data))
    }
}

/// The commit a build is of: the first that is on a branch of its own, or the first.
fn source_control(roots: &JsonMap<String, Json>) -> Option<Json> {
    let commits = |build: Option<&'_ Json>| build?.get("scm")?.as_array().cloned();
    let of_stage = commits(roots.get("buildInfo")).filter(|commits| !commits.is_empty());
    let of_trigger = || commits(roots.get("trigger").and_then(|trigger| trigger.get("buildInfo")));
    let commits = of_stage.or_else(of_trigger)?;
    let own_branch = commits.iter().find(|commit| {
        let branch = commit.get("branch").and_then(Json::as_str);
        !matches!(branch, Some("master" | "develop"))
    });
    own_branch.or_else(|| commits.first()).cloned()
}
