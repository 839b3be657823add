//! One event against 10,000 saved definitions: which it may start, and whether it does.

use std::time::Instant;

use definitions::Pipeline;
use model::jenkins::JobName;
use serde_json::json;
use store::{DefinitionIndex, PipelinePut, SharedStore};
use triggers::{
    Files, INDEX_VERSION, Match, Moment, index_keys,
    jenkins::{self, Build},
    triggers_of,
};

use crate::{Failure, figures};

/// Definitions that are saved.
const DEFINITIONS: usize = 10_000;
/// Definitions that wait for builds of one job.
const EACH_JOB: usize = 10;
/// Events that are matched.
const EVENTS: u64 = 200;

/// Looks definitions up, reads those that were found, and judges their triggers, as a coordinator does that has
/// none of them in memory.
pub(crate) async fn measure(store: &SharedStore) -> Result<(), Failure> {
    for number in 0..DEFINITIONS {
        save(store, number).await?;
    }
    let mut times = Vec::new();
    for number in 0..EVENTS {
        let json =
            json!({ "number": number, "building": false, "result": "SUCCESS", "timestamp": 1 });
        let job = JobName::parse(&job_of(usize::try_from(number)? * 7 * EACH_JOB));
        let build = Build::read("ci", &job, &json).ok_or("the measured build is not over")?;
        let begun = Instant::now();
        let occurrence = jenkins::occurrence(build);
        let mut started = 0;
        for mark in store.pipelines_keyed(&occurrence.keys).await? {
            let row = store.pipeline_get(&mark.id).await?.ok_or("a definition is gone")?;
            let pipeline =
                Pipeline::parse(&row.body).pipeline.ok_or("a definition is not valid")?;
            let moment = Moment { now_ms: 2, zone: "UTC" };
            let files = Files::new();
            let judged =
                pipeline.triggers.iter().filter_map(|one| one.judge(&occurrence, &files, moment));
            started += judged.filter(|judged| matches!(judged, Match::Start(_))).count();
        }
        times.push(begun.elapsed());
        if started != EACH_JOB {
            return Err(format!("the event would start {started} pipelines").into());
        }
    }
    let what = format!("one event against {DEFINITIONS} definitions, {EACH_JOB} wait for it");
    figures::times(&what, &mut times);
    Ok(())
}

fn job_of(number: usize) -> String {
    format!("team/job-{}", number % DEFINITIONS / EACH_JOB)
}

async fn save(store: &SharedStore, number: usize) -> Result<(), Failure> {
    let stage = |number: usize| {
        json!({ "refId": number.to_string(), "type": "bake", "name": "Bake",
        "package": "shop-web", "baseOs": "bookworm", "regions": ["us-east-1"] })
    };
    let definition = json!({ "application": "matching", "name": format!("ship-{number}"),
        "triggers": [{ "type": "jenkins", "enabled": true, "master": "ci", "job": job_of(number) }],
        "stages": (0..10).map(stage).collect::<Vec<_>>() });
    let triggers = definition.as_object().map(triggers_of).unwrap_or_default();
    let put = PipelinePut {
        id: format!("matching-{number}"),
        application: "matching".to_owned(),
        name: format!("ship-{number}"),
        body: definition.to_string(),
        index: DefinitionIndex { version: INDEX_VERSION, keys: index_keys(&triggers) },
        ..PipelinePut::default()
    };
    store.pipeline_put(put).await?;
    Ok(())
}
