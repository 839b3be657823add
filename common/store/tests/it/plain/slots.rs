//! Slots and what is old: by looking at every execution.

use model::ExecutionId;
use store::{
    FinishedFilter, FinishedPage, Removed, SlotChange, SlotEntry, SlotRequest, SlotRow, SlotState,
};

use super::{Model, Slot};

impl Model {
    /// Holders and waiters of a pipeline, each by number.
    fn lists(&self, pipeline: &str) -> (Vec<SlotEntry>, Vec<SlotEntry>) {
        let (mut holders, mut waiting) = (Vec::new(), Vec::new());
        for (id, execution) in self.executions.iter().filter(|(_, it)| it.pipeline == pipeline) {
            if let Some(slot) = execution.slot {
                let entry = SlotEntry { number: slot.number, execution: id.clone() };
                if slot.waits_since.is_some() { waiting.push(entry) } else { holders.push(entry) }
            }
        }
        holders.sort();
        waiting.sort();
        (holders, waiting)
    }

    pub(super) fn has_free(&self, pipeline: &str, limit: Option<u32>) -> bool {
        let held = self.lists(pipeline).0.len();
        limit.is_none_or(|limit| held < usize::try_from(limit).unwrap())
    }

    pub(super) fn holds(&self, id: &ExecutionId) -> bool {
        self.executions[id].slot.is_some_and(|slot| slot.waits_since.is_none())
    }

    pub(super) fn granted(&self, pipeline: &str, request: SlotRequest) -> SlotChange {
        let nobody_waits = self.lists(pipeline).1.is_empty();
        if request.limit.is_none() || (nobody_waits && self.has_free(pipeline, request.limit)) {
            SlotChange::Take { limit: request.limit }
        } else {
            SlotChange::Wait
        }
    }

    pub(super) fn change_slot(&mut self, id: &ExecutionId, change: Option<SlotChange>) {
        let now = self.now;
        let execution = self.executions.get_mut(id).unwrap();
        let waits = execution.slot.is_some_and(|slot| slot.waits_since.is_some());
        if execution.slot.is_none() {
            self.numbers += 1;
            let waits_since = (change == Some(SlotChange::Wait)).then_some(now);
            execution.slot = Some(Slot { number: self.numbers, waits_since });
        } else if waits && matches!(change, Some(SlotChange::Take { .. })) {
            execution.slot = execution.slot.map(|slot| Slot { waits_since: None, ..slot });
            let pipeline = execution.pipeline.clone();
            self.wake_waiters(&pipeline);
        }
    }

    pub(super) fn leave(&mut self, id: &ExecutionId) {
        let execution = self.executions.get_mut(id).unwrap();
        if execution.slot.take().is_some() {
            let pipeline = execution.pipeline.clone();
            self.wake_waiters(&pipeline);
        }
    }

    fn wake_waiters(&mut self, pipeline: &str) {
        for entry in self.lists(pipeline).1 {
            self.nudge(&entry.execution, self.now);
        }
    }

    pub(super) fn nudge(&mut self, id: &ExecutionId, time: u64) {
        if let Some(execution) = self.executions.get_mut(id)
            && let Some(wake) = execution.wake
        {
            execution.wake = Some(wake.min(time));
            execution.notice = Some(execution.notice.map_or(time, |notice| notice.min(time)));
        }
    }

    pub(super) fn slots(&self, id: &ExecutionId) -> SlotRow {
        let execution = &self.executions[id];
        let (mut holders, mut waiting) = self.lists(&execution.pipeline);
        let own = match execution.slot {
            None => SlotState::None,
            Some(Slot { waits_since: Some(_), .. }) => SlotState::Waits,
            Some(Slot { waits_since: None, .. }) => {
                holders.retain(|entry| entry.execution == *id);
                waiting.clear();
                SlotState::Holds
            }
        };
        SlotRow { own, holders, waiting }
    }

    pub(crate) fn finished(&self, filter: FinishedFilter) -> FinishedPage {
        let size = |count: u32| usize::try_from(count).unwrap();
        let mut all: Vec<(u64, &ExecutionId)> =
            self.executions.iter().map(|(id, it)| (it.created, id)).collect();
        all.sort();
        let old = all.iter().filter(|(created, _)| *created < filter.before_ms);
        let page: Vec<_> = old.skip(size(filter.skip)).take(size(filter.limit)).collect();
        let gone = page.iter().filter(|(_, id)| {
            let one = &self.executions[*id];
            let of_pipeline =
                all.iter().rev().filter(|(_, id)| self.executions[*id].pipeline == one.pipeline);
            one.status.is_complete()
                && one.ended < filter.before_ms
                && !of_pipeline.take(size(filter.keep_per_pipeline)).any(|(_, it)| it == id)
        });
        let ids = gone.map(|(_, id)| (*id).clone()).collect();
        FinishedPage { looked_at: u32::try_from(page.len()).unwrap(), ids }
    }

    pub(crate) fn remove(&mut self, id: &ExecutionId) -> Removed {
        match self.executions.get(id) {
            None => Removed::Gone,
            Some(execution) if !execution.status.is_complete() => Removed::Live,
            Some(_) => {
                self.executions.remove(id);
                self.removed.insert(id.clone(), self.now);
                Removed::Done
            }
        }
    }
}
