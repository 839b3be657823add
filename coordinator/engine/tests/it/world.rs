//! A world around one execution: what a store would say about its tasks, and the rules that must
//! hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use definitions::Pipeline;
use engine::{
    ChildFact, Dispatch, Document, Effects, Facts, Input, Lease, Origin, Policy, Rejection, Reopen,
    SlotFact,
};
use model::{ExecutionId, ExecutionStatus, StageId, TaskId};
use serde_json::{Map, json};
use wire::{BakeResult, Control, DeployResult, FailureKind, TaskFailure, TaskOutcome};

pub(crate) const LEASE_MS: u64 = 90_000;

pub(crate) struct World {
    pub(crate) document: Document,
    pub(crate) leases: BTreeMap<TaskId, Lease>,
    pub(crate) now_ms: u64,
    pub(crate) requests: BTreeMap<TaskId, Dispatch>,
    pub(crate) canceled: BTreeSet<TaskId>,
    pub(crate) slot: Option<SlotFact>,
    pub(crate) policy: Option<Policy>,
    pub(crate) children: BTreeMap<ExecutionId, ChildFact>,
    /// Somebody has canceled it, now or before a restart.
    pub(crate) was_canceled: bool,
    dispatched: BTreeSet<(TaskId, u32)>,
    ends: usize,
}

/// A pipeline from `ref:type!choice@fields<requires` words: `1:bake 2:wait!ignore@{"waitTime":5}<1`.
pub(crate) fn pipeline(words: &str) -> Pipeline {
    let stages: Vec<_> = words.split_whitespace().map(stage).collect();
    let text = json!({ "application": "shop", "name": "ship", "stages": stages }).to_string();
    let parsed = Pipeline::parse(&text);
    parsed.pipeline.unwrap_or_else(|| panic!("{words}: {:?}", parsed.problems))
}

fn stage(word: &str) -> serde_json::Value {
    let (name, rest) = word.split_once(':').unwrap();
    let (rest, requires) = rest.rsplit_once('<').unwrap_or((rest, ""));
    let (kind, more) = rest.split_once('@').unwrap_or((rest, "{}"));
    let (kind, choice) = kind.split_once('!').unwrap_or((kind, "halt"));
    let requires: Vec<&str> = requires.split(',').filter(|part| !part.is_empty()).collect();
    let mut stage = match kind {
        "bake" => json!({ "type": "bake", "package": "shop-web", "regions": ["us-east-1"],
            "baseOs": "bookworm" }),
        "bake2" => json!({ "type": "bake", "package": "shop-web",
            "regions": ["us-east-1", "us-west-2"], "baseOs": "bookworm" }),
        "deploy" => json!({ "type": "deploy", "clusters": [{ "account": "test",
            "application": "shop", "strategy": "highlander", "instanceType": "t3.small",
            "capacity": { "min": 1, "max": 1, "desired": 1 }, "targetGroups": ["shop"],
            "availabilityZones": { "us-east-1": ["us-east-1a"] } }] }),
        "rolls" => rolls(&["us-east-1"]),
        "rolls2" => rolls(&["us-east-1", "us-west-2"]),
        "judge" => json!({ "type": "manualJudgment" }),
        other => json!({ "type": other }),
    };
    let fields = stage.as_object_mut().unwrap();
    let more: Map<String, serde_json::Value> = serde_json::from_str(more).unwrap();
    fields.extend(more);
    fields.insert("refId".to_owned(), name.into());
    fields.insert("name".to_owned(), name.into());
    fields.insert("requisiteStageRefIds".to_owned(), requires.into());
    let (fail, go_on, late) = match choice {
        "ignore" => (false, true, false),
        "branch" => (false, false, false),
        "late" => (false, false, true),
        _ => (true, false, false),
    };
    fields.insert("failPipeline".to_owned(), fail.into());
    fields.insert("continuePipeline".to_owned(), go_on.into());
    fields.insert("completeOtherBranchesThenFail".to_owned(), late.into());
    stage
}

/// A deploy that destroys what it made where it fails.
fn rolls(regions: &[&str]) -> serde_json::Value {
    json!({ "type": "deploy", "clusters": [{ "account": "test", "application": "shop",
        "stack": "web", "strategy": "highlander", "instanceType": "t3.small",
        "capacity": { "min": 1, "max": 1, "desired": 1 }, "targetGroups": ["shop"],
        "regions": regions, "amiName": "ami-1",
        "rollback": { "onFailure": true, "destroyLatest": true } }] })
}

/// The stage at a place of the document, counted from 0.
pub(crate) fn nth(document: &Document, place: usize) -> &engine::Stage {
    document.stages.iter().nth(place).unwrap()
}

