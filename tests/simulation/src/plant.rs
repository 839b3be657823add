//! Bugs put in on purpose, between the programs and what they reach: each must be caught.
//!
//! They stand where a program would have them: a caller that does not wait for a confirm looks, from
//! below, exactly like a publish that answers "done" without having been sent.

mod cloud;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::FutureExt as _;
use model::ExecutionId;
use serde_json::Value;
use store::{Claim, Commit, Create, EventRow, SlotChange, StoreError, StoredExecution, TaskChange};
use wire::ResultMessage;

use crate::{feature::Feature, process::Process, scene::CLUSTER};

macro_rules! bugs {
    ($($name:ident $text:literal: $what:literal;)*) => {
        /// A bug of the suite.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $what] $name,)*
        }

        impl Bug {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What is wrong.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

bugs! {
    OutboxOutside "outbox-outside": "A transition is stored without its messages.";
    DeletesUnconfirmed "deletes-unconfirmed": "A message is deleted before the broker has confirmed it.";
    IgnoresReturn "ignores-return": "A message the broker could not route counts as delivered.";
    TimeoutIsConfirm "timeout-is-confirm": "A publish without an answer counts as delivered.";
    PublishesOnce "publishes-once": "A message that was lost is never published again.";
    NeverDispatchesAgain "never-dispatches-again": "The task of a lost worker is given to nobody.";
    ForgetsWake "forgets-wake": "A live execution is stored without a wake.";
    OverwritesNewer "overwrites-newer": "A transition from an old state is written over a newer one, also over the end.";
    CreatesNothing "creates-nothing": "An event is settled before its execution is stored.";
    AcceptsInMemory "accepts-in-memory": "A webhook is answered before its event is stored.";
    HighWaterDedupe "high-water-dedupe": "A build with a lower number than one seen before counts as known.";
    TrustsWebhook "trusts-webhook": "A build counts as real because somebody says so.";
    TrustsUnfinished "trusts-unfinished": "A build that Jenkins does not know yet counts as never to come.";
    WorksWhenLost "works-when-lost": "A worker that hears that its lease is lost goes on.";
    LeaseByClientClock "lease-by-client-clock": "A lease runs out long before its holder thinks so.";
    NoCheckpoint "no-checkpoint": "What is about to be done is not stored before it is done.";
    ResultInMemory "result-in-memory": "A result is told and not stored.";
    IgnoresCancel "ignores-cancel": "A worker does not look whether it was told to stop.";
    NoLock "no-lock": "A named lock counts as taken whoever has it.";
    LockReleasedEarly "lock-released-early": "A named lock is freed before the work under it is done.";
    NewTokenEachTry "new-token-each-try": "Each try to start a builder has a token of its own.";
    NewNameEachTry "new-name-each-try": "Each try to make an image has a name of its own.";
    LeavesBuilder "leaves-builder": "A builder is not ended.";
    TimeoutIsFailure "timeout-is-failure": "A change without an answer counts as not carried out.";
    ThrottleIsFailure "throttle-is-failure": "Being asked to slow down counts as being refused.";
    EmptyIsGone "empty-is-gone": "An image that cannot be seen yet counts as never made.";
    HealthUnknownIsHealthy "health-unknown-is-healthy": "An instance nobody has judged counts as healthy.";
    ForcesDeletion "forces-deletion": "An old group is deleted with its instances.";
    RollbackUnnoticed "rollback-unnoticed": "Nobody notices that the store has gone back in time.";
    IgnoresLimit "ignores-limit": "An execution begins without a look at who else runs.";
    OrdersLost "orders-lost": "An order is acknowledged and not carried out.";
    OrdersTwice "orders-twice": "A repeated order counts as a new one.";
    PauseIgnored "pause-ignored": "A held execution goes on.";
    ChildOutside "child-outside": "A transition is stored without the start of its child.";
    ChildTwice "child-twice": "A child is started twice.";
    ChildSurvives "child-survives": "A child is not told that its parent was stopped.";
    DestroysOthers "destroys-others": "What a failed deploy made is taken for the oldest group of its cluster.";
    SkipsDisabling "skips-disabling": "An old group is scaled down while it has traffic.";
    DestroysBeforeHealthy "destroys-before-healthy": "Old groups go whatever becomes of the new one.";
    TakesOldResults "takes-old-results": "A result counts whoever brings it.";
    NoSelfFence "no-self-fence": "A worker that does not reach the store goes on as if it held its lease.";
    CountsInputs "counts-inputs": "What a stage waits for is counted, and what is said twice counts twice.";
    TokenOfTheDead "token-of-the-dead": "A new builder is asked for with the token of one that died.";
    TakenIsMade "taken-is-made": "A group counts as made because its name is taken.";
    PlansAgain "plans-again": "Which groups go is decided anew when they go.";
    VictimByName "victim-by-name": "An old group is known by its name alone.";
    PassesRunning "passes-running": "A build in a list counts as dealt with while it is still going on.";
    BuildByNumber "build-by-number": "A build is known by its number alone.";
    EndOutside "end-outside": "A transition that ends an execution is stored without the signal of its end.";
    MomentTwice "moment-twice": "A moment is known by who planned it, so that it comes once for each.";
    MomentOutside "moment-outside": "A moment is settled without the next one, which is only in memory.";
}

/// What a bug has to remember.
#[derive(Debug, Default)]
pub(crate) struct Planted {
    /// The largest build number accepted.
    mark: u64,
    /// How often it was said of an execution that a stage the deploy requires is over.
    ended: BTreeMap<ExecutionId, usize>,
    /// The first token a builder of a bake was asked for with.
    tokens: BTreeMap<String, String>,
    /// Tags of groups that somebody tried to create, by name.
    tried: BTreeMap<String, BTreeMap<String, String>>,
    /// Builds that were going on when they were listed.
    passed: BTreeSet<u64>,
    /// ARN and time of the first group seen under a name.
    seen: BTreeMap<String, (String, u64)>,
}

impl Process {
    fn has(&self, bug: Bug) -> bool {
        self.ground.bug() == Some(bug)
    }

    /// A transition as a faulty coordinator would write it; `None` when it would not write it.
    pub(crate) fn planted_commit(&self, mut commit: Commit) -> Option<Commit> {
        if self.has(Bug::OutboxOutside) {
            commit.outbox.clear();
        }
        if self.has(Bug::ForgetsWake) && !commit.status.is_complete() {
            commit.wake_ms = None;
        }
        if self.has(Bug::OrdersLost) && commit.input_id.starts_with("control/") {
            return None;
        }
        if self.has(Bug::IgnoresLimit) && commit.slot.is_some() {
            commit.slot = Some(SlotChange::Take { limit: None });
        }
        self.plant_events(&mut commit.events);
        self.count_ends(&commit);
        let dispatches = |again: &dyn Fn(&TaskChange) -> bool| commit.tasks.iter().any(again);
        let again = |change: &TaskChange| match change {
            TaskChange::Dispatch { epoch, .. } => *epoch > 1,
            TaskChange::Cancel { .. } | TaskChange::Retire { .. } => false,
        };
        if self.has(Bug::NeverDispatchesAgain) && dispatches(&again) {
            return None;
        }
        if self.has(Bug::PublishesOnce) {
            let known: Vec<String> = commit
                .outbox
                .iter()
                .filter(|row| self.ground.judge(|oracle| oracle.knows_message(&row.message_id)))
                .map(|row| row.message_id.clone())
                .collect();
            if !known.is_empty() {
                return None;
            }
        }
        Some(commit)
    }

    /// Counts a result that is told of, also when it is told once more.
    pub(crate) fn count_result(&self, body: &[u8]) {
        if !self.has(Bug::CountsInputs) {
            return;
        }
        if let Ok(result) = ResultMessage::decode(body) {
            self.ground
                .planted(|planted| *planted.ended.entry(result.task.execution).or_default() += 1);
        }
    }

    /// Counts what a transition says is over and was told by nobody, also when it is written once more.
    fn count_ends(&self, commit: &Commit) {
        if !self.has(Bug::CountsInputs) {
            return;
        }
        let required = Feature::FanIn.needs("2");
        let ends = |line: &&String| {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            let text =
                |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            text("event") == "stage_ended"
                && text("stage") != "1"
                && required.contains(&text("stage").as_str())
        };
        let ended = commit.timeline.iter().filter(ends).count();
        self.ground
            .planted(|planted| *planted.ended.entry(commit.id.clone()).or_default() += ended);
    }

    /// Events that a faulty coordinator writes with a transition.
    fn plant_events(&self, events: &mut Vec<EventRow>) {
        let starts = |event: &EventRow| event.key.starts_with("child/");
        if self.has(Bug::ChildOutside) {
            events.retain(|event| !starts(event));
        }
        if self.has(Bug::EndOutside) {
            events.retain(|event| !event.key.starts_with("pipeline/"));
        }
        if self.has(Bug::ChildSurvives) {
            events.retain(|event| !event.key.starts_with("cancel-child/"));
        }
        if self.has(Bug::ChildTwice) {
            let again = events.iter().filter(|event| starts(event)).map(|event| {
                let mut body: Value = serde_json::from_str(&event.body).unwrap_or_default();
                if let Some(body) = body.as_object_mut() {
                    body.insert("attempt".to_owned(), 99.into());
                }
                EventRow::new(format!("{}/again", event.key), body.to_string())
            });
            let again: Vec<EventRow> = again.collect();
            events.extend(again);
        }
    }

    /// What a faulty coordinator writes down as what follows from an event.
    pub(crate) fn planted_then(&self, then: Vec<EventRow>) -> Vec<EventRow> {
        let moment = |event: &EventRow| event.key.starts_with("cron/");
        if self.has(Bug::MomentOutside) {
            return then.into_iter().filter(|event| !moment(event)).collect();
        }
        if !self.has(Bug::MomentTwice) {
            return then;
        }
        let again = then.iter().filter(|event| moment(event)).map(|event| {
            let key = event.key.replacen("cron/", "cron/again-", 1);
            let body = event.body.replace(&event.key, &key);
            EventRow { key, body, ..event.clone() }
        });
        let again: Vec<EventRow> = again.collect();
        then.into_iter().chain(again).collect()
    }

    /// An execution as a faulty coordinator reads it.
    pub(crate) fn planted_load(
        &self,
        id: &ExecutionId,
        mut stored: StoredExecution,
    ) -> StoredExecution {
        if self.has(Bug::IgnoresLimit) {
            stored.slot.holders.clear();
        }
        if self.has(Bug::CountsInputs) {
            let required = Feature::FanIn.needs("2");
            let ended = |planted: &mut Planted| planted.ended.get(id).copied();
            if self.ground.planted(ended).is_some_and(|ended| ended >= required.len()) {
                stored.document = without_requirements(&stored.document, "2");
            }
        }
        if self.has(Bug::PauseIgnored) {
            stored.document = stored.document.replace(r#":"PAUSED""#, r#":"RUNNING""#);
        }
        stored
    }

    /// What a faulty coordinator asks for when it creates an execution.
    pub(crate) fn planted_create(&self, mut create: Create) -> Create {
        if self.has(Bug::IgnoresLimit) {
            create.slot.limit = None;
        }
        create
    }

    /// The key under which a faulty gateway stores an event.
    pub(crate) fn planted_key(&self, event: EventRow) -> EventRow {
        if self.has(Bug::OrdersTwice) && event.key.starts_with("control/") {
            let key = format!("{}/{}", event.key, self.ground.serial());
            return EventRow { key, ..event };
        }
        event
    }

    pub(crate) fn overwrites_newer(&self) -> bool {
        self.has(Bug::OverwritesNewer)
    }

    pub(crate) fn creates_nothing(&self) -> bool {
        self.has(Bug::CreatesNothing)
    }

    pub(crate) fn accepts_in_memory(&self) -> bool {
        self.has(Bug::AcceptsInMemory)
    }

    /// Whether an event of this key counts as known, by its number alone.
    pub(crate) fn known_by_number(&self, key: &str) -> bool {
        // jenkins/controller/job/number/window
        let number = key.rsplit('/').nth(1).and_then(|number| number.parse::<u64>().ok());
        match number {
            Some(number) if self.has(Bug::HighWaterDedupe) => self.ground.planted(|planted| {
                let below = number < planted.mark;
                planted.mark = planted.mark.max(number);
                below
            }),
            Some(_) | None => false,
        }
    }

    pub(crate) fn planted_ttl_ms(&self, ttl_ms: u64) -> u64 {
        if self.has(Bug::LeaseByClientClock) { ttl_ms / 45 } else { ttl_ms }
    }

    pub(crate) fn planted_claim(&self, claim: Claim) -> Claim {
        match claim {
            Claim::Granted { token, checkpoint, cancel: true } if self.has(Bug::IgnoresCancel) => {
                Claim::Granted { token, checkpoint, cancel: false }
            }
            claim @ (Claim::Granted { .. }
            | Claim::Busy { .. }
            | Claim::Stale { .. }
            | Claim::Finished
            | Claim::Gone) => claim,
        }
    }

    pub(crate) fn planted_beat(&self, beat: store::Beat) -> store::Beat {
        match beat {
            store::Beat::Lost if self.has(Bug::WorksWhenLost) => {
                store::Beat::Held { cancel: false }
            }
            store::Beat::Held { cancel: true } if self.has(Bug::IgnoresCancel) => {
                store::Beat::Held { cancel: false }
            }
            beat @ (store::Beat::Held { .. } | store::Beat::Lost) => beat,
        }
    }

    pub(crate) fn planted_checkpoint(&self, checkpoint: Option<&str>) -> Option<String> {
        let checkpoint = checkpoint.filter(|_| !self.has(Bug::NoCheckpoint))?;
        let planned = self.has(Bug::PlansAgain).then(|| self.planned_again(checkpoint)).flatten();
        Some(planned.unwrap_or_else(|| checkpoint.to_owned()))
    }

    /// A deploy that is about to take old groups down, with every other group of the cluster among them.
    fn planned_again(&self, checkpoint: &str) -> Option<String> {
        let mut whole: Value = serde_json::from_str(checkpoint).ok()?;
        let replacing = whole.pointer_mut("/progress/replacing/plan")?;
        let new = replacing.pointer("/group/name")?.as_str()?.to_owned();
        let victims = replacing.pointer_mut("/victims")?.as_array_mut()?;
        let known: BTreeSet<String> =
            victims.iter().filter_map(|v| Some(v.get("name")?.as_str()?.to_owned())).collect();
        let like = victims.first()?.clone();
        let world = self.ground.cloud().aws().world();
        let groups = world.sites().values().flat_map(|region| region.groups.values());
        for group in groups.filter(|g| g.cluster() == CLUSTER && g.spec.name != new) {
            if known.contains(&group.spec.name) {
                continue;
            }
            let mut victim = like.clone();
            let fields = victim.as_object_mut()?;
            fields.insert("name".to_owned(), group.spec.name.clone().into());
            fields.insert("state".to_owned(), serde_json::json!({ "is": "untouched" }));
            let identity = fields.get_mut("identity")?.as_object_mut()?;
            identity.insert("arn".to_owned(), group.arn.clone().into());
            identity.insert("created_ms".to_owned(), group.created_ms.into());
            victims.push(victim);
        }
        Some(whole.to_string())
    }

    /// What a worker without a fence makes of a question nobody answered.
    pub(crate) fn planted_silence<T>(
        &self,
        answer: Result<T, StoreError>,
        wished: T,
    ) -> Result<T, StoreError> {
        match answer {
            Err(StoreError::Unavailable { .. }) if self.has(Bug::NoSelfFence) => Ok(wished),
            answer => answer,
        }
    }

    /// Whether a faulty store takes a result under any token.
    pub(crate) fn takes_old_results(&self) -> bool {
        self.has(Bug::TakesOldResults)
    }

    pub(crate) fn keeps_result_in_memory(&self) -> bool {
        self.has(Bug::ResultInMemory)
    }

    pub(crate) fn ignores_locks(&self) -> bool {
        self.has(Bug::NoLock) || self.has(Bug::LockReleasedEarly)
    }

    pub(crate) fn frees_locks_early(&self) -> bool {
        self.has(Bug::LockReleasedEarly)
    }

    pub(crate) fn confirms_unsent(&self) -> bool {
        self.has(Bug::DeletesUnconfirmed)
    }

    /// What a faulty relay makes of a publish that failed.
    pub(crate) fn planted_publish(
        &self,
        sent: Result<(), bus::PublishError>,
    ) -> Result<(), bus::PublishError> {
        use bus::PublishError as Error;
        match sent {
            Err(Error::Unroutable { .. }) if self.has(Bug::IgnoresReturn) => Ok(()),
            Err(Error::Unavailable { .. }) if self.has(Bug::TimeoutIsConfirm) => Ok(()),
            sent => sent,
        }
    }

    /// What a coordinator that does not ask well makes of an answer.
    pub(crate) fn planted_answer(
        &self,
        url: &str,
        fetched: coordinator::Fetched,
    ) -> coordinator::Fetched {
        if self.has(Bug::BuildByNumber)
            && let Ok(mut build) = serde_json::from_slice::<Value>(&fetched.body)
            && let Some(timestamp) = build.get_mut("timestamp")
        {
            *timestamp = 1.into();
            return coordinator::Fetched { body: build.to_string().into_bytes(), ..fetched };
        }
        if fetched.status == 404 && self.has(Bug::TrustsWebhook) {
            let number = url.split("/api/").next().and_then(|path| path.rsplit('/').next());
            let body = serde_json::json!({
                "number": number.and_then(|number| number.parse::<u64>().ok()), "result": "SUCCESS",
                "building": false, "timestamp": 1, "duration": 1, "url": url,
                "artifacts": [{ "fileName": "shop-web_1.4.2-1_amd64.deb",
                    "displayPath": "shop-web_1.4.2-1_amd64.deb",
                    "relativePath": "shop-web_1.4.2-1_amd64.deb" }],
                "actions": [],
            });
            return coordinator::Fetched { status: 200, body: body.to_string().into_bytes() };
        }
        if self.has(Bug::PassesRunning)
            && let Ok(mut list) = serde_json::from_slice::<Value>(&fetched.body)
            && let Some(builds) = list.get_mut("allBuilds").and_then(Value::as_array_mut)
        {
            self.ground.planted(|planted| {
                let going_on = builds.iter().filter(|build| build["building"] == true);
                planted.passed.extend(going_on.filter_map(|build| build["number"].as_u64()));
                let passed = |build: &Value| build["number"].as_u64();
                builds.retain(|build| passed(build).is_none_or(|n| !planted.passed.contains(&n)));
            });
            return coordinator::Fetched { body: list.to_string().into_bytes(), ..fetched };
        }
        if fetched.status == 404 && self.has(Bug::TrustsUnfinished) {
            let body = br#"{"number":1,"result":"FAILURE","building":false,"timestamp":1}"#;
            return coordinator::Fetched { status: 200, body: body.to_vec() };
        }
        fetched
    }
}

/// A document in which a stage requires nothing.
fn without_requirements(document: &str, ref_id: &str) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap_or_default();
    let stages = document.get_mut("stages").and_then(Value::as_array_mut);
    for stage in stages.into_iter().flatten().filter_map(Value::as_object_mut) {
        if stage.get("ref_id").and_then(Value::as_str) == Some(ref_id) {
            stage.remove("requires");
        }
    }
    document.to_string()
}

/// A write from an old state over whatever is there.
pub(crate) async fn overwrite(
    process: &Arc<Process>,
    commit: &Commit,
) -> Result<store::Committed, StoreError> {
    let store = process.ground.store();
    let stored = store.execution_load(&commit.id).await?;
    let version = stored.map_or(0, |stored| stored.version);
    let blind = Commit {
        expect_version: version,
        input_id: format!("blind/{}", process.ground.serial()),
        reopen: store::Reopen::ByRestart,
        slot: Some(SlotChange::Take { limit: None }),
        ..commit.clone()
    };
    let act = async {
        let answer = store.execution_commit(blind.clone()).await?;
        let after = store.execution_load(&blind.id).await?;
        process.ground.judge(|oracle| oracle.committed(&blind, &answer, after.as_ref()));
        Ok(answer)
    };
    act.boxed().await
}
