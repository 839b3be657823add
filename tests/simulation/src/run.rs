//! One run: a setting, a schedule of faults, and what came of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::http::{Method, StatusCode};
use fake_jenkins::Notice;
use model::ExecutionId;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    crew::{Heard, Programs, cancel_path, request},
    fault::{Face, Fault},
    feature::Feature,
    ground::{Ground, START_MS, Trace},
    person::Person,
    rest,
    scene::{self, CONTROLLER, HOOK_TOKEN, JOB},
    setting::Setting,
};

/// How often the run is looked at from outside.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a sender waits for an answer, and then until it tries again.
const SENDER_PATIENCE: Duration = Duration::from_secs(10);
/// Within which everything must be over once nothing goes wrong any more, for the first execution;
/// the others may have to wait for it. A lost worker costs 95 s, a new group that never becomes
/// healthy ten minutes.
const BOUND: Duration = Duration::from_mins(25);
const BOUND_EACH: Duration = Duration::from_mins(15);
/// After the end of everything, for what is still under way.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// What cannot be read lies in the parking queue so long after the last try at the latest (I32).
const PARKED_WITHIN: Duration = Duration::from_mins(1);
/// A builder that nobody ended is gone after so long: two hours of age, a look every ten minutes, and
/// the time the cloud takes.
const JANITOR_WITHIN: Duration = Duration::from_mins(135);

/// What a run has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every invariant that was broken; empty is good.
    pub violations: Vec<String>,
    /// How often each answer and each fault was seen.
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
    /// Calls of each face.
    pub calls: BTreeMap<Face, u64>,
    /// Faults that happened.
    pub fired: Vec<Fault>,
    /// Every step, if it was kept.
    pub trace: String,
    /// How long it took on the virtual clock, milliseconds.
    pub virtual_ms: u64,
    /// The cloud's changes, as `call summary effect`, and how each execution ended.
    pub story: Vec<String>,
}

/// Runs a setting with a schedule of faults, on a runtime of its own.
pub fn run(setting: &Setting, faults: &[Fault], trace: Trace) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(play(setting, faults, trace))),
        Err(error) => failed(format!("the runtime could not be built: {error}")),
    }
}

fn failed(why: String) -> Report {
    Report {
        violations: vec![why],
        counts: BTreeMap::new(),
        calls: BTreeMap::new(),
        fired: Vec::new(),
        trace: String::new(),
        virtual_ms: 0,
        story: Vec::new(),
    }
}

async fn play(setting: &Setting, faults: &[Fault], trace: Trace) -> Report {
    let outside = match scene::outside(setting) {
        Ok(outside) => outside,
        Err(error) => return failed(format!("the scene is not one: {error}")),
    };
    let ground = match Ground::new(setting, faults, outside, trace) {
        Ok(ground) => ground,
        Err(error) => return failed(format!("there is no store: {error}")),
    };
    for put in scene::pipelines(setting) {
        if let Err(error) = ground.store().pipeline_put(put).await {
            return failed(format!("a pipeline was not saved: {error}"));
        }
    }
    let limit = setting.feature.limit().map(|limit| (scene::pipeline_id(0), limit));
    ground.judge(|oracle| oracle.limits(limit));
    let programs = Programs::start(setting.crew, &ground).await;
    let mut play = Play::new(setting, &ground, programs);
    play.until_rest().await;
    sleep(AFTERWARDS).await;
    if rest::parked(&ground).await < setting.unreadable() {
        play.stay(PARKED_WITHIN).await;
    }
    if rest::may_have_left_a_builder(&ground) {
        play.stay(JANITOR_WITHIN).await;
    }
    let story = rest::judge(setting, &ground, &play.heard()).await;
    let virtual_ms = ground.elapsed_ms();
    let harvest = ground.harvest();
    Report {
        violations: harvest.violations,
        counts: harvest.counts,
        calls: harvest.calls,
        fired: harvest.fired,
        trace: harvest.trace,
        virtual_ms,
        story,
    }
}

