//! What there is in a run, and what is asked of it: everything but the faults.

use fake_aws::world::{
    behaviour::Lags,
    builder::Fate,
    group::{Conduct, ConductRule},
};

use crate::{
    feature::{Feature, rolls_back},
    plant::Bug,
    rng::Rng,
    stranger::Stranger,
};

/// Executions that want one slot.
const TURNS: usize = 3;
/// Seeds that leave this rest when divided by that may have others at work.
const OTHERS: (u64, u64) = (3, 0);
/// When a job is made anew: reports of a build are the same for ten minutes, and nobody is out of
/// reach for longer than the rest.
const RECREATED_MS: u64 = 1_200_000;

/// One run's setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The seed it was drawn from; latencies are drawn from it as well.
    pub seed: u64,
    /// Programs of each kind.
    pub crew: Crew,
    /// Builds that Jenkins finishes.
    pub builds: Vec<BuildPlan>,
    /// Notifications of builds that never were.
    pub forged: Vec<u64>,
    /// Pipelines that every build starts.
    pub pipelines: usize,
    /// A person stops the first execution then, milliseconds after the start.
    pub cancel_at_ms: Option<u64>,
    /// Server groups that are there already.
    pub old_groups: usize,
    /// How slow the cloud is.
    pub lags: Lags,
    /// How new instances behave.
    pub conduct: Option<ConductRule>,
    /// What becomes of the first builder.
    pub fate: Fate,
    /// When messages that are none are put into the queues, milliseconds after the start.
    pub poison_ms: Vec<u64>,
    /// When the job is made anew and the first build's number comes again, milliseconds after the start.
    pub recreated_ms: Option<u64>,
    /// Nobody tells of the builds; coordinators look for them. The first one is over long after the second.
    pub untold: bool,
    /// Who else works on the cluster by hand.
    pub stranger: Option<Stranger>,
    /// What the first pipeline says beside bake and deploy.
    pub feature: Feature,
    /// A bug in the programs, on purpose.
    pub bug: Option<Bug>,
}

/// Programs of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crew {
    /// Coordinators.
    pub coordinators: usize,
    /// Bake workers.
    pub bakers: usize,
    /// Deploy workers.
    pub deployers: usize,
    /// Gateways.
    pub gateways: usize,
}

/// A build, and who hears of it when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildPlan {
    /// Its number.
    pub number: u64,
    /// When it is told of, milliseconds after the start, each time at the next gateway. The first
    /// sender repeats itself until somebody says that it was heard. Empty when nobody tells.
    pub told_ms: Vec<u64>,
}

/// What makes a server group's instances healthy or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// New instances become healthy.
    Good,
    /// They never do.
    Bad,
}

impl Setting {
    /// Messages that nobody can read: two of each handful of poison.
    pub(crate) fn unreadable(&self) -> usize {
        self.poison_ms.len() * 2
    }

    /// One of each program, one build, one old group, a cloud without whims: bake, then deploy
    /// with Highlander.
    pub fn canonical() -> Self {
        Self {
            seed: 0,
            crew: Crew { coordinators: 1, bakers: 1, deployers: 1, gateways: 1 },
            builds: vec![BuildPlan { number: 118, told_ms: vec![0] }],
            forged: Vec::new(),
            pipelines: 1,
            cancel_at_ms: None,
            old_groups: 1,
            lags: STEADY,
            conduct: None,
            fate: Fate::Normal,
            poison_ms: Vec::new(),
            recreated_ms: None,
            untold: false,
            stranger: None,
            feature: Feature::Plain,
            bug: None,
        }
    }

    /// The same with a bug in it.
    #[must_use]
    pub fn with(self, bug: Bug) -> Self {
        Self { bug: Some(bug), ..self }
    }

