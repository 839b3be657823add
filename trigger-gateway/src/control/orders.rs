//! Whether an execution takes an order, as its view says: the engine has put the orders there that it takes.
//! The coordinator decides again, against the state at the time; what is certain already is refused here, with
//! what would be right.

use std::fmt::Write as _;

use model::{ExecutionId, ExecutionStatus, StageId};
use serde_json::{Value, json};
use store::ExecutionRow;
use wire::{Awaits, Control, ExecutionOrder, ExecutionView, StageOrder, StageView};

use crate::problem::Problem;

/// Stages named in one sentence; the whole list goes beside it.
const NAMED_MAX: usize = 20;

/// An execution as it is shown.
#[derive(Debug)]
pub(super) struct Shown(ExecutionView);

impl Shown {
    pub(super) fn of(row: &ExecutionRow) -> Result<Self, Problem> {
        serde_json::from_str(&row.view).map(Self).map_err(|error| {
            tracing::error!(execution.id = %row.id, %error, "a stored view is unreadable");
            Problem::internal()
        })
    }

    /// A stage by its id, its ref id, or a name that only one stage has.
    pub(super) fn stage(&self, asked: &str) -> Result<&StageView, Problem> {
        let stages = &self.0.stages;
        let by_id = stages.iter().find(|stage| stage.id.as_str() == asked);
        let by_ref = || stages.iter().find(|stage| stage.ref_id == asked);
        if let Some(stage) = by_id.or_else(by_ref) {
            return Ok(stage);
        }
        let named: Vec<&StageView> = stages.iter().filter(|stage| stage.name == asked).collect();
        match named.as_slice() {
            [one] => Ok(one),
            [] => {
                let text = format!(
                    "execution `{}` has no stage `{asked}`; it has {}",
                    self.0.id,
                    listed(stages.iter())
                );
                Err(Problem::not_found(text).with_choices(choices(stages.iter())))
            }
            several => {
                let text = format!(
                    "{} stages are called `{asked}`: name one by its id or ref id, {}",
                    several.len(),
                    listed(several.iter().copied())
                );
                let several = choices(several.iter().copied());
                Err(Problem::conflict("ambiguous-stage", text).with_choices(several))
            }
        }
    }

    /// Refuses an order that the execution does not take.
    pub(super) fn check(&self, control: &Control) -> Result<(), Problem> {
        match control {
            Control::Pause => self.check_execution(ExecutionOrder::Pause),
            Control::Resume => self.check_execution(ExecutionOrder::Resume),
            Control::RestartStage { stage } => self.check_stage(stage, StageOrder::Restart),
            Control::Judge { stage, input, .. } => {
                self.check_stage(stage, StageOrder::Judge)?;
                self.check_input(stage, input.as_deref())
            }
            Control::SkipWait { stage } => self.check_stage(stage, StageOrder::SkipWait),
            Control::SkipStage { stage } => self.check_stage(stage, StageOrder::Skip),
        }
    }

    fn check_execution(&self, order: ExecutionOrder) -> Result<(), Problem> {
        if self.0.orders.contains(&order) {
            return Ok(());
        }
        self.check_live()?;
        let (id, status) = (&self.0.id, self.0.status);
        Err(match order {
            ExecutionOrder::Pause if status == ExecutionStatus::Paused => {
                let text = format!("execution `{id}` is paused already; `resume` lets it go on");
                Problem::conflict("already-paused", text)
            }
            ExecutionOrder::Pause => {
                let text = format!("only a running execution can be paused; `{id}` is {status}");
                Problem::conflict("not-running", text)
            }
            ExecutionOrder::Resume => {
                let text = format!("only a paused execution can be resumed; `{id}` is {status}");
                Problem::conflict("not-paused", text)
            }
            ExecutionOrder::Cancel => {
                let text = format!("execution `{id}` is {status} and cannot be canceled");
                Problem::conflict("not-cancelable", text)
            }
        })
    }

    fn check_stage(&self, id: &StageId, order: StageOrder) -> Result<(), Problem> {
        let stage = self.stage(id.as_str())?;
        if stage.orders.contains(&order) {
            return Ok(());
        }
        match order {
            StageOrder::Restart => Err(self.no_restart(stage)),
            StageOrder::Judge => {
                self.check_live()?;
                Err(self.nothing_due(stage, order, "no-judgment-due", "a judgment"))
            }
            StageOrder::SkipWait => {
                self.check_live()?;
                Err(self.nothing_due(stage, order, "no-wait", "a time"))
            }
            StageOrder::Skip => {
                self.check_live()?;
                Err(self.no_skip(stage))
            }
        }
    }

