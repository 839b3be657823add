//! Random sequences of calls: memory, file and Redis answer like the plain model, call by call.

mod ops;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use model::{ExecutionStatus, TaskId, digest};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use store::{
    Claim, Commit, Committed, Create, Created, EventAccepted, EventRow, Expiry, FinishedFilter,
    Locked, OutboxRow, Reopen, SlotRequest, TaskChange, TaskClaim,
};

use self::ops::{LeaseOp, OldOp, Op, QueueOp, Transition, op};
use crate::{
    plain::{Loaded, Model},
    rows::{commit, create, dispatch, id, message, task},
    server::Server,
    worlds::World,
};

/// How long every lease lasts in these sequences.
pub(crate) const TTL: u64 = 3_000;

fn name(execution: u8) -> String {
    format!("E{execution}")
}

fn epoch(model: &Model, task: &TaskId, ahead: u32) -> u32 {
    (model.epoch(task) + ahead).saturating_sub(1).max(1)
}

/// The transition an operation stands for, given the version the model has.
fn transition(model: &Model, op: &Transition) -> Commit {
    let Transition { execution, stale, input, change, ahead, shape, wake, slot, told } = op;
    let name = name(*execution);
    let version = model.load(&id(&name)).map_or(1, |loaded| loaded.0);
    let here = format!("{name}/s/1");
    let epoch = epoch(model, &task(&here), *ahead);
    let mut next = commit(&name, version + u64::from(*stale), &format!("i{input}"));
    next.wake_ms = Some(model.now + wake);
    next.schema = u32::from(*shape != 15);
    if matches!(shape, 9 | 12 | 14) {
        next.status = ExecutionStatus::Terminal;
    }
    next.tasks = match change {
        0 => vec![TaskChange::Cancel { task: task(&here) }],
        1 if *shape < 8 => vec![TaskChange::Retire { task: task(&here) }],
        1 | 2 => Vec::new(),
        _ => vec![dispatch(&here, epoch)],
    };
    if *shape == 13 {
        next.tasks.push(dispatch("foreign/s/1", 1));
    }
    if *shape % 3 == 0 {
        next.unlock_owners = vec![format!("{name}/0")];
    }
    next.outbox = vec![OutboxRow {
        only_if: Some((task(&here), epoch)),
        ..message(&format!("m{}", input % 8))
    }];
    if *shape % 5 == 0 {
        next.outbox.push(message(&format!("m{}", shape % 8)));
    }
    next.slot = *slot;
    if *told < 5 {
        next.notify = vec![id(&format!("E{told}"))];
    }
    if *told < 4 {
        next.events = vec![EventRow::new(format!("k{told}"), "body".to_owned())];
    }
    if *told > 12 {
        next.reopen = Reopen::ByRestart;
    }
    next
}

/// Both replies as text.
macro_rules! compared {
    ($expected:expr, $found:expr) => {
        (format!("{:?}", $expected), format!("{:?}", $found))
    };
}

/// Does one operation on the model and on a store, and answers both replies as text.
async fn both(model: &mut Model, world: &World, op: &Op) -> (String, String) {
    let store = &world.store;
    let owner = |execution: &u8, stage: &u8| format!("{}/{stage}", name(*execution));
    match op {
        Op::Advance(ms) => {
            world.set_clock(model.now + ms).await;
            model.now += ms;
            compared!(model.now, store.now_ms().await.unwrap())
        }
        Op::Create { execution, limit } => {
            let mut row: Create = create(&name(*execution));
            row.first.wake_ms = Some(model.now + 1_000);
            row.slot = SlotRequest { limit: *limit };
            compared!(plain_created(model.create(&row)), {
                plain_created(store.execution_create(row).await.unwrap())
            })
        }
        Op::Commit(op) => {
            let next = transition(model, op);
            compared!(plain_committed(model.commit(&next)), {
                plain_committed(store.execution_commit(next).await.unwrap())
            })
        }
        Op::Lease(op) => on_leases(model, world, op).await,
        Op::Lock { resource, execution, stage } => {
            let (resource, owner) = (format!("r{resource}"), owner(execution, stage));
            let execution = id(&name(*execution));
            let expected: Locked = model.lock(&resource, &execution, &owner);
            compared!(expected, store.lock(&resource, &execution, &owner).await.unwrap())
        }
        Op::Unlock { resource, execution, stage, fence } => {
            let (resource, owner) = (format!("r{resource}"), owner(execution, stage));
            model.unlock(&resource, &owner, *fence);
            store.unlock(&resource, &owner, *fence).await.unwrap();
            (String::new(), String::new())
        }
        Op::Rewake { execution, stale, ahead } => {
            let (execution, wake) = (id(&name(*execution)), model.now + ahead);
            let seen = model.load(&execution).and_then(|loaded| loaded.4);
            let seen = seen.filter(|_| !stale);
            model.rewake(&execution, seen, wake);
            store.execution_rewake(&execution, seen, wake).await.unwrap();
            (String::new(), String::new())
        }
        Op::Load(execution) => loaded(model, world, &name(*execution)).await,
        Op::Queue(op) => on_queues(model, world, op).await,
        Op::Old(op) => on_old(model, world, op).await,
    }
}

