//! Waiting for a slot: who may run of a pipeline that runs few at a time.
//!
//! The policy is that of the current definition, not that of the start. With `keepWaitingPipelines` all waiting
//! executions run, oldest first; without it only the newest runs, and the others end with its id as the reason.

use model::ExecutionId;

use crate::{
    document::Queue,
    effects::SlotChange,
    facts::{SlotFact, SlotState},
    step::Step,
};

/// The user in whose name executions are canceled that are superseded or too late.
const SYSTEM: &str = "bowline";

impl Step<'_> {
    /// Begins an execution that has not begun, if it has or gets a slot; otherwise notes what it waits for.
    pub(crate) fn seek_slot(&mut self) {
        self.take_policy();
        if self.cancel_if_late() {
            return;
        }
        let facts = self.facts;
        let Some(fact) = &facts.slot else { return };
        match fact.own {
            SlotState::None => {}
            SlotState::Holds => self.begin_execution(),
            SlotState::Waits => self.wait_turn(fact),
        }
    }

    /// Takes over how many may run at a time, from the pipeline's definition of now.
    pub(crate) fn take_policy(&mut self) {
        let current = self.facts.policy.filter(|policy| *policy != self.document().policy);
        if let Some(policy) = current {
            self.change().policy = policy;
            self.effects.note("policy_changed", None, Some(policy.to_string()));
        }
    }

    /// Cancels an execution that has not begun by its `startTimeExpiry`.
    pub(crate) fn cancel_if_late(&mut self) -> bool {
        let late = self.document().start_expiry_ms.is_some_and(|late_ms| late_ms < self.now_ms);
        if late {
            let reason = "it had not begun when its `startTimeExpiry` came";
            self.cancel(SYSTEM, Some(reason));
        }
        late
    }

    fn wait_turn(&mut self, fact: &SlotFact) {
        let policy = self.document().policy;
        let own = fact.waiting.iter().position(|place| place.execution == self.document().id);
        let Some((position, place)) = own.and_then(|at| Some((at, fact.waiting.get(at)?))) else {
            return;
        };
        if !policy.keep_waiting {
            let newer = fact.holders.iter().rev().find(|holder| holder.order > place.order);
            if let Some(newer) = newer {
                let reason = format!("superseded by the newer execution {}", newer.execution);
                self.cancel(SYSTEM, Some(&reason));
                return;
            }
        }
        let turn = if policy.keep_waiting { 0 } else { fact.waiting.len().saturating_sub(1) };
        if position == turn && has_room(policy.limit, fact.holders.len()) {
            self.effects.slot = Some(SlotChange::Take { limit: policy.limit });
            self.begin_execution();
            return;
        }
        let queue = Queue {
            position: position + 1,
            waiting_for: fact.holders.iter().map(|holder| holder.execution.clone()).collect(),
        };
        if self.document().queue.as_ref() != Some(&queue) {
            let detail = shown(&queue);
            self.change().queue = Some(queue);
            self.effects.note("execution_waits", None, Some(detail));
        }
    }
}

/// Whether one more may hold a slot.
pub(crate) fn has_room(limit: Option<u32>, holders: usize) -> bool {
    limit.is_none_or(|limit| u32::try_from(holders).is_ok_and(|held| held < limit))
}

fn shown(queue: &Queue) -> String {
    let names: Vec<&str> = queue.waiting_for.iter().take(5).map(ExecutionId::as_str).collect();
    format!("place {}, waiting for {}", queue.position, names.join(", "))
}
