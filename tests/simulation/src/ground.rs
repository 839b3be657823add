//! What all processes of a run stand on: the true store, broker, cloud and Jenkins, the schedule of
//! faults, and what was seen.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bus::{BrokerControl, SharedBus};
use runtime::Tasks;
use store::{EmbeddedStore, Memory, Moment, SharedStore, StoreError};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    fault::{Face, Fault, What},
    oracle::{Oracle, Remembered},
    plant::{Bug, Planted},
    process::{Call, Process},
    setting::Setting,
    stranger::{Moment as Turn, Stranger, Theirs},
};

/// When every run begins, epoch milliseconds.
pub(crate) const START_MS: u64 = 1_767_225_600_000;

/// How often the state of a store that will go back is remembered, and for how long.
const REMEMBERED_EVERY: Duration = Duration::from_millis(100);
const REMEMBERED_FOR: Duration = Duration::from_secs(11);

/// The common ground of a run.
pub(crate) struct Ground {
    seed: u64,
    bug: Option<Bug>,
    polls: bool,
    origin: Instant,
    store: SharedStore,
    embedded: Arc<EmbeddedStore>,
    bus: SharedBus,
    broker: BrokerControl,
    cloud: fake_aws::InProcess,
    jenkins: fake_jenkins::InProcess,
    /// What happens later and is nobody's: late messages.
    pub(crate) tasks: Tasks,
    /// Rung when a process is gone.
    pub(crate) news: Notify,
    state: Mutex<State>,
}

struct State {
    calls: BTreeMap<Face, u64>,
    faults: BTreeMap<(Face, u64), What>,
    fired: Vec<Fault>,
    /// The last fault is over then.
    calm: Instant,
    trace: Option<String>,
    counts: BTreeMap<(&'static str, &'static str), u64>,
    oracle: Oracle,
    bell: watch::Receiver<u64>,
    bells: Vec<watch::Sender<u64>>,
    gone: Vec<Gone>,
    serial: u64,
    /// What the store may go back to, the oldest first; kept only where it will.
    past: Vec<Past>,
    /// What the bug in the programs has to remember.
    planted: Planted,
    /// Who also works on the cluster, until they did.
    stranger: Option<Stranger>,
    /// What they made.
    theirs: Option<Theirs>,
}

/// A state of the store, and what the oracle knew of it.
struct Past {
    at: Instant,
    moment: Moment,
    known: Remembered,
}

/// A process that is not there, and when it comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) number: usize,
    /// `None`: it ends by itself first; then after this time.
    pub(crate) back: Instant,
    pub(crate) drains: bool,
}

