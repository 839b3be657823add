//! Whether a control fits an execution as it is shown. The coordinator decides, against the state at
//! the time; what is certain already is told here, with what would be right.

use std::fmt::Write as _;

use model::{ExecutionId, ExecutionStatus, StageId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::ExecutionRow;
use wire::{Control, Judgment};

use crate::problem::Problem;

/// Stages named in one sentence; the whole list goes beside it.
const NAMED_MAX: usize = 20;
/// Spinnaker's names of the types that wait: for a person, for a time, for a time window.
const JUDGMENT: &str = "manualJudgment";
const WAIT: &str = "wait";
const WINDOW: &str = "restrictExecutionDuringTimeWindow";

/// What of an execution's view decides.
#[derive(Debug)]
pub(super) struct Shown {
    id: ExecutionId,
    status: ExecutionStatus,
    stages: Vec<Stage>,
}

/// What of a stage's view decides.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stage {
    pub(super) id: StageId,
    ref_id: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    status: ExecutionStatus,
    parent_stage_id: Option<StageId>,
    #[serde(default)]
    context: Map<String, Value>,
}

#[derive(Deserialize)]
struct Stages {
    #[serde(default)]
    stages: Vec<Stage>,
}

impl Stage {
    /// True while it works or waits; also while its execution is paused.
    fn live(&self) -> bool {
        !self.status.is_complete() && self.status != ExecutionStatus::NotStarted
    }

    fn waits_for_judgment(&self) -> bool {
        self.kind == JUDGMENT && self.live()
    }

    fn waits_for_time(&self) -> bool {
        [WAIT, WINDOW].contains(&self.kind.as_str()) && self.live()
    }
}

impl Shown {
    pub(super) fn of(row: &ExecutionRow) -> Result<Self, Problem> {
        let Stages { stages } = serde_json::from_str(&row.view).map_err(|error| {
            tracing::error!(execution.id = %row.id, %error, "a stored view is unreadable");
            Problem::internal()
        })?;
        Ok(Self { id: row.id.clone(), status: row.status, stages })
    }

