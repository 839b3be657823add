//! RabbitMQ stopped, killed, wiped, robbed, full, impatient, poisoned: F06–F10, F12, F24.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use model::{ExecutionId, StageId, TaskId};
use processes::eventually;
use serde_json::{Map, Value, json};
use wire::{ResultMessage, TaskMessage, TaskOutcome};

use crate::{
    amqp::Stranger,
    measure::{Dice, dose, figure, figure_times, left_to_the_soak},
    redis_faults::recovered,
    story::stage,
    world::{Plan, Role, World},
};

const LONG: Duration = Duration::from_mins(4);

/// F06 and F07. Known by: the broker is another process after each round, and after a wipe one that
/// has never seen the stranger's queue.
async fn broker_goes_and_comes(verb: &str, rounds: usize) {
    let mut world = Plan { clusters: 3, ..Plan::default() }.start().await;
    let mut dice = Dice::shown(verb);
    let (mut builds, mut times) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        Stranger::connect(&world.services.amqp).await.declare_short_queue("witness").await.unwrap();
        builds.push(world.ship(round % 3).await);
        tokio::time::sleep(dice.between(Duration::from_millis(50), Duration::from_secs(2))).await;
        let before = world.services.pid("broker");
        world.services.running(verb).await;
        if verb == "kill-broker" {
            world.services.running("start").await;
        }
        assert_ne!(world.services.pid("broker"), before, "another process");
        if verb == "wipe-broker" {
            let stranger = Stranger::connect(&world.services.amqp).await;
            assert_eq!(stranger.ready("witness").await, None, "an empty broker");
        }
        assert_eq!(world.tend(), 0, "ours wait for it");
        let (build, took) = recovered(&mut world, (round + 1) % 3).await;
        builds.push(build);
        times.push(took);
    }
    world.assert_shipped(&builds, LONG).await;
    figure_times(&format!("recovery, broker back after {verb}"), &mut times);
    assert!(times.iter().all(|time| *time < Duration::from_secs(15)), "{times:?}");
}

#[tokio::test]
async fn stopped_and_started_broker_loses_nothing() {
    if left_to_the_soak() {
        return;
    }
    broker_goes_and_comes("restart-broker", dose(1, 20)).await;
}

#[tokio::test]
async fn killed_broker_loses_nothing() {
    broker_goes_and_comes("kill-broker", dose(2, 20)).await;
}

#[tokio::test]
async fn wiped_broker_loses_no_execution() {
    broker_goes_and_comes("wipe-broker", dose(1, 10)).await;
}

/// F08. Known by: the broker says that they are gone, and later that they are there again.
#[tokio::test]
async fn deleted_queues_and_exchanges_are_declared_again() {
    let mut world = Plan { lags: json!({ "install": 1_500 }), ..Plan::default() }.start().await;
    let stranger = Stranger::connect(&world.services.amqp).await;
    let mut builds = Vec::new();
    for queue in ["task.bake.v1", "result.bake.v1", "task.deploy.v1", "result.deploy.v1"] {
        builds.push(world.ship(0).await);
        stranger.delete_queue(queue).await;
        eventually(queue, LONG, || async { stranger.ready(queue).await.map(drop) }).await;
        world.settle(&builds, LONG).await;
    }
    for exchange in ["task", "result.bake", "result.deploy"] {
        stranger.delete_exchange(exchange).await;
        builds.push(world.ship(0).await);
        world.settle(&builds, LONG).await;
    }
    assert_eq!(world.tend(), 0);
    world.assert_shipped(&builds, LONG).await;
}

