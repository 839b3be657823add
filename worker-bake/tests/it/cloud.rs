//! A cloud of a few maps. Nothing in it happens by time: each look moves what is looked at one
//! state on, so tests neither sleep nor guess. It refuses what AWS refuses.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::Notify;
use worker_bake::{
    ports::{
        Answer, Builder, BuilderOrder, BuilderState, CloudError, Image, ImageCloud, ImageOrder,
        ImageQuery, ImageState, Place, tag,
    },
    user_data,
};

/// What happens at the next calls to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing happens, and the answer never comes: the worker dies before the call is sent.
    DieBefore,
    /// It happens, and the answer never comes: the worker dies before it hears it.
    DieAfter,
    /// Nothing happens, and the outcome is unclear.
    UnclearBefore,
    /// It happens, and the outcome is unclear.
    UnclearAfter,
    /// Refused for now.
    Throttled,
    /// What it names is not visible yet.
    Unseen,
}

/// How builders behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Builders {
    /// They run their script.
    #[default]
    Work,
    /// They never stop.
    Hang,
    /// They are taken away while running.
    Die,
    /// Their first is taken away, the others work.
    FirstDies,
}

/// What was ordered, how it stands, what its console says.
type Machine = (BuilderOrder, Builder, String);

#[derive(Debug, Default)]
struct World {
    images: BTreeMap<String, Image>,
    builders: BTreeMap<String, Machine>,
    packages: BTreeSet<String>,
    behaviour: Builders,
    calls: Vec<&'static str>,
    faults: BTreeMap<usize, Fault>,
    fault_at: Option<(&'static str, Fault)>,
}

/// The cloud.
#[derive(Debug, Default)]
pub(crate) struct TestCloud {
    world: Mutex<World>,
    /// Rings when a worker should be dead.
    pub(crate) death: Notify,
}

pub(crate) const BASE: &str = "ami-00000ba5e";

impl TestCloud {
    /// Every builder there ever was.
    pub(crate) fn all(&self) -> Vec<Builder> {
        self.world().builders.values().map(|(_, builder, _)| builder.clone()).collect()
    }

    /// A builder was started at this time.
    pub(crate) fn started(&self, id: &str, started_ms: u64) {
        self.world().builders.get_mut(id).unwrap().1.started_ms = started_ms;
    }

    pub(crate) fn new(packages: &[&str]) -> Self {
        let cloud = Self::default();
        let mut world = cloud.world();
        world.packages = packages.iter().map(|&package| package.to_owned()).collect();
        world.images.insert(BASE.to_owned(), image(BASE, "debian-12", ImageState::Available));
        drop(world);
        cloud
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn builders_will(&self, behaviour: Builders) {
        self.world().behaviour = behaviour;
    }

    /// The call after so many more goes wrong.
    pub(crate) fn fault_after(&self, calls: usize, fault: Fault) {
        let mut world = self.world();
        let call = world.calls.len() + calls;
        world.faults.insert(call, fault);
    }

    /// The next call of this name goes wrong.
    pub(crate) fn fault_at_next(&self, call: &'static str, fault: Fault) {
        self.world().fault_at = Some((call, fault));
    }

    /// True when a planned fault has not happened.
    pub(crate) fn fault_is_left(&self) -> bool {
        !self.world().faults.is_empty()
    }

    pub(crate) fn forget_faults(&self) {
        self.world().faults.clear();
    }

    pub(crate) fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| **call == name).count()
    }

