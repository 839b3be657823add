//! Bugs put in on purpose, between the programs and what they reach: each must be caught.
//!
//! They stand where a program would have them: a caller that does not wait for a confirm looks, from
//! below, exactly like a publish that answers "done" without having been sent.

use std::sync::Arc;

use futures::FutureExt as _;
use store::{Claim, Commit, Create, EventRow, SlotChange, StoreError, StoredExecution, TaskChange};
use wire::Capacity;
use worker_bake::ports::{BuilderOrder, ImageOrder};
use worker_deploy::ports::{
    BalancedInstance, BalancerHealth, GroupHealth, InstanceLifecycle, Place, ServerGroup,
};

use crate::process::Process;

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

    /// Events that a faulty coordinator writes with a transition.
    fn plant_events(&self, events: &mut Vec<EventRow>) {
        let starts = |event: &EventRow| event.key.starts_with("child/");
        if self.has(Bug::ChildOutside) {
            events.retain(|event| !starts(event));
        }
        if self.has(Bug::ChildSurvives) {
            events.retain(|event| !event.key.starts_with("cancel-child/"));
        }
        if self.has(Bug::ChildTwice) {
            let again = events.iter().filter(|event| starts(event)).map(|event| {
                let mut body: serde_json::Value =
                    serde_json::from_str(&event.body).unwrap_or_default();
                if let Some(body) = body.as_object_mut() {
                    body.insert("attempt".to_owned(), 99.into());
                }
                EventRow { key: format!("{}/again", event.key), body: body.to_string() }
            });
            let again: Vec<EventRow> = again.collect();
            events.extend(again);
        }
    }

    /// An execution as a faulty coordinator reads it.
    pub(crate) fn planted_load(&self, mut stored: StoredExecution) -> StoredExecution {
        if self.has(Bug::IgnoresLimit) {
            stored.slot.holders.clear();
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
            Some(number) if self.has(Bug::HighWaterDedupe) => self.ground.is_below_mark(number),
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

    pub(crate) fn planted_checkpoint<'a>(&self, checkpoint: Option<&'a str>) -> Option<&'a str> {
        checkpoint.filter(|_| !self.has(Bug::NoCheckpoint))
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
        if fetched.status == 404 && self.has(Bug::TrustsUnfinished) {
            let body = br#"{"number":1,"result":"FAILURE","building":false,"timestamp":1}"#;
            return coordinator::Fetched { status: 200, body: body.to_vec() };
        }
        fetched
    }

    pub(crate) fn planted_builder_order(&self, order: &BuilderOrder) -> BuilderOrder {
        let mut order = order.clone();
        if self.has(Bug::NewTokenEachTry) {
            order.client_token = format!("{:.40}-{}", order.client_token, self.ground.serial());
        }
        order
    }

    pub(crate) fn planted_image_order(&self, order: &ImageOrder) -> ImageOrder {
        let mut order = order.clone();
        if self.has(Bug::NewNameEachTry) {
            order.name = format!("{}-{}", order.name, self.ground.serial());
        }
        order
    }

    pub(crate) fn leaves_builders(&self) -> bool {
        self.has(Bug::LeavesBuilder)
    }

    pub(crate) fn takes_empty_for_gone(&self) -> bool {
        self.has(Bug::EmptyIsGone)
    }

    /// How a faulty bake worker reads an error of a change.
    pub(crate) fn planted_bake_error(
        &self,
        error: worker_bake::ports::CloudError,
    ) -> worker_bake::ports::CloudError {
        use worker_bake::ports::CloudError as Error;
        let wrong = match &error {
            Error::UnknownOutcome { .. } => self.has(Bug::TimeoutIsFailure),
            Error::Throttled { .. } => self.has(Bug::ThrottleIsFailure),
            Error::NotFound { .. }
            | Error::NameTaken { .. }
            | Error::TokenReused { .. }
            | Error::NoCapacity { .. }
            | Error::Refused { .. } => false,
        };
        if wrong {
            let call = error.call();
            let (code, message) = ("Planted".to_owned(), error.to_string());
            return Error::Refused { call, code, message };
        }
        error
    }

    /// How a faulty deploy worker reads an error of a change.
    pub(crate) fn planted_deploy_error(
        &self,
        error: worker_deploy::ports::CloudError,
    ) -> worker_deploy::ports::CloudError {
        use worker_deploy::ports::{CloudError, Fault};
        let wrong = match &error.fault {
            Fault::UnknownOutcome(_) => self.has(Bug::TimeoutIsFailure),
            Fault::Throttled => self.has(Bug::ThrottleIsFailure),
            Fault::NotFound(_)
            | Fault::AlreadyExists(_)
            | Fault::InUse(_)
            | Fault::Refused { .. } => false,
        };
        if wrong {
            let (code, message) = ("Planted".to_owned(), error.to_string());
            return CloudError::new(error.call, Fault::Refused { code, message });
        }
        error
    }

    /// Server groups as a faulty judge of health sees them.
    pub(crate) fn planted_groups(&self, mut groups: Vec<ServerGroup>) -> Vec<ServerGroup> {
        if self.has(Bug::HealthUnknownIsHealthy) {
            for instance in groups.iter_mut().flat_map(|group| &mut group.instances) {
                if instance.lifecycle == InstanceLifecycle::Pending {
                    instance.lifecycle = InstanceLifecycle::InService;
                }
                instance.health = GroupHealth::Healthy;
            }
        }
        groups
    }

    /// A cluster as somebody sees it who mixes up what a failed deploy made with what was there before.
    pub(crate) fn planted_cluster(&self, mut groups: Vec<ServerGroup>) -> Vec<ServerGroup> {
        const MARK: &str = worker_deploy::tags::TAKES_OVER;
        let by_age = |group: &&mut ServerGroup| group.created_ms;
        if !self.has(Bug::DestroysOthers) {
            return groups;
        }
        let Some(at) = groups.iter().position(|group| group.tags.contains_key(MARK)) else {
            return groups;
        };
        let mut made = groups.swap_remove(at);
        if let Some(oldest) = groups.iter_mut().min_by_key(by_age) {
            for key in [MARK, worker_deploy::tags::TASK] {
                let (of_made, of_oldest) = (made.tags.remove(key), oldest.tags.remove(key));
                oldest.tags.extend(of_made.map(|value| (key.to_owned(), value)));
                made.tags.extend(of_oldest.map(|value| (key.to_owned(), value)));
            }
        }
        groups.push(made);
        groups
    }

    /// Verdicts of a balancer as a faulty judge of health sees them.
    pub(crate) fn planted_health(
        &self,
        mut listed: Vec<BalancedInstance>,
    ) -> Vec<BalancedInstance> {
        if self.has(Bug::HealthUnknownIsHealthy) {
            for instance in &mut listed {
                if instance.health != BalancerHealth::Draining {
                    instance.health = BalancerHealth::Up;
                }
            }
        }
        listed
    }

    pub(crate) fn skips_disabling(&self) -> bool {
        self.has(Bug::SkipsDisabling)
    }

    /// Deletes a group whatever is in it, before it is scaled down.
    pub(crate) fn forces_deletion(&self, place: &Place, group: &str, capacity: Capacity) {
        use fake_aws::world::{Caller, Site, group_calls::Deletion};
        if !self.has(Bug::ForcesDeletion) || capacity.desired > 0 {
            return;
        }
        let mut world = self.ground.cloud().aws().world();
        let account = world.home_account().to_owned();
        let site = Site { account, region: place.region.clone() };
        let caller = Caller { site, actor: self.name.clone() };
        // What it answers is of no interest: it was sent.
        drop(world.delete_group(&caller, group, Deletion::Forced));
    }
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