pub(crate) fn outcome_of(dispatch: &Dispatch, good: bool, kind: FailureKind) -> TaskOutcome {
    if !good {
        let failure =
            TaskFailure { kind, message: "it broke".to_owned(), detail: None, hint: None };
        return TaskOutcome::Failed { failure };
    }
    let call = wire::OperationCall::parse(&dispatch.call).unwrap();
    let request = &call.request;
    let region = request["region"].as_str().unwrap().to_owned();
    if call.is::<wire::DestroyCreated>() {
        let result = json!({ "region": region, "destroyedServerGroups": ["shop-web-v001"] });
        return TaskOutcome::Succeeded { result: result.as_object().unwrap().clone() };
    }
    let result = if call.is::<wire::FindImage>() {
        serde_json::to_value(wire::FoundImage {
            image_id: format!("ami-of-{region}"),
            region,
            image_name: "shop-web-1".to_owned(),
            server_group: "shop-v007".to_owned(),
        })
    } else if call.is::<wire::FindImageByTags>() {
        serde_json::to_value(wire::TaggedImageFound {
            image_id: format!("ami-with-tags-{region}"),
            region,
            image_name: "shop-web-1".to_owned(),
            created: "2026-11-03T10:00:00.000Z".to_owned(),
            others: 1,
            other_names: vec!["shop-web-0".to_owned()],
        })
    } else if call.is::<wire::BakeImage>() {
        serde_json::to_value(BakeResult {
            image_id: format!("ami-{region}"),
            region,
            image_name: "shop-web-1".to_owned(),
            base_image_id: "ami-base".to_owned(),
            reused: false,
            bake_key: "k".to_owned(),
            generation: 1,
        })
    } else {
        serde_json::to_value(DeployResult {
            region,
            account: "test".to_owned(),
            server_group: "shop-v001".to_owned(),
            image_id: request["image"].as_str().unwrap().to_owned(),
            capacity: wire::Capacity { min: 1, desired: 1, max: 1 },
            destroyed: vec!["shop-v000".to_owned()],
            disabled: Vec::new(),
            notes: Vec::new(),
        })
    };
    let serde_json::Value::Object(result) = result.unwrap() else { unreachable!() };
    TaskOutcome::Succeeded { result }
}

impl World {
    pub(crate) fn start(pipeline: &Pipeline) -> Self {
        let origin = Origin {
            event_key: "manual/1".to_owned(),
            pipeline_id: "p1".to_owned(),
            trigger: Map::new(),
            time_zone: Some("UTC".to_owned()),
        };
        let (document, effects) = engine::start(pipeline, origin, 1_000);
        let mut world = Self {
            document,
            leases: BTreeMap::new(),
            now_ms: 1_000,
            requests: BTreeMap::new(),
            canceled: BTreeSet::new(),
            slot: None,
            policy: None,
            children: BTreeMap::new(),
            was_canceled: false,
            dispatched: BTreeSet::new(),
            ends: 0,
        };
        world.take(effects);
        world
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts {
            leases: self.leases.clone(),
            slot: self.slot.clone(),
            policy: self.policy,
            children: self.children.clone(),
        }
    }

    /// Takes a step and holds the rules against it.
    pub(crate) fn step(&mut self, input: &Input) -> Result<Effects, Rejection> {
        let before = self.document.clone();
        let facts = self.facts();
        let result = engine::step(&mut self.document, input, &facts, self.now_ms);
        match &result {
            Err(_) => assert_eq!(self.document, before, "a rejected input changes nothing"),
            Ok(effects) => {
                if before.is_complete() {
                    assert_eq!(effects.reopen, Reopen::Yes, "nothing follows completion");
                    self.ends = 0;
                }
                self.was_canceled |= self.document.canceled.is_some();
                self.take(effects.clone());
                // What was just looked at leaves nothing to do.
                let mut again = self.document.clone();
                let second = engine::step(&mut again, &Input::Look, &self.facts(), self.now_ms);
                assert!(second.is_err(), "a second look finds more to do: {second:?}");
                assert_eq!(again, self.document);
            }
        }
        result
    }

