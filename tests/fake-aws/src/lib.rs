#![doc = include_str!("../README.md")]

mod clock;
mod http;
mod in_process;
mod seed;

pub mod rules;
pub mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use clock::Clock;
pub use http::serve;
pub use in_process::InProcess;
pub use seed::{BaseImageSeed, GroupSeed, Seed, SeedError, stable_id};

use world::{World, builder::Script};

/// A world and its clock, shared by every face. Cheap to clone; clones are the same cloud.
#[derive(Clone, Debug)]
pub struct FakeAws {
    world: Arc<Mutex<World>>,
    clock: Clock,
}

impl FakeAws {
    /// A cloud whose time begins now, as the tokio clock goes, paused or not.
    pub fn new(world: World) -> Self {
        let clock = Clock::starting_at(world.now_ms());
        Self { world: Arc::new(Mutex::new(world)), clock }
    }

    /// A cloud with what a seed says in it.
    ///
    /// # Errors
    ///
    /// The seed contradicts itself.
    pub fn seeded(seed: &Seed) -> Result<Self, SeedError> {
        Ok(Self::new(seed.build(read_script)?))
    }

    /// The world as it is at this moment: everything that is due has happened. Hold it briefly.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.clock.now_ms());
        world
    }
}

/// Understands the user data of our builders.
pub fn read_script(user_data: &str) -> Option<Script> {
    let spec = worker_bake::user_data::read_back(user_data)?;
    let packages = spec.packages.into_iter().map(|pin| (pin.name, pin.version)).collect();
    Some(Script { key: spec.key, packages })
}
