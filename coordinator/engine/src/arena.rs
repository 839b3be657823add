//! The stages of an execution, and indexes that cannot miss.

use std::ops::{Index, IndexMut};

use model::StageId;
use serde::{Deserialize, Serialize};

use crate::stage::Stage;

/// The stages of one execution: those of the definition in its order, then the parts in the order in which
/// they were made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stages {
    list: Vec<Stage>,
    /// Grows with each removal, so that an index from before it cannot mean another stage.
    #[serde(skip)]
    generation: u32,
}

/// The place of a stage in [`Stages`]. Only [`Stages`] makes them, so one always finds its stage; one from
/// before a removal is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageIndex {
    at: usize,
    generation: u32,
}

impl Stages {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Stage> {
        self.list.iter()
    }

    /// The indexes of all that are there now, in order.
    pub fn indexes(
        &self,
    ) -> impl DoubleEndedIterator<Item = StageIndex> + ExactSizeIterator + use<> {
        let generation = self.generation;
        (0..self.list.len()).map(move |at| StageIndex { at, generation })
    }

    /// The index of the stage with this id.
    pub fn find(&self, id: &StageId) -> Option<StageIndex> {
        let at = self.list.iter().position(|stage| stage.id == *id)?;
        Some(StageIndex { at, generation: self.generation })
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Stage> {
        self.list.iter_mut()
    }

    /// Appends a part.
    pub(crate) fn push(&mut self, stage: Stage) -> StageIndex {
        self.list.push(stage);
        StageIndex { at: self.list.len() - 1, generation: self.generation }
    }

    /// Removes stages. All indexes from before are void; the new one of `kept` is given back.
    ///
    /// # Panics
    ///
    /// When `kept` is removed itself.
    pub(crate) fn remove(&mut self, goes: &PerStage<bool>, kept: StageIndex) -> StageIndex {
        assert!(!goes[kept], "the stage that is asked for stays");
        let before = self.indexes().take_while(|ix| *ix != kept);
        let at = before.filter(|ix| !goes[*ix]).count();
        let mut places = self.indexes();
        self.list.retain(|_| !places.next().is_some_and(|ix| goes[ix]));
        self.generation = self.generation.wrapping_add(1);
        StageIndex { at, generation: self.generation }
    }
}

/// Two executions with the same stages are the same, however often stages were removed before.
impl PartialEq for Stages {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl FromIterator<Stage> for Stages {
    fn from_iter<T: IntoIterator<Item = Stage>>(stages: T) -> Self {
        Self { list: stages.into_iter().collect(), generation: 0 }
    }
}

impl<'a> IntoIterator for &'a Stages {
    type Item = &'a Stage;
    type IntoIter = std::slice::Iter<'a, Stage>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a mut Stages {
    type Item = &'a mut Stage;
    type IntoIter = std::slice::IterMut<'a, Stage>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter_mut()
    }
}

impl Index<StageIndex> for Stages {
    type Output = Stage;

    #[expect(clippy::indexing_slicing, reason = "an index of this generation is within the list")]
    fn index(&self, ix: StageIndex) -> &Stage {
        assert!(ix.generation == self.generation, "an index from before stages were removed");
        &self.list[ix.at]
    }
}

impl IndexMut<StageIndex> for Stages {
    #[expect(clippy::indexing_slicing, reason = "an index of this generation is within the list")]
    fn index_mut(&mut self, ix: StageIndex) -> &mut Stage {
        assert!(ix.generation == self.generation, "an index from before stages were removed");
        &mut self.list[ix.at]
    }
}

/// A value for each stage.
#[derive(Clone, Debug)]
pub(crate) struct PerStage<T> {
    list: Vec<T>,
    generation: u32,
}

impl<T: Clone + Default> PerStage<T> {
    pub(crate) fn of(stages: &Stages) -> Self {
        Self { list: vec![T::default(); stages.list.len()], generation: stages.generation }
    }

    /// Makes room for a stage that was just appended.
    pub(crate) fn push(&mut self, ix: StageIndex) {
        assert!(
            (ix.at, ix.generation) == (self.list.len(), self.generation),
            "stages are appended one by one"
        );
        self.list.push(T::default());
    }
}

impl<T> Index<StageIndex> for PerStage<T> {
    type Output = T;

    #[expect(clippy::indexing_slicing, reason = "an index of this generation is within the list")]
    fn index(&self, ix: StageIndex) -> &T {
        assert!(ix.generation == self.generation, "an index from before stages were removed");
        &self.list[ix.at]
    }
}

impl<T> IndexMut<StageIndex> for PerStage<T> {
    #[expect(clippy::indexing_slicing, reason = "an index of this generation is within the list")]
    fn index_mut(&mut self, ix: StageIndex) -> &mut T {
        assert!(ix.generation == self.generation, "an index from before stages were removed");
        &mut self.list[ix.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Stages {
        let execution = "E".parse().unwrap();
        ["1", "1<1", "2"].iter().map(|ref_id| Stage::blank(&execution, ref_id)).collect()
    }

    fn all(stages: &Stages) -> Vec<StageIndex> {
        stages.indexes().collect()
    }

    #[test]
    fn stage_that_is_kept_is_found_by_its_new_index() {
        let mut stages = three();
        let before = all(&stages);
        let mut goes = PerStage::of(&stages);
        goes[before[1]] = true;
        let kept = stages.remove(&goes, before[2]);
        assert_eq!((stages[kept].ref_id.as_str(), stages.len()), ("2", 2));
    }

    #[test]
    #[should_panic(expected = "an index from before stages were removed")]
    fn index_from_before_a_removal_is_refused() {
        let mut stages = three();
        let before = all(&stages);
        let mut goes = PerStage::of(&stages);
        goes[before[2]] = true;
        stages.remove(&goes, before[0]);
        assert_eq!(stages[before[0]].ref_id, "1");
    }
}