/// Something somebody outside does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Jenkins tells the so-manieth gateway of a build, and repeats itself until it was heard, or
    /// not.
    Tell { build: Told, gateway: usize, insists: bool },
    /// Jenkins ends a build, and nobody tells.
    End { number: u64, after_ms: u64 },
    /// The job is made anew and its builds are counted from the start: the first number comes again.
    Recreate,
    /// A person cancels the first execution.
    Cancel,
    /// Somebody puts messages into the queues that are none, or mean nothing.
    Poison,
}

/// A build as it is told of: its number, and whether the job had been made anew by then.
pub(crate) type Told = (u64, bool);

struct Play<'a> {
    setting: &'a Setting,
    ground: &'a Arc<Ground>,
    begun: Instant,
    programs: Programs,
    /// What is to be done when; the next last.
    script: Vec<(Instant, Act)>,
    heard: watch::Sender<BTreeMap<Told, u64>>,
    /// Who tends the executions of the first pipeline, in the order in which they are created.
    people: Vec<Person>,
}

impl<'a> Play<'a> {
    fn new(setting: &'a Setting, ground: &'a Arc<Ground>, programs: Programs) -> Self {
        let now = Instant::now();
        let at = |ms: u64| now + Duration::from_millis(ms);
        let mut script = Vec::new();
        for build in &setting.builds {
            for (gateway, ms) in build.told_ms.iter().enumerate() {
                let build = (build.number, false);
                let act = Act::Tell { build, gateway, insists: gateway == 0 };
                script.push((at(*ms), act));
            }
        }
        for (build, after_ms) in
            setting.builds.iter().zip(scene::UNTOLD_MS).filter(|_| setting.untold)
        {
            script.push((at(after_ms), Act::End { number: build.number, after_ms }));
        }
        for number in &setting.forged {
            let build = (*number, false);
            script.push((at(500), Act::Tell { build, gateway: 0, insists: false }));
        }
        script.extend(setting.recreated_ms.map(|ms| (at(ms), Act::Recreate)));
        script.extend(setting.cancel_at_ms.map(|ms| (at(ms), Act::Cancel)));
        script.extend(setting.poison_ms.iter().map(|ms| (at(*ms), Act::Poison)));
        script.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let people = setting.builds.iter().map(|_| Person::new(setting.feature)).collect();
        Self {
            setting,
            ground,
            begun: now,
            programs,
            script,
            heard: watch::Sender::default(),
            people,
        }
    }

    /// Builds that were answered with 202, and how often.
    fn heard(&self) -> BTreeMap<Told, u64> {
        self.heard.borrow().clone()
    }

