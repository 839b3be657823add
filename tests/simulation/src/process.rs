//! One incarnation of a process: what it reaches goes through I/O points, and at each of them it can
//! be stopped, cut off, misled or killed.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::{BoxFuture, pending};
use runtime::Tasks;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    fault::{Face, Link, What},
    ground::Ground,
    label::Label,
    rng::Rng,
};

/// How long a caller waits for an answer that does not come.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Which program a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Coordinator,
    Baker,
    Deployer,
    Gateway,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Baker => "bake",
            Self::Deployer => "deploy",
            Self::Gateway => "gateway",
        }
    }
}

/// A process from its start to its end.
pub(crate) struct Process {
    pub(crate) role: Role,
    /// Its place among the processes of the run; the same for each incarnation.
    pub(crate) number: usize,
    /// `deploy-3/1`: unique over incarnations.
    pub(crate) name: String,
    pub(crate) tasks: Tasks,
    pub(crate) ground: Arc<Ground>,
    life: Mutex<Life>,
}

struct Life {
    rng: Rng,
    dead: bool,
    /// It stands still until then.
    thaw: Instant,
    /// Connections that are gone, until then.
    cut: [(Link, Instant); 4],
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A call as it is told: its face and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) face: Face,
    pub(crate) name: &'static str,
}

/// Errors of a face, by what may have happened.
pub(crate) trait Lossy {
    /// Nobody answered in time.
    fn no_answer(call: &'static str) -> Self;
    /// The far side said that it is not now able to; `None` when it has no such answer.
    fn refusal(call: &'static str, what: What) -> Option<Self>
    where
        Self: Sized;
}

impl Process {
    pub(crate) fn new(
        role: Role,
        (number, incarnation): (usize, u32),
        ground: &Arc<Ground>,
    ) -> Arc<Self> {
        let name = format!("{}-{number}/{incarnation}", role.name());
        let now = Instant::now();
        let cut = [Link::Store, Link::Bus, Link::Cloud, Link::Jenkins].map(|link| (link, now));
        let rng = Rng::new(ground.seed(), &name);
        let life = Mutex::new(Life { rng, dead: false, thaw: now, cut });
        let (tasks, ground) = (Tasks::new(), Arc::clone(ground));
        Arc::new(Self { role, number, name, tasks, ground, life })
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.life().dead
    }

    /// Ends it at once; none of its tasks takes another step.
    pub(crate) fn kill(&self, down_ms: u64) {
        let mut life = self.life();
        if !life.dead {
            life.dead = true;
            drop(life);
            self.tasks.abandon();
            self.ground.gone(self.number, down_ms);
        }
    }

    async fn die(&self, down_ms: u64) -> ! {
        self.kill(down_ms);
        pending().await
    }

    fn freeze(&self, ms: u64) {
        let mut life = self.life();
        life.thaw = life.thaw.max(Instant::now() + Duration::from_millis(ms));
    }

    fn cut(&self, link: Link, ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        for entry in &mut self.life().cut {
            if entry.0 == link {
                entry.1 = entry.1.max(until);
            }
        }
    }

    pub(crate) fn is_cut(&self, link: Link) -> bool {
        let now = Instant::now();
        self.life().cut.iter().any(|(of, until)| *of == link && *until > now)
    }

    /// Passes when the process moves, and takes a little time of its own.
    async fn gate(&self) {
        let (lag, thaw, dead) = {
            let mut life = self.life();
            let roll = life.rng.below(8);
            (roll.saturating_sub(4), life.thaw, life.dead)
        };
        if lag > 0 {
            sleep(Duration::from_millis(lag)).await;
        }
        if dead {
            pending::<()>().await;
        }
        if thaw > Instant::now() {
            sleep_until(thaw).await;
        }
    }

    /// One call to the outside, and everything that can happen to it.
    pub(crate) async fn point<'f, T, E>(
        &self,
        call: Call,
        mut act: impl FnMut() -> BoxFuture<'f, Result<T, E>>,
    ) -> Result<T, E>
    where
        T: Label,
        E: Lossy + Label,
    {
        let Call { face, name } = call;
        let what = self.ground.enter(self, call);
        self.gate().await;
        if face.link() == Link::Store {
            self.ground.remember();
        }
        if let Some(answer) = self.before::<E>(call, what).await {
            self.ground.leave(self, call, what, answer.label());
            return Err(answer);
        }
        let mut answer = act().await;
        if what == Some(What::Twice) {
            answer = act().await;
        }
        match what {
            Some(What::CrashAfter(down_ms)) => self.die(down_ms).await,
            Some(What::PauseAfter(ms)) => self.freeze(ms),
            Some(What::Slow(ms)) => sleep(Duration::from_millis(ms)).await,
            Some(What::Cut(ms)) => self.cut(face.link(), ms),
            Some(_) | None => {}
        }
        if matches!(what, Some(What::Silent | What::Cut(_))) {
            sleep(TIMEOUT).await;
            answer = Err(E::no_answer(name));
        }
        self.gate().await;
        self.ground.leave(self, call, what, label_of(&answer));
        answer
    }

    /// What keeps a call from being carried out.
    async fn before<E: Lossy>(&self, call: Call, what: Option<What>) -> Option<E> {
        match what {
            Some(What::CrashBefore(down_ms)) => self.die(down_ms).await,
            Some(What::PauseBefore(ms)) => {
                self.freeze(ms);
                self.gate().await;
            }
            Some(What::Slow(ms)) => sleep(Duration::from_millis(ms)).await,
            Some(What::Drain(down_ms)) if !self.tasks.stopping() => {
                self.ground.draining(self.number, down_ms);
                self.tasks.stop().cancel();
            }
            Some(What::Rollback(ms)) => self.ground.go_back(ms),
            Some(What::Wipe) => self.ground.broker().wipe(),
            Some(What::Reconnect) => self.ground.broker().reconnect(),
            Some(_) | None => {}
        }
        if what == Some(What::Lost) || self.is_cut(call.face.link()) {
            sleep(TIMEOUT).await;
            return Some(E::no_answer(call.name));
        }
        what.and_then(|what| E::refusal(call.name, what))
    }
}

fn label_of<T: Label, E: Label>(answer: &Result<T, E>) -> &'static str {
    match answer {
        Ok(value) => value.label(),
        Err(error) => error.label(),
    }
}
