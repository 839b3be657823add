//! Instances: their states, and the calls about them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Caller, Region, Site, World,
    builder::{Fate, Script},
    error::{ApiError, CallError},
    filter::{Filter, Filtered, select},
    image::{self, ImageState},
    ledger::Effect,
    network::Subnet,
    tags,
    timer::Timer,
};
use crate::rules::Rule;

/// Largest user data, decoded.
const USER_DATA_MAX: usize = 16 * 1024;

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "`instance_type` is what AWS calls it")]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// Where it stands.
    pub state: InstanceState,
    /// Why, if not because somebody asked: `Server.InternalError: …`.
    pub state_reason: Option<String>,
    /// What it was started from.
    pub image_id: String,
    /// `t3.small`.
    pub instance_type: String,
    /// Its subnet.
    pub subnet: String,
    /// Its VPC.
    pub vpc: String,
    /// Its zone.
    pub zone: String,
    /// Its firewalls.
    pub security_groups: Vec<String>,
    /// SSH key.
    pub key_name: Option<String>,
    /// Its user data, decoded.
    #[serde(skip)]
    pub user_data: String,
    /// The token it was started with.
    pub client_token: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Epoch milliseconds.
    pub launched_ms: u64,
    /// From when on reads show it.
    pub visible_ms: u64,
    /// Enhanced networking.
    pub ena_support: bool,
    /// What happens when it is shut down from inside.
    pub on_shutdown: OnShutdown,
    /// What it wrote on its console.
    pub console: String,
    /// From when on the console can be read.
    pub console_ms: u64,
    /// What is installed on it, as `name=version`.
    pub packages: Vec<String>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// What it does with its user data, if we understand that.
    #[serde(skip)]
    pub(super) script: Option<Script>,
    #[serde(skip)]
    pub(super) fate: Fate,
    /// All parameters it was started with, to compare.
    #[serde(skip)]
    pub(super) parameters: Option<RunInstances>,
}

/// What happens to an instance that is shut down from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum OnShutdown {
    /// It stops.
    Stop,
    /// It is terminated.
    Terminate,
}

/// Where an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Stopped.
    Stopped,
    /// On its way to terminated.
    ShuttingDown,
    /// Gone.
    Terminated,
}

impl InstanceState {
    /// As AWS writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }

    /// AWS's number for it.
    pub const fn code(self) -> u16 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    /// True while it costs money or could again.
    pub const fn is_alive(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Stopping | Self::Stopped => true,
            Self::ShuttingDown | Self::Terminated => false,
        }
    }
}

impl Filtered for Instance {
    const FILTERS: &'static [&'static str] = &[
        "instance-id",
        "instance-state-name",
        "instance-type",
        "image-id",
        "client-token",
        "subnet-id",
        "vpc-id",
        "availability-zone",
    ];

    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn values(&self, filter: &str) -> Vec<String> {
        match filter {
            "instance-id" => vec![self.id.clone()],
            "instance-state-name" => vec![self.state.as_str().to_owned()],
            "instance-type" => vec![self.instance_type.clone()],
            "image-id" => vec![self.image_id.clone()],
            "client-token" => self.client_token.clone().into_iter().collect(),
            "subnet-id" => vec![self.subnet.clone()],
            "vpc-id" => vec![self.vpc.clone()],
            "availability-zone" => vec![self.zone.clone()],
            _ => Vec::new(),
        }
    }
}

/// What to start: one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInstances {
    /// At most 64 ASCII characters.
    pub client_token: Option<String>,
    /// The image.
    pub image_id: String,
    /// `t3.small`.
    pub instance_type: String,
    /// `None` is the default subnet.
    pub subnet_id: Option<String>,
    /// Empty is the VPC's default.
    pub security_groups: Vec<String>,
    /// SSH key.
    pub key_name: Option<String>,
    /// Name or ARN of the instance profile.
    pub instance_profile: Option<String>,
    /// Decoded.
    pub user_data: String,
    /// What a shutdown from inside does.
    pub on_shutdown: OnShutdown,
    /// Tags of the instance.
    pub tags: BTreeMap<String, String>,
}

impl Region {
    /// An instance that exists and is visible.
    pub(super) fn known_instance(&self, id: &str, now_ms: u64) -> Result<&Instance, ApiError> {
        self.instances.get(id).filter(|i| i.visible_ms <= now_ms).ok_or_else(|| {
            let text = format!("The instance ID '{id}' does not exist");
            ApiError::new(Rule::InstanceUnknown, text)
        })
    }

