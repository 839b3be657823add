//! What must hold when everything is over.

use std::collections::BTreeMap;

use bus::Message;
use fake_aws::world::instance::Instance;
use model::{ExecutionStatus, Pool};
use serde_json::{Value, json};
use store::{EventState, ExecutionFilter, ExecutionRow};
use wire::{Queue, Route};
use worker_bake::ports::tag;

use crate::{
    fault::{Fault, What},
    feature::Feature,
    ground::Ground,
    history, moments, outcome,
    run::Told,
    scene::{self, CLUSTER, REGION},
    setting::{Health, Setting},
    stranger::Theirs,
};

/// So long what has just become due may be on its way.
const GRACE_MS: u64 = 60_000;

/// Nothing is due, nothing runs.
pub(crate) async fn is_quiet(ground: &Ground) -> bool {
    let Ok(stats) = ground.store().stats().await else { return false };
    stats.outbox_depth == 0
        && stats.events_pending == 0
        && stats.executions.keys().all(|status| status.is_complete())
}

/// Whether a builder is there that no bake could have ended: a call was held back until its bake was
/// given up, the cloud was out of reach while it was cleaned up, or the store forgot of it. The janitor
/// ends such a one.
pub(crate) fn may_have_left_a_builder(ground: &Ground) -> bool {
    let excuses = |fault: &Fault| {
        matches!(
            fault.what,
            What::PauseBefore(_) | What::PauseAfter(_) | What::Cut(_) | What::Rollback(_)
        )
    };
    let world = ground.cloud().aws().world();
    let left = world.sites().values().any(|region| builders_of(region).next().is_some());
    left && ground.has_fired(excuses)
}

fn builders_of(region: &fake_aws::world::Region) -> impl Iterator<Item = &Instance> {
    region.instances.values().filter(|one| one.group.is_none() && one.state.is_alive())
}

/// What is not over, for people.
pub(crate) async fn unfinished(ground: &Ground) -> String {
    let mut said = Vec::new();
    if let Ok(stats) = ground.store().stats().await {
        said.push(format!("{stats:?}"));
    }
    for row in executions(ground).await {
        if !row.status.is_complete() {
            let loaded = ground.store().execution_load(&row.id).await.ok().flatten();
            let leases = loaded.map(|loaded| (loaded.leases, loaded.wake_ms, loaded.now_ms));
            said.push(format!("{} is {}: {leases:?}", row.id, row.status));
        }
    }
    said.join("; ")
}

async fn executions(ground: &Ground) -> Vec<ExecutionRow> {
    let filter = ExecutionFilter { limit: 1_000, ..ExecutionFilter::default() };
    ground.store().execution_list(filter).await.unwrap_or_default()
}

/// Judges the end; tells the story.
pub(crate) async fn judge(
    setting: &Setting,
    ground: &Ground,
    heard: &BTreeMap<Told, u64>,
) -> Vec<String> {
    let rows = executions(ground).await;
    let mut wrong = Vec::new();
    one_execution_each((setting, ground), heard, &rows, &mut wrong);
    for row in &rows {
        let ending = ground.judge(|oracle| oracle.ending(&row.id).cloned());
        if ending.is_some_and(|ending| ending != row.view) {
            wrong.push(format!("I6: the view of {} changed after its end", row.id));
        }
        let timeline = ground.store().execution_timeline(&row.id).await.unwrap_or_default();
        let of_first = row.pipeline_id == scene::pipeline_id(0);
        let feature = if of_first { setting.feature } else { Feature::Plain };
        history::judge(&row.id, feature, &timeline, &mut wrong);
        for event in history::events(&timeline) {
            ground.count("timeline", event);
        }
    }
    events(ground, setting, &mut wrong).await;
    if setting.feature == Feature::Moments {
        moments::judge(ground, &rows, &mut wrong).await;
    }
    outcome::judge(setting, ground, &rows, &mut wrong);
    all_parked(ground, setting, &mut wrong).await;
    world(setting, ground, &rows, &mut wrong);
    for text in wrong {
        ground.judge(|oracle| oracle.violations.push(text.clone()));
    }
    story(ground, &rows)
}

/// Whether the store has lost writes it had acknowledged.
fn went_back(ground: &Ground) -> bool {
    ground.has_fired(|fault| matches!(fault.what, What::Rollback(_)))
}

