//! Redis killed, cut from its power, out of room, robbed of its Functions: F13, F14, F15, F18.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use futures::future::join_all;
use processes::{Services, eventually, root};

use crate::{
    measure::{Dice, dose, figure, figure_times},
    redis_client::{redis, redis_text},
    world::{Plan, Role, World},
};

const LONG: Duration = Duration::from_mins(3);

/// From a dependency that answers again until a new build has its builder.
pub(crate) async fn recovered(
    world: &mut World,
    cluster: usize,
) -> (crate::story::Build, Duration) {
    let before = world.effects("RunInstances", "Created").await;
    let begun = Instant::now();
    let build = world.ship(cluster).await;
    eventually("a builder for the new build", LONG, || async {
        (world.effects("RunInstances", "Created").await > before).then_some(())
    })
    .await;
    (build, begun.elapsed())
}

/// F13. Known by: Redis is another process after each round; and none of ours has ended.
#[tokio::test]
async fn redis_killed_again_and_again_loses_nothing() {
    let mut world = Plan { clusters: 3, ..Plan::default() }.start().await;
    let mut dice = Dice::shown("F13");
    let (mut builds, mut times) = (Vec::new(), Vec::new());
    for round in 0..dose(3, 50) {
        builds.push(world.ship(round % 3).await);
        tokio::time::sleep(dice.between(Duration::from_millis(50), Duration::from_secs(2))).await;
        let before = world.services.pid("redis");
        world.services.running("kill-redis").await;
        world.services.running("start").await;
        assert_ne!(world.services.pid("redis"), before, "another process");
        assert_eq!(world.tend(), 0, "ours wait for it");
        let (build, took) = recovered(&mut world, (round + 1) % 3).await;
        builds.push(build);
        times.push(took);
    }
    world.assert_shipped(&builds, LONG).await;
    figure_times("recovery, Redis killed and back", &mut times);
    assert!(times.iter().all(|time| *time < Duration::from_secs(5)), "{times:?}");
}

/// The shim, compiled, and its folder of notes.
struct Shim {
    _dir: tempfile::TempDir,
    notes: PathBuf,
    environment: Vec<(String, String)>,
}

impl Shim {
    fn compile() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("powerloss.so");
        let source = root().join("tests/lab/shim/powerloss.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status();
        assert!(compiled.unwrap().success(), "the shim compiles");
        let notes = dir.path().join("notes");
        std::fs::create_dir(&notes).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let environment = vec![
            ("LD_PRELOAD".to_owned(), text(&library)),
            ("POWERLOSS_NOTES".to_owned(), text(&notes)),
        ];
        Self { _dir: dir, notes, environment }
    }

    /// Takes away what was never synced; how many bytes that was. Redis is dead.
    fn cut(&self, files: &Path) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        let mut lost = 0;
        for entry in std::fs::read_dir(files).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            if about.is_dir() {
                lost += self.cut(&entry.path());
                continue;
            }
            let note = self.notes.join(format!("{}-{}", about.dev(), about.ino()));
            let text = std::fs::read_to_string(note).unwrap_or_default();
            let durable: u64 = text.parse().unwrap_or(0);
            if about.len() > durable {
                lost += about.len() - durable;
                let file = std::fs::File::options().write(true).open(entry.path()).unwrap();
                file.set_len(durable).unwrap();
            }
        }
        lost
    }

    async fn power_cut(&self, services: &Services) -> u64 {
        services.running("kill-redis").await;
        let lost = self.cut(&services.redis_files());
        services.running("start").await;
        lost
    }
}

/// Counts up under a key until the connection breaks; the last count that was acknowledged.
async fn count_up(url: String, key: String) -> (String, i64) {
    let mut acknowledged = 0;
    if let Ok(mut connection) = connection(&url).await {
        while let Ok(count) = redis::cmd("INCR").arg(&key).query_async::<i64>(&mut connection).await
        {
            acknowledged = count;
        }
    }
    (key, acknowledged)
}

async fn connection(url: &str) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    redis::Client::open(url)?.get_multiplexed_async_connection().await
}

/// Eight writers at work until Redis dies; acknowledged counts, and what is stored afterwards.
async fn writers(services: &Services, round: usize) -> BTreeMap<String, i64> {
    let all: Vec<_> = (0..8)
        .map(|number| count_up(services.redis.clone(), format!("witness:{round}:{number}")))
        .collect();
    join_all(all).await.into_iter().collect()
}

/// How many acknowledged counts are gone.
async fn missing(services: &Services, acknowledged: &BTreeMap<String, i64>) -> i64 {
    let mut missing = 0;
    for (key, count) in acknowledged {
        let mut connection = connection(&services.redis).await.unwrap();
        let stored: Option<i64> =
            redis::cmd("GET").arg(key).query_async(&mut connection).await.unwrap();
        missing += (count - stored.unwrap_or(0)).max(0);
    }
    missing
}

/// The fault of F14 on a Redis which does not sync: without it the next test would prove nothing.
#[tokio::test]
async fn power_cut_takes_what_was_not_synced() {
    let shim = Shim::compile();
    let dir = tempfile::tempdir().unwrap();
    let services = Services::start(dir.path(), None, shim.environment.clone());
    redis(&services, &["CONFIG", "SET", "appendfsync", "no"]).await.unwrap();
    let (acknowledged, lost) = cut_under_writers(&shim, &services, 0).await;
    let missing = missing(&services, &acknowledged).await;
    assert!(lost > 0 && missing > 0, "{lost} bytes, {missing} writes");
    figure("F14 control, appendfsync no", format!("{missing} acknowledged writes lost"));
}