    /// Every call so far, in order.
    pub(crate) fn log(&self) -> Vec<&'static str> {
        self.world().calls.clone()
    }

    /// Images that were made here, by name.
    pub(crate) fn made_images(&self) -> Vec<Image> {
        let world = self.world();
        let mut images: Vec<Image> =
            world.images.values().filter(|image| image.id != BASE).cloned().collect();
        images.sort_by(|a, b| a.name.cmp(&b.name));
        images
    }

    pub(crate) fn builders_started(&self) -> usize {
        self.world().builders.len()
    }

    pub(crate) fn builders_alive(&self) -> usize {
        let world = self.world();
        world.builders.values().filter(|(_, b, _)| b.state != BuilderState::Terminated).count()
    }

    pub(crate) fn last_order(&self) -> BuilderOrder {
        self.world().builders.values().last().unwrap().0.clone()
    }

    pub(crate) fn add_image(&self, name: &str) {
        self.world()
            .images
            .insert("ami-0f".to_owned(), image("ami-0f", name, ImageState::Available));
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        act: impl FnOnce(&mut World) -> Result<T, CloudError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, CloudError>> {
        async move {
            let (fault, outcome) = {
                let mut world = self.world();
                let number = world.calls.len();
                world.calls.push(name);
                let named = world.fault_at.take_if(|(at, _)| *at == name);
                let fault = world.faults.remove(&number).or(named.map(|(_, fault)| fault));
                let outcome = match fault {
                    None | Some(Fault::DieAfter | Fault::UnclearAfter) => Some(act(&mut world)),
                    Some(
                        Fault::DieBefore | Fault::UnclearBefore | Fault::Throttled | Fault::Unseen,
                    ) => None,
                };
                (fault, outcome)
            };
            let unclear =
                || CloudError::UnknownOutcome { call: name, detail: "timed out".to_owned() };
            match (fault, outcome) {
                (Some(Fault::DieBefore | Fault::DieAfter), _) => {
                    self.death.notify_one();
                    std::future::pending().await
                }
                (Some(Fault::Unseen), _) => {
                    Err(CloudError::NotFound { call: name, message: String::new() })
                }
                (Some(Fault::Throttled), _) => Err(CloudError::Throttled { call: name }),
                (None, Some(outcome)) => outcome,
                (_, _) => Err(unclear()),
            }
        }
        .boxed()
    }
}

impl ImageCloud for TestCloud {
    fn images<'a>(&'a self, _place: &'a Place, query: ImageQuery) -> Answer<'a, Vec<Image>> {
        self.call("images", move |world| {
            let ours = |image: &Image| image.tags.contains_key(tag::MANAGED_BY);
            let fits = |image: &Image| match &query {
                ImageQuery::Id(id) => image.id == *id,
                ImageQuery::Name(name) | ImageQuery::OwnName(name) => image.name == *name,
                ImageQuery::OwnIds(ids) => ids.contains(&image.id),
                ImageQuery::OwnBakeKey(key) => {
                    ours(image) && image.tags.get(tag::BAKE_KEY) == Some(key)
                }
            };
            let found = world.images.values().filter(|image| fits(image)).cloned().collect();
            if let ImageQuery::OwnIds(ids) = &query {
                for image in world.images.values_mut().filter(|image| ids.contains(&image.id)) {
                    image.state = ImageState::Available;
                }
            }
            Ok(found)
        })
    }