async fn on_old(model: &mut Model, world: &World, op: &OldOp) -> (String, String) {
    let (store, before) = (&world.store, |age: &u64| model.now.saturating_sub(*age));
    match op {
        OldOp::Finished { age, keep, skip, limit } => {
            let filter = FinishedFilter {
                before_ms: before(age),
                keep_per_pipeline: *keep,
                skip: *skip,
                limit: *limit,
            };
            compared!(model.finished(filter), store.executions_finished(filter).await.unwrap())
        }
        OldOp::Remove(execution) => {
            let execution = id(&name(*execution));
            compared!(model.remove(&execution), store.execution_remove(&execution).await.unwrap())
        }
        OldOp::Expire { events_age, tombstones_age, limit } => {
            let expiry = Expiry {
                events_before_ms: before(events_age),
                tombstones_before_ms: before(tombstones_age),
                limit: *limit,
            };
            compared!(model.expire(expiry), store.expire(expiry).await.unwrap())
        }
    }
}

async fn on_leases(model: &mut Model, world: &World, op: &LeaseOp) -> (String, String) {
    let store = &world.store;
    match op {
        LeaseOp::Claim { execution, ahead, holder, forged } => {
            let here = task(&format!("{}/s/1", name(*execution)));
            let claim = TaskClaim {
                epoch: epoch(model, &here, *ahead),
                task: here,
                digest: digest(if *forged { "forged" } else { "request" }),
                holder: format!("w{holder}"),
                ttl_ms: TTL,
            };
            let expected: Claim = model.claim(&claim);
            compared!(expected, store.lease_claim(claim).await.unwrap())
        }
        LeaseOp::Beat { execution, behind, checkpoint } => {
            let here = task(&format!("{}/s/1", name(*execution)));
            let token = model.token(&here).saturating_sub(*behind);
            let checkpoint = checkpoint.map(|number| format!("c{number}"));
            let expected = model.beat(&here, token, checkpoint.as_deref());
            let found = store.lease_beat(&here, token, TTL, checkpoint.as_deref()).await;
            compared!(expected, found.unwrap())
        }
        LeaseOp::Finish { execution, behind } => {
            let here = task(&format!("{}/s/1", name(*execution)));
            let token = model.token(&here).saturating_sub(*behind);
            let expected = model.finish(&here, token, 500);
            compared!(expected, store.lease_finish(&here, token, "done", 500).await.unwrap())
        }
        LeaseOp::Release { execution, behind, checkpoint } => {
            let here = task(&format!("{}/s/1", name(*execution)));
            let token = model.token(&here).saturating_sub(*behind);
            let checkpoint = checkpoint.map(|number| format!("c{number}"));
            let expected = model.release(&here, token, checkpoint.as_deref());
            let found = store.lease_release(&here, token, checkpoint.as_deref()).await;
            compared!(expected, found.unwrap())
        }
    }
}

async fn loaded(model: &Model, world: &World, execution: &str) -> (String, String) {
    let execution = id(execution);
    let expected: Option<Loaded> = model.load(&execution);
    let found: Option<Loaded> =
        world.store.execution_load(&execution).await.unwrap().map(|it| {
            (it.version, it.status, it.schema, it.document, it.wake_ms, it.leases, it.slot)
        });
    (format!("{expected:?}"), format!("{found:?}"))
}