/// The things of the outside a run begins with.
pub(crate) struct Outside {
    pub(crate) cloud: fake_aws::InProcess,
    pub(crate) jenkins: fake_jenkins::InProcess,
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Ground {
    /// The ground of a run that begins now, on the paused clock.
    pub(crate) fn new(
        setting: &Setting,
        faults: &[Fault],
        outside: Outside,
        keep_trace: Trace,
    ) -> Result<Arc<Self>, StoreError> {
        let &Setting { seed, bug, stranger, untold: polls, .. } = setting;
        let origin = Instant::now();
        let embedded = Arc::new(EmbeddedStore::in_memory(Arc::new(move || {
            START_MS.saturating_add(millis(origin.elapsed()))
        }))?);
        let store: SharedStore = Arc::<EmbeddedStore>::clone(&embedded);
        let (bus, broker) = bus::in_process_controlled();
        let bell = store.bell();
        let state = State {
            calls: BTreeMap::new(),
            faults: faults.iter().map(|fault| ((fault.face, fault.nth), fault.what)).collect(),
            fired: Vec::new(),
            calm: origin,
            trace: (keep_trace == Trace::Kept).then(String::new),
            counts: BTreeMap::new(),
            oracle: Oracle::default(),
            bell,
            bells: Vec::new(),
            gone: Vec::new(),
            serial: 0,
            past: Vec::new(),
            planted: Planted::default(),
            stranger,
            theirs: None,
        };
        Ok(Arc::new(Self {
            seed,
            bug,
            polls,
            origin,
            store,
            embedded,
            bus,
            broker,
            cloud: outside.cloud,
            jenkins: outside.jenkins,
            tasks: Tasks::new(),
            news: Notify::new(),
            state: Mutex::new(state),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether coordinators look for builds that nobody tells of.
    pub(crate) const fn polls(&self) -> bool {
        self.polls
    }

    pub(crate) const fn bug(&self) -> Option<Bug> {
        self.bug
    }

    /// A number that was not given before.
    pub(crate) fn serial(&self) -> u64 {
        let mut state = self.state();
        state.serial += 1;
        state.serial
    }

    /// Works with what the bug in the programs remembers.
    pub(crate) fn planted<R>(&self, work: impl FnOnce(&mut Planted) -> R) -> R {
        work(&mut self.state().planted)
    }

    /// A worker creates a group, or did: whoever else works on the cluster may act.
    pub(crate) fn stranger_may_act(&self, turn: Turn, ours: &str) {
        let Some(stranger) = self.state().stranger else { return };
        let made = stranger.act(&mut self.cloud.aws().world(), turn, ours);
        if let Some(made) = made {
            self.note(&format!("a stranger: {stranger:?}, {}", made.name));
            self.count("stranger", stranger.name());
            let mut state = self.state();
            (state.stranger, state.theirs) = (None, Some(made));
        }
    }

    /// The group that somebody else made.
    pub(crate) fn theirs(&self) -> Option<Theirs> {
        self.state().theirs.clone()
    }

    /// Virtual time since the start, milliseconds.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        millis(self.origin.elapsed())
    }

    /// The truth.
    pub(crate) fn store(&self) -> &SharedStore {
        &self.store
    }

    pub(crate) fn bus(&self) -> &SharedBus {
        &self.bus
    }

    pub(crate) fn broker(&self) -> &BrokerControl {
        &self.broker
    }

    pub(crate) fn cloud(&self) -> &fake_aws::InProcess {
        &self.cloud
    }

    pub(crate) fn jenkins(&self) -> &fake_jenkins::InProcess {
        &self.jenkins
    }

    /// Counts a call; says what happens to it.
    pub(crate) fn enter(&self, process: &Process, call: Call) -> Option<What> {
        let mut state = self.state();
        let count = state.calls.entry(call.face).or_default();
        *count = count.saturating_add(1);
        let nth = *count;
        let what = state.faults.remove(&(call.face, nth))?;
        state.fired.push(Fault { face: call.face, nth, what });
        *state.counts.entry(("fault", what.kind())).or_default() += 1;
        let over = Instant::now() + Duration::from_millis(what.lasts_ms());
        state.calm = state.calm.max(over);
        let line =
            format!("{} {} ** {what:?} (call {nth} of {:?})", process.name, call.name, call.face);
        self.write(&mut state, &line);
        Some(what)
    }

    /// Notes how a call ended, as its caller sees it.
    pub(crate) fn leave(
        &self,
        process: &Process,
        call: Call,
        _what: Option<What>,
        answer: &'static str,
    ) {
        let mut state = self.state();
        *state.counts.entry((call.name, answer)).or_default() += 1;
        if state.trace.is_some() && !(call.face == Face::Pulse && answer == "nothing") {
            let line = format!("{} {} -> {answer}", process.name, call.name);
            self.write(&mut state, &line);
        }
        drop(state);
        self.pass_bell();
    }

    /// A line of the trace about something that is no call.
    pub(crate) fn note(&self, text: &str) {
        let mut state = self.state();
        self.write(&mut state, text);
    }

    /// Counts that something was seen.
    pub(crate) fn count(&self, group: &'static str, what: &'static str) {
        *self.state().counts.entry((group, what)).or_default() += 1;
    }

    fn write(&self, state: &mut State, text: &str) {
        if let Some(trace) = &mut state.trace {
            let ms = self.elapsed_ms();
            // Writing to a string does not fail.
            writeln!(trace, "{:>7}.{:03} {text}", ms / 1_000, ms % 1_000).ok();
        }
    }

    /// A bell of one's own: who listens to the store's bell together wakes in no fixed order.
    pub(crate) fn bell(&self) -> watch::Receiver<u64> {
        let (sender, receiver) = watch::channel(0);
        self.state().bells.push(sender);
        receiver
    }

    /// Rings every bell if the store's rang.
    fn pass_bell(&self) {
        let mut state = self.state();
        if !state.bell.has_changed().unwrap_or(false) {
            return;
        }
        state.bell.mark_unchanged();
        state.bells.retain(|bell| !bell.is_closed());
        for bell in &state.bells {
            bell.send_modify(|rung| *rung = rung.wrapping_add(1));
        }
    }

    /// A process is dead; it comes back later.
    pub(crate) fn gone(&self, number: usize, down_ms: u64) {
        let back = Instant::now() + Duration::from_millis(down_ms);
        self.state().gone.push(Gone { number, back, drains: false });
        self.news.notify_one();
    }

    /// A process was told to stop; it comes back so much after its end.
    pub(crate) fn draining(&self, number: usize, down_ms: u64) {
        let back = Instant::now() + Duration::from_millis(down_ms);
        self.state().gone.push(Gone { number, back, drains: true });
        self.news.notify_one();
    }

    /// Those that went since the last time this was asked.
    pub(crate) fn take_gone(&self) -> Vec<Gone> {
        std::mem::take(&mut self.state().gone)
    }

    /// Remembers how the store is, if it will have to go back.
    pub(crate) fn remember(&self) {
        let mut state = self.state();
        let rolls_back = state.faults.values().any(|what| matches!(what, What::Rollback(_)));
        let now = Instant::now();
        let recent = state.past.last().is_some_and(|past| now - past.at < REMEMBERED_EVERY);
        if !rolls_back || recent {
            return;
        }
        match self.embedded.present() {
            Ok(moment) => {
                let known = state.oracle.remembered();
                state.past.push(Past { at: now, moment, known });
                let old = state.past.iter().filter(|past| now - past.at > REMEMBERED_FOR).count();
                state.past.drain(..old.saturating_sub(1));
            }
            Err(error) => state.oracle.violate("store", &error.to_string()),
        }
    }

    /// The store goes back by so much, or as far as it can.
    pub(crate) fn go_back(&self, ms: u64) {
        let mut state = self.state();
        let state = &mut *state;
        let to = Instant::now().checked_sub(Duration::from_millis(ms));
        let place = state.past.iter().rposition(|past| to.is_some_and(|to| past.at <= to));
        state.past.truncate(place.unwrap_or(0).saturating_add(1));
        let Some(past) = state.past.last() else { return };
        let unnoticed = self.bug == Some(Bug::RollbackUnnoticed);
        let memory = if unnoticed { Memory::Lost } else { Memory::Kept };
        if let Err(error) = self.embedded.go_back(&past.moment, memory) {
            state.oracle.violate("store", &error.to_string());
        }
        state.oracle.go_back(&past.known);
    }

    /// Works with the oracle.
    pub(crate) fn judge<R>(&self, judge: impl FnOnce(&mut Oracle) -> R) -> R {
        judge(&mut self.state().oracle)
    }

    /// What will happen to the next call of a face. To be asked right before that call.
    pub(crate) fn next_fault(&self, face: Face) -> Option<What> {
        let state = self.state();
        let nth = state.calls.get(&face).copied().unwrap_or(0).saturating_add(1);
        state.faults.get(&(face, nth)).copied()
    }

    /// A worker sends a call that changes the cloud.
    pub(crate) fn sends_change(&self, process: &str, call: &'static str) {
        self.judge(|oracle| oracle.sends_change(process, call));
    }

    /// Takes over what the cloud found wrong.
    pub(crate) fn look_at_cloud(&self) {
        let world = self.cloud.aws().world();
        self.judge(|oracle| oracle.cloud(world.violations()));
    }

    /// When the last fault that happened so far is over.
    pub(crate) fn calm(&self) -> Instant {
        self.state().calm
    }

    /// Whether a fault of some kind happened.
    pub(crate) fn has_fired(&self, kind: impl Fn(&Fault) -> bool) -> bool {
        self.state().fired.iter().any(kind)
    }

    /// What was seen, taken out.
    pub(crate) fn harvest(&self) -> Harvest {
        let mut state = self.state();
        let state = &mut *state;
        Harvest {
            violations: std::mem::take(&mut state.oracle.violations),
            counts: std::mem::take(&mut state.counts),
            calls: std::mem::take(&mut state.calls),
            fired: std::mem::take(&mut state.fired),
            trace: state.trace.take().unwrap_or_default(),
        }
    }
}

/// What a run has shown.
pub(crate) struct Harvest {
    pub(crate) violations: Vec<String>,
    pub(crate) counts: BTreeMap<(&'static str, &'static str), u64>,
    pub(crate) calls: BTreeMap<Face, u64>,
    pub(crate) fired: Vec<Fault>,
    pub(crate) trace: String,
}

/// Whether every step is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// For people, and to compare two runs.
    Kept,
    /// Speed.
    Dropped,
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