    fn take(&mut self, effects: Effects) {
        for dispatch in effects.dispatch {
            self.check_requirements(&dispatch.task);
            let key = (dispatch.task.clone(), dispatch.epoch);
            let fresh = self.dispatched.insert(key);
            if fresh {
                let checkpoints =
                    self.leases.get(&dispatch.task).map_or(0, |lease| lease.checkpoints);
                self.leases.insert(
                    dispatch.task.clone(),
                    Lease {
                        epoch: dispatch.epoch,
                        until_ms: None,
                        claimed: false,
                        checkpoints,
                        result: None,
                    },
                );
            } else {
                assert!(!self.leases[&dispatch.task].claimed, "a claimed epoch is published again");
            }
            self.requests.insert(dispatch.task.clone(), dispatch);
        }
        self.canceled.extend(effects.cancel);
        for task in effects.retire {
            self.leases.remove(&task);
            self.requests.remove(&task);
        }
        if self.document.is_complete() {
            self.ends += 1;
            assert_eq!(self.ends, 1, "it ends once");
            assert!(self.leases.is_empty(), "a complete execution has live tasks");
        } else {
            let wake = engine::next_look(&self.document, &self.facts(), self.now_ms);
            let wake = wake.expect("a live execution is looked at again");
            assert!(wake <= self.now_ms + 300_000, "it sleeps too long");
            let begun = self.document.status != ExecutionStatus::NotStarted;
            assert!(wake > self.now_ms || !begun, "it is looked at again and again");
        }
    }

    fn check_requirements(&self, task: &TaskId) {
        let stage = self.document.stages.iter().find(|stage| stage.id == task.stage).unwrap();
        let owner = match stage.parent() {
            Some(parent) => self.document.stages.iter().find(|found| found.id == *parent).unwrap(),
            None => stage,
        };
        if stage.follows_failure() {
            self.check_on_failure(owner, task);
        }
        for required in &owner.requires {
            let status = self.document.by_ref(required).unwrap().status();
            assert!(status.lets_others_start(), "{} ran before {required}", owner.ref_id);
        }
    }

    /// Nothing is done after a failure that is none, while its work goes on, or for the first time once it
    /// was canceled.
    fn check_on_failure(&self, owner: &engine::Stage, task: &TaskId) {
        let (before, after): (Vec<_>, Vec<_>) =
            self.document.children(&owner.id).partition(|part| !part.follows_failure());
        assert!(before.iter().all(|part| part.status().is_complete()), "{} works", owner.ref_id);
        let failed = before.iter().filter(|part| {
            part.status() == ExecutionStatus::Terminal
                || (owner.run.timed_out && part.status() == ExecutionStatus::Canceled)
        });
        assert_eq!(failed.count(), after.len(), "one for each failed part of {}", owner.ref_id);
        let first = !self.dispatched.iter().any(|(known, _)| known == task);
        assert!(self.document.canceled.is_none() || !first, "{task} begins after a cancel");
    }

    /// The live task of a stage or of its first part that has one.
    pub(crate) fn task(&self, ref_id: &str) -> TaskId {
        let (part, after) = (format!("{ref_id}<"), format!("{ref_id}>"));
        let found = self.document.stages.iter().find_map(|stage| {
            let fits = stage.ref_id == ref_id
                || stage.ref_id.starts_with(&part)
                || stage.ref_id.starts_with(&after);
            fits.then(|| self.document.task_of(stage)).flatten()
        });
        found.unwrap_or_else(|| panic!("stage {ref_id} has no live task"))
    }

    /// The id of a stage.
    pub(crate) fn id(&self, ref_id: &str) -> StageId {
        self.stage(ref_id).id.clone()
    }

    pub(crate) fn stage(&self, ref_id: &str) -> &engine::Stage {
        let found = self.document.stages.iter().find(|stage| stage.ref_id == ref_id);
        found.unwrap_or_else(|| panic!("there is no stage {ref_id}"))
    }

    /// Somebody tells it what to do.
    pub(crate) fn order(&mut self, control: Control) -> Result<Effects, Rejection> {
        self.step(&Input::Control { user: "eve".to_owned(), control })
    }

    pub(crate) fn claim(&mut self, task: &TaskId) {
        let until = self.now_ms + LEASE_MS;
        let lease = self.leases.get_mut(task).unwrap();
        lease.claimed = true;
        lease.until_ms = Some(until);
    }

    pub(crate) fn finish(&mut self, task: &TaskId, outcome: TaskOutcome) {
        let lease = self.leases.get_mut(task).unwrap();
        lease.result = Some(outcome);
        lease.until_ms = None;
    }

    pub(crate) fn statuses(&self) -> String {
        let of = |stage: &engine::Stage| format!("{}={}", stage.ref_id, stage.status());
        let stages: Vec<String> = self.document.top_level().map(of).collect();
        format!("{} [{}]", self.document.status, stages.join(" "))
    }

    pub(crate) fn complete(&self) -> bool {
        self.document.is_complete()
    }
}