    /// The instance that a client token started before, in the zone it is asked for.
    fn of_token(&self, request: &RunInstances, zone: &str) -> Result<Option<Instance>, ApiError> {
        let Some(token) = &request.client_token else { return Ok(None) };
        let used = |i: &&Instance| i.client_token.as_ref() == Some(token) && i.zone == zone;
        let Some(before) = self.instances.values().find(used) else { return Ok(None) };
        if before.parameters.as_ref() != Some(request) {
            let text = "The client token you have provided was used with different parameters";
            return Err(ApiError::new(Rule::TokenParameters, text));
        }
        match before.state {
            InstanceState::Terminated | InstanceState::ShuttingDown => Err(ApiError::new(
                Rule::TokenTerminated,
                format!("The client token belongs to the terminated instance {}", before.id),
            )),
            InstanceState::Pending
            | InstanceState::Running
            | InstanceState::Stopping
            | InstanceState::Stopped => Ok(Some(before.clone())),
        }
    }

    fn launch_subnet(&self, id: Option<&str>) -> Result<&Subnet, ApiError> {
        match id {
            Some(id) => self.subnet(id),
            None => self.subnets.values().find(|subnet| subnet.default_for_zone).ok_or_else(|| {
                ApiError::new(Rule::NoDefaultSubnet, "No subnets found for the default VPC")
            }),
        }
    }
}

impl World {
    /// EC2 `RunInstances` with a count of one.
    ///
    /// # Errors
    ///
    /// The client token was used for something else or for an instance that is terminated, a thing
    /// named does not exist, or the quota is reached.
    pub fn run_instances(
        &mut self,
        caller: &Caller,
        request: &RunInstances,
    ) -> Result<Instance, CallError> {
        let token = request.client_token.as_deref().unwrap_or("none");
        let summary = format!("{} token {token} {:?}", request.image_id, request.tags);
        self.write(caller, "RunInstances", summary, |world, site| {
            check_token(request.client_token.as_deref())?;
            let region = world.region(site)?;
            let subnet = region.launch_subnet(request.subnet_id.as_deref())?;
            if let Some(before) = region.of_token(request, &subnet.zone)? {
                return Ok((before, Effect::NoEffect));
            }
            region.check_security_groups(&request.security_groups, &subnet.vpc)?;
            world.check_launch(site, request)?;
            let zone_subnet = subnet.clone();
            let instance = world.start_instance(site, request, &zone_subnet, None);
            Ok((instance, Effect::Created))
        })
    }

    /// What is checked of every launch, by a call or by Auto Scaling.
    pub(super) fn check_launch(&self, site: &Site, request: &RunInstances) -> Result<(), ApiError> {
        tags::check(&request.tags)?;
        if request.user_data.len() > USER_DATA_MAX {
            let text = "User data is limited to 16384 bytes";
            return Err(ApiError::new(Rule::UserDataSize, text));
        }
        let region = self.region(site)?;
        let image = region.images.get(&request.image_id);
        match image.filter(|image| image.visible_ms <= self.now_ms).map(|image| image.state) {
            Some(ImageState::Available) => {}
            Some(ImageState::Pending | ImageState::Failed) => {
                let text = format!("The image id '[{}]' is not available", request.image_id);
                return Err(ApiError::new(Rule::ImageUnavailable, text));
            }
            None => return Err(image::unknown(&request.image_id)),
        }
        let alive = region.instances.values().filter(|i| i.state.is_alive()).count();
        if alive >= self.behaviour.instance_quota {
            let quota = self.behaviour.instance_quota;
            let text = format!("Your quota allows for {quota} running instances; {alive} are");
            return Err(ApiError::new(Rule::InstanceQuota, text));
        }
        Ok(())
    }

    /// Starts an instance whose parameters are checked.
    pub(super) fn start_instance(
        &mut self,
        site: &Site,
        request: &RunInstances,
        subnet: &Subnet,
        group: Option<String>,
    ) -> Instance {
        let id = self.new_id("i");
        let script = if group.is_some() { None } else { (self.reader)(&request.user_data) };
        let fate = script.as_ref().map_or(Fate::Normal, |script| self.draw_fate(script));
        let base = self.sites.get(site).and_then(|region| region.images.get(&request.image_id));
        let instance = Instance {
            id: id.clone(),
            state: InstanceState::Pending,
            state_reason: None,
            image_id: request.image_id.clone(),
            instance_type: request.instance_type.clone(),
            subnet: subnet.id.clone(),
            vpc: subnet.vpc.clone(),
            zone: subnet.zone.clone(),
            security_groups: request.security_groups.clone(),
            key_name: request.key_name.clone(),
            user_data: request.user_data.clone(),
            client_token: request.client_token.clone(),
            tags: request.tags.clone(),
            launched_ms: self.now_ms,
            visible_ms: self.now_ms + self.behaviour.lags.visible,
            ena_support: base.is_some_and(|image| image.ena_support),
            on_shutdown: request.on_shutdown,
            console: String::new(),
            console_ms: self.now_ms,
            packages: base.map(|image| image.packages.clone()).unwrap_or_default(),
            group,
            script,
            fate,
            parameters: Some(request.clone()),
        };
        self.judge_new_instance(site, &instance);
        if let Some(region) = self.sites.get_mut(site) {
            region.instances.insert(id.clone(), instance.clone());
        }
        self.after(site, self.behaviour.lags.boot, Timer::Runs(id));
        instance
    }