async fn on_queues(model: &mut Model, world: &World, op: &QueueOp) -> (String, String) {
    let store = &world.store;
    let key = |number: &u8| format!("k{number}");
    match op {
        QueueOp::Accept(number) => {
            let row = EventRow::new(key(number), "body".to_owned());
            let found = store.event_accept(row).await.unwrap() == EventAccepted::New;
            (model.accept(&key(number)).to_string(), found.to_string())
        }
        QueueOp::Settle(number) => {
            model.settle(&key(number));
            store.event_settle(&key(number), "outcome", Vec::new()).await.unwrap();
            (String::new(), String::new())
        }
        QueueOp::Defer(number, ahead) => {
            let time = model.now + ahead;
            model.defer(&key(number), time);
            store.event_defer(&key(number), time, "note").await.unwrap();
            (String::new(), String::new())
        }
        QueueOp::Due { limit, hide } => {
            let expected = model.due(usize::try_from(*limit).unwrap(), (*hide).max(1));
            (format!("{expected:?}"), format!("{:?}", store.due(*limit, *hide).await.unwrap()))
        }
        QueueOp::OutboxDone(number) => {
            let ids = [format!("m{number}")];
            model.messages_done(&ids[0]);
            store.outbox_done(&ids).await.unwrap();
            (String::new(), String::new())
        }
    }
}

/// Refusals are compared by being refusals: the words are the implementation's.
fn plain_created(created: Created) -> Created {
    match created {
        Created::Refused { .. } => Created::Refused { reason: String::new() },
        other @ (Created::New | Created::Exists) => other,
    }
}

fn plain_committed(committed: Committed) -> Committed {
    match committed {
        Committed::Refused { .. } => Committed::Refused { reason: String::new() },
        other @ (Committed::Applied { .. }
        | Committed::Duplicate
        | Committed::Conflict { .. }
        | Committed::NoSlot
        | Committed::Gone) => other,
    }
}

/// How often each answer was seen, by its first word.
type Seen = Mutex<BTreeMap<String, u32>>;

async fn run(world: &World, ops: &[Op], seen: &Seen) -> Result<(), TestCaseError> {
    let mut model = Model::new();
    for op in [0, 1].map(|execution| Op::Create { execution, limit: None }) {
        both(&mut model, world, &op).await;
    }
    for (step, op) in ops.iter().enumerate() {
        let (expected, found) = both(&mut model, world, op).await;
        let answer = found.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let answer = answer.trim_start_matches(|c: char| c.is_ascii_digit());
        *seen.lock().unwrap().entry(answer.to_owned()).or_insert(0_u32) += 1;
        prop_assert_eq!(expected, found, "step {} of {:#?}", step, ops);
    }
    for execution in 0..5 {
        let (expected, found) = loaded(&model, world, &name(execution)).await;
        prop_assert_eq!(expected, found, "at the end of {:#?}", ops);
    }
    // What is left is all handed out in the end.
    let hide = Op::Queue(QueueOp::Due { limit: 99, hide: 1_000 });
    for op in [Op::Advance(400_000), hide] {
        let (expected, found) = both(&mut model, world, &op).await;
        prop_assert_eq!(expected, found, "after {:#?}", ops);
    }
    Ok(())
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    })
}

fn sequences() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 10..120)
}

#[test]
fn any_sequence_in_memory_answers_like_the_model() {
    let seen = Seen::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let checked = runner(300).run(&sequences(), |ops| {
        runtime.block_on(async { run(&World::memory(), &ops, &seen).await })
    });
    checked.unwrap();
    // A generator that never gets anywhere proves nothing.
    let seen = seen.into_inner().unwrap();
    for answer in [
        "Applied",
        "NoSlot",
        "Done",
        "Live",
        "FinishedPage",
        "Expired",
        "Duplicate",
        "Conflict",
        "Gone",
        "Refused",
        "Exists",
        "Granted",
        "Busy",
        "Stale",
        "Finished",
        "Held",
        "Lost",
        "Due",
        "Some",
    ] {
        let times = seen.get(answer).copied().unwrap_or_default();
        assert!(times >= 30, "`{answer}` was answered {times} times only: {seen:?}");
    }
}

#[test]
fn any_sequence_in_a_file_answers_like_the_model() {
    let seen = Seen::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let checked = runner(10).run(&sequences(), |ops| {
        runtime.block_on(async { run(&World::file(), &ops, &seen).await })
    });
    checked.unwrap();
}

#[test]
fn any_sequence_on_redis_answers_like_the_model() {
    let seen = Seen::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let worlds = AtomicU64::new(0);
    let checked = runner(100).run(&sequences(), |ops| {
        let world = format!("w{}", worlds.fetch_add(1, Ordering::SeqCst));
        runtime.block_on(async { run(&World::on(&server, &world).await, &ops, &seen).await })
    });
    checked.unwrap();
}
