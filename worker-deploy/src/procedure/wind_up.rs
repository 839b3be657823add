//! Ending early, by a failure or a cancel: what can be put back is put back, and what is left is
//! said.

use tracing::{info, warn};
use wire::TaskFailure;
use worker::{End, Stop};

use super::{Work, errand::Errand, retire::Trust};
use crate::{
    checkpoint::{Checkpoint, Ending, Record as _},
    lease::Lease,
    plan::{
        self,
        retire::{Victim, VictimState},
    },
};

impl<L: Lease, E: Errand> Work<'_, L, E> {
    /// Puts a disabled group back into traffic, then tells how everything stands.
    pub(super) async fn wind_up(
        &mut self,
        ending: Ending,
        record: Option<E::Record>,
    ) -> Result<E::Result, End> {
        let report = match record {
            None => "nothing was created or changed".to_owned(),
            Some(mut record) => {
                if record.ending().is_none() {
                    *record.ending() = Some(ending.clone());
                    self.save(&record).await?;
                }
                let trouble = match Box::pin(self.put_back(&mut record)).await {
                    // Cleaning up is not canceled; a cancel that shows up here changes nothing.
                    Ok(()) | Err(End::Stopped(Stop::Canceled) | End::Canceled(_)) => None,
                    Err(end @ End::Stopped(Stop::Lost | Stop::Draining)) => return Err(end),
                    Err(End::Failed(failure)) => Some(failure.message),
                };
                self.report(&record, trouble).await?
            }
        };
        self.unlock().await?;
        info!(%report, "ended early");
        Err(match ending {
            Ending::Canceled => End::Canceled(report),
            Ending::Failed(failure) => TaskFailure { detail: Some(report), ..failure }.into(),
        })
    }

    async fn put_back(&mut self, record: &mut E::Record) -> Result<(), End> {
        if self.held.is_none() && needs_lock(record.victims()) {
            *record.fence() = self.lock().await?;
        }
        for index in 0..record.victims().len() {
            let Some(victim) = record.victims().get(index).cloned() else { break };
            let names = [victim.name.clone()];
            let cloud = &self.room.cloud;
            if plan::retire::is_in_hand(&victim.state) {
                let call = || cloud.groups(&self.place, &names);
                let found = self.read("looking at the group in hand", call).await?;
                if let Some(state) = plan::retire::on_stop(&victim, found.first()) {
                    if let Some(victim) = record.victims_mut().get_mut(index) {
                        victim.state = state;
                    }
                    self.save(record).await?;
                }
            }
            let undoing = record
                .victims()
                .get(index)
                .is_some_and(|victim| matches!(victim.state, VictimState::Undoing { .. }));
            if undoing {
                self.retire(record, index, &mut Trust::default()).await?;
            }
        }
        Ok(())
    }

    /// Every group this run had to do with, and how it stands.
    async fn report(&self, record: &E::Record, trouble: Option<String>) -> Result<String, Stop> {
        let mut lines = vec![E::preface(self, record).await?];
        lines.extend(record.victims().iter().map(plan::retire::describe));
        if let Some(trouble) = trouble {
            warn!(%trouble, "cleaning up did not finish");
            lines.push(format!("cleaning up did not finish: {trouble}"));
        }
        Ok(lines.join("; "))
    }
}

impl<L: Lease> Work<'_, L> {
    /// How the new group of a deploy stands.
    pub(super) async fn new_group(&self, checkpoint: &Checkpoint) -> Result<String, Stop> {
        let name = &checkpoint.plan.group.name;
        let state = match (&checkpoint.created, checkpoint.healthy_ms) {
            (Some(_), Some(_)) => "was healthy and stays",
            (Some(_), None) => "was created and stays as it is",
            (None, _) => {
                let names = [name.clone()];
                let cloud = &self.room.cloud;
                let found = self
                    .read("looking for the new group", || cloud.groups(&self.place, &names))
                    .await;
                match found {
                    Ok(groups) => {
                        let ours =
                            |g: &crate::ports::ServerGroup| plan::is_made_by(g, self.lease.task());
                        if groups.iter().any(ours) {
                            "was created and stays as it is"
                        } else {
                            "was planned and is not there"
                        }
                    }
                    Err(End::Stopped(stop)) => return Err(stop),
                    Err(End::Failed(_) | End::Canceled(_)) => {
                        "may have been created; the cloud does not answer"
                    }
                }
            }
        };
        Ok(format!("the new group `{name}` {state}"))
    }
}

fn needs_lock(victims: &[Victim]) -> bool {
    victims.iter().any(|victim| plan::retire::is_in_hand(&victim.state))
}
