//! How the stages of a document hang together. Made once per step, so that no question about neighbours
//! walks the whole list.

use std::collections::BTreeMap;

use model::StageId;

use crate::arena::{PerStage, StageIndex, Stages};

/// The neighbours of each stage.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Stages of the definition, each after everything it requires.
    pub(crate) order: Vec<StageIndex>,
    /// The stages each one requires; `None` for one that the definition does not have, which never lets
    /// it start.
    requires: PerStage<Vec<Option<StageIndex>>>,
    dependents: PerStage<Vec<StageIndex>>,
    parts: PerStage<Vec<StageIndex>>,
    parents: PerStage<Option<StageIndex>>,
}

impl Graph {
    pub(crate) fn of(stages: &Stages) -> Self {
        let by_ref: BTreeMap<&str, StageIndex> = stages
            .indexes()
            .filter(|ix| stages[*ix].part.is_none())
            .map(|ix| (stages[ix].ref_id.as_str(), ix))
            .collect();
        let by_id: BTreeMap<&StageId, StageIndex> =
            stages.indexes().map(|ix| (&stages[ix].id, ix)).collect();
        let mut graph = Self {
            order: Vec::new(),
            requires: PerStage::of(stages),
            dependents: PerStage::of(stages),
            parts: PerStage::of(stages),
            parents: PerStage::of(stages),
        };
        for ix in stages.indexes() {
            let stage = &stages[ix];
            if let Some(parent) = stage.parent() {
                let parent = by_id.get(parent).copied();
                graph.parents[ix] = parent;
                if let Some(parent) = parent {
                    graph.parts[parent].push(ix);
                }
                continue;
            }
            let required: Vec<Option<StageIndex>> =
                stage.requires.iter().map(|id| by_ref.get(id.as_str()).copied()).collect();
            for one in required.iter().flatten() {
                graph.dependents[*one].push(ix);
            }
            graph.requires[ix] = required;
        }
        graph.order = graph.sorted(stages);
        graph
    }

    /// Those without open requirements first; the order of the definition among equals.
    fn sorted(&self, stages: &Stages) -> Vec<StageIndex> {
        let tops = stages.indexes().filter(|ix| stages[*ix].part.is_none());
        let mut open: PerStage<usize> = PerStage::of(stages);
        let mut order = Vec::with_capacity(stages.len());
        let mut free = Vec::new();
        for ix in tops {
            open[ix] = self.requires(ix).len();
            if open[ix] == 0 {
                free.push(ix);
            }
        }
        while !free.is_empty() {
            let mut next = Vec::new();
            for ix in free {
                order.push(ix);
                for dependent in self.dependents(ix) {
                    open[*dependent] = open[*dependent].saturating_sub(1);
                    if open[*dependent] == 0 {
                        next.push(*dependent);
                    }
                }
            }
            free = next;
        }
        order
    }

    pub(crate) fn requires(&self, ix: StageIndex) -> &[Option<StageIndex>] {
        &self.requires[ix]
    }

    pub(crate) fn dependents(&self, ix: StageIndex) -> &[StageIndex] {
        &self.dependents[ix]
    }

    /// The synthetic stages of a stage, in the order in which they were made.
    pub(crate) fn parts(&self, ix: StageIndex) -> &[StageIndex] {
        &self.parts[ix]
    }

    /// The stage that a part belongs to.
    pub(crate) fn parent(&self, ix: StageIndex) -> Option<StageIndex> {
        self.parents[ix]
    }

    /// A stage and everything that builds on it.
    pub(crate) fn downstream(&self, stages: &Stages, ix: StageIndex) -> Vec<StageIndex> {
        let mut seen: PerStage<bool> = PerStage::of(stages);
        let mut found = Vec::new();
        let mut next = vec![ix];
        while let Some(ix) = next.pop() {
            if std::mem::replace(&mut seen[ix], true) {
                continue;
            }
            found.push(ix);
            next.extend(self.dependents(ix));
        }
        found
    }

    /// All synthetic stages of a stage, and theirs.
    pub(crate) fn all_parts(&self, ix: StageIndex) -> Vec<StageIndex> {
        let mut found = Vec::new();
        let mut next = self.parts(ix).to_vec();
        while let Some(part) = next.pop() {
            found.push(part);
            next.extend(self.parts(part));
        }
        found
    }

    /// A part was appended to the list.
    pub(crate) fn add_part(&mut self, parent: StageIndex, part: StageIndex) {
        self.requires.push(part);
        self.dependents.push(part);
        self.parts.push(part);
        self.parents.push(part);
        self.parts[parent].push(part);
        self.parents[part] = Some(parent);
    }
}