/// F08, arguments. Known by: the stranger's declaration is taken, and ours is refused in the words of
/// a process that starts.
#[tokio::test]
async fn queue_with_other_arguments_is_named_and_waited_out() {
    let mut world = Plan { deployers: 0, ..Plan::default() }.start().await;
    let stranger = Stranger::connect(&world.services.amqp).await;
    stranger.delete_queue("task.deploy.v1").await;
    // Ours may be as quick as the stranger: whoever comes first, the stranger wins in the end.
    eventually("the stranger's queue", LONG, || async {
        if stranger.declare_short_queue("task.deploy.v1").await.is_ok() {
            return Some(());
        }
        stranger.delete_queue("task.deploy.v1").await;
        None
    })
    .await;
    let newcomer = world.launch(Role::Deployer);
    let code = eventually("the newcomer ends", LONG, || {
        let ended = newcomer.ended();
        async move { ended }
    })
    .await;
    assert_eq!(code.code(), Some(1));
    assert!(newcomer.said("task.deploy.v1") > 0, "{}", newcomer.log());
    stranger.delete_queue("task.deploy.v1").await;
    let build = world.ship(0).await;
    world.tend();
    world.assert_shipped(&[build], LONG).await;
}

/// F09. Known by: the broker writes in its log that the alarm is set.
async fn alarm(set: &[&str], clear: &[&str], words: &str) {
    let mut world = Plan { clusters: 2, ..Plan::default() }.start().await;
    let mut builds = vec![world.ship(0).await];
    world.called("RunInstances", 0).await;
    let before = world.services.log("broker").matches(words).count();
    world.services.rabbitmqctl(set).await;
    eventually(words, LONG, || async {
        (world.services.log("broker").matches(words).count() > before).then_some(())
    })
    .await;
    let begun = Instant::now();
    builds.push(world.ship(1).await);
    tokio::time::sleep(dose(Duration::from_secs(12), Duration::from_mins(1))).await;
    let during = world.executions().await.unwrap();
    assert_eq!(during.len(), 2, "builds are taken in meanwhile");
    world.services.rabbitmqctl(clear).await;
    let cleared = Instant::now();
    world.assert_shipped(&builds, LONG).await;
    assert_eq!(world.tend(), 0);
    figure(
        &format!("F09 {words}"),
        format!("{:?} long, all over {:?} after its end", cleared - begun, cleared.elapsed()),
    );
}

#[tokio::test]
async fn memory_alarm_of_the_broker_is_waited_out() {
    let set = ["set_vm_memory_high_watermark", "0.00001"];
    alarm(&set, &["set_vm_memory_high_watermark", "0.4"], "memory resource limit alarm set").await;
}

#[tokio::test]
async fn disk_alarm_of_the_broker_is_waited_out() {
    if left_to_the_soak() {
        return;
    }
    let set = ["set_disk_free_limit", "9000GB"];
    alarm(&set, &["set_disk_free_limit", "1MB"], "disk resource limit alarm set").await;
}

/// F10. A bake takes many times as long as the broker lets a message be unsettled. Known by: a
/// consumer beside ours, which does not settle, loses its channel meanwhile.
#[tokio::test]
async fn bake_outlives_the_patience_of_the_broker() {
    // In the soak the product's own order of magnitude; otherwise a broker which looks every second.
    let settings = dose(
        "{consumer_timeout, 2000}, {channel_tick_interval, 1000}",
        "{consumer_timeout, 60000}",
    );
    let lags = json!({ "install": dose(10_000, 300_000) });
    let lease_ms = dose(2_000, 90_000);
    let plan = Plan { broker: Some(settings), lags, lease_ms, ..Plan::default() };
    let mut world = plan.start().await;
    let stranger = Stranger::connect(&world.services.amqp).await;
    stranger.declare_short_queue("witness").await.unwrap();
    stranger.publish("", "witness", b"held").await;
    let mut witness = stranger.hold_one("witness").await;
    let build = world.ship(0).await;
    world.called("RunInstances", 0).await;
    let held = witness.next().await.expect("a delivery").expect("a delivery");
    let ended = tokio::time::timeout(Duration::from_mins(3), witness.next()).await;
    assert!(matches!(ended, Ok(None | Some(Err(_)))), "the broker lost its patience: {ended:?}");
    drop(held);
    assert_eq!(world.effects("CreateImage", "Created").await, 0, "and the bake was under way");
    world.assert_shipped(&[build], Duration::from_mins(8)).await;
    for role in [Role::Baker, Role::Coordinator] {
        assert_eq!(world.of(role).iter().map(|one| one.said("consuming anew")).sum::<usize>(), 0);
    }
}

