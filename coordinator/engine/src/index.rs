//! The graph of a document, by places in its list of stages: made once per step, so that no question about
//! neighbours walks the whole list.

use std::collections::BTreeMap;

use model::StageId;

use crate::document::Stage;

/// Places of stages, and how they hang together.
#[derive(Debug)]
pub(crate) struct Index {
    /// Stages of the definition, each after everything it requires.
    pub(crate) order: Vec<usize>,
    /// For each place, the places it requires; `None` for what is not in the definition, which never lets
    /// it start.
    requires: Vec<Vec<Option<usize>>>,
    /// For each place, the places that require it.
    dependents: Vec<Vec<usize>>,
    /// For each place, its synthetic stages.
    parts: Vec<Vec<usize>>,
}

impl Index {
    pub(crate) fn of(stages: &[Stage]) -> Self {
        let tops = || stages.iter().enumerate().filter(|(_, stage)| stage.parent.is_none());
        let by_ref: BTreeMap<&str, usize> =
            tops().map(|(at, stage)| (stage.ref_id.as_str(), at)).collect();
        let by_id: BTreeMap<&StageId, usize> =
            stages.iter().enumerate().map(|(at, stage)| (&stage.id, at)).collect();
        let mut index = Self {
            order: Vec::new(),
            requires: vec![Vec::new(); stages.len()],
            dependents: vec![Vec::new(); stages.len()],
            parts: vec![Vec::new(); stages.len()],
        };
        for (at, stage) in stages.iter().enumerate() {
            if let Some(parent) = &stage.parent {
                let parent = by_id.get(parent).and_then(|parent| index.parts.get_mut(*parent));
                if let Some(parts) = parent {
                    parts.push(at);
                }
                continue;
            }
            let required: Vec<Option<usize>> =
                stage.requires.iter().map(|id| by_ref.get(id.as_str()).copied()).collect();
            for one in required.iter().flatten() {
                if let Some(dependents) = index.dependents.get_mut(*one) {
                    dependents.push(at);
                }
            }
            if let Some(place) = index.requires.get_mut(at) {
                *place = required;
            }
        }
        index.order = index.sorted(tops().map(|(at, _)| at).collect());
        index
    }

    /// Those without open requirements first; the order of the definition among equals.
    fn sorted(&self, tops: Vec<usize>) -> Vec<usize> {
        let mut open: Vec<usize> = self.requires.iter().map(Vec::len).collect();
        let mut order = Vec::with_capacity(tops.len());
        let mut free: Vec<usize> =
            tops.into_iter().filter(|at| self.requires(*at).is_empty()).collect();
        while !free.is_empty() {
            let mut next = Vec::new();
            for at in free {
                order.push(at);
                for dependent in self.dependents(at) {
                    if let Some(open) = open.get_mut(*dependent) {
                        *open = open.saturating_sub(1);
                        if *open == 0 {
                            next.push(*dependent);
                        }
                    }
                }
            }
            free = next;
        }
        order
    }

    pub(crate) fn requires(&self, at: usize) -> &[Option<usize>] {
        self.requires.get(at).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn dependents(&self, at: usize) -> &[usize] {
        self.dependents.get(at).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn parts(&self, at: usize) -> &[usize] {
        self.parts.get(at).map_or(&[], Vec::as_slice)
    }

    /// Everything that builds on a stage, and the stage itself.
    pub(crate) fn downstream(&self, at: usize) -> Vec<usize> {
        let mut seen = vec![false; self.requires.len()];
        let mut found = Vec::new();
        let mut next = vec![at];
        while let Some(at) = next.pop() {
            let Some(seen) = seen.get_mut(at).filter(|seen| !**seen) else { continue };
            *seen = true;
            found.push(at);
            next.extend(self.dependents(at));
        }
        found
    }

    /// A synthetic stage was appended to the list.
    pub(crate) fn add_part(&mut self, parent: usize) -> usize {
        let at = self.requires.len();
        self.requires.push(Vec::new());
        self.dependents.push(Vec::new());
        self.parts.push(Vec::new());
        if let Some(parts) = self.parts.get_mut(parent) {
            parts.push(at);
        }
        at
    }
}