    fn builders<'a>(&'a self, _place: &'a Place, ids: &'a [String]) -> Answer<'a, Vec<Builder>> {
        self.call("builders", move |world| {
            let World { builders, packages, behaviour, .. } = world;
            let looked_at = builders.iter_mut().filter(|(id, _)| ids.contains(id));
            Ok(looked_at
                .map(|(id, machine)| {
                    step(id, machine, packages, *behaviour);
                    machine.1.clone()
                })
                .collect())
        })
    }

    fn all_builders<'a>(&'a self, _place: &'a Place) -> Answer<'a, Vec<Builder>> {
        self.call("all_builders", move |world| {
            let alive = |builder: &Builder| builder.state != BuilderState::Terminated;
            Ok(world.builders.values().map(|(_, b, _)| b.clone()).filter(alive).collect())
        })
    }

    fn places(&self) -> Vec<Place> {
        Vec::new()
    }

    fn builder_of_token<'a>(
        &'a self,
        _place: &'a Place,
        client_token: &'a str,
    ) -> Answer<'a, Option<Builder>> {
        self.call("builder_of_token", move |world| {
            let mut all = world.builders.values();
            Ok(all
                .find(|(order, ..)| order.client_token == client_token)
                .map(|(_, b, _)| b.clone()))
        })
    }

    fn run_builder<'a>(
        &'a self,
        _place: &'a Place,
        order: &'a BuilderOrder,
    ) -> Answer<'a, Builder> {
        self.call("run_builder", move |world| {
            let known =
                world.builders.values().find(|(o, ..)| o.client_token == order.client_token);
            if let Some((known, builder, _)) = known {
                let reused = |code: &str| CloudError::TokenReused {
                    call: "RunInstances",
                    code: code.to_owned(),
                    message: String::new(),
                };
                if builder.state == BuilderState::Terminated {
                    return Err(reused("IdempotentInstanceTerminated"));
                }
                if known != order {
                    return Err(reused("IdempotentParameterMismatch"));
                }
                return Ok(builder.clone());
            }
            let id = format!("i-{}", world.builders.len() + 1);
            let builder = Builder {
                id: id.clone(),
                state: BuilderState::Pending,
                state_reason: None,
                tags: order.tags.clone(),
                ena_support: true,
                // Long ago, by any clock.
                started_ms: 0,
            };
            world.builders.insert(id, (order.clone(), builder.clone(), String::new()));
            Ok(builder)
        })
    }

    fn console<'a>(&'a self, _place: &'a Place, builder_id: &'a str) -> Answer<'a, String> {
        self.call("console", move |world| Ok(world.builders[builder_id].2.clone()))
    }

    fn enable_ena<'a>(&'a self, _place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.call("enable_ena", move |world| {
            world.builders.get_mut(builder_id).unwrap().1.ena_support = true;
            Ok(())
        })
    }

    fn create_image<'a>(&'a self, _place: &'a Place, order: &'a ImageOrder) -> Answer<'a, String> {
        self.call("create_image", move |world| {
            if world.images.values().any(|image| image.name == order.name) {
                return Err(CloudError::NameTaken { call: "CreateImage", message: String::new() });
            }
            let builder = &world.builders[&order.builder_id].1;
            if builder.state == BuilderState::Terminated {
                return Err(CloudError::NotFound { call: "CreateImage", message: String::new() });
            }
            assert_eq!(builder.state, BuilderState::Stopped, "images are made of stopped builders");
            let id = format!("ami-{:x}", world.images.len());
            let mut image = image(&id, &order.name, ImageState::Pending);
            image.tags.clone_from(&order.tags);
            world.images.insert(id.clone(), image);
            Ok(id)
        })
    }

    fn terminate_builder<'a>(&'a self, _place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.call("terminate_builder", move |world| {
            let builder = &mut world.builders.get_mut(builder_id).unwrap().1;
            builder.state = BuilderState::Terminated;
            Ok(())
        })
    }
}

fn step(id: &str, machine: &mut Machine, packages: &BTreeSet<String>, behaviour: Builders) {
    let (order, builder, console) = machine;
    builder.state = match builder.state {
        BuilderState::Pending => BuilderState::Running,
        BuilderState::Running => match behaviour {
            Builders::Hang => BuilderState::Running,
            Builders::Die => BuilderState::Terminated,
            Builders::FirstDies if id == "i-1" => BuilderState::Terminated,
            Builders::Work | Builders::FirstDies => {
                let spec = user_data::read_back(&order.user_data).expect("the bake script");
                let missing = spec
                    .packages
                    .iter()
                    .map(user_data::Pin::to_line)
                    .find(|p| !packages.contains(p));
                *console = match missing {
                    Some(line) => {
                        format!("| E: not found\n\nBOWLINE-BAKE-FAILED package-missing: {line}\n")
                    }
                    None => format!("boot\n\nBOWLINE-BAKE-OK {}\n", spec.key),
                };
                BuilderState::Stopping
            }
        },
        BuilderState::Stopping | BuilderState::Stopped => BuilderState::Stopped,
        BuilderState::ShuttingDown | BuilderState::Terminated => BuilderState::Terminated,
    };
}

fn image(id: &str, name: &str, state: ImageState) -> Image {
    Image {
        id: id.to_owned(),
        name: name.to_owned(),
        state,
        state_reason: None,
        tags: BTreeMap::new(),
        created_at: "2026-01-01T00:00:00.000Z".to_owned(),
        architecture: "x86_64".to_owned(),
        virtualization: "hvm".to_owned(),
        ena_support: true,
    }
}