/// I1, I2, I3.
fn one_execution_each(
    (setting, ground): (&Setting, &Ground),
    heard: &BTreeMap<Told, u64>,
    rows: &[ExecutionRow],
    wrong: &mut Vec<String>,
) {
    let number_of = |row: &ExecutionRow| {
        let view: Value = serde_json::from_str(&row.view).unwrap_or_default();
        view.pointer("/trigger/buildNumber").and_then(Value::as_u64)
    };
    for build in &setting.builds {
        let lives = [false, true].map(|again| heard.contains_key(&(build.number, again)));
        let told = lives.into_iter().filter(|heard| *heard).count();
        let wanted = if setting.untold { 1 } else { told };
        for pipeline in 0..setting.pipelines {
            let id = scene::pipeline_id(pipeline);
            let mine =
                |row: &&ExecutionRow| row.pipeline_id == id && number_of(row) == Some(build.number);
            let count = rows.iter().filter(mine).count();
            // Whoever told of a build hears nothing of it when the store forgets.
            let forgotten = count == 0 && went_back(ground);
            if count != wanted && !forgotten {
                let text = format!("build {} started {id} {count} times", build.number);
                wrong.push(format!("{}: {text}", if count < wanted { "I1" } else { "I2" }));
            }
        }
    }
    let told = rows.iter().filter(|row| row.pipeline_id != scene::CHILD).count();
    if told > setting.executions() {
        wrong.push(format!("I3: {told} executions of {}", setting.executions()));
    }
}

/// I4: what Jenkins does not know starts nothing, and says so. I33: every event has an outcome.
async fn events(ground: &Ground, setting: &Setting, wrong: &mut Vec<String>) {
    let now_ms = ground.store().now_ms().await.unwrap_or_default();
    for event in ground.store().event_list(1_000).await.unwrap_or_default() {
        let EventState::Settled { outcome } = &event.state else {
            // A moment to come, or one that has come a moment ago.
            if event.key.starts_with("cron/") && event.since_ms.saturating_add(GRACE_MS) > now_ms {
                continue;
            }
            wrong.push(format!("I33: event {} has no outcome", event.key));
            continue;
        };
        if event.key.ends_with("/found") {
            ground.count("untold", "found");
        }
        let forged = setting.forged.iter().any(|number| event.key.contains(&format!("/{number}/")));
        if forged && !outcome.contains("unverified") {
            wrong.push(format!("I4: a forged event came to {outcome}"));
        }
    }
}

/// Two messages nobody can read, and one that looks like a task and was never committed.
pub(crate) fn poison() -> Vec<Message> {
    let forged = json!({ "v": 2, "task": "01ARZ3NDEKTSV4RRFFQ69G5FAV/01ARZ3NDEKTSV4RRFFQ69G5FAV/1",
        "pool": "deploy", "epoch": 1, "call": "{}" });
    let message = |route, id: &str, body: &[u8]| Message {
        route,
        id: id.to_owned(),
        body: body.to_vec(),
        park: None,
    };
    vec![
        message(Route::Task(Pool::Bake), "poison-1", b"\xffnot json"),
        message(Route::Result(Pool::Deploy), "poison-2", b"{}"),
        message(Route::Task(Pool::Deploy), "poison-3", forged.to_string().as_bytes()),
    ]
}

/// How many messages are parked.
pub(crate) async fn parked(ground: &Ground) -> usize {
    let ready = ground.bus().depth(Queue::Parked).await.map_or(0, |depth| depth.ready);
    usize::try_from(ready).unwrap_or(usize::MAX)
}

/// I32: what cannot be read lies where a person finds it. A broker that lost its disk has lost it.
async fn all_parked(ground: &Ground, setting: &Setting, wrong: &mut Vec<String>) {
    let ready = parked(ground).await;
    let lossy = |fault: &Fault| matches!(fault.what, What::Wipe | What::Vanish | What::Late(_));
    if ready < setting.unreadable() && !ground.has_fired(lossy) {
        wrong.push(format!("I32: {ready} messages are parked"));
    }
    if ready > 0 && setting.poison_ms.is_empty() {
        wrong.push(format!("I32: {ready} messages of ours are parked"));
    }
}

