//! One step in the making: the document, what is known, what follows. All files that move a document along
//! add to [`Step`]; this one holds the ways in which a document can be changed at all.

use crate::{
    arena::StageIndex,
    document::Document,
    effects::Effects,
    facts::Facts,
    graph::Graph,
    stage::{Run, Stage},
    state::StageState,
};

/// A step in the making.
pub(crate) struct Step<'a> {
    /// Changed through [`Step::change`] and what is built on it, so that every change is counted.
    document: &'a mut Document,
    pub(crate) facts: &'a Facts,
    pub(crate) now_ms: u64,
    graph: Graph,
    pub(crate) effects: Effects,
    changes: u64,
}

/// A line for the timeline: what happened, and more.
pub(crate) struct Line(pub(crate) &'static str, pub(crate) Option<String>);

impl<'a> Step<'a> {
    pub(crate) fn new(document: &'a mut Document, facts: &'a Facts, now_ms: u64) -> Self {
        let graph = Graph::of(&document.stages);
        Self { document, facts, now_ms, graph, effects: Effects::default(), changes: 0 }
    }

    pub(crate) const fn document(&self) -> &Document {
        self.document
    }

    pub(crate) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The document, to be changed. Ask for it only when there is something to change: "nothing has changed"
    /// is what ends a step, and what rejects an input.
    pub(crate) const fn change(&mut self) -> &mut Document {
        self.changes += 1;
        self.document
    }

    /// How often the document was changed so far.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(crate) fn stage(&self, ix: StageIndex) -> &Stage {
        &self.document.stages[ix]
    }

    /// The current run of a stage, to be changed. Its state only changes by [`Step::go`].
    pub(crate) fn run(&mut self, ix: StageIndex) -> &mut Run {
        &mut self.change().stages[ix].run
    }

    /// Changes the state of a stage, and says so in the timeline where people are to see it.
    ///
    /// # Panics
    ///
    /// When no arrow of the state machine leads there.
    pub(crate) fn go(&mut self, ix: StageIndex, to: StageState, line: Option<Line>) {
        let ended_ms = matches!(to, StageState::Done(_)).then_some(self.now_ms);
        let run = self.run(ix);
        run.state.go(to);
        run.ended_ms = ended_ms;
        if let Some(Line(event, detail)) = line {
            self.note(ix, event, detail);
        }
    }

    /// A line of the timeline about a stage.
    pub(crate) fn note(&mut self, ix: StageIndex, event: &str, detail: Option<String>) {
        self.effects.note(event, Some(&self.document.stages[ix].ref_id), detail);
    }

    /// Appends a part of a stage.
    pub(crate) fn add_part(&mut self, parent: StageIndex, part: Stage) -> StageIndex {
        let ix = self.change().stages.push(part);
        self.graph.add_part(parent, ix);
        ix
    }

    /// Puts new runs in the place of those of some stages of the definition; their parts go. Every index from
    /// before is void; the new one of `kept`, a stage of the definition, is given back.
    pub(crate) fn restart(&mut self, again: &[StageIndex], kept: StageIndex) -> StageIndex {
        let mut goes = crate::arena::PerStage::of(&self.document.stages);
        for ix in again {
            let family = [&[*ix][..], &self.graph.all_parts(*ix)].concat();
            let mut tries = Vec::new();
            let mut highest = 0;
            for member in &family {
                let run = &self.document.stages[*member].run;
                tries.extend(run.attempts.iter().cloned());
                // A try of a child pipeline is not among the attempts.
                highest = highest.max(run.tries_before + u32::from(run.started_ms.is_some()));
                goes[*member] = member != ix;
            }
            highest = tries.iter().map(|attempt| attempt.number).fold(highest, u32::max);
            self.change().stages[*ix].restart(tries, highest);
        }
        let kept = self.change().stages.remove(&goes, kept);
        self.graph = Graph::of(&self.document.stages);
        kept
    }
}