    async fn until_rest(&mut self) {
        let mut next_look = Instant::now() + LOOK_EVERY;
        loop {
            let back = self.programs.tend().await;
            self.do_what_is_due();
            let now = Instant::now();
            if now >= next_look {
                next_look = now + LOOK_EVERY;
                self.people_look();
                if self.rests().await {
                    return;
                }
                if now > self.deadline() {
                    let waiting = rest::unfinished(self.ground).await;
                    let text = format!("not at rest long after the last fault: {waiting}");
                    self.ground.judge(|oracle| oracle.violate("I5", &text));
                    return;
                }
            }
            let script = self.script.last().map(|(at, _)| *at);
            let next = [back, script].into_iter().flatten().fold(next_look, Instant::min);
            tokio::select! {
                biased;
                () = self.ground.news.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// Lets time pass; programs that die meanwhile come back.
    async fn stay(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            let back = self.programs.tend().await;
            let next = back.into_iter().fold(end, Instant::min);
            tokio::select! {
                biased;
                () = self.ground.news.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    fn deadline(&self) -> Instant {
        let restarts =
            if self.setting.feature == Feature::Restarted { self.people.len() } else { 0 };
        let runs = self.setting.executions() + restarts;
        let others = u32::try_from(runs.saturating_sub(1)).unwrap_or(0);
        let last_told = self.begun + Duration::from_millis(self.setting.recreated_ms.unwrap_or(0));
        self.ground.calm().max(last_told) + BOUND + BOUND_EACH * others
    }

    async fn rests(&self) -> bool {
        let heard = |told| self.heard.borrow().contains_key(&told);
        let told = if self.setting.untold {
            let found = self.ground.judge(|oracle| oracle.executions_but(scene::CHILD).len());
            found >= self.setting.executions()
        } else {
            self.setting.builds.iter().all(|build| heard((build.number, false)))
        };
        self.script.is_empty()
            && told
            && self.people.iter().all(Person::rests)
            && self.programs.complete()
            && Instant::now() > self.ground.calm()
            && rest::is_quiet(self.ground).await
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some((at, act)) = self.script.last().copied() {
            if at > now {
                return;
            }
            self.script.pop();
            match act {
                Act::Tell { build, gateway, insists } => self.tell(build, gateway, insists),
                Act::End { number, after_ms } => {
                    self.ground.note(&format!("build {number} ends"));
                    self.ground.jenkins().add_build(scene::untold(number, after_ms));
                }
                Act::Recreate => self.recreate(),
                Act::Cancel => self.cancel(),
                Act::Poison => self.poison(),
            }
        }
    }

    fn people_look(&mut self) {
        let first = scene::pipeline_id(0);
        let theirs = self.ground.judge(|oracle| oracle.of_pipeline(&first));
        for (nth, (person, (id, status))) in self.people.iter_mut().zip(&theirs).enumerate() {
            let gateway = || self.programs.gateway(nth);
            person.look(self.ground, (id, *status), gateway);
        }
    }

    fn recreate(&mut self) {
        let Some(number) = self.setting.builds.first().map(|build| build.number) else { return };
        self.ground.note("the job is made anew");
        let started_ms = START_MS.saturating_add(self.ground.elapsed_ms());
        self.ground.jenkins().add_build(scene::build(number, started_ms));
        self.tell((number, true), 0, true);
    }

    fn tell(&mut self, build: Told, gateway: usize, insists: bool) {
        let mut notice = Notice::finalized(JOB, build.0, Vec::new());
        notice.status = Some("SUCCESS".to_owned());
        let now_ms = START_MS.saturating_add(self.ground.elapsed_ms());
        let body = self.ground.jenkins().notification(&notice, now_ms).to_string();
        let router = self.programs.gateway(gateway);
        let heard = self.heard.clone();
        // The handle is not needed: whether it was heard is written down.
        drop(self.ground.tasks.spawn(async move {
            let path = format!("/webhooks/jenkins/{CONTROLLER}");
            let headers = [
                ("authorization", format!("Bearer {HOOK_TOKEN}")),
                ("content-type", "application/json".to_owned()),
            ];
            let sent = request(router, (Method::POST, &path), &headers, body);
            let answer = timeout(SENDER_PATIENCE, sent).await;
            if matches!(answer, Ok(Heard::Status(StatusCode::ACCEPTED, _))) {
                heard.send_modify(|heard| *heard.entry(build).or_default() += 1);
            }
        }));
        if insists && !self.heard.borrow().contains_key(&build) {
            let again = Act::Tell { build, gateway: gateway + 1, insists };
            self.script.push((Instant::now() + SENDER_PATIENCE, again));
            self.script.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        }
    }

    fn poison(&self) {
        self.ground.note("poison");
        let ground = Arc::clone(self.ground);
        // The handle is not needed: it ends at once.
        drop(self.ground.tasks.spawn(async move {
            for message in rest::poison() {
                ground.bus().publish(message).await.ok();
            }
        }));
    }

    fn cancel(&mut self) {
        let first: Option<ExecutionId> =
            self.ground.judge(|oracle| oracle.executions_but(scene::CHILD).into_iter().next());
        let Some(id) = first else { return };
        let router = self.programs.gateway(0);
        self.ground.note("a person cancels");
        // The handle is not needed: a person who hears nothing goes home.
        drop(self.ground.tasks.spawn(async move {
            let path = cancel_path(&id);
            let sent = request(router, (Method::PUT, &path), &[], String::new());
            timeout(SENDER_PATIENCE, sent).await.ok();
        }));
    }
}
