//! Many executions of one pipeline over a plain model of the store's slots: never more at a time than the
//! definition says, and nobody waits for ever, whatever people do.

use std::collections::BTreeMap;

use engine::{
    Effects, Facts, Input, Origin, Place, Policy, Rejection, Reopen, SlotChange, SlotFact,
    SlotState,
};
use model::{ExecutionId, ExecutionStatus};
use proptest::{prelude::*, sample::Index, test_runner::FileFailurePersistence};
use serde_json::Map;
use wire::{Control, Judgment};

use crate::world::{nth, pipeline};

/// What a store keeps of one pipeline.
#[derive(Default)]
struct Queue {
    documents: BTreeMap<ExecutionId, engine::Document>,
    holders: Vec<Place>,
    waiting: Vec<Place>,
    policy: Policy,
    numbers: u64,
    now_ms: u64,
}

#[derive(Clone, Debug)]
enum Action {
    Start,
    Look(Index),
    Finish(Index),
    Cancel(Index),
    Restart(Index),
    Pause(Index),
    Resume(Index),
    Policy(u32, bool),
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => Just(Action::Start),
        12 => any::<Index>().prop_map(Action::Look),
        6 => any::<Index>().prop_map(Action::Finish),
        2 => any::<Index>().prop_map(Action::Cancel),
        3 => any::<Index>().prop_map(Action::Restart),
        1 => any::<Index>().prop_map(Action::Pause),
        1 => any::<Index>().prop_map(Action::Resume),
        1 => (0..4_u32, any::<bool>()).prop_map(|(limit, keep)| Action::Policy(limit, keep)),
    ]
}

impl Queue {
    fn start(&mut self) {
        let mut definition = pipeline("1:judge");
        definition.max_concurrent_executions = self.policy.limit.unwrap_or(0);
        definition.keep_waiting_pipelines = self.policy.keep_waiting;
        self.numbers += 1;
        let origin = Origin {
            event_key: format!("manual/{}", self.numbers),
            pipeline_id: "p1".to_owned(),
            trigger: Map::new(),
            time_zone: None,
        };
        let (document, _) = engine::start(&definition, origin, self.now_ms);
        let place = Place { execution: document.id.clone(), order: self.numbers };
        let room = self.policy.limit.is_none_or(|limit| fits(self.holders.len(), limit));
        if self.policy.limit.is_none() || (room && self.waiting.is_empty()) {
            self.holders.push(place);
        } else {
            self.waiting.push(place);
        }
        self.documents.insert(document.id.clone(), document);
    }

    fn facts(&self, id: &ExecutionId) -> Facts {
        let is = |place: &Place| place.execution == *id;
        let own = if self.holders.iter().any(is) {
            SlotState::Holds
        } else if self.waiting.iter().any(is) {
            SlotState::Waits
        } else {
            SlotState::None
        };
        let (holders, waiting) = (self.holders.clone(), self.waiting.clone());
        let slot = Some(SlotFact { own, holders, waiting });
        Facts { slot, policy: Some(self.policy), ..Facts::default() }
    }

    fn input(&mut self, id: &ExecutionId, input: &Input) -> Result<(), Rejection> {
        let facts = self.facts(id);
        let mut document = self.documents[id].clone();
        let effects = engine::step(&mut document, input, &facts, self.now_ms)?;
        self.commit(document, &effects);
        Ok(())
    }

    /// The rules of the store.
    fn commit(&mut self, document: engine::Document, effects: &Effects) {
        let id = document.id.clone();
        let was = self.documents[&id].is_complete();
        assert_eq!(was, effects.reopen == Reopen::Yes, "only a restart follows an end");
        let number = if let Some(place) = self.place(&id) {
            place.order
        } else {
            self.numbers += 1;
            self.numbers
        };
        let place = Place { execution: id.clone(), order: number };
        match effects.slot {
            Some(SlotChange::Take { limit }) => {
                let others = self.holders.iter().filter(|holder| holder.execution != id).count();
                assert!(limit.is_none_or(|limit| fits(others, limit)), "one too many");
                self.release(&id);
                self.holders.push(place);
            }
            Some(SlotChange::Wait) if !self.holders.contains(&place) => {
                self.release(&id);
                self.waiting.push(place);
            }
            Some(SlotChange::Wait) | None => {}
        }
        self.holders.sort_by_key(|place| place.order);
        self.waiting.sort_by_key(|place| place.order);
        if document.is_complete() {
            self.release(&id);
        }
        let runs = matches!(document.status, ExecutionStatus::Running | ExecutionStatus::Paused);
        if runs {
            assert!(
                self.holders.iter().any(|holder| holder.execution == id),
                "it runs without a slot"
            );
        }
        self.documents.insert(id, document);
    }