async fn cut_under_writers(
    shim: &Shim,
    services: &Services,
    round: usize,
) -> (BTreeMap<String, i64>, u64) {
    let writers = writers(services, round);
    let cut = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        shim.power_cut(services).await
    };
    tokio::join!(writers, cut)
}

/// F14. Known by: the control above; Redis is another process after each round; and writers beside
/// ours, whose acknowledged counts must all be there, were cut off.
#[tokio::test]
async fn power_cuts_take_nothing_acknowledged() {
    let shim = Shim::compile();
    let plan = Plan { clusters: 3, environment: shim.environment.clone(), ..Plan::default() };
    let mut world = plan.start().await;
    let (mut builds, mut written, mut lost) = (Vec::new(), 0, 0);
    for round in 0..dose(3, 50) {
        builds.push(world.ship(round % 3).await);
        let before = world.services.pid("redis");
        let (acknowledged, bytes) = cut_under_writers(&shim, &world.services, round).await;
        assert_ne!(world.services.pid("redis"), before, "another process");
        assert!(acknowledged.values().all(|count| *count > 0), "{acknowledged:?}");
        assert_eq!(missing(&world.services, &acknowledged).await, 0, "in round {round}");
        written += acknowledged.values().sum::<i64>();
        lost += bytes;
    }
    world.assert_shipped(&builds, LONG).await;
    figure(
        "F14 power cuts",
        format!("0 of {written} acknowledged writes lost, {lost} unsynced bytes taken"),
    );
}

/// F15, disk. Known by: Redis says so in its log and ends.
#[tokio::test]
async fn full_disk_of_redis_is_waited_out() {
    let shim = Shim::compile();
    let mut world = Plan { environment: shim.environment.clone(), ..Plan::default() }.start().await;
    let build = world.ship(0).await;
    world.called("RunInstances", 0).await;
    let full = shim.notes.join("full");
    std::fs::write(&full, "").unwrap();
    eventually("Redis gives up", LONG, || async {
        let log = world.services.log("redis");
        log.contains("Can't recover from AOF write error").then_some(())
    })
    .await;
    let late = world.finish_build(0).await;
    let told = world.tell(late, "FINALIZED", 1).await;
    assert_eq!(told, [503], "nothing is accepted that is not durable");
    std::fs::remove_file(&full).unwrap();
    world.services.running("start").await;
    world.accepted(late).await;
    assert_eq!(world.tend(), 0, "ours wait for it");
    world.assert_shipped(&[build, late], LONG).await;
}

/// F15, memory. Known by: Redis counts the commands it refused.
#[tokio::test]
async fn redis_without_memory_is_waited_out() {
    let mut world = Plan::default().start().await;
    let build = world.ship(0).await;
    world.called("RunInstances", 0).await;
    redis(&world.services, &["CONFIG", "SET", "maxmemory", "1mb"]).await.unwrap();
    let late = world.finish_build(0).await;
    assert_eq!(world.tell(late, "FINALIZED", 1).await, [503]);
    tokio::time::sleep(dose(Duration::from_secs(3), Duration::from_secs(30))).await;
    let refused = redis_text(&world.services, &["INFO", "errorstats"]).await;
    assert!(refused.contains("errorstat_OOM"), "{refused}");
    redis(&world.services, &["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    world.accepted(late).await;
    assert_eq!(world.tend(), 0, "ours wait for it");
    world.assert_shipped(&[build, late], LONG).await;
}

/// F18. Known by: Redis lists no library, and then a foreign one, which a new process refuses with
/// words and exit code.
#[tokio::test]
async fn functions_that_vanish_come_back_and_foreign_ones_are_refused() {
    let mut world = Plan::default().start().await;
    let mut builds = vec![world.ship(0).await];
    world.called("RunInstances", 0).await;
    redis(&world.services, &["SCRIPT", "FLUSH"]).await.unwrap();
    let listed = library(&world.services).await.expect("the library is there");
    redis(&world.services, &["FUNCTION", "FLUSH"]).await.unwrap();
    eventually("somebody loads it again", LONG, || library(&world.services)).await;
    builds.push(world.ship(0).await);
    world.settle(&builds, LONG).await;

    let print = listed.split('\'').find(is_fingerprint).unwrap();
    let foreign = listed.replace(print, &model::digest("another build"));
    redis(&world.services, &["FUNCTION", "LOAD", "REPLACE", &foreign]).await.unwrap();
    let newcomer = world.launch(Role::Coordinator);
    let code = eventually("the newcomer ends", LONG, || {
        let ended = newcomer.ended();
        async move { ended }
    })
    .await;
    assert_eq!(code.code(), Some(1));
    assert_eq!(newcomer.said("another build of this program runs on it"), 1, "{}", newcomer.log());
    redis(&world.services, &["FUNCTION", "LOAD", "REPLACE", &listed]).await.unwrap();
    assert_eq!(world.tend(), 1, "the newcomer, and nobody else");
    builds.push(world.ship(0).await);
    world.assert_shipped(&builds, LONG).await;
}

fn is_fingerprint(text: &&str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The text of our library, if it is loaded.
async fn library(services: &Services) -> Option<String> {
    let words = ["FUNCTION", "LIST", "LIBRARYNAME", "bowline_v*", "WITHCODE"];
    let reply = redis(services, &words).await.unwrap();
    let found: Vec<BTreeMap<String, redis::Value>> = redis::from_redis_value(reply).unwrap();
    let code = found.into_iter().next()?.remove("library_code")?;
    redis::from_redis_value(code).ok()
}
