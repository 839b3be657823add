//! How executions must have ended, written down by hand for each thing a pipeline can say.

use model::{ExecutionId, ExecutionStatus};
use serde_json::Value;
use store::ExecutionRow;

use crate::{
    feature::{Choice, Decision, Feature, Waiting},
    ground::Ground,
    scene,
    setting::{Health, Setting},
    stranger,
};

/// What of a view is judged.
struct End<'a> {
    row: &'a ExecutionRow,
    view: Value,
}

impl<'a> End<'a> {
    fn of(row: &'a ExecutionRow) -> Self {
        Self { row, view: serde_json::from_str(&row.view).unwrap_or_default() }
    }

    fn stage(&self, ref_id: &str) -> Option<&Value> {
        let stages = self.view.get("stages").and_then(Value::as_array)?;
        stages.iter().find(|stage| stage["refId"] == ref_id)
    }

    /// Status of a stage; empty when it has no such stage.
    fn status(&self, ref_id: &str) -> &str {
        self.stage(ref_id).and_then(|stage| stage["status"].as_str()).unwrap_or_default()
    }

    fn ended_ms(&self) -> u64 {
        self.view.get("endTime").and_then(Value::as_u64).unwrap_or(u64::MAX)
    }

    fn parent(&self) -> &str {
        self.view.pointer("/trigger/parentExecution/id").and_then(Value::as_str).unwrap_or_default()
    }

    fn failure(&self) -> String {
        let stages = self.view.get("stages").and_then(Value::as_array);
        let failed = stages.into_iter().flatten().find(|stage| stage["status"] == "TERMINAL");
        failed.map_or_else(String::new, ToString::to_string)
    }
}

/// I12: without a cancel and on a cloud where new groups become healthy, every execution comes to what
/// its pipeline says, whatever went wrong on the way.
pub(crate) fn judge(
    setting: &Setting,
    ground: &Ground,
    rows: &[ExecutionRow],
    wrong: &mut Vec<String>,
) {
    let ends: Vec<End<'_>> = rows.iter().map(End::of).collect();
    let order = ground.judge(|oracle| oracle.of_pipeline(&scene::pipeline_id(0)));
    let order: Vec<ExecutionId> = order.into_iter().map(|(id, _)| id).collect();
    for end in ends.iter().filter(|end| end.row.pipeline_id != scene::CHILD) {
        let of_first = end.row.pipeline_id == scene::pipeline_id(0);
        let feature = if of_first { setting.feature } else { Feature::Plain };
        let status = end.row.status;
        let stopped = setting.cancel_at_ms.is_some() && status == ExecutionStatus::Canceled;
        let fits = match setting.health() {
            Health::Good => stopped || expected(feature, end, &order),
            Health::Bad => status.is_complete(),
        };
        if !fits {
            wrong.push(format!("I12: {} ended as {status}: {}", end.row.id, end.failure()));
        }
        if setting.health() == Health::Good
            && !stopped
            && let Some(text) = unlike(feature, end)
        {
            wrong.push(format!("I12: {} with {feature:?}: {text}", end.row.id));
        }
    }
    children(setting, &ends, wrong);
    made_by_us(ground, &ends, wrong);
    undone(setting, ground, &ends, wrong);
}