    fn place(&self, id: &ExecutionId) -> Option<&Place> {
        self.holders.iter().chain(&self.waiting).find(|place| place.execution == *id)
    }

    fn release(&mut self, id: &ExecutionId) {
        self.holders.retain(|place| place.execution != *id);
        self.waiting.retain(|place| place.execution != *id);
    }

    fn any(&self, which: Index) -> Option<ExecutionId> {
        let ids: Vec<&ExecutionId> = self.documents.keys().collect();
        (!ids.is_empty()).then(|| (*which.get(&ids)).clone())
    }

    fn judge(&mut self, id: &ExecutionId) {
        let stage = nth(&self.documents[id], 0).id.clone();
        let control = Control::Judge { stage, decision: Judgment::Continue, input: None };
        drop(self.order(id, control));
    }

    fn order(&mut self, id: &ExecutionId, control: Control) -> Result<(), Rejection> {
        self.input(id, &Input::Control { user: "eve".to_owned(), control })
    }

    fn act(&mut self, action: &Action) {
        self.now_ms += 1;
        let which = match action {
            Action::Start => return self.start(),
            Action::Policy(limit, keep) => {
                self.policy = Policy { limit: (*limit > 0).then_some(*limit), keep_waiting: *keep };
                return;
            }
            Action::Look(which)
            | Action::Finish(which)
            | Action::Cancel(which)
            | Action::Restart(which)
            | Action::Pause(which)
            | Action::Resume(which) => *which,
        };
        let Some(id) = self.any(which) else { return };
        match action {
            Action::Look(_) => drop(self.input(&id, &Input::Look)),
            Action::Finish(_) => self.judge(&id),
            Action::Cancel(_) => {
                drop(self.input(&id, &Input::Cancel { user: "bob".to_owned(), reason: None }));
            }
            Action::Restart(_) => {
                let stage = nth(&self.documents[&id], 0).id.clone();
                drop(self.order(&id, Control::RestartStage { stage }));
            }
            Action::Pause(_) => drop(self.order(&id, Control::Pause)),
            Action::Resume(_) => drop(self.order(&id, Control::Resume)),
            Action::Start | Action::Policy(..) => {}
        }
    }

    fn live(&self) -> Vec<ExecutionId> {
        let live = self.documents.values().filter(|document| !document.is_complete());
        live.map(|document| document.id.clone()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn slots_are_never_exceeded_and_nobody_waits_for_ever(
        limit in 0..3_u32,
        keep in any::<bool>(),
        schedule in prop::collection::vec(actions(), 0..80),
    ) {
        let policy = Policy { limit: (limit > 0).then_some(limit), keep_waiting: keep };
        let mut queue = Queue { policy, now_ms: 1_000, ..Queue::default() };
        for action in &schedule {
            queue.act(action);
        }
        let mut rounds = 0;
        while !queue.live().is_empty() {
            rounds += 1;
            prop_assert!(rounds < 200, "somebody waits for ever: {:?}", queue.waiting);
            for id in queue.live() {
                drop(queue.order(&id, Control::Resume));
                drop(queue.input(&id, &Input::Look));
                queue.judge(&id);
            }
        }
        prop_assert!(queue.holders.is_empty() && queue.waiting.is_empty());
        // Whoever was overtaken says by whom.
        for document in queue.documents.values() {
            let by_us = document.canceled.as_ref().filter(|canceled| canceled.by == "bowline");
            let reason = by_us.and_then(|canceled| canceled.reason.clone());
            if let Some(reason) = reason {
                let other: ExecutionId = reason.rsplit(' ').next().unwrap().parse().unwrap();
                prop_assert!(queue.documents.contains_key(&other), "{reason}");
            }
        }
    }
}

fn fits(running: usize, limit: u32) -> bool {
    u32::try_from(running).is_ok_and(|running| running < limit)
}
