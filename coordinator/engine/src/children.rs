//! Executions that stages start: begun, followed, canceled with the stage.

use model::ExecutionStatus;
use serde_json::{Map, Value};
use stages::{Child, Until, user_failure};
use wire::{Event, StartChild};

use crate::{
    arena::StageIndex,
    document::Document,
    facts::ChildFact,
    nesting,
    stage::Stage,
    state::{ChildRun, ChildStop, StageState, Work},
    step::{Line, Step},
};

impl Step<'_> {
    /// Asks for another execution that does the work of a stage.
    pub(crate) fn start_child(&mut self, ix: StageIndex, child: Child) {
        let (document, stage) = (self.document(), self.stage(ix));
        let trigger = child_trigger(document, &child, stage);
        let user = document.trigger.get("user").and_then(Value::as_str);
        let start = StartChild {
            parent: document.id.clone(),
            stage: stage.id.clone(),
            attempt: stage.run.tries_before + 1,
            pipeline_id: child.pipeline_id,
            application: child.application,
            user: user.unwrap_or("anonymous").to_owned(),
            trigger,
        };
        let execution = start.execution();
        let line = Line("child_started", Some(execution.to_string()));
        let run = self.run(ix);
        run.tell("executionId", execution.as_str());
        run.child = Some(execution.clone());
        let work = Work::Child(ChildRun {
            execution,
            attempt: start.attempt,
            until: child.until,
            stop: ChildStop::No,
        });
        self.go(ix, StageState::Running(work), Some(line));
        self.effects.events.push((start.key(), Event::StartChild(start)));
    }

    /// Brings a stage up to date with the execution that works for it.
    pub(crate) fn absorb_child(&mut self, ix: StageIndex) {
        let facts = self.facts;
        let child = self.stage(ix).run.state.child().clone();
        let Some(fact) = facts.children.get(&child.execution) else { return };
        match fact {
            ChildFact::Refused { reason } => {
                let failure = user_failure(
                    format!("the pipeline could not be started: {reason}"),
                    Some("look at the pipeline this stage names".to_owned()),
                );
                self.fail(ix, failure);
            }
            ChildFact::Known { name, status, reason, outputs } => {
                let ended = status.is_complete();
                if !ended && child.stop != ChildStop::No {
                    self.cancel_child(ix, &child);
                    return;
                }
                // One that is not waited for has done its part once it exists, unless it never began.
                let enough = child.until == Until::Started && (!ended || reason.is_none());
                if !ended && !enough {
                    return;
                }
                let verdict = if enough { ExecutionStatus::Succeeded } else { *status };
                let run = self.run(ix);
                run.outputs.extend(outputs.clone());
                run.tell("status", status.as_str());
                if verdict == ExecutionStatus::Terminal {
                    let why = reason.as_ref().map(|reason| format!(": {reason}"));
                    let message =
                        format!("pipeline `{name}` ended {status}{}", why.unwrap_or_default());
                    let hint = format!("look at execution {}", child.execution);
                    run.failure = Some(user_failure(message, Some(hint)));
                }
                self.close(ix, verdict);
            }
        }
    }

    /// An execution that runs is canceled once for each time its parent's stage is stopped.
    fn cancel_child(&mut self, ix: StageIndex, child: &ChildRun) {
        if child.stop == ChildStop::Sent {
            return;
        }
        let (id, execution) = (&self.document().id, child.execution.clone());
        let reason = Some(format!("its parent, execution {id}, was stopped"));
        let by = self.document().canceled.as_ref().map(|canceled| canceled.by.clone());
        let user = by.unwrap_or_else(|| "bowline".to_owned());
        self.run(ix).state.child_mut().stop = ChildStop::Sent;
        self.note(ix, "child_canceled", Some(format!("execution {execution} is canceled with it")));
        let key = format!("cancel-child/{execution}");
        self.effects.events.push((key, Event::Cancel { execution, user, reason }));
    }
}

/// What the child knows about its beginning. The parent is given by reference: small, and without what
/// started its own parent.
fn child_trigger(document: &Document, child: &Child, stage: &Stage) -> Map<String, Value> {
    let mut own = document.trigger.clone();
    own.remove("parentExecution");
    let parent = serde_json::json!({
        "id": document.id,
        "application": document.application,
        "name": document.pipeline_name,
        "status": document.status,
        "pipelineConfigId": document.pipeline_id,
        "trigger": own,
    });
    let mut trigger = Map::new();
    trigger.insert("type".to_owned(), "pipeline".into());
    let user = document.trigger.get("user").cloned().unwrap_or_else(|| "anonymous".into());
    trigger.insert("user".to_owned(), user);
    trigger.insert("parameters".to_owned(), Value::Object(child.parameters.clone()));
    trigger.insert("parentExecution".to_owned(), parent);
    trigger.insert("parentPipelineStageId".to_owned(), stage.id.as_str().into());
    nesting::pass_on(document, child.until, &mut trigger);
    trigger
}