    /// Only a restart is an order for an execution that is over, and one that was canceled ends without any.
    fn check_live(&self) -> Result<(), Problem> {
        let ExecutionView { id, status, canceled, .. } = &self.0;
        if status.is_complete() {
            return Err(over(id, *status));
        }
        if *canceled {
            let text = format!("execution `{id}` was canceled and ends as soon as its work stops");
            return Err(Problem::conflict("execution-canceled", text));
        }
        Ok(())
    }

    fn no_restart(&self, stage: &StageView) -> Problem {
        if let Some(parent) = &stage.parent_stage_id {
            let whole = self.0.stages.iter().find(|other| other.id == *parent);
            let whole = whole.map_or_else(|| format!("`{parent}`"), label);
            let text = format!(
                "stage {} is a part of {whole}: a stage is restarted as a whole",
                label(stage)
            );
            return Problem::conflict("part-of-a-stage", text);
        }
        if !stage.status.is_complete() && stage.status != ExecutionStatus::NotStarted {
            let text = format!(
                "stage {} is {}: it can be restarted once it is over; cancel the execution if it should stop",
                label(stage),
                stage.status
            );
            return Problem::conflict("stage-running", text);
        }
        let able = self.taking(StageOrder::Restart);
        let text = format!(
            "stage {} is {} in an execution that is {}: it can be restarted once what it requires has succeeded and nothing that builds on it is running; now these can: {}",
            label(stage),
            stage.status,
            self.0.status,
            listed(able.iter().copied())
        );
        Problem::conflict("not-restartable", text).with_choices(choices(able.into_iter()))
    }

    fn no_skip(&self, stage: &StageView) -> Problem {
        if stage.status.is_complete() {
            let text = format!("stage {} is over, with status {}", label(stage), stage.status);
            return Problem::conflict("stage-complete", text);
        }
        let able = self.taking(StageOrder::Skip);
        let text = format!(
            "stage {} is {} and of type `{}`: it cannot be left out now; these can: {}",
            label(stage),
            stage.status,
            stage.kind,
            listed(able.iter().copied())
        );
        Problem::conflict("not-skippable", text).with_choices(choices(able.into_iter()))
    }

    /// A stage does not wait for what was decided; which stages do.
    fn nothing_due(
        &self,
        stage: &StageView,
        order: StageOrder,
        code: &'static str,
        what: &str,
    ) -> Problem {
        let mut waiting = self.taking(order);
        // A stage takes the order for its time window, too: the window is the one that waits.
        waiting.retain(|other| other.awaits.is_some());
        let others = match waiting.as_slice() {
            [] => "no stage of this execution does".to_owned(),
            waiting => format!("waiting: {}", listed(waiting.iter().copied())),
        };
        let text = format!(
            "stage {} is {} and of type `{}`: it does not wait for {what}; {others}",
            label(stage),
            stage.status,
            stage.kind,
        );
        Problem::conflict(code, text).with_choices(choices(waiting.into_iter()))
    }

    fn check_input(&self, id: &StageId, input: Option<&str>) -> Result<(), Problem> {
        let stage = self.stage(id.as_str())?;
        let (Some(wanted), Some(Awaits::Person { choices, .. })) = (input, &stage.awaits) else {
            return Ok(());
        };
        if choices.is_empty() || choices.iter().any(|choice| choice == wanted) {
            return Ok(());
        }
        let text = format!(
            "`{wanted}` is not among the choices of stage {}: {}",
            label(stage),
            choices.join(", ")
        );
        let problem = Problem::bad_request("unknown-judgment-input", text);
        Err(problem.with_choices(json!(choices)))
    }

    fn taking(&self, order: StageOrder) -> Vec<&StageView> {
        self.0.stages.iter().filter(|stage| stage.orders.contains(&order)).collect()
    }
}

/// An execution that is over takes no orders.
pub(super) fn over(id: &ExecutionId, status: ExecutionStatus) -> Problem {
    let text = format!("execution `{id}` is over, with status {status}");
    Problem::conflict("execution-complete", text)
}

fn label(stage: &StageView) -> String {
    format!("`{}` ({})", stage.ref_id, stage.name)
}

fn listed<'a>(stages: impl Iterator<Item = &'a StageView>) -> String {
    let labels: Vec<String> = stages.map(label).collect();
    let mut text = labels.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if labels.is_empty() {
        text.push_str("none");
    }
    if labels.len() > NAMED_MAX {
        // Writing to a String cannot fail.
        _ = write!(text, " and {} more, see `choices`", labels.len() - NAMED_MAX);
    }
    text
}

fn choices<'a>(stages: impl Iterator<Item = &'a StageView>) -> Value {
    let one = |stage: &StageView| {
        json!({ "id": stage.id, "refId": stage.ref_id, "name": stage.name,
            "type": stage.kind, "status": stage.status })
    };
    stages.map(one).collect()
}
