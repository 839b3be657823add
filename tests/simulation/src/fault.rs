//! What goes wrong, and when. A schedule is a list, so that each of its faults can be left out alone.

use crate::rng::Rng;

/// What kind of call an I/O point is. Faults are placed by counting the calls of one face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Face {
    /// `due`: asked once a second by every coordinator.
    Pulse,
    /// Loads, views, lists, the clock.
    Look,
    /// Creations, transitions, moved wakes.
    Commit,
    /// Events: accepted, settled, deferred.
    Intake,
    /// Claims, beats, checkpoints, results, releases.
    Lease,
    /// Named locks.
    Lock,
    /// Deletion of published messages.
    Outbox,
    /// Messages to the broker.
    Publish,
    /// Acknowledgements.
    Settle,
    /// Calls to the cloud that change nothing.
    CloudRead,
    /// Calls to the cloud that change something.
    CloudWrite,
    /// Questions to Jenkins.
    Jenkins,
}

impl Face {
    /// Every face.
    pub const ALL: [Self; 12] = [
        Self::Pulse,
        Self::Look,
        Self::Commit,
        Self::Intake,
        Self::Lease,
        Self::Lock,
        Self::Outbox,
        Self::Publish,
        Self::Settle,
        Self::CloudRead,
        Self::CloudWrite,
        Self::Jenkins,
    ];

    /// Which connection it uses.
    pub const fn link(self) -> Link {
        match self {
            Self::Pulse
            | Self::Look
            | Self::Commit
            | Self::Intake
            | Self::Lease
            | Self::Lock
            | Self::Outbox => Link::Store,
            Self::Publish | Self::Settle => Link::Bus,
            Self::CloudRead | Self::CloudWrite => Link::Cloud,
            Self::Jenkins => Link::Jenkins,
        }
    }

    /// About how many such calls one execution of the canonical pipeline makes.
    const fn usual(self) -> u64 {
        match self {
            Self::Pulse => 150,
            Self::Look | Self::Lease => 30,
            Self::Commit | Self::Intake | Self::Publish | Self::Settle => 6,
            Self::Lock => 14,
            Self::Outbox => 3,
            Self::CloudRead => 60,
            Self::CloudWrite => 12,
            Self::Jenkins => 2,
        }
    }
}

/// A connection of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// To the store.
    Store,
    /// To the broker.
    Bus,
    /// To the cloud.
    Cloud,
    /// To Jenkins.
    Jenkins,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// At a call of this face,
    pub face: Face,
    /// the so-manieth one of all processes, from 1,
    pub nth: u64,
    /// this happens.
    pub what: What,
}

/// What happens at an I/O point. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The call is lost on its way; the caller hears nothing.
    Lost,
    /// The call is carried out; the caller hears nothing.
    Silent,
    /// The call is carried out twice; the caller hears the second answer.
    Twice,
    /// The call and its answer take long.
    Slow(u64),
    /// The process dies before the call, and comes back so much later.
    CrashBefore(u64),
    /// The process dies after the call, before its answer, and comes back so much later.
    CrashAfter(u64),
    /// The process stands still before the call.
    PauseBefore(u64),
    /// The process stands still after the call.
    PauseAfter(u64),
    /// The process is told to stop, and comes back so much after it has.
    Drain(u64),
    /// The process's connection of this kind is gone for so long.
    Cut(u64),
    /// The broker confirms the message and loses it.
    Vanish,
    /// The broker delivers the message twice.
    Double,
    /// The broker delivers the message late.
    Late(u64),
    /// The broker refuses the message.
    Refused,
    /// The broker has no queue for the message.
    Unroutable,
    /// The broker loses everything it holds.
    Wipe,
    /// Every connection to the broker breaks: what is unsettled is delivered again.
    Reconnect,
    /// The cloud asks to slow down.
    Throttled,
    /// The cloud or Jenkins fails inside, without effect.
    ServerError,
    /// Jenkins answers with a page for people.
    LoginPage,
    /// Jenkins does not know the build yet.
    NotYetKnown,
    /// Jenkins says that the build is still running.
    StillBuilding,
    /// The store goes back in time by so much: what it had acknowledged since is gone.
    Rollback(u64),
}

impl What {
    /// Its kind, for counting.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Silent => "silent",
            Self::Twice => "twice",
            Self::Slow(_) => "slow",
            Self::CrashBefore(_) => "crash_before",
            Self::CrashAfter(_) => "crash_after",
            Self::PauseBefore(_) => "pause_before",
            Self::PauseAfter(_) => "pause_after",
            Self::Drain(_) => "drain",
            Self::Cut(_) => "cut",
            Self::Vanish => "vanish",
            Self::Double => "double",
            Self::Late(_) => "late",
            Self::Refused => "refused",
            Self::Unroutable => "unroutable",
            Self::Wipe => "wipe",
            Self::Reconnect => "reconnect",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::LoginPage => "login_page",
            Self::NotYetKnown => "not_yet_known",
            Self::StillBuilding => "still_building",
            Self::Rollback(_) => "rollback",
        }
    }

    /// Every kind.
    pub const KINDS: [&'static str; 23] = [
        "lost",
        "silent",
        "twice",
        "slow",
        "crash_before",
        "crash_after",
        "pause_before",
        "pause_after",
        "drain",
        "cut",
        "vanish",
        "double",
        "late",
        "refused",
        "unroutable",
        "wipe",
        "reconnect",
        "throttled",
        "server_error",
        "login_page",
        "not_yet_known",
        "still_building",
        "rollback",
    ];

    /// How long it lasts.
    pub const fn lasts_ms(self) -> u64 {
        match self {
            Self::Slow(ms)
            | Self::CrashBefore(ms)
            | Self::CrashAfter(ms)
            | Self::PauseBefore(ms)
            | Self::PauseAfter(ms)
            | Self::Drain(ms)
            | Self::Cut(ms)
            | Self::Late(ms) => ms,
            // Nothing is given out for a while.
            Self::Rollback(_) => QUIET_MS,
            Self::Lost
            | Self::Silent
            | Self::Twice
            | Self::Vanish
            | Self::Double
            | Self::Refused
            | Self::Unroutable
            | Self::Wipe
            | Self::Reconnect
            | Self::Throttled
            | Self::ServerError
            | Self::LoginPage
            | Self::NotYetKnown
            | Self::StillBuilding => 0,
        }
    }
}