/// What nobody can read: for each queue a reason that people find beside it.
fn poison() -> Vec<Vec<u8>> {
    let forged = TaskMessage {
        v: 99,
        task: nobodys_task(),
        pool: model::Pool::Bake,
        epoch: 1,
        call: "{}".to_owned(),
    };
    vec![
        Vec::new(),
        b"not JSON".to_vec(),
        br#"{"v":1}"#.to_vec(),
        br#"{"v":"one","task":7,"pool":[],"epoch":{},"call":null}"#.to_vec(),
        br#"{"v":2,"task":"x","pool":"bake","epoch":NaN,"call":""}"#.to_vec(),
        serde_json::to_vec(&forged).unwrap(),
        b"[".repeat(100_000),
        vec![0xff; 5_000],
    ]
}

fn nobodys_task() -> TaskId {
    let execution = ExecutionId::of_event("nobody", "nothing");
    let stage = StageId::of(&execution, "1");
    TaskId { execution, stage, attempt: 1 }
}

/// F12. Known by: each message was confirmed into its queue, and lies in the parking queue with its
/// reason afterwards. The one that is too large to be parked by us gets there by the delivery limit.
#[tokio::test]
async fn poison_is_parked_with_its_reason_and_harms_nobody() {
    let mut world = Plan::default().start().await;
    let stranger = Stranger::connect(&world.services.amqp).await;
    let large = vec![b'x'; 2 * 1024 * 1024];
    for body in poison().iter().chain([&large]) {
        stranger.publish("task", "bake", body).await;
        stranger.publish("task", "deploy", body).await;
        stranger.publish("result.bake", "result", body).await;
    }
    let huge = vec![b'x'; dose(3, 100) * 1024 * 1024];
    stranger.publish("task", "bake", &huge).await;
    let sent = 3 * (poison().len() + 1) + 1;
    // Well formed and never committed: dropped and counted, not parked.
    let forged = TaskMessage {
        v: TaskMessage::VERSION,
        task: nobodys_task(),
        pool: model::Pool::Bake,
        epoch: 1,
        call: r#"{"operation":"image.bake/1","pool":"bake","mode":"run","request":{"region":"us-east-1"}}"#
            .to_owned(),
    };
    stranger.publish("task", "bake", &serde_json::to_vec(&forged).unwrap()).await;
    let build = world.ship(0).await;
    let begun = Instant::now();
    let (mut parked, mut last) = (Vec::new(), 0);
    while parked.len() < sent {
        parked.extend(stranger.parked().await);
        if parked.len() != last {
            last = parked.len();
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{last} of {sent} parked: {parked:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(parked.len(), sent);
    for queue in ["task.bake.v1", "task.deploy.v1", "result.bake.v1"] {
        assert!(parked.iter().filter(|headers| headers.contains(queue)).count() > 8, "{queue}");
    }
    world.assert_shipped(&[build], LONG).await;
    let refused: usize =
        world.of(Role::Baker).iter().map(|one| one.said("message without a task, dropped")).sum();
    assert_eq!(refused, 1, "the forged one");
    assert_eq!(world.tend(), 0, "nobody fell over it");
}

/// F12, a message that kills whoever takes it, before the claim. Known by: so many connections of the
/// stranger died with it in hand; then it lies in the parking queue.
#[tokio::test]
async fn message_that_kills_its_readers_is_parked_by_the_broker() {
    let mut world = Plan { bakers: 0, ..Plan::default() }.start().await;
    let stranger = Stranger::connect(&world.services.amqp).await;
    stranger.publish("task", "bake", b"deadly").await;
    let mut deaths = 0;
    while stranger.parked_one().await.is_none() {
        let victim = Stranger::connect(&world.services.amqp).await;
        let mut deliveries = victim.hold_one("task.bake.v1").await;
        let next = tokio::time::timeout(Duration::from_secs(2), deliveries.next()).await;
        deaths += u32::from(matches!(next, Ok(Some(Ok(_)))));
        victim.die().await;
        assert!(deaths <= 12, "{deaths} readers died");
    }
    assert_eq!(deaths, 11, "the limit of ten, and the first delivery");
    let build = world.ship(0).await;
    world.launch(Role::Baker);
    world.assert_shipped(&[build], LONG).await;
}

/// A result of the newest attempt of a stage, as its worker would tell it.
fn result_of(execution: &Value, kind: &str, epoch: u32) -> Vec<u8> {
    let stage = stage(execution, kind);
    let attempt = stage["tasks"].as_array().unwrap().len();
    let task = TaskId {
        execution: execution["id"].as_str().unwrap().parse().unwrap(),
        stage: stage["id"].as_str().unwrap().parse().unwrap(),
        attempt: u32::try_from(attempt).unwrap(),
    };
    let Value::Object(result) = json!({ "region": "us-east-1", "imageId": "ami-forged" }) else {
        return Vec::new();
    };
    let outcome = TaskOutcome::Succeeded { result: result.into_iter().collect::<Map<_, _>>() };
    let message = ResultMessage { v: ResultMessage::VERSION, task, epoch };
    // Nobody reads an outcome from the broker; that one is there must change nothing either.
    let mut message = serde_json::to_value(&message).unwrap();
    message["outcome"] = serde_json::to_value(&outcome).unwrap();
    serde_json::to_vec(&message).unwrap()
}

/// F24. Results doubled, early, of other epochs, and after a cancel: each is read and changes nothing.
/// Known by: confirmed into the queue, gone from it afterwards, and none of them parked.
#[tokio::test]
async fn results_that_come_twice_early_or_late_change_nothing() {
    let mut world = Plan { lags: json!({ "install": 2_500 }), ..Plan::default() }.start().await;
    let stranger = Stranger::connect(&world.services.amqp).await;
    let tell = async |execution: &Value| {
        for _ in 0..dose(20, 200) {
            for epoch in [0, 1, 2, 7] {
                let body = result_of(execution, "bake", epoch);
                stranger.publish("result.bake", "result", &body).await;
            }
        }
        stranger.drained("result.bake.v1").await;
    };
    // Early: the worker is at work.
    let build = world.ship(0).await;
    world.called("RunInstances", 0).await;
    let running = world.execution(build).await;
    tell(&running).await;
    let after = world.execution(build).await;
    assert_eq!(stage(&after, "bake")["status"], "RUNNING", "{after:#}");
    // Twice and late: the stage, and then the execution, is over.
    let ended = world.settle(&[build], LONG).await.remove(0);
    assert!(!ended.to_string().contains("ami-forged"), "{ended:#}");
    tell(&ended).await;
    assert_eq!(world.execution(build).await, ended);
    // After a cancel.
    let second = world.ship(0).await;
    world.called("RunInstances", 1).await;
    let running = world.execution(second).await;
    cancel(&world, running["id"].as_str().unwrap()).await;
    tell(&running).await;
    let ended = world.settle(&[build, second], LONG).await;
    let canceled = ended.iter().find(|one| one["id"] == running["id"]).unwrap();
    assert_eq!(canceled["status"], "CANCELED", "{canceled:#}");
    tell(canceled).await;
    assert_eq!(&world.execution(second).await, canceled);
    assert_eq!(stranger.parked().await, Vec::<String>::new());
    world.assert_safe().await;
}

async fn cancel(world: &World, id: &str) {
    let url = format!("{}/pipelines/{id}/cancel?reason=lab", world.gateways[0]);
    let answer = world.http.put(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}
