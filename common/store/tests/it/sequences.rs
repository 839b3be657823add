//! Random sequences of calls: memory, file and Redis answer like the plain model, call by call.

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
    Claim, Commit, Committed, Create, Created, EventAccepted, EventRow, Locked, OutboxRow,
    TaskChange, TaskClaim,
};

use crate::{
    plain::{Loaded, Model},
    rows::{commit, create, dispatch, id, message, rewake, task},
    server::Server,
    worlds::World,
};

/// How long every lease lasts in these sequences.
pub(crate) const TTL: u64 = 3_000;

/// One call, or a step of the clock. Small numbers pick among few names, so that calls meet.
#[derive(Clone, Debug)]
enum Op {
    Advance(u64),
    Create(u8),
    Commit { execution: u8, stale: bool, input: u8, change: u8, ahead: u32, shape: u8, wake: u64 },
    Lease(LeaseOp),
    Lock { resource: u8, execution: u8, stage: u8 },
    Unlock { resource: u8, execution: u8, stage: u8, fence: u64 },
    Rewake { execution: u8, ahead: u64 },
    Load(u8),
    Queue(QueueOp),
}

/// One call of a worker.
#[derive(Clone, Debug)]
enum LeaseOp {
    Claim { execution: u8, ahead: u32, holder: u8, forged: bool },
    Beat { execution: u8, behind: u64, checkpoint: Option<u8> },
    Finish { execution: u8, behind: u64 },
    Release { execution: u8, behind: u64, checkpoint: Option<u8> },
}

/// One call about events, messages and what is due.
#[derive(Clone, Debug)]
enum QueueOp {
    Accept(u8),
    Settle(u8),
    Defer(u8, u64),
    Due { limit: u32, hide: u64 },
    OutboxDone(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let one = 0_u8..2;
    let flag = prop::bool::weighted(0.1);
    prop_oneof![
        3 => (0_u64..4_000).prop_map(Op::Advance),
        1 => (0_u8..3).prop_map(Op::Create),
        8 => (one.clone(), flag, 0_u8..40, 0_u8..6, ahead(), 0_u8..32, 0_u64..320_000)
            .prop_map(|(execution, stale, input, change, ahead, shape, wake)| {
                Op::Commit { execution, stale, input, change, ahead, shape, wake }
            }),
        15 => lease_op().prop_map(Op::Lease),
        3 => (0_u8..2, 0_u8..3, 0_u8..2)
            .prop_map(|(resource, execution, stage)| Op::Lock { resource, execution, stage }),
        2 => (0_u8..2, 0_u8..3, 0_u8..2, 1_u64..4).prop_map(|(resource, execution, stage, fence)| {
            Op::Unlock { resource, execution, stage, fence }
        }),
        1 => (0_u8..3, 0_u64..400_000)
            .prop_map(|(execution, ahead)| Op::Rewake { execution, ahead }),
        10 => queue_op().prop_map(Op::Queue),
        3 => one.prop_map(Op::Load),
    ]
}

fn lease_op() -> impl Strategy<Value = LeaseOp> {
    let one = 0_u8..2;
    let forged = prop::bool::weighted(0.1);
    let checkpoint = || prop::option::of(0_u8..3);
    prop_oneof![
        6 => (one.clone(), ahead(), 0_u8..2, forged).prop_map(|(execution, ahead, holder, forged)| {
            LeaseOp::Claim { execution, ahead, holder, forged }
        }),
        4 => (one.clone(), behind(), checkpoint())
            .prop_map(|(execution, behind, checkpoint)| LeaseOp::Beat { execution, behind, checkpoint }),
        3 => (one.clone(), behind()).prop_map(|(execution, behind)| LeaseOp::Finish { execution, behind }),
        2 => (one.clone(), behind(), checkpoint())
            .prop_map(|(execution, behind, checkpoint)| LeaseOp::Release { execution, behind, checkpoint }),
    ]
}

/// Added to the epoch before the task's own: 1 is the current one.
fn ahead() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 6 => Just(1), 2 => Just(2)]
}

