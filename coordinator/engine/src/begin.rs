//! The beginning of a stage: may it run, is it time, what does it do.

use serde_json::Value;
use stages::{Condition, Done, Plan, Question, StageRules};

use crate::{
    arena::StageIndex,
    context, evaluate,
    stage::{PartOf, RunLimits, Stage, Synthetic},
    state::{Await, StageState, Work},
    step::{Line, Step},
    window::{self, Opening},
};

/// How long a time window is waited for. Source: Orca.
const WINDOW_TIMEOUT_MS: u64 = 7 * 24 * 3_600_000;

impl Step<'_> {
    /// Begins a stage whose requirements are met.
    pub(crate) fn begin(&mut self, ix: StageIndex) {
        let now_ms = self.now_ms;
        self.run(ix).started_ms = Some(now_ms);
        let rules = StageRules::of(&self.stage(ix).config);
        let late = rules.start_time_expiry.filter(|late_ms| (1..now_ms).contains(late_ms));
        if let Some(late_ms) = late {
            self.skip(ix, &format!("it was not to begin after {late_ms} (`startTimeExpiry`)"));
            return;
        }
        // Source: Orca; without an expression, or with a blank one, the stage runs.
        let condition = rules.condition.map_or(Condition::True, |text| {
            evaluate::condition(self.document(), self.stage(ix), &text)
        });
        match condition {
            Condition::True => {}
            Condition::False(text) => {
                self.skip(ix, &format!("its condition is false: {text}"));
                return;
            }
            Condition::Invalid(failure) => {
                self.note(ix, "stage_started", None);
                self.fail(ix, failure);
                return;
            }
        }
        self.note(ix, "stage_started", None);
        match window::opening(self.document(), self.stage(ix), now_ms) {
            Ok(Opening::Now) => self.begin_work(ix),
            Ok(Opening::At(opens_ms)) => self.hold(ix, opens_ms),
            Err(failure) => self.fail(ix, failure),
        }
    }

    /// Waits for the time window in a synthetic stage of its own.
    fn hold(&mut self, ix: StageIndex, opens_ms: u64) {
        let line = Line("window_awaited", Some(opens_ms.to_string()));
        self.go(ix, StageState::Running(Work::Held), Some(line));
        let stage = self.stage(ix);
        let mut part = Stage {
            kind: "restrictExecutionDuringTimeWindow".to_owned(),
            name: "Restrict execution during time window".to_owned(),
            part: Some(PartOf {
                parent: stage.id.clone(),
                synthetic: Synthetic::Before,
                key: None,
            }),
            ..Stage::blank(&self.document().id, &format!("{}<0", stage.ref_id))
        };
        for key in ["restrictedExecutionWindow", "skipWindowText"] {
            if let Some(value) = stage.config.get(key) {
                part.config.insert(key.to_owned(), value.clone());
            }
        }
        part.run.tell("opensAt", opens_ms);
        part.run.started_ms = Some(self.now_ms);
        part.run.limits.timeout_ms = Some(WINDOW_TIMEOUT_MS);
        let part = self.add_part(ix, part);
        let work = Work::Awaiting(Await::Window { opens_ms });
        self.go(part, StageState::Running(work), None);
    }

    /// Evaluates, plans and begins what a stage does.
    pub(crate) fn begin_work(&mut self, ix: StageIndex) {
        let evaluated = evaluate::evaluated_config(self.document(), self.stage(ix));
        let rules = StageRules::of(&evaluated.config);
        let differs = evaluated.config != self.stage(ix).config;
        let run = self.run(ix);
        run.limits = RunLimits {
            timeout_ms: rules.timeout_ms,
            timeout_succeeds: rules.mark_successful_on_timeout,
            back_off_ms: rules.backoff_period_ms,
        };
        run.evaluated = differs.then_some(evaluated.config);
        if !evaluated.summary.is_empty() {
            run.tell("expressionEvaluationSummary", Value::Object(evaluated.summary));
        }
        if let Some(failure) = evaluated.failed {
            self.fail(ix, failure);
            return;
        }
        match context::plan(self.document(), self.stage(ix)) {
            Ok(plan) => self.carry_out(ix, plan),
            Err(failure) => self.fail(ix, failure),
        }
    }

    /// Begins what a stage or a part was planned to do.
    pub(crate) fn carry_out(&mut self, ix: StageIndex, plan: Plan) {
        match plan {
            Plan::Parts(parts) => self.begin_parts(ix, parts),
            Plan::Done(Done { status, outputs, context, failure }) => {
                let run = self.run(ix);
                run.outputs = outputs;
                run.context.extend(context);
                run.failure = failure;
                self.close(ix, status);
            }
            Plan::Operation(call) => self.begin_operation(ix, call.pool, call.text()),
            Plan::Await(stages::Await::Time { time_ms }) => {
                let until_ms = self.now_ms.saturating_add(time_ms);
                let work = Work::Awaiting(Await::Time { until_ms });
                self.go(ix, StageState::Running(work), None);
            }
            Plan::Await(stages::Await::Person(question)) => self.await_judgment(ix, question),
            Plan::Child(child) => self.start_child(ix, child),
        }
    }

    fn await_judgment(&mut self, ix: StageIndex, question: Question) {
        let Question { instructions, choices, roles, timeout_ms } = question;
        self.run(ix).limits.timeout_ms.get_or_insert(timeout_ms);
        let asked = instructions.as_ref().map(|text| text.chars().take(200).collect());
        let work = Work::Awaiting(Await::Person { instructions, choices, roles });
        self.go(ix, StageState::Running(work), Some(Line("judgment_awaited", asked)));
    }
}
