//! A small honest cloud: one region, time by tokio's clock, faults on request. It checks at every
//! changing call that the change is safe.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;
use wire::Capacity;

use crate::{
    plan::tests::group,
    ports::{
        BalancedInstance, Balancer, BalancerHealth, CloudError, Fault, GroupHealth, GroupInstance,
        GroupLifecycle, Image, ImageQuery, ImageState, InstanceLifecycle, InstanceState,
        LaunchTemplate, NewLaunchTemplate, NewServerGroup, Place, Power, Reply, SecurityGroup,
        ServerGroup, ServerGroupCloud, Subnet, TaggedImage, TargetGroup, TemplateRef,
    },
};

pub(super) const TARGETS: &str = "arn:x:targetgroup/web/1";
const BOOT: Duration = Duration::from_secs(5);
const CHECKS: Duration = Duration::from_secs(5);
const DRAIN: Duration = Duration::from_secs(7);
const SHUT_DOWN: Duration = Duration::from_secs(6);
/// Epoch milliseconds when the test's clock starts.
pub(super) const EPOCH_MS: u64 = 1_700_000_000_000;

#[derive(Debug)]
pub(super) struct TestCloud {
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    start: Instant,
    serial: u64,
    pub(super) groups: BTreeMap<String, ServerGroup>,
    pub(super) templates: BTreeMap<String, LaunchTemplate>,
    /// Images with their tags.
    pub(super) images: Vec<(TaggedImage, BTreeMap<String, String>)>,
    tokens: BTreeMap<String, String>,
    /// Since when each instance is pending or terminating.
    since: BTreeMap<String, Instant>,
    /// Instances behind the one target group: since when, and whether they drain.
    targets: BTreeMap<String, (Instant, Draining)>,
    /// What changed something, in order.
    pub(super) ledger: Vec<String>,
    /// Changing calls so far.
    pub(super) calls: usize,
    /// After this call took effect its answer is lost, and this is called.
    pub(super) cut: Option<(usize, Cut)>,
    /// The answer to the next such call, which then has no effect.
    pub(super) refuse: Vec<(&'static str, Fault)>,
    /// Instances of these groups are never healthy.
    pub(super) sick: BTreeSet<String>,
    /// New groups show up so late.
    pub(super) lag: Duration,
    pub(super) describes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draining {
    No,
    Yes,
}

/// What a test does at a call.
#[derive(Clone)]
pub(super) struct Cut(pub(super) Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cut")
    }
}

impl TestCloud {
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            start: Instant::now(),
            serial: 0,
            groups: BTreeMap::new(),
            templates: BTreeMap::new(),
            images: Vec::new(),
            tokens: BTreeMap::new(),
            since: BTreeMap::new(),
            targets: BTreeMap::new(),
            ledger: Vec::new(),
            calls: 0,
            cut: None,
            refuse: Vec::new(),
            sick: BTreeSet::new(),
            lag: Duration::ZERO,
            describes: 0,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        state.pass_time();
        state
    }

    /// A group that has been serving for a while, made by somebody.
    pub(super) fn with_old(&self, name: &str, age_ms: u64) {
        let mut state = self.state();
        let mut old = group(name, EPOCH_MS - age_ms);
        old.target_groups = vec![TARGETS.to_owned()];
        let template = format!("{name}-1699999999999");
        let id = format!("lt-{template}");
        old.launch_template = Some(template_ref(&id, &template));
        let tags = BTreeMap::new();
        state.templates.insert(template.clone(), LaunchTemplate { id, name: template, tags });
        state.groups.insert(name.to_owned(), old);
        state.grow(name);
        let long_ago = state.start;
        for since in state.since.values_mut() {
            *since = long_ago - BOOT * 10;
        }
        state.pass_time();
        for target in state.targets.values_mut() {
            target.0 = long_ago - CHECKS * 10;
        }
    }

    fn change<T>(
        &self,
        call: &'static str,
        group: &str,
        change: impl FnOnce(&mut State) -> Result<T, Fault>,
    ) -> Result<T, CloudError> {
        let mut state = self.state();
        state.calls += 1;
        if let Some(at) = state.refuse.iter().position(|(name, _)| *name == call) {
            let (_, fault) = state.refuse.remove(at);
            return Err(CloudError::new(call, fault));
        }
        let before = format!("{:?}{:?}{:?}", state.groups, state.templates, state.targets.keys());
        let answer = change(&mut state).map_err(|fault| CloudError::new(call, fault));
        let after = format!("{:?}{:?}{:?}", state.groups, state.templates, state.targets.keys());
        if before != after || (answer.is_ok() && call == "deregister") {
            state.ledger.push(format!("{call} {group}"));
        }
        match state.cut.clone() {
            Some((at, cut)) if at == state.calls => {
                (cut.0)();
                Err(CloudError::new(call, Fault::UnknownOutcome("connection reset".to_owned())))
            }
            Some(_) | None => answer,
        }
    }
}

