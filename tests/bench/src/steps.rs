//! The engine alone: what one step costs, and how that grows with the number of stages.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use definitions::Pipeline;
use engine::{Document, Effects, Facts, Input, Lease, Origin};
use serde_json::{Map, Value, json};
use wire::{BakeResult, TaskOutcome};

use crate::{Failure, figures};

/// Chains side by side in the pipelines that are measured.
const CHAINS: usize = 10;
/// Steps per figure.
const STEPS: usize = 200;

/// Steps of pipelines of 10, 100 and 500 bakes in ten chains, half of them done.
pub(crate) fn measure() -> Result<(), Failure> {
    figures::heading("engine: one step, half of the stages done");
    for stages in [10, 100, 500] {
        let (document, facts) = half_done(stages)?;
        let result = median(&document, &facts)?;
        let idle = median(&document, &Facts { leases: pending(&facts), ..facts.clone() })?;
        let text = serde_json::to_string(&document)?;
        let shown = format!(
            "{result:?} with a result, {idle:?} with none; document {} KiB",
            text.len() / 1_024
        );
        figures::plain(&format!("{stages} stages"), &shown);
    }
    Ok(())
}

fn pipeline(stages: usize) -> Result<Pipeline, Failure> {
    let stage = |number: usize| {
        let before: Vec<String> =
            number.checked_sub(CHAINS).map(|before| before.to_string()).into_iter().collect();
        json!({ "type": "bake", "name": number.to_string(), "refId": number.to_string(),
            "requisiteStageRefIds": before, "package": "shop-web", "baseOs": "bookworm",
            "regions": ["us-east-1"] })
    };
    let stages: Vec<Value> = (0..stages).map(stage).collect();
    let text = json!({ "application": "shop", "name": "ship", "stages": stages }).to_string();
    Pipeline::parse(&text).pipeline.ok_or_else(|| "the measured pipeline is not valid".into())
}

fn half_done(stages: usize) -> Result<(Document, Facts), Failure> {
    let origin = Origin {
        event_key: "bench".to_owned(),
        pipeline_id: "bench".to_owned(),
        trigger: Map::new(),
        time_zone: None,
    };
    let (mut document, effects) = engine::start(&pipeline(stages)?, origin, 1);
    let mut facts = Facts::default();
    lease(&mut facts, effects);
    for _ in 0..stages / 2 {
        report_one(&mut facts)?;
        let effects = engine::step(&mut document, &Input::Look, &facts, 1)?;
        lease(&mut facts, effects);
    }
    report_one(&mut facts)?;
    Ok((document, facts))
}

/// The leases as a store has them after a step.
fn lease(facts: &mut Facts, effects: Effects) {
    for task in effects.retire {
        facts.leases.remove(&task);
    }
    for dispatch in effects.dispatch {
        let lease = Lease {
            epoch: dispatch.epoch,
            until_ms: Some(u64::MAX / 2),
            claimed: true,
            checkpoints: 0,
            result: None,
        };
        facts.leases.insert(dispatch.task, lease);
    }
}

fn report_one(facts: &mut Facts) -> Result<(), Failure> {
    let done = BakeResult {
        image_id: "ami-1".to_owned(),
        region: "us-east-1".to_owned(),
        image_name: "shop-web-1".to_owned(),
        base_image_id: "ami-0".to_owned(),
        reused: false,
        bake_key: "key".to_owned(),
        generation: 1,
    };
    let Value::Object(result) = serde_json::to_value(done)? else {
        return Err("a result is an object".into());
    };
    if let Some(lease) = facts.leases.values_mut().next() {
        lease.result = Some(TaskOutcome::Succeeded { result });
    }
    Ok(())
}

fn pending(facts: &Facts) -> BTreeMap<model::TaskId, Lease> {
    let without = |lease: &Lease| Lease { result: None, ..lease.clone() };
    facts.leases.iter().map(|(task, lease)| (task.clone(), without(lease))).collect()
}

fn median(document: &Document, facts: &Facts) -> Result<Duration, Failure> {
    let mut times = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let mut copy = document.clone();
        let begun = Instant::now();
        // Nothing to do is an answer too.
        let answer = engine::step(&mut copy, &Input::Look, facts, 1);
        times.push(begun.elapsed());
        drop(answer);
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().ok_or_else(|| "nothing was measured".into())
}
