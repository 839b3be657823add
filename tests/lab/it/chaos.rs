//! Everything dies again and again, in no order; then it stops, and everything must have ended well.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::process::Child;

use crate::{
    measure::{Dice, dose, figure, given},
    story::Build,
    world::{Plan, World},
};

/// Executions in flight, for each pipeline.
const IN_FLIGHT: usize = 2;
/// How often dead processes are begun again, as somebody who watches over them would.
const TEND: Duration = Duration::from_secs(1);

/// The run: who is told what, and what has died so far.
struct Chaos {
    world: World,
    dice: Dice,
    builds: Vec<Build>,
    untold: Vec<Build>,
    deaths: BTreeMap<String, usize>,
    /// Somebody is starting what was killed; one service at a time is away.
    mending: Option<Child>,
}

/// 1,000 executions in the soak. Known by: deaths counted by kind, every kind at least once, each of
/// our own a SIGKILL.
#[tokio::test]
async fn chaos_ends_with_every_execution_over_and_nothing_harmed() {
    let clusters = dose(6, 24);
    let world =
        Plan { clusters, coordinators: 2, bakers: 2, deployers: 2, gateways: 2, ..Plan::default() }
            .start()
            .await;
    let dice = Dice::shown("chaos");
    let mut chaos = Chaos {
        world,
        dice,
        builds: Vec::new(),
        untold: Vec::new(),
        deaths: BTreeMap::new(),
        mending: None,
    };
    let begun = Instant::now();
    let count =
        given("BOWLINE_CHAOS").map_or(dose(24, 1_000), |count| usize::try_from(count).unwrap());
    chaos.run(count, dose(8, 100).min(count / 3)).await;
    let stopped = Instant::now();
    chaos.mend().await;
    let Chaos { world, builds, deaths, .. } = chaos;
    let ended = world.settle(&builds, Duration::from_mins(5)).await;
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for execution in &ended {
        *statuses.entry(execution["status"].as_str().unwrap()).or_default() += 1;
    }
    figure("chaos", format!("{} executions in {:?}: {statuses:?}", ended.len(), begun.elapsed()));
    figure("chaos, at rest after the last fault", format!("{:?}", stopped.elapsed()));
    figure("chaos, deaths", format!("{deaths:?}"));
    assert!(deaths.values().sum::<usize>() >= dose(8, 100).min(count / 3), "{deaths:?}");
    world.assert_safe().await;
    let failed: Vec<&Value> = ended.iter().filter(|one| one["status"] != "SUCCEEDED").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(world.effects("CreateImage", "Created").await, builds.len());
    assert_eq!(world.effects("CreateAutoScalingGroup", "Created").await, builds.len());
    nothing_is_left(&world, clusters).await;
}

/// One server group for each cluster, and no builder.
async fn nothing_is_left(world: &World, clusters: usize) {
    let region = world.region().await;
    assert_eq!(region["groups"].as_object().unwrap().len(), clusters);
    let builders =
        region["instances"].as_object().unwrap().values().filter(|one| {
            one["tags"]["bowline:bake-key"].is_string() && one["state"] != "Terminated"
        });
    assert_eq!(builders.count(), 0, "no builder is left");
}

impl Chaos {
    /// Until so many builds were accepted and so many deaths died.
    async fn run(&mut self, builds: usize, deaths: usize) {
        let mut next_death = Instant::now() + Duration::from_secs(2);
        let mut next_tend = Instant::now();
        loop {
            let died: usize = self.deaths.values().sum();
            if self.builds.len() >= builds && self.untold.is_empty() && died >= deaths {
                return;
            }
            let busy = self.live().await;
            if self.builds.len() < builds && busy < IN_FLIGHT * self.world.pipelines.len() {
                let build =
                    self.world.finish_build(self.builds.len() % self.world.pipelines.len()).await;
                self.builds.push(build);
                self.untold.push(build);
            }
            self.tell().await;
            if Instant::now() >= next_death {
                self.kill_something().await;
                let pause = self.dice.between(
                    Duration::from_secs(2),
                    dose(Duration::from_secs(3), Duration::from_secs(10)),
                );
                next_death = Instant::now() + pause;
            }
            if Instant::now() >= next_tend {
                self.world.tend();
                next_tend = Instant::now() + TEND;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Executions that are not over, as far as anybody can be asked.
    async fn live(&self) -> usize {
        let pipelines = self.world.pipelines.join(",");
        let path = format!(
            "/executions?pipelineConfigIds={pipelines}&statuses=RUNNING,NOT_STARTED&limit=500"
        );
        let found = self.world.ask(&path).await;
        found.and_then(|list| Some(list.as_array()?.len())).unwrap_or(usize::MAX)
    }

    /// Jenkins, or a person, tells again what nobody has accepted.
    async fn tell(&mut self) {
        let mut unheard = Vec::new();
        for build in std::mem::take(&mut self.untold) {
            if !self.world.tell(build, "FINALIZED", 1).await.contains(&202) {
                unheard.push(build);
            }
        }
        self.untold = unheard;
    }

    async fn kill_something(&mut self) {
        if let Some(mending) = &mut self.mending
            && mending.try_wait().unwrap().is_some()
        {
            self.mending = None;
        }
        let service = match (self.dice.below(10), &self.mending) {
            (0 | 1, None) => Some("kill-redis"),
            (2 | 3, None) => Some("kill-broker"),
            (4, None) => Some("wipe-broker"),
            _ => None,
        };
        let Some(verb) = service else { return self.kill_one_of_ours() };
        *self.deaths.entry(verb.to_owned()).or_default() += 1;
        if verb == "wipe-broker" {
            self.mending = Some(self.world.services.begin(verb));
            return;
        }
        self.world.services.running(verb).await;
        tokio::time::sleep(self.dice.between(Duration::ZERO, Duration::from_secs(2))).await;
        self.mending = Some(self.world.services.begin("start"));
    }

    fn kill_one_of_ours(&mut self) {
        if self.world.processes.is_empty() {
            return;
        }
        let victim = self.dice.below(self.world.processes.len());
        let (role, process) = &mut self.world.processes[victim];
        // It may have ended by itself: without Redis or a broker nobody starts.
        if process.ended().is_none() {
            assert!(process.kill(), "a SIGKILL ended it");
            *self.deaths.entry(role.program().to_owned()).or_default() += 1;
        }
    }

    /// The faults are over: everything is there again.
    async fn mend(&mut self) {
        if let Some(mut mending) = self.mending.take() {
            assert!(mending.wait().await.unwrap().success(), "the services are back");
        }
        self.world.services.running("start").await;
        self.world.tend();
        self.world.ready().await;
    }
}