impl State {
    fn now_ms(&self) -> u64 {
        EPOCH_MS + u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    /// Everything that happens by itself.
    fn pass_time(&mut self) {
        let names: Vec<String> = self.groups.keys().cloned().collect();
        for name in names {
            self.grow(&name);
            let sick = self.sick.contains(&name);
            let group = self.groups.get_mut(&name).unwrap();
            let (since, targets) = (&self.since, &mut self.targets);
            for instance in &mut group.instances {
                let age = since[&instance.id].elapsed();
                if instance.lifecycle == InstanceLifecycle::Pending && age >= BOOT {
                    instance.lifecycle = InstanceLifecycle::InService;
                    if !group.suspended.contains("AddToLoadBalancer") && !sick {
                        targets.insert(instance.id.clone(), (Instant::now(), Draining::No));
                    }
                }
            }
            group.instances.retain(|instance| {
                instance.lifecycle != InstanceLifecycle::Terminating
                    || since[&instance.id].elapsed() < SHUT_DOWN
            });
        }
        self.targets.retain(|_, (at, draining)| *draining == Draining::No || at.elapsed() < DRAIN);
    }

    /// Starts and ends instances until the group has its size.
    fn grow(&mut self, name: &str) {
        let group = self.groups.get_mut(name).unwrap();
        let desired = usize::try_from(group.capacity.desired).unwrap();
        let live = |g: &ServerGroup| {
            g.instances.iter().filter(|i| i.lifecycle != InstanceLifecycle::Terminating).count()
        };
        while live(group) < desired && !group.suspended.contains("Launch") {
            self.serial += 1;
            let id = format!("i-{:03}", self.serial);
            self.since.insert(id.clone(), Instant::now());
            let (lifecycle, health) = (InstanceLifecycle::Pending, GroupHealth::Healthy);
            group.instances.push(GroupInstance { id, lifecycle, health });
        }
        let excess = live(group).saturating_sub(desired);
        if !group.suspended.contains("Terminate") {
            let going = group.instances.iter_mut();
            let going = going.filter(|i| i.lifecycle != InstanceLifecycle::Terminating);
            for instance in going.take(excess) {
                instance.lifecycle = InstanceLifecycle::Terminating;
                self.since.insert(instance.id.clone(), Instant::now());
                self.targets.remove(&instance.id);
            }
        }
    }

    fn health(&self, id: &str) -> Option<BalancerHealth> {
        let (at, draining) = self.targets.get(id)?;
        Some(match draining {
            Draining::Yes => BalancerHealth::Draining,
            Draining::No if at.elapsed() < CHECKS => BalancerHealth::Starting,
            Draining::No => BalancerHealth::Up,
        })
    }

    /// Instances that get traffic.
    pub(super) fn serving(&self, name: &str) -> usize {
        let instances = self.groups.get(name).into_iter().flat_map(|group| &group.instances);
        instances.filter(|i| self.health(&i.id) == Some(BalancerHealth::Up)).count()
    }

    /// The group's instances lose their balancer, for good.
    pub(super) fn sicken(&mut self, name: &str) {
        self.sick.insert(name.to_owned());
        let ids: Vec<String> =
            self.groups[name].instances.iter().map(|instance| instance.id.clone()).collect();
        self.targets.retain(|id, _| !ids.contains(id));
    }

    fn get(&mut self, name: &str) -> Result<&mut ServerGroup, Fault> {
        self.groups.get_mut(name).ok_or_else(|| Fault::NotFound(name.to_owned()))
    }

    /// Taking something out of traffic needs another that is there at this moment.
    fn assert_others_serve(&self, name: &str) {
        if self.serving(name) > 0 {
            let others: usize = self
                .groups
                .keys()
                .filter(|other| *other != name)
                .map(|other| self.serving(other))
                .sum();
            assert!(others > 0, "`{name}` is taken out of traffic and nothing else serves");
        }
    }
}

fn template_ref(id: &str, name: &str) -> TemplateRef {
    TemplateRef { id: id.to_owned(), name: name.to_owned(), version: "1".to_owned() }
}

fn visible(state: &State, group: &ServerGroup) -> bool {
    state.now_ms() >= group.created_ms + u64::try_from(state.lag.as_millis()).unwrap()
}

fn ready<T: Send + 'static>(answer: Result<T, CloudError>) -> Reply<'static, T> {
    Box::pin(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer
    })
}