/// How long no lease is given after a rollback (`common/store`), and a little more.
const QUIET_MS: u64 = 100_000;
/// One seed of so many has a rollback: what was acknowledged and is gone takes the edge off other
/// invariants, so most seeds are without.
const ROLLBACK_EVERY: u64 = 8;
/// Where it is noticed: everything that writes.
const STORE_WRITES: [Face; 4] = [Face::Commit, Face::Intake, Face::Lease, Face::Lock];

/// Where each kind of fault can happen.
const GENERAL: [Face; 12] = Face::ALL;
const PUBLISHES: [Face; 1] = [Face::Publish];
const BROKER: [Face; 2] = [Face::Publish, Face::Settle];
const CLOUD: [Face; 2] = [Face::CloudRead, Face::CloudWrite];
const SERVERS: [Face; 3] = [Face::CloudRead, Face::CloudWrite, Face::Jenkins];
const JENKINS: [Face; 1] = [Face::Jenkins];

fn places(kind: &str) -> &'static [Face] {
    match kind {
        "vanish" | "double" | "late" | "refused" | "unroutable" => &PUBLISHES,
        "wipe" | "reconnect" => &BROKER,
        "throttled" => &CLOUD,
        "server_error" => &SERVERS,
        "login_page" | "not_yet_known" | "still_building" => &JENKINS,
        _ => &GENERAL,
    }
}

fn draw(kind: &str, rng: &mut Rng) -> What {
    // Around a lease's life of 90 s and its fence at 60 s, on both sides.
    let long = [2_000, 15_000, 45_000, 61_000, 75_000, 95_000, 130_000, 200_000];
    let pause = rng.pick(&long).copied().unwrap_or(2_000) + rng.below(2_000);
    let down = [10, 500, 3_000, 20_000, 100_000];
    let down = rng.pick(&down).copied().unwrap_or(500) + rng.below(500);
    match kind {
        "silent" => What::Silent,
        "twice" => What::Twice,
        "slow" => What::Slow(rng.between(50, 9_000)),
        "crash_before" => What::CrashBefore(down),
        "crash_after" => What::CrashAfter(down),
        "pause_before" => What::PauseBefore(pause),
        "pause_after" => What::PauseAfter(pause),
        "drain" => What::Drain(down),
        "cut" => What::Cut(pause),
        "vanish" => What::Vanish,
        "double" => What::Double,
        "late" => What::Late(rng.between(20, 40_000)),
        "refused" => What::Refused,
        "unroutable" => What::Unroutable,
        "wipe" => What::Wipe,
        "reconnect" => What::Reconnect,
        "throttled" => What::Throttled,
        "server_error" => What::ServerError,
        "login_page" => What::LoginPage,
        "not_yet_known" => What::NotYetKnown,
        "still_building" => What::StillBuilding,
        _ => What::Lost,
    }
}

/// The schedule of a seed: a random few of the kinds ("swarm"), each a few times, scattered over
/// about so many executions' calls.
pub fn schedule(seed: u64, executions: u64) -> Vec<Fault> {
    let mut rng = Rng::new(seed, "faults");
    let appetite = [150, 300, 500].get(usize::try_from(rng.below(3)).unwrap_or(0)).copied();
    let swarm = What::KINDS.into_iter().filter(|kind| *kind != "rollback");
    let kinds: Vec<&str> = swarm.filter(|_| rng.chance(appetite.unwrap_or(300))).collect();
    let mut faults: Vec<Fault> = Vec::new();
    if seed % ROLLBACK_EVERY == 4 {
        let mut rng = Rng::new(seed, "rollback");
        let face = rng.pick(&STORE_WRITES).copied().unwrap_or(Face::Commit);
        let nth = rng.between(1, face.usual().saturating_mul(executions));
        faults.push(Fault { face, nth, what: What::Rollback(rng.between(50, 10_000)) });
    }
    if kinds.is_empty() {
        return faults;
    }
    for _ in 0..rng.between(1, 12) {
        let Some(kind) = rng.pick(&kinds) else { break };
        let Some(&face) = rng.pick(places(kind)) else { break };
        let nth = rng.between(1, face.usual().saturating_mul(executions));
        let what = draw(kind, &mut rng);
        if !faults.iter().any(|fault| fault.face == face && fault.nth == nth) {
            faults.push(Fault { face, nth, what });
        }
    }
    faults
}
