//! What coordinators know of definitions: enough to judge signals and slots without reading them again.
//!
//! The store says under which keys which definition is found, and when it was written; one that was written
//! since is read again. Losing what is kept here costs reading.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use definitions::{Pipeline, Problem};
use engine::Policy;

use store::{PipelineMark, PipelineRow, SharedStore, StoreError};
use triggers::Trigger;

/// Definitions kept in memory. Each is a few hundred bytes, so that this is some 20 MiB.
const KEPT_MAX: usize = 20_000;

/// The definitions that were read, without their stages.
#[derive(Clone, Debug)]
pub(crate) struct Definitions {
    store: SharedStore,
    kept: Arc<Mutex<BTreeMap<String, Arc<Definition>>>>,
}

/// What a definition says to those who start executions of it.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Which one it is, and since when.
    pub(crate) mark: PipelineMark,
    pub(crate) application: String,
    pub(crate) name: String,
    /// What else it says; `None` when it has errors.
    pub(crate) content: Option<Content>,
}

/// What a definition without errors says.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) disabled: bool,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) policy: Policy,
    /// Its place among the definitions of its application, as it says itself.
    index: Option<i64>,
}

impl Definition {
    fn of(row: &PipelineRow) -> Self {
        let content = Pipeline::parse(&row.body).pipeline.map(|pipeline| Content {
            disabled: pipeline.disabled,
            policy: Policy::of(&pipeline),
            index: pipeline.body.get("index").and_then(serde_json::Value::as_i64),
            triggers: pipeline.triggers,
        });
        Self {
            mark: PipelineMark::of(row),
            application: row.application.clone(),
            name: row.name.clone(),
            content,
        }
    }

    /// The order in which people see definitions.
    fn order(&self) -> (&str, i64, String, &str) {
        let index = self.content.as_ref().and_then(|content| content.index);
        let name = self.name.to_lowercase();
        (&self.application, index.unwrap_or(i64::MAX), name, &self.mark.id)
    }
}

impl Definitions {
    pub(crate) fn new(store: SharedStore) -> Self {
        Self { store, kept: Arc::default() }
    }

    /// The definitions that are indexed under any of these keys, in the order in which people see them.
    pub(crate) async fn keyed(&self, keys: &[String]) -> Result<Vec<Arc<Definition>>, StoreError> {
        let mut found = Vec::new();
        for mark in self.store.pipelines_keyed(keys).await? {
            match self.known(&mark) {
                Some(definition) => found.push(definition),
                // One that was deleted in between starts nothing.
                None => found.extend(self.one(&mark.id).await?),
            }
        }
        found.sort_by_cached_key(|definition| {
            let (application, index, name, id) = definition.order();
            (application.to_owned(), index, name, id.to_owned())
        });
        Ok(found)
    }

    /// A definition as it is now.
    pub(crate) async fn one(&self, id: &str) -> Result<Option<Arc<Definition>>, StoreError> {
        let row = self.store.pipeline_get(id).await?;
        Ok(row.map(|row| self.read(&row)))
    }

    /// What a row says that was read from the store.
    pub(crate) fn read(&self, row: &PipelineRow) -> Arc<Definition> {
        if let Some(known) = self.known(&PipelineMark::of(row)) {
            return known;
        }
        let definition = Arc::new(Definition::of(row));
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(row.id.clone(), Arc::clone(&definition));
        definition
    }

    fn known(&self, mark: &PipelineMark) -> Option<Arc<Definition>> {
        self.kept().get(&mark.id).filter(|known| known.mark == *mark).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Definition>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A definition that can be run, with its row; otherwise why it cannot.
    pub(crate) async fn whole(
        &self,
        id: &str,
    ) -> Result<Result<(PipelineRow, Pipeline), Unusable>, StoreError> {
        let Some(row) = self.store.pipeline_get(id).await? else {
            return Ok(Err(Unusable::Missing));
        };
        let parsed = Pipeline::parse(&row.body);
        Ok(match parsed.pipeline {
            Some(pipeline) => Ok((row, pipeline)),
            None => Err(Unusable::Invalid(parsed.problems)),
        })
    }
}

/// Why a definition cannot be run.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// There is none of this id.
    Missing,
    /// It has errors.
    Invalid(Vec<Problem>),
}
