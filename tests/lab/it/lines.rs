//! Lines that break in every way: F19. Each fault is known by the proxy's counts.

use std::time::{Duration, Instant};

use fault_proxy::{Counts, Flow, Order, Proxy, Way};
use processes::eventually;

use crate::{
    measure::{dose, figure, left_to_the_soak, soaking},
    story::Build,
    world::{Lines, Plan, Role, Wires, World},
};

const LONG: Duration = Duration::from_mins(3);

/// A way to break a line, and how the proxy knows that it happened.
struct Break {
    name: &'static str,
    order: Order,
    /// How long it stays so after it has happened.
    lasts: Duration,
    happened: fn(&Counts) -> u64,
}

fn flow(
    name: &'static str,
    way: Way,
    flow: Flow,
    lasts: Duration,
    happened: fn(&Counts) -> u64,
) -> Break {
    Break { name, order: Order::Flow(way, flow), lasts, happened }
}

/// What happens to any line.
fn breaks() -> Vec<Break> {
    let moment = Duration::from_millis(300);
    let while_ = dose(Duration::from_secs(2), Duration::from_secs(30));
    let cut = |name, way, bytes| flow(name, way, Flow::CutAfter(bytes), moment, |c| c.cut);
    let mut all = vec![
        Break { name: "reset", order: Order::Reset, lasts: moment, happened: |c| c.reset },
        flow("partition", Way::Both, Flow::Hold, while_, |c| c.held),
        flow("one byte in a second", Way::Both, Flow::Drip(1.try_into().unwrap()), while_, |c| {
            c.delayed_bytes
        }),
        cut("cut in a header on the way there", Way::ToServer, 3),
        cut("cut in a body on the way there", Way::ToServer, 150),
        cut("cut in a header on the way back", Way::ToClient, 3),
        cut("cut in a body on the way back", Way::ToClient, 40),
        flow("half-open, nothing comes back", Way::ToClient, Flow::Swallow, moment, |c| {
            c.swallowed_bytes
        }),
        flow("half-open, nothing gets there", Way::ToServer, Flow::Swallow, moment, |c| {
            c.swallowed_bytes
        }),
    ];
    if !soaking() {
        // One of each two that are alike.
        let alike = [
            "half-open, nothing gets there",
            "cut in a body on the way back",
            "cut in a header on the way there",
        ];
        all.retain(|one| !alike.contains(&one.name));
    }
    all
}

/// Breaks one line in all ways while builds are on their way; heals; everything ends well.
async fn broken_line(line: &'static str, of: fn(&Wires) -> &Proxy, more: Vec<Break>) {
    let plan = Plan { lines: Lines::Proxied, clusters: 4, ..Plan::default() };
    let mut world = plan.start().await;
    let mut builds = Vec::new();
    for (round, fault) in breaks().into_iter().chain(more).enumerate() {
        builds.push(world.ship(round % 4).await);
        let proxy = of(world.wires());
        let before = (fault.happened)(&proxy.counts());
        proxy.obey(fault.order);
        // Something has to be on the line for it to break.
        let late = world.finish_build((round + 1) % 4).await;
        tell_once(&world, late).await;
        let proxy = of(world.wires());
        eventually(fault.name, LONG, || async {
            ((fault.happened)(&proxy.counts()) > before).then_some(())
        })
        .await;
        tokio::time::sleep(fault.lasts).await;
        proxy.obey(Order::Heal);
        let begun = Instant::now();
        world.accepted(late).await;
        builds.push(late);
        settled(&world, &builds, fault.name).await;
        figure(&format!("F19 {line}, {}", fault.name), format!("{:?} to the end", begun.elapsed()));
    }
    assert_eq!(world.tend(), 0, "ours wait for it");
    world.assert_shipped(&builds, LONG).await;
}

/// Jenkins tells once, and does not wait for the answer of a gateway that has none.
async fn tell_once(world: &World, build: Build) {
    tokio::time::timeout(Duration::from_secs(2), world.tell(build, "FINALIZED", 1)).await.ok();
}

async fn settled(world: &World, builds: &[Build], what: &str) {
    let ended = world.settle(builds, LONG).await;
    let failed: Vec<_> = ended.iter().filter(|one| one["status"] != "SUCCEEDED").collect();
    assert!(failed.is_empty(), "{what}: {failed:#?}");
}

#[tokio::test]
async fn broken_lines_to_redis_are_mended() {
    broken_line("Redis", |wires| &wires.redis, Vec::new()).await;
}

#[tokio::test]
async fn broken_lines_to_the_broker_are_mended() {
    // basic.ack to a publisher: the message has arrived, and its sender never hears of it.
    let confirm = flow(
        "held at a confirm",
        Way::ToClient,
        Flow::HoldAt(vec![0, 60, 0, 80]),
        Duration::from_secs(1),
        |counts| counts.held,
    );
    broken_line("RabbitMQ", |wires| &wires.amqp, vec![confirm]).await;
}

/// F17: every answer of Redis is half a second late. Known by the proxy's count of late bytes.
#[tokio::test]
async fn slow_redis_makes_things_slow_and_nothing_else() {
    if left_to_the_soak() {
        return;
    }
    let plan = Plan { lines: Lines::Proxied, lease_ms: 6_000, ..Plan::default() };
    let mut world = plan.start().await;
    let late = Order::Flow(Way::ToClient, Flow::Delay(Duration::from_millis(500)));
    world.wires().redis.obey(late);
    let build = world.ship(0).await;
    world.assert_shipped(&[build], LONG).await;
    assert!(world.wires().redis.counts().delayed_bytes > 0);
    assert!(world.of(Role::Coordinator).iter().all(|one| one.said("panicked") == 0));
}