impl ServerGroupCloud for TestCloud {
    fn cluster<'a>(&'a self, _: &'a Place, cluster: &'a str) -> Reply<'a, Vec<ServerGroup>> {
        let mut state = self.state();
        if let Some(at) = state.refuse.iter().position(|(name, _)| *name == "cluster") {
            let (call, fault) = state.refuse.remove(at);
            return ready(Err(CloudError::new(call, fault)));
        }
        let prefix = format!("{cluster}-v");
        let found = state.groups.values().filter(|group| group.name.starts_with(&prefix));
        ready(Ok(found.filter(|group| visible(&state, group)).cloned().collect()))
    }
    fn groups<'a>(&'a self, _: &'a Place, names: &'a [String]) -> Reply<'a, Vec<ServerGroup>> {
        let mut state = self.state();
        state.describes += 1;
        let found = names.iter().filter_map(|name| state.groups.get(name));
        ready(Ok(found.filter(|group| visible(&state, group)).cloned().collect()))
    }
    fn image<'a>(&'a self, _: &'a Place, id: &'a str) -> Reply<'a, Option<Image>> {
        let (id, name) = (id.to_owned(), "shop".to_owned());
        let image = Image { id, name, state: ImageState::Available };
        ready(Ok(Some(image).filter(|image| image.id.starts_with("ami-"))))
    }
    /// The image of a template is called like it.
    fn template_image<'a>(
        &'a self,
        _: &'a Place,
        template: &'a TemplateRef,
    ) -> Reply<'a, Option<String>> {
        let known = self.state().templates.contains_key(&template.name);
        ready(Ok(known.then(|| format!("ami-{}", template.name))))
    }
    fn tagged_images<'a>(&'a self, query: &'a ImageQuery) -> Reply<'a, Vec<TaggedImage>> {
        let state = self.state();
        let fits = |(image, tags): &&(TaggedImage, BTreeMap<String, String>)| {
            query.fits(&image.name, tags)
        };
        ready(Ok(state.images.iter().filter(fits).map(|(image, _)| image.clone()).collect()))
    }
    fn subnets<'a>(&'a self, _: &'a Place) -> Reply<'a, Vec<Subnet>> {
        let tags = [("Name".to_owned(), "spinnaker.external.us-east-1".to_owned())].into();
        ready(Ok(vec![Subnet {
            id: "subnet-1".to_owned(),
            zone: "us-east-1a".to_owned(),
            vpc: "vpc-1".to_owned(),
            default_for_zone: false,
            tags,
        }]))
    }
    fn security_groups<'a>(
        &'a self,
        _: &'a Place,
        _: &'a str,
        _: &'a [String],
    ) -> Reply<'a, Vec<SecurityGroup>> {
        ready(Ok(vec![SecurityGroup { id: "sg-1".to_owned(), name: "web".to_owned() }]))
    }
    fn load_balancers<'a>(&'a self, _: &'a Place, _: &'a [String]) -> Reply<'a, Vec<String>> {
        ready(Ok(Vec::new()))
    }
    fn target_groups<'a>(&'a self, _: &'a Place, _: &'a [String]) -> Reply<'a, Vec<TargetGroup>> {
        ready(Ok(vec![TargetGroup { name: "web".to_owned(), arn: TARGETS.to_owned() }]))
    }
    fn balancer_health<'a>(
        &'a self,
        _: &'a Place,
        _: &'a Balancer,
    ) -> Reply<'a, Vec<BalancedInstance>> {
        let state = self.state();
        let listed = state.targets.keys().map(|id| BalancedInstance {
            id: id.clone(),
            health: state.health(id).unwrap(),
            reason: None,
        });
        ready(Ok(listed.collect()))
    }
    fn instances<'a>(&'a self, _: &'a Place, ids: &'a [String]) -> Reply<'a, Vec<InstanceState>> {
        let running =
            |id: &String| InstanceState { id: id.clone(), power: Power::Running, reason: None };
        ready(Ok(ids.iter().map(running).collect()))
    }
    fn launch_template<'a>(
        &'a self,
        _: &'a Place,
        name: &'a str,
    ) -> Reply<'a, Option<LaunchTemplate>> {
        ready(Ok(self.state().templates.get(name).cloned()))
    }
    fn create_launch_template<'a>(
        &'a self,
        _: &'a Place,
        new: &'a NewLaunchTemplate,
    ) -> Reply<'a, LaunchTemplate> {
        ready(self.change("template", &new.name, |state| {
            if state.tokens.get(&new.client_token) == Some(&new.name) {
                return Ok(state.templates[&new.name].clone());
            }
            if state.templates.contains_key(&new.name) {
                return Err(Fault::AlreadyExists(new.name.clone()));
            }
            let template = LaunchTemplate {
                id: format!("lt-{}", new.name),
                name: new.name.clone(),
                tags: new.tags.clone(),
            };
            state.tokens.insert(new.client_token.clone(), new.name.clone());
            state.templates.insert(new.name.clone(), template.clone());
            Ok(template)
        }))
    }
    fn delete_launch_template<'a>(&'a self, _: &'a Place, id: &'a str) -> Reply<'a, ()> {
        ready(self.change("delete-template", id, |state| {
            let name = id.strip_prefix("lt-").unwrap();
            let used = |g: &ServerGroup| g.launch_template.as_ref().is_some_and(|t| t.id == id);
            assert!(!state.groups.values().any(used), "a template in use is deleted");
            state.templates.remove(name).map(|_| ()).ok_or_else(|| Fault::NotFound(id.to_owned()))
        }))
    }
    fn create_group<'a>(&'a self, _: &'a Place, new: &'a NewServerGroup) -> Reply<'a, ()> {
        ready(self.change("create", &new.name, |state| {
            if state.groups.contains_key(&new.name) {
                return Err(Fault::AlreadyExists(new.name.clone()));
            }
            assert!(state.templates.contains_key(&new.launch_template), "its template is there");
            let mut group = group(&new.name, state.now_ms());
            group.capacity = new.capacity;
            group.target_groups = new.target_groups.clone();
            group.tags = new.tags.clone();
            let id = format!("lt-{}", new.launch_template);
            group.launch_template = Some(template_ref(&id, &new.launch_template));
            state.groups.insert(new.name.clone(), group);
            state.grow(&new.name);
            Ok(())
        }))
    }
    fn set_capacity<'a>(&'a self, _: &'a Place, name: &'a str, to: Capacity) -> Reply<'a, ()> {
        ready(self.change("resize", name, |state| {
            state.assert_others_serve(name);
            assert!(state.get(name)?.tags.contains_key(crate::tags::DOOMED), "marked first");
            state.get(name)?.capacity = to;
            state.grow(name);
            Ok(())
        }))
    }
    fn suspend<'a>(&'a self, _: &'a Place, name: &'a str, which: &'a [String]) -> Reply<'a, ()> {
        ready(self.change("suspend", name, |state| {
            state.get(name)?.suspended.extend(which.iter().cloned());
            Ok(())
        }))
    }
    fn resume<'a>(&'a self, _: &'a Place, name: &'a str, which: &'a [String]) -> Reply<'a, ()> {
        ready(self.change("resume", name, |state| {
            state.get(name)?.suspended.retain(|process| !which.contains(process));
            Ok(())
        }))
    }
    fn register<'a>(&'a self, _: &'a Place, _: &'a Balancer, ids: &'a [String]) -> Reply<'a, ()> {
        ready(self.change("register", &ids.join(","), |state| {
            for id in ids {
                state.targets.insert(id.clone(), (Instant::now(), Draining::No));
            }
            Ok(())
        }))
    }
    fn deregister<'a>(&'a self, _: &'a Place, _: &'a Balancer, ids: &'a [String]) -> Reply<'a, ()> {
        ready(self.change("deregister", &ids.join(","), |state| {
            let owner = |g: &&ServerGroup| g.instances.iter().any(|i| ids.contains(&i.id));
            let owner = state.groups.values().find(owner).map(|group| group.name.clone());
            state.assert_others_serve(&owner.unwrap());
            for id in ids {
                state.targets.insert(id.clone(), (Instant::now(), Draining::Yes));
            }
            Ok(())
        }))
    }
    fn tag<'a>(
        &'a self,
        _: &'a Place,
        name: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> Reply<'a, ()> {
        ready(self.change("tag", name, |state| {
            state.get(name)?.tags.insert(key.to_owned(), value.to_owned());
            Ok(())
        }))
    }
    fn untag<'a>(&'a self, _: &'a Place, name: &'a str, key: &'a str) -> Reply<'a, ()> {
        ready(self.change("untag", name, |state| {
            state.get(name)?.tags.remove(key);
            Ok(())
        }))
    }
    fn delete_group<'a>(&'a self, _: &'a Place, name: &'a str) -> Reply<'a, ()> {
        ready(self.change("delete", name, |state| {
            let group = state.get(name)?;
            assert_eq!(group.lifecycle, GroupLifecycle::Active);
            if group.instances.is_empty() {
                state.groups.remove(name);
                Ok(())
            } else {
                Err(Fault::InUse(name.to_owned()))
            }
        }))
    }
}