    /// EC2 `DescribeInstances`.
    ///
    /// # Errors
    ///
    /// An instance id or a filter that does not exist.
    pub fn describe_instances(
        &mut self,
        caller: &Caller,
        ids: &[String],
        filters: &[Filter],
    ) -> Result<Vec<Instance>, CallError> {
        self.read(caller, "DescribeInstances", |world, region| {
            for id in ids {
                region.known_instance(id, world.now_ms)?;
            }
            let asked = |instance: &&Instance| {
                let named = ids.is_empty() || ids.contains(&instance.id);
                named && instance.visible_ms <= world.now_ms
            };
            select(region.instances.values().filter(asked), filters)
        })
    }

    /// EC2 `GetConsoleOutput`, decoded.
    ///
    /// # Errors
    ///
    /// The instance is not there.
    pub fn console_output(&mut self, caller: &Caller, id: &str) -> Result<String, CallError> {
        self.read(caller, "GetConsoleOutput", |world, region| {
            let instance = region.known_instance(id, world.now_ms)?;
            let ready = instance.console_ms <= world.now_ms;
            Ok(if ready { instance.console.clone() } else { String::new() })
        })
    }

    /// EC2 `ModifyInstanceAttribute` with `EnaSupport=true`.
    ///
    /// # Errors
    ///
    /// The instance is not there, or not stopped.
    pub fn enable_ena(&mut self, caller: &Caller, id: &str) -> Result<(), CallError> {
        let summary = format!("{id} EnaSupport=true");
        self.write(caller, "ModifyInstanceAttribute", summary, |world, site| {
            let now_ms = world.now_ms;
            let state = world.region(site)?.known_instance(id, now_ms)?.state;
            if state != InstanceState::Stopped {
                let text = format!("The instance '{id}' is not in the 'stopped' state.");
                return Err(ApiError::new(Rule::InstanceState, text));
            }
            let mut effect = Effect::NoEffect;
            if let Some(instance) = world.instance_mut(site, id)
                && !instance.ena_support
            {
                instance.ena_support = true;
                effect = Effect::Changed;
            }
            Ok(((), effect))
        })
    }

    /// EC2 `TerminateInstances`: answers with the instances as they then are.
    ///
    /// # Errors
    ///
    /// One of the instances is not there; then nothing happens.
    pub fn terminate_instances(
        &mut self,
        caller: &Caller,
        ids: &[String],
    ) -> Result<Vec<(Instance, InstanceState)>, CallError> {
        self.write(caller, "TerminateInstances", ids.join(","), |world, site| {
            let mut before = Vec::new();
            for id in ids {
                before.push(world.region(site)?.known_instance(id, world.now_ms)?.clone());
            }
            let mut effect = Effect::NoEffect;
            let mut answer = Vec::new();
            for instance in before {
                world.judge_termination(&instance);
                if instance.state.is_alive() {
                    effect = Effect::Changed;
                    world.shut_down(site, &instance.id, Some("Client.UserInitiatedShutdown"));
                }
                let now = world.region(site)?.known_instance(&instance.id, world.now_ms)?;
                answer.push((now.clone(), instance.state));
            }
            Ok((answer, effect))
        })
    }

    pub(super) fn instance_mut(&mut self, site: &Site, id: &str) -> Option<&mut Instance> {
        self.sites.get_mut(site).and_then(|region| region.instances.get_mut(id))
    }

    /// → shutting-down.
    pub(super) fn shut_down(&mut self, site: &Site, id: &str, reason: Option<&str>) {
        let Some(instance) = self.instance_mut(site, id) else { return };
        if !instance.state.is_alive() {
            return;
        }
        instance.state = InstanceState::ShuttingDown;
        instance.state_reason = reason.map(|code| format!("{code}: {code}"));
        self.instance_left(site, id);
        self.after(site, self.behaviour.lags.terminate, Timer::Terminated(id.to_owned()));
    }

    /// An instance is gone without anybody asking.
    pub(super) fn instance_dies(&mut self, site: &Site, id: &str) {
        let Some(instance) = self.instance_mut(site, id) else { return };
        if !instance.state.is_alive() {
            return;
        }
        instance.state = InstanceState::Terminated;
        let reason = "Server.InternalError: Internal error";
        instance.state_reason = Some(reason.to_owned());
        self.instance_left(site, id);
        self.instance_terminated(site, id);
    }
}

fn check_token(token: Option<&str>) -> Result<(), ApiError> {
    match token {
        Some(token) if token.len() > 64 || !token.is_ascii() => {
            let text = "The client token must be at most 64 ASCII characters";
            Err(ApiError::new(Rule::TokenLength, text))
        }
        Some(_) | None => Ok(()),
    }
}