    /// A stage by its id, its ref id, or a name that only one stage has.
    pub(super) fn stage(&self, asked: &str) -> Result<&Stage, Problem> {
        let by_id = self.stages.iter().find(|stage| stage.id.as_str() == asked);
        let by_ref = || self.stages.iter().find(|stage| stage.ref_id == asked);
        if let Some(stage) = by_id.or_else(by_ref) {
            return Ok(stage);
        }
        let named: Vec<&Stage> = self.stages.iter().filter(|stage| stage.name == asked).collect();
        match named.as_slice() {
            [one] => Ok(one),
            [] => {
                let text = format!(
                    "execution `{}` has no stage `{asked}`; it has {}",
                    self.id,
                    listed(self.stages.iter())
                );
                Err(Problem::not_found(text).with_choices(choices(self.stages.iter())))
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

    /// The control, with the stage it is really about; or what is wrong with it.
    pub(super) fn fit(&self, control: Control) -> Result<Control, Problem> {
        if let Control::RestartStage { stage } = control {
            self.restart(&stage)?;
            return Ok(Control::RestartStage { stage });
        }
        if self.status.is_complete() {
            return Err(over(&self.id, self.status));
        }
        match control {
            Control::RestartStage { .. } => Ok(control),
            Control::Pause => self.pause().map(|()| control),
            Control::Resume => self.resume().map(|()| control),
            Control::Judge { stage, decision, input } => self.judge(stage, decision, input),
            Control::SkipWait { stage } => self.skip_wait(stage),
            Control::SkipStage { stage } => self.skip(stage),
        }
    }

    fn pause(&self) -> Result<(), Problem> {
        let id = &self.id;
        match self.status {
            ExecutionStatus::Running => Ok(()),
            ExecutionStatus::Paused => {
                let text = format!("execution `{id}` is paused already; `resume` lets it go on");
                Err(Problem::conflict("already-paused", text))
            }
            other @ (ExecutionStatus::NotStarted
            | ExecutionStatus::Suspended
            | ExecutionStatus::Succeeded
            | ExecutionStatus::FailedContinue
            | ExecutionStatus::Terminal
            | ExecutionStatus::Canceled
            | ExecutionStatus::Redirect
            | ExecutionStatus::Stopped
            | ExecutionStatus::Skipped
            | ExecutionStatus::Buffered) => {
                let text = format!("only a running execution can be paused; `{id}` is {other}");
                Err(Problem::conflict("not-running", text))
            }
        }
    }

    fn resume(&self) -> Result<(), Problem> {
        if self.status == ExecutionStatus::Paused {
            return Ok(());
        }
        let text =
            format!("only a paused execution can be resumed; `{}` is {}", self.id, self.status);
        Err(Problem::conflict("not-paused", text))
    }

    fn restart(&self, stage: &StageId) -> Result<(), Problem> {
        let stage = self.known(stage)?;
        if let Some(parent) = &stage.parent_stage_id {
            let whole = self.stages.iter().find(|other| other.id == *parent);
            let whole = whole.map_or_else(|| format!("`{parent}`"), label);
            let text = format!(
                "stage {} is a part of {whole}: a stage is restarted as a whole",
                label(stage)
            );
            return Err(Problem::conflict("part-of-a-stage", text));
        }
        if stage.status.is_complete() || stage.status == ExecutionStatus::NotStarted {
            return Ok(());
        }
        let text = format!(
            "stage {} is {}: it can be restarted once it is over; cancel the execution if it should stop",
            label(stage),
            stage.status
        );
        Err(Problem::conflict("stage-running", text))
    }

    fn judge(
        &self,
        stage: StageId,
        decision: Judgment,
        input: Option<String>,
    ) -> Result<Control, Problem> {
        let judged = self.known(&stage)?;
        if !judged.waits_for_judgment() {
            let due = Stage::waits_for_judgment;
            return Err(self.nothing_due(judged, "no-judgment-due", "a judgment", due));
        }
        let offered = stages::judgment_choices(&judged.context);
        if let Some(wanted) = &input
            && !offered.is_empty()
            && !offered.contains(wanted)
        {
            let text = format!(
                "`{wanted}` is not among the choices of stage {}: {}",
                label(judged),
                offered.join(", ")
            );
            let problem = Problem::bad_request("unknown-judgment-input", text);
            return Err(problem.with_choices(json!(offered)));
        }
        Ok(Control::Judge { stage, decision, input })
    }

    /// A window is a part of the stage it holds back: to name that stage is clear enough.
    fn skip_wait(&self, stage: StageId) -> Result<Control, Problem> {
        let named = self.known(&stage)?;
        if named.waits_for_time() {
            return Ok(Control::SkipWait { stage });
        }
        let part = self
            .stages
            .iter()
            .find(|part| part.parent_stage_id.as_ref() == Some(&stage) && part.waits_for_time());
        part.map(|part| Control::SkipWait { stage: part.id.clone() })
            .ok_or_else(|| self.nothing_due(named, "no-wait", "a time", Stage::waits_for_time))
    }

    /// A stage does not wait for what was said; which stages do.
    fn nothing_due(
        &self,
        stage: &Stage,
        code: &'static str,
        what: &str,
        due: impl Fn(&Stage) -> bool,
    ) -> Problem {
        let waiting: Vec<&Stage> = self.stages.iter().filter(|other| due(other)).collect();
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

    fn skip(&self, stage: StageId) -> Result<Control, Problem> {
        let named = self.known(&stage)?;
        if named.status.is_complete() {
            let text = format!("stage {} is over, with status {}", label(named), named.status);
            return Err(Problem::conflict("stage-complete", text));
        }
        Ok(Control::SkipStage { stage })
    }

    fn known(&self, id: &StageId) -> Result<&Stage, Problem> {
        self.stage(id.as_str())
    }
}

/// An execution that is over takes no orders.
pub(super) fn over(id: &ExecutionId, status: ExecutionStatus) -> Problem {
    let text = format!("execution `{id}` is over, with status {status}");
    Problem::conflict("execution-complete", text)
}

fn label(stage: &Stage) -> String {
    format!("`{}` ({})", stage.ref_id, stage.name)
}

fn listed<'a>(stages: impl Iterator<Item = &'a Stage>) -> String {
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

fn choices<'a>(stages: impl Iterator<Item = &'a Stage>) -> Value {
    let one = |stage: &Stage| {
        json!({ "id": stage.id, "refId": stage.ref_id, "name": stage.name,
            "type": stage.kind, "status": stage.status })
    };
    stages.map(one).collect()
}