    /// The setting of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "setting");
        let crew = Crew {
            coordinators: count(&mut rng, 3),
            bakers: count(&mut rng, 2),
            deployers: count(&mut rng, 3),
            gateways: count(&mut rng, 2),
        };
        let mut builds = Vec::new();
        let mut at_ms = rng.below(3_000);
        for number in 118..118 + if rng.chance(250) { 2 } else { 1 } {
            let mut told_ms = vec![at_ms];
            while rng.chance(300) && told_ms.len() < 4 {
                told_ms.push(at_ms + rng.below(60_000));
            }
            builds.push(BuildPlan { number, told_ms });
            at_ms += rng.below(200_000);
        }
        let feature = Feature::of_seed(seed);
        // A queue of one is none.
        while matches!(feature, Feature::Turns(_)) && builds.len() < TURNS {
            let number = 118 + u64::try_from(builds.len()).unwrap_or(0);
            builds.push(BuildPlan { number, told_ms: vec![at_ms] });
            at_ms += 15_000;
        }
        // Words travel on different ways: the second build may be told of first.
        if let [first, second] = builds.as_mut_slice()
            && rng.chance(300)
        {
            std::mem::swap(&mut first.told_ms, &mut second.told_ms);
        }
        let conduct = match rng.below(20) {
            0 => Some(Conduct::Never),
            1 => Some(Conduct::Flapping { period_ms: rng.between(6_000, 40_000) }),
            2..=4 => Some(Conduct::Slow { ms: rng.between(10_000, 120_000) }),
            5 => Some(Conduct::DiesAfter { ms: rng.between(20_000, 200_000) }),
            _ => None,
        };
        // Without a failure there is nothing to undo.
        let fails = feature == Feature::RollsBack && Rng::new(seed, "undone").chance(700);
        let conduct = if fails { Some(Conduct::Never) } else { conduct };
        let rule = |conduct| ConductRule { group: "shop-staging-web-v00".to_owned(), conduct };
        let lags = match rng.below(4) {
            0 => Lags::FAST,
            1 => Lags { visible: rng.between(5_000, 30_000), ..STEADY },
            _ => STEADY,
        };
        let drawn = Self {
            seed,
            crew,
            builds,
            forged: if rng.chance(100) { vec![900] } else { Vec::new() },
            pipelines: if rng.chance(100) { 2 } else { 1 },
            cancel_at_ms: rng.chance(200).then(|| rng.below(150_000)),
            old_groups: count(&mut rng, 3) - 1,
            lags,
            conduct: conduct.map(rule),
            fate: match rng.below(16) {
                0 => Fate::Dies,
                1 => Fate::Silent,
                _ => Fate::Normal,
            },
            poison_ms: if rng.chance(150) { vec![rng.below(100_000)] } else { Vec::new() },
            recreated_ms: None,
            untold: false,
            stranger: None,
            feature,
            bug: None,
        };
        drawn.with_others()
    }

    /// Adds to some runs of one pipeline and one build what others do meanwhile.
    fn with_others(mut self) -> Self {
        if self.seed % OTHERS.0 != OTHERS.1 || self.executions() != 1 || rolls_back(self.seed) {
            return self;
        }
        let mut rng = Rng::new(self.seed, "others");
        match rng.below(6) {
            0 => self.stranger = Some(Stranger::TakesName),
            1 => self.stranger = Some(Stranger::AddsGroup),
            2 => self.stranger = Some(Stranger::ReplacesVictim),
            3 => self.recreated_ms = Some(RECREATED_MS),
            4 | 5 => {
                let number = |nth: u64| BuildPlan { number: 118 + nth, told_ms: Vec::new() };
                (self.untold, self.builds) = (true, vec![number(0), number(1)]);
            }
            _ => {}
        }
        if self.stranger.is_some() {
            self.old_groups = self.old_groups.max(1);
        }
        self
    }

    /// Executions that should come of it.
    pub fn executions(&self) -> usize {
        (self.builds.len() + usize::from(self.recreated_ms.is_some())) * self.pipelines
    }

    /// Whether no new group ever becomes healthy, not even for a moment.
    pub(crate) fn never_healthy(&self) -> bool {
        self.conduct.as_ref().is_some_and(|rule| matches!(rule.conduct, Conduct::Never))
    }

    /// Whether new groups can become healthy.
    pub fn health(&self) -> Health {
        match self.conduct.as_ref().map(|rule| rule.conduct) {
            Some(
                Conduct::Never
                | Conduct::Flapping { .. }
                | Conduct::LaunchFails
                | Conduct::DiesAfter { .. },
            ) => Health::Bad,
            Some(Conduct::Normal | Conduct::Slow { .. }) | None => Health::Good,
        }
    }
}

/// One, mostly two, at most `most`.
fn count(rng: &mut Rng, most: u64) -> usize {
    usize::try_from(rng.between(1, most)).unwrap_or(1)
}

/// A cloud on a good day, in a hurry.
const STEADY: Lags = Lags {
    visible: 1_000,
    boot: 3_000,
    install: 6_000,
    stop: 2_000,
    terminate: 3_000,
    console: 1_000,
    image: 10_000,
    scaling: 1_000,
    in_service: 2_000,
    health_check: 3_000,
    drain: 5_000,
    delete_group: 2_000,
};
