//! The beginning of a stage: may it run, is it time, what does it do.

use model::{ExecutionStatus, limits};
use serde_json::{Map, Value};
use stages::{Await, Child, Condition, Done, Part, Plan, StageRules};
use wire::{Event, StartChild, TaskFailure};

use crate::{
    context::StageContext,
    document::{Document, Stage, StageState, Synthetic, Work},
    evaluate, nesting,
    step::Step,
    window::{self, Opening},
    work,
};

/// How long a time window is waited for. Source: Orca.
const WINDOW_TIMEOUT_MS: u64 = 7 * 24 * 3_600_000;

impl Step<'_> {
    /// Begins a stage whose requirements are met.
    pub(crate) fn begin(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        stage.started_ms = Some(now_ms);
        let late = StageRules::of(&stage.config).start_time_expiry;
        let late = late.filter(|late_ms| (1..now_ms).contains(late_ms));
        if let Some(late_ms) = late {
            self.skip(at, &format!("it was not to begin after {late_ms} (`startTimeExpiry`)"));
            return;
        }
        match self
            .stage(at)
            .map_or(Condition::True, |stage| evaluate::enabled(self.document, stage))
        {
            Condition::True => {}
            Condition::False(text) => {
                self.skip(at, &format!("its condition is false: {text}"));
                return;
            }
            Condition::Invalid(failure) => {
                self.note_started(at);
                self.fail(at, failure);
                return;
            }
        }
        self.note_started(at);
        match self.stage(at).map(|stage| window::opening(self.document, stage, now_ms)) {
            None | Some(Ok(Opening::Now)) => self.begin_work(at),
            Some(Ok(Opening::At(opens_ms))) => self.hold(at, opens_ms),
            Some(Err(failure)) => self.fail(at, failure),
        }
    }

    fn note_started(&mut self, at: usize) {
        if let Some(stage) = self.document.stages.get(at) {
            self.effects.note("stage_started", Some(&stage.ref_id), None);
        }
    }

    /// Leaves a stage out, and says why.
    pub(crate) fn skip(&mut self, at: usize, why: &str) {
        if let Some(stage) = self.document.stages.get_mut(at) {
            stage.context.insert("skipReason".to_owned(), why.into());
            self.effects.note("stage_skipped", Some(&stage.ref_id), Some(why.to_owned()));
        }
        self.close(at, ExecutionStatus::Skipped);
    }

    /// Waits for the time window in a synthetic stage of its own.
    fn hold(&mut self, at: usize, opens_ms: u64) {
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        stage.state = StageState::Running(Work::Held);
        let mut part = Stage {
            kind: "restrictExecutionDuringTimeWindow".to_owned(),
            name: "Restrict execution during time window".to_owned(),
            parent: Some(stage.id.clone()),
            ..Stage::blank(&self.document.id, &format!("{}<0", stage.ref_id))
        };
        for key in ["restrictedExecutionWindow", "skipWindowText"] {
            if let Some(value) = stage.config.get(key) {
                part.config.insert(key.to_owned(), value.clone());
            }
        }
        part.context.insert("opensAt".to_owned(), opens_ms.into());
        part.started_ms = Some(self.now_ms);
        part.timeout_ms = Some(WINDOW_TIMEOUT_MS);
        part.state = StageState::Running(Work::Window { opens_ms });
        self.effects.note("window_awaited", Some(&stage.ref_id), Some(opens_ms.to_string()));
        self.document.stages.push(part);
        self.index.add_part(at);
    }

    /// Evaluates, plans and begins what a stage does.
    pub(crate) fn begin_work(&mut self, at: usize) {
        let Some(stage) = self.stage(at) else { return };
        let evaluated = evaluate::evaluated_config(self.document, stage);
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        if evaluated.config != stage.config {
            stage.evaluated = Some(evaluated.config);
        }
        if !evaluated.summary.is_empty() {
            let summary = Value::Object(evaluated.summary);
            stage.context.insert("expressionEvaluationSummary".to_owned(), summary);
        }
        let rules = StageRules::of(stage.config());
        (stage.timeout_ms, stage.back_off_ms) = (rules.timeout_ms, rules.backoff_period_ms);
        if let Some(failure) = evaluated.failed {
            self.fail(at, failure);
            return;
        }
        let Some(stage) = self.stage(at) else { return };
        match plan(self.document, stage) {
            Ok(plan) => self.carry_out(at, plan),
            Err(failure) => self.fail(at, failure),
        }
    }

    fn carry_out(&mut self, at: usize, plan: Plan) {
        let (now_ms, execution) = (self.now_ms, self.document.id.clone());
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        match plan {
            Plan::Parts(parts) => self.begin_parts(at, parts),
            Plan::Done(Done { status, outputs, context, failure }) => {
                stage.outputs = outputs;
                stage.context.extend(context);
                stage.failure = failure;
                self.close(at, status);
            }
            Plan::Operation(call) => {
                let work = (call.pool, call.text());
                work::begin(stage, &execution, work, now_ms, &mut self.effects);
            }
            Plan::Await(Await::Time { time_ms }) => {
                let until_ms = now_ms.saturating_add(time_ms);
                stage.context.insert("waitUntil".to_owned(), until_ms.into());
                stage.state = StageState::Running(Work::Waiting { until_ms });
            }
            Plan::Await(Await::Person(question)) => {
                stage.timeout_ms.get_or_insert(question.timeout_ms);
                stage.state = StageState::Running(Work::Judging { choices: question.choices });
                let asked = question.instructions.map(|text| text.chars().take(200).collect());
                self.effects.note("judgment_awaited", Some(&stage.ref_id), asked);
            }
            Plan::Child(child) => self.start_child(at, child),
        }
    }

    fn begin_parts(&mut self, at: usize, parts: Vec<Part>) {
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        stage.state = StageState::Running(Work::Children);
        self.add_parts(at, Synthetic::Before, parts);
        self.settle_parent(at);
    }

    /// Appends synthetic stages of a stage and begins them, side by side.
    pub(crate) fn add_parts(&mut self, at: usize, synthetic: Synthetic, parts: Vec<Part>) {
        let Some(stage) = self.stage(at) else { return };
        let (parent, ref_id, asked_by) =
            (stage.id.clone(), stage.ref_id.clone(), stage.kind.clone());
        let (back_off_ms, tries_before) = (stage.back_off_ms, stage.tries_before);
        let (mark, timeout_ms) = match synthetic {
            Synthetic::Before => ('<', None),
            Synthetic::After => ('>', Some(work::millis(limits::ON_FAILURE_TIMEOUT))),
        };
        for (number, part) in (1..).zip(parts) {
            self.document.stages.push(Stage {
                kind: part.kind.to_owned(),
                name: part.name,
                part: Some(part.key),
                asked_by: Some(asked_by.clone()),
                parent: Some(parent.clone()),
                synthetic,
                on_failure: part.on_failure,
                config: part.config,
                started_ms: Some(self.now_ms),
                timeout_ms,
                back_off_ms,
                tries_before,
                ..Stage::blank(&self.document.id, &format!("{ref_id}{mark}{number}"))
            });
            let place = self.index.add_part(at);
            self.carry_out(place, part.plan);
        }
    }

    fn start_child(&mut self, at: usize, child: Child) {
        let trigger = child_trigger(self.document, &child, self.stage(at));
        let parent = self.document.id.clone();
        let user = self.document.trigger.get("user").and_then(Value::as_str);
        let user = user.unwrap_or("anonymous").to_owned();
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        let start = StartChild {
            parent,
            stage: stage.id.clone(),
            attempt: stage.tries_before + 1,
            pipeline_id: child.pipeline_id,
            application: child.application,
            user,
            trigger,
        };
        let execution = start.execution();
        stage.context.insert("executionId".to_owned(), execution.as_str().into());
        stage.state = StageState::Running(Work::Child {
            execution: execution.clone(),
            attempt: start.attempt,
            until: child.until,
            canceling_ms: None,
        });
        self.effects.note("child_started", Some(&stage.ref_id), Some(execution.to_string()));
        self.effects.events.push((start.key(), Event::StartChild(start)));
    }
}

/// What the child is told about its beginning. The parent is given by reference: small, and without what
/// started its own parent.
fn child_trigger(document: &Document, child: &Child, stage: Option<&Stage>) -> Map<String, Value> {
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
    let stage = stage.map_or(Value::Null, |stage| stage.id.as_str().into());
    trigger.insert("parentPipelineStageId".to_owned(), stage);
    nesting::pass_on(document, child.until, &mut trigger);
    trigger
}

/// Whether a person may leave a stage of this type out while it runs.
pub(crate) fn skippable(stage: &Stage) -> bool {
    stages::of(&stage.kind).is_some_and(|entry| entry.skippable)
}

/// What a stage that begins comes to.
pub(crate) fn plan(document: &Document, stage: &Stage) -> Result<Plan, TaskFailure> {
    // `start` refuses a pipeline with other types before anything runs.
    let unknown =
        || stages::user_failure(format!("stage type `{}` cannot run here", stage.kind), None);
    let entry = stages::of(&stage.kind).ok_or_else(unknown)?;
    (entry.plan)(&StageContext { document, stage })
}