/// I12: where a new group never becomes healthy, a deploy that says so has undone itself before its failure
/// was final. A canceled one has not.
fn undone(setting: &Setting, ground: &Ground, ends: &[End<'_>], wrong: &mut Vec<String>) {
    if setting.feature != Feature::RollsBack {
        return;
    }
    let mine = ends.iter().filter(|end| end.row.pipeline_id == scene::pipeline_id(0));
    for end in mine {
        let (after, status) = (end.status("2>1"), end.row.status);
        if let Ok(after) = after.parse::<ExecutionStatus>() {
            ground.count("on failure", after.as_str());
        }
        let never = setting.never_healthy() && status != ExecutionStatus::Canceled;
        if never
            && (status, end.status("2"), after)
                != (ExecutionStatus::Terminal, "TERMINAL", "SUCCEEDED")
        {
            let told = end.stage("2>1").map_or_else(String::new, ToString::to_string);
            wrong.push(format!("I12: {} ended as {status} and was not undone: {told}", end.row.id));
        }
        if !never && !after.is_empty() && end.status("2") == "SUCCEEDED" {
            wrong.push(format!("I12: {} succeeded and was undone", end.row.id));
        }
    }
}

/// I20: what a deploy says it made, one of our workers made.
fn made_by_us(ground: &Ground, ends: &[End<'_>], wrong: &mut Vec<String>) {
    let world = ground.cloud().aws().world();
    let made = |name: &str| {
        let creates = |entry: &&fake_aws::world::ledger::Entry| {
            entry.call == "CreateAutoScalingGroup"
                && entry.effect == fake_aws::world::ledger::Effect::Created
                && entry.summary.split(' ').next() == Some(name)
        };
        world.ledger().iter().filter(creates).all(|entry| entry.actor != stranger::ACTOR)
    };
    for end in ends {
        let stage = end.stage("2").and_then(|stage| stage.get("outputs"));
        let groups = stage.and_then(|outputs| outputs.get("deploy.server.groups"));
        let names = groups.and_then(|groups| groups.get(scene::REGION)).and_then(Value::as_array);
        for name in names.into_iter().flatten().filter_map(Value::as_str) {
            if !made(name) {
                wrong.push(format!("I20: {} says it made {name}, a stranger did", end.row.id));
            }
        }
    }
}

/// Whether an execution ended as its pipeline says.
fn expected(feature: Feature, end: &End<'_>, order: &[ExecutionId]) -> bool {
    use ExecutionStatus::{Canceled, Succeeded, Terminal};
    let status = end.row.status;
    match feature {
        Feature::Plain
        | Feature::Judged(Decision::Continue)
        | Feature::Waits(_)
        | Feature::Paused { .. }
        | Feature::Restarted
        | Feature::RollsBack
        | Feature::Followed
        | Feature::Moments
        | Feature::Turns(Waiting::Kept)
        | Feature::Child { waits: false, .. }
        | Feature::Child { fails: false, .. }
        | Feature::Fails(Choice::HaltBranch | Choice::Ignore)
        | Feature::FanIn => status == Succeeded,
        Feature::Judged(Decision::Stop)
        | Feature::Child { waits: true, fails: true }
        | Feature::Fails(Choice::Halt | Choice::FailLater) => status == Terminal,
        Feature::ChildStopped { .. } => status == Canceled,
        Feature::Turns(Waiting::Superseded) => {
            let newer = order.iter().skip_while(|id| **id != end.row.id).skip(1);
            let why =
                end.view.get("cancellationReason").and_then(Value::as_str).unwrap_or_default();
            let says = |id: &ExecutionId| why == format!("superseded by the newer execution {id}");
            status == Succeeded || (status == Canceled && newer.into_iter().any(says))
        }
    }
}

/// What its stages came to and should not have.
fn unlike(feature: Feature, end: &End<'_>) -> Option<String> {
    let wanted: &[(&str, &str)] = match feature {
        Feature::Plain
        | Feature::Paused { .. }
        | Feature::Followed
        | Feature::Moments
        | Feature::Turns(Waiting::Superseded)
        | Feature::ChildStopped { .. } => &[],
        Feature::RollsBack => &[("2", "SUCCEEDED"), ("2>1", "")],
        Feature::Turns(Waiting::Kept) | Feature::FanIn => &[("2", "SUCCEEDED")],
        Feature::Judged(Decision::Continue) => &[("judge", "SUCCEEDED"), ("2", "SUCCEEDED")],
        Feature::Judged(Decision::Stop) => &[("judge", "TERMINAL"), ("2", "NOT_STARTED")],
        Feature::Waits(crate::feature::Skip::Rest) => &[("wait", "SUCCEEDED"), ("2", "SUCCEEDED")],
        Feature::Waits(crate::feature::Skip::Stage) => &[("wait", "SKIPPED"), ("2", "SUCCEEDED")],
        Feature::Restarted => &[("1", "SUCCEEDED"), ("2", "SUCCEEDED")],
        Feature::Child { waits: true, fails: true } => &[("2", "SUCCEEDED"), ("child", "TERMINAL")],
        Feature::Child { .. } => &[("2", "SUCCEEDED"), ("child", "SUCCEEDED")],
        Feature::Fails(Choice::Halt) => {
            &[("fails", "TERMINAL"), ("behind", "NOT_STARTED"), ("2", "NOT_STARTED")]
        }
        Feature::Fails(Choice::HaltBranch | Choice::FailLater) => {
            &[("fails", "STOPPED"), ("behind", "NOT_STARTED"), ("2", "SUCCEEDED")]
        }
        Feature::Fails(Choice::Ignore) => {
            &[("fails", "FAILED_CONTINUE"), ("behind", "SUCCEEDED"), ("2", "SUCCEEDED")]
        }
    };
    let unlike = wanted.iter().find(|(stage, status)| end.status(stage) != *status);
    unlike.map(|(stage, wanted)| {
        format!("stage `{stage}` is {}, and should be {wanted}", end.status(stage))
    })
}

/// One child for each stage that started one, and none that outlives a parent which waited for it.
fn children(setting: &Setting, ends: &[End<'_>], wrong: &mut Vec<String>) {
    if setting.feature.child_stages().is_none() || setting.feature == Feature::Moments {
        return;
    }
    let waits = setting.feature.waits_for_child();
    let first = scene::pipeline_id(0);
    let (children, parents): (Vec<&End<'_>>, Vec<&End<'_>>) = ends
        .iter()
        .filter(|end| end.row.pipeline_id == first || end.row.pipeline_id == scene::CHILD)
        .partition(|end| end.row.pipeline_id == scene::CHILD);
    for child in &children {
        if !parents.iter().any(|parent| parent.row.id.as_str() == child.parent()) {
            wrong.push(format!("I3: nobody started {}", child.row.id));
        }
    }
    for parent in parents {
        let mine: Vec<&&End<'_>> =
            children.iter().filter(|child| child.parent() == parent.row.id.as_str()).collect();
        let id = &parent.row.id;
        let reached = parent.status("child");
        let followed = setting.feature == Feature::Followed && parent.row.status.is_complete();
        let wanted = followed || reached == "SUCCEEDED";
        if mine.len() > 1 || (wanted && mine.is_empty()) {
            wrong.push(format!("I2: {id} started {} children", mine.len()));
        }
        let outlives = |child: &&&End<'_>| child.ended_ms() > parent.ended_ms();
        if waits && let Some(child) = mine.iter().find(|child| outlives(child)) {
            wrong.push(format!("I27: {} outlived {id}, which waited for it", child.row.id));
        }
    }
}