/// I18, I25, I26 on what is there at the end.
fn world(setting: &Setting, ground: &Ground, rows: &[ExecutionRow], wrong: &mut Vec<String>) {
    ground.look_at_cloud();
    let theirs = ground.theirs();
    let cloud = ground.cloud().aws().world();
    for region in cloud.sites().values() {
        // An execution the store has forgotten cannot end its builder, and the janitor does not know
        // whose it is: the store says, loudly, that a person must look.
        let forgotten = |builder: &Instance| {
            let id = builder.tags.get(tag::EXECUTION);
            went_back(ground) && !rows.iter().any(|row| id.is_some_and(|id| id == row.id.as_str()))
        };
        for builder in builders_of(region).filter(|builder| !forgotten(builder)) {
            wrong.push(format!("I26: builder {} is left", builder.id));
        }
        let groups: Vec<_> =
            region.groups.values().filter(|group| group.cluster() == CLUSTER).collect();
        let enabled = groups.iter().filter(|group| group.does("AddToLoadBalancer")).count();
        if setting.old_groups > 0 && enabled == 0 {
            wrong.push("I21: no group of the cluster is enabled".to_owned());
        }
        if let Some(theirs) = &theirs {
            theirs_stands(theirs, &groups, wrong);
        }
        let all_succeeded = rows.iter().all(|row| row.status == ExecutionStatus::Succeeded);
        if all_succeeded
            && !rows.is_empty()
            && setting.health() == Health::Good
            && groups.len() != 1 + usize::from(theirs.is_some())
        {
            let names: Vec<&String> = groups.iter().map(|group| &group.spec.name).collect();
            wrong.push(format!("I20: after Highlander there are {names:?}"));
        }
        if setting.never_healthy() {
            old_groups_stand(setting, &groups, wrong);
            undone_groups_are_gone(setting, &groups, rows, wrong);
        }
    }
    drop(cloud);
}

/// I26: of a deploy that undoes itself and was not canceled nothing is left.
fn undone_groups_are_gone(
    setting: &Setting,
    groups: &[&fake_aws::world::group::Group],
    rows: &[ExecutionRow],
    wrong: &mut Vec<String>,
) {
    if setting.feature != Feature::RollsBack {
        return;
    }
    let first = scene::pipeline_id(0);
    let undone =
        |row: &&ExecutionRow| row.pipeline_id == first && row.status != ExecutionStatus::Canceled;
    for row in rows.iter().filter(undone) {
        let made = |group: &&&fake_aws::world::group::Group| {
            group.spec.tags.get(tag::EXECUTION).is_some_and(|tag| tag.value == row.id.as_str())
        };
        if let Some(group) = groups.iter().find(made) {
            wrong.push(format!("I26: {} of {} is left", group.spec.name, row.id));
        }
    }
}

/// I22: what somebody else made after our plan stays as it is.
fn theirs_stands(
    theirs: &Theirs,
    groups: &[&fake_aws::world::group::Group],
    wrong: &mut Vec<String>,
) {
    let stands = groups.iter().find(|group| group.spec.name == theirs.name).is_some_and(|group| {
        group.arn == theirs.arn && group.spec.desired == 2 && group.suspended.is_empty()
    });
    if !stands {
        wrong.push(format!("I22: {} of somebody else was touched", theirs.name));
    }
}

/// I25.
fn old_groups_stand(
    setting: &Setting,
    groups: &[&fake_aws::world::group::Group],
    wrong: &mut Vec<String>,
) {
    for number in 0..setting.old_groups {
        let name = format!("{CLUSTER}-v{number:03}");
        let stands = groups.iter().find(|group| group.spec.name == name).is_some_and(|group| {
            group.spec.desired == 2 && group.suspended.is_empty() && group.members.len() == 2
        });
        if !stands {
            wrong.push(format!("I25: {name} in {REGION} was touched, and nothing replaces it"));
        }
    }
}

/// The cloud's changes and how executions ended, without what differs from run to run by chance.
fn story(ground: &Ground, rows: &[ExecutionRow]) -> Vec<String> {
    use fake_aws::world::ledger::Effect;
    let cloud = ground.cloud().aws().world();
    let done = cloud
        .ledger()
        .iter()
        .filter(|entry| matches!(entry.effect, Effect::Created | Effect::Changed));
    let mut story: Vec<String> =
        done.map(|entry| format!("{} {} {:?}", entry.call, entry.summary, entry.effect)).collect();
    drop(cloud);
    story.extend(rows.iter().map(|row| format!("{} {}", row.id, row.status)));
    story
}
