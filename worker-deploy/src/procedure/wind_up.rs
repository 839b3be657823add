//! Ending early, by a failure or a cancel: what can be put back is put back, and what is left is
//! said.

use tracing::{info, warn};
use wire::TaskFailure;
use worker::{End, Stop};

use super::{Work, retire::Trust};
use crate::{
    checkpoint::{Checkpoint, Course, Ending},
    plan::{
        self,
        retire::{Victim, VictimState},
    },
};

impl Work<'_> {
    /// Puts a disabled group back into traffic, then says how everything stands.
    pub(super) async fn wind_up(&mut self, ending: Ending, saved: Option<Checkpoint>) -> End {
        let report = match self.clean_up(&ending, saved).await {
            Ok(report) => report,
            Err(end) => return end,
        };
        info!(%report, "ended early");
        match ending {
            Ending::Canceled => End::Canceled(report),
            Ending::Failed(failure) => TaskFailure { detail: Some(report), ..failure }.into(),
        }
    }

    /// What is left, in words.
    async fn clean_up(
        &mut self,
        ending: &Ending,
        saved: Option<Checkpoint>,
    ) -> Result<String, End> {
        let report = match saved {
            None => "nothing was created or changed".to_owned(),
            Some(mut checkpoint) => {
                if checkpoint.ending().is_none() {
                    checkpoint.course = Course::Ending(ending.clone());
                    self.save(&checkpoint).await?;
                }
                let trouble = match Box::pin(self.put_back(&mut checkpoint)).await {
                    // Cleaning up is not canceled; a cancel that shows up here changes nothing.
                    Ok(()) | Err(End::Stopped(Stop::Canceled) | End::Canceled(_)) => None,
                    Err(end @ End::Stopped(Stop::Lost | Stop::Draining)) => return Err(end),
                    Err(End::Failed(failure)) => Some(failure.message),
                };
                self.report(&checkpoint, trouble).await?
            }
        };
        self.free_lock().await?;
        Ok(report)
    }

    async fn put_back(&mut self, checkpoint: &mut Checkpoint) -> Result<(), End> {
        if self.lock.is_none() && needs_lock(checkpoint.victims()) {
            checkpoint.fence = self.take_lock().await?;
        }
        for index in 0..checkpoint.victims().len() {
            let Some(victim) = checkpoint.victims().get(index).cloned() else { break };
            let names = [victim.name.clone()];
            let cloud = &self.deployer.cloud;
            if plan::retire::is_in_hand(&victim.state) {
                let call = || cloud.groups(&self.place, &names);
                let found = self.read("looking at the group in hand", call).await?;
                if let Some(state) = plan::retire::on_stop(&victim, found.first()) {
                    if let Some(victim) = checkpoint.victims_mut().get_mut(index) {
                        victim.state = state;
                    }
                    self.save(checkpoint).await?;
                }
            }
            let undoing = checkpoint
                .victims()
                .get(index)
                .is_some_and(|victim| matches!(victim.state, VictimState::Undoing { .. }));
            if undoing {
                self.retire(checkpoint, index, &mut Trust::default()).await?;
            }
        }
        Ok(())
    }

    /// Every group this run had to do with, and how it stands.
    async fn report(
        &self,
        checkpoint: &Checkpoint,
        trouble: Option<String>,
    ) -> Result<String, Stop> {
        let mut lines = vec![self.preface(checkpoint).await?];
        lines.extend(checkpoint.victims().iter().map(plan::retire::describe));
        if let Some(trouble) = trouble {
            warn!(%trouble, "cleaning up did not finish");
            lines.push(format!("cleaning up did not finish: {trouble}"));
        }
        Ok(lines.join("; "))
    }
}

fn needs_lock(victims: &[Victim]) -> bool {
    victims.iter().any(|victim| plan::retire::is_in_hand(&victim.state))
}