/// Taken from the task's current token.
fn behind() -> impl Strategy<Value = u64> {
    prop_oneof![6 => Just(0), 1 => Just(1)]
}

fn queue_op() -> impl Strategy<Value = QueueOp> {
    prop_oneof![
        2 => (0_u8..4).prop_map(QueueOp::Accept),
        1 => (0_u8..4).prop_map(QueueOp::Settle),
        1 => (0_u8..4, 0_u64..5_000).prop_map(|(key, ahead)| QueueOp::Defer(key, ahead)),
        5 => (0_u32..4, 0_u64..3_000).prop_map(|(limit, hide)| QueueOp::Due { limit, hide }),
        1 => (0_u8..8).prop_map(QueueOp::OutboxDone),
    ]
}

fn name(execution: u8) -> String {
    format!("E{execution}")
}

fn epoch(model: &Model, task: &TaskId, ahead: u32) -> u32 {
    (model.epoch(task) + ahead).saturating_sub(1).max(1)
}

/// The transition an operation stands for, given the version the model has.
fn transition(model: &Model, op: &Op) -> Option<Commit> {
    let Op::Commit { execution, stale, input, change, ahead, shape, wake } = op else {
        return None;
    };
    let name = name(*execution);
    let version = model.load(&id(&name)).map_or(1, |loaded| loaded.0);
    let here = format!("{name}/s/1");
    let epoch = epoch(model, &task(&here), *ahead);
    let mut next = commit(&name, version + u64::from(*stale), &format!("i{input}"));
    next.wake_ms = Some(model.now + wake);
    next.schema = u32::from(*shape != 15);
    if *shape == 14 {
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
    Some(next)
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
        Op::Create(execution) => {
            let mut row: Create = create(&name(*execution));
            row.first.wake_ms = Some(model.now + 1_000);
            compared!(plain_created(model.create(&row)), {
                plain_created(store.execution_create(row).await.unwrap())
            })
        }
        Op::Commit { .. } => {
            let next = transition(model, op).unwrap();
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
        Op::Rewake { execution, ahead } => {
            let (execution, wake) = (id(&name(*execution)), model.now + ahead);
            model.rewake(&execution, wake);
            rewake(store, execution.as_str(), wake).await;
            (String::new(), String::new())
        }
        Op::Load(execution) => loaded(model, world, &name(*execution)).await,
        Op::Queue(op) => on_queues(model, world, op).await,
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
    let found: Option<Loaded> = world
        .store
        .execution_load(&execution)
        .await
        .unwrap()
        .map(|it| (it.version, it.status, it.schema, it.document, it.wake_ms, it.leases));
    (format!("{expected:?}"), format!("{found:?}"))
}

async fn on_queues(model: &mut Model, world: &World, op: &QueueOp) -> (String, String) {
    let store = &world.store;
    let key = |number: &u8| format!("k{number}");
    match op {
        QueueOp::Accept(number) => {
            let row = EventRow { key: key(number), body: "body".to_owned() };
            let found = store.event_accept(row).await.unwrap() == EventAccepted::New;
            (model.accept(&key(number)).to_string(), found.to_string())
        }
        QueueOp::Settle(number) => {
            model.settle(&key(number));
            store.event_settle(&key(number), "outcome").await.unwrap();
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
    for op in [Op::Create(0), Op::Create(1)] {
        both(&mut model, world, &op).await;
    }
    for (step, op) in ops.iter().enumerate() {
        let (expected, found) = both(&mut model, world, op).await;
        let answer = found.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        *seen.lock().unwrap().entry(answer.to_owned()).or_insert(0_u32) += 1;
        prop_assert_eq!(expected, found, "step {} of {:#?}", step, ops);
    }
    for execution in 0..3 {
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
    prop::collection::vec(op(), 10..100)
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
