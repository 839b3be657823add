//! The outside of a run as it begins, and the settings of the programs.

use std::collections::BTreeMap;

use fake_aws::{
    FakeAws, GroupSeed, InProcess, Seed, SeedError,
    world::{
        behaviour::Behaviour,
        builder::{Fate, FateRule},
    },
};
use fake_jenkins::{Build, Options};
use runtime::{JenkinsConfig, JenkinsController, WebhookTokens};
use serde_json::{Value, json};
use store::{DefinitionIndex, PipelinePut};
use trigger_gateway::{Config, GatewayConfig};
use triggers::{INDEX_VERSION, index_keys, triggers_of};
use worker_bake::{BakeConfig, BaseImageConfig, PackageType};
use worker_deploy::DeployConfig;

use crate::{
    feature::Feature,
    ground::{Outside, START_MS},
    setting::Setting,
};

/// What pipelines call the controller.
pub(crate) const CONTROLLER: &str = "ci-main";
/// The job they listen to.
pub(crate) const JOB: &str = "shop/shop-package/main";
/// What a webhook must show.
pub(crate) const HOOK_TOKEN: &str = "hook-token";
/// The cluster they deploy to.
pub(crate) const CLUSTER: &str = "shop-staging-web";
/// Where.
pub(crate) const REGION: &str = "us-east-1";
/// When builds that nobody tells of start, and when they end, milliseconds after the run's start: whoever looks
/// at a list sees the first one going on behind the second.
const UNTOLD_START_MS: u64 = START_MS - 60_000;
pub(crate) const UNTOLD_MS: [u64; 2] = [150_000, 20_000];
const ROOT: &str = "http://ci.example.com/jenkins/";
/// A deploy worker acts on looks of five seconds at most; then its call is on its way.
const READ_TO_ACT_MS: u64 = 5_500;
const BALANCER: &str = "shop-staging";

/// The cloud and Jenkins.
pub(crate) fn outside(setting: &Setting) -> Result<Outside, SeedError> {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let mut seed = Seed {
        regions: names(&[REGION]),
        purposes: names(&["internal (main)"]),
        security_groups: names(&["default", "shop-web"]),
        load_balancers: names(&[BALANCER]),
        target_groups: names(&[BALANCER]),
        ..Seed::default()
    }
    .starting_at(START_MS)
    .with_behaviour(Behaviour {
        lags: setting.lags.clone(),
        read_to_act: READ_TO_ACT_MS,
        ..Behaviour::default()
    });
    for build in &setting.builds {
        seed = seed.with_package("shop-web", &version(build.number));
    }
    for number in 0..setting.old_groups {
        seed = seed.with_group(GroupSeed {
            region: REGION.to_owned(),
            name: format!("{CLUSTER}-v{number:03}"),
            size: 2,
            load_balancers: names(&[BALANCER]),
            target_groups: Vec::new(),
        });
    }
    let aws = FakeAws::seeded(&seed)?;
    if let Some(rule) = &setting.conduct {
        aws.world().set_conduct(rule.clone());
    }
    if setting.fate != Fate::Normal {
        aws.world().script_fate(FateRule { package: None, times: 1, fate: setting.fate });
    }
    let jenkins = fake_jenkins::InProcess::new(ROOT, options());
    for plan in setting.builds.iter().filter(|_| !setting.untold) {
        jenkins.add_build(build(plan.number, START_MS - 120_000 + plan.number));
    }
    for (plan, _) in setting.builds.iter().zip(UNTOLD_MS).filter(|_| setting.untold) {
        let going_on = build(plan.number, UNTOLD_START_MS);
        jenkins.add_build(Build { result: None, building: true, ..going_on });
    }
    Ok(Outside { cloud: InProcess::new(aws), jenkins })
}

/// A build that nobody tells of, once it has ended so many milliseconds after the run's start.
pub(crate) fn untold(number: u64, ended_ms: u64) -> Build {
    let duration_ms = START_MS + ended_ms - UNTOLD_START_MS;
    Build { duration_ms, ..build(number, UNTOLD_START_MS) }
}

/// A good build with a package.
pub(crate) fn build(number: u64, started_ms: u64) -> Build {
    let package = format!("target/shop-web_{}_amd64.deb", version(number));
    let good = Build::successful(JOB, number);
    Build { started_ms: Some(started_ms), artifacts: vec![package], ..good }
}

fn options() -> Options {
    Options { context_path: "/jenkins".to_owned(), ..Options::default() }
}

/// The version a build makes.
pub(crate) fn version(number: u64) -> String {
    format!("1.4.2-{number}")
}

/// Where Jenkins is, for gateways and coordinators.
pub(crate) fn jenkins_config() -> JenkinsConfig {
    let Options { user, api_token, .. } = options();
    let controller = JenkinsController {
        url: ROOT.to_owned(),
        user: Some(user),
        api_token: Some(api_token.into()),
        webhook_token: Some(WebhookTokens::One(HOOK_TOKEN.into())),
    };
    JenkinsConfig { controllers: BTreeMap::from([(CONTROLLER.to_owned(), controller)]) }
}

/// A gateway's settings.
pub(crate) fn gateway_config() -> Config {
    Config { gateway: GatewayConfig::default(), jenkins: jenkins_config() }
}

/// A bake worker's settings: looks every five seconds.
pub(crate) fn bake_config() -> BakeConfig {
    let base = Seed::default().base_images.into_iter().next().map(|base| base.name);
    let image = Seed::base_image_id(REGION, base.as_deref().unwrap_or_default());
    BakeConfig {
        slots: 4,
        poll_interval_ms: 5_000,
        builder_timeout_seconds: 600,
        console_timeout_seconds: 120,
        image_timeout_seconds: 600,
        base_images: vec![BaseImageConfig {
            os: "bookworm".to_owned(),
            label: "release".to_owned(),
            package_type: PackageType::Deb,
            images: BTreeMap::from([(REGION.to_owned(), image)]),
            vm_type: None,
            instance_type: None,
        }],
        ..BakeConfig::default()
    }
}

/// A deploy worker's settings: looks every five seconds, gives up a new group after ten minutes.
pub(crate) fn deploy_config() -> DeployConfig {
    DeployConfig {
        slots: 4,
        poll_interval_ms: 5_000,
        healthy_timeout_seconds: 600,
        destroy_timeout_seconds: 900,
        disabled_seconds: 10,
        ..DeployConfig::default()
    }
}

/// Id of the pipeline that another one starts.
pub(crate) const CHILD: &str = "pipeline-child";

/// Every pipeline of a run.
pub(crate) fn pipelines(setting: &Setting) -> Vec<PipelinePut> {
    let mut all: Vec<PipelinePut> = (0..setting.pipelines)
        .map(|number| pipeline(number, if number == 0 { setting.feature } else { Feature::Plain }))
        .collect();
    all.extend(setting.feature.child_stages().map(|stages| {
        let triggers = setting.feature.other_triggers(&pipeline_id(0));
        let definition = json!({ "application": "shop", "name": "afterwards", "stages": stages,
            "triggers": triggers });
        put(CHILD.to_owned(), &definition)
    }));
    all
}

/// The pipeline every build starts: bake, then deploy in place of what is there.
fn pipeline(number: usize, feature: Feature) -> PipelinePut {
    let mut definition: Value = json!({
        "application": "shop", "name": format!("ship-{number}"),
        "triggers": [{ "type": "jenkins", "enabled": true, "master": CONTROLLER, "job": JOB }],
        "stages": [
            { "refId": "1", "type": "bake", "name": "Bake", "package": "shop-web",
              "regions": [REGION], "baseOs": "bookworm", "baseLabel": "release", "vmType": "hvm" },
            { "refId": "2", "type": "deploy", "name": "Deploy", "requisiteStageRefIds": ["1"],
              "clusters": [{ "account": "staging", "application": "shop", "stack": "staging",
                "freeFormDetails": "web", "strategy": "highlander", "instanceType": "t3.small",
                "capacity": { "min": 2, "desired": 2, "max": 2 },
                "availabilityZones": { REGION: ["us-east-1a", "us-east-1b"] },
                "subnetType": "internal (main)", "securityGroups": ["shop-web"],
                "loadBalancers": [BALANCER], "healthCheckType": "EC2" }] }
        ]
    });
    feature.enter(&mut definition, CHILD);
    put(pipeline_id(number), &definition)
}

fn put(id: String, definition: &Value) -> PipelinePut {
    let triggers = definition.as_object().map(triggers_of).unwrap_or_default();
    PipelinePut {
        id,
        application: "shop".to_owned(),
        name: definition["name"].as_str().unwrap_or_default().to_owned(),
        body: definition.to_string(),
        expected_version: Some(0),
        index: DefinitionIndex { version: INDEX_VERSION, keys: index_keys(&triggers) },
        ..PipelinePut::default()
    }
}

/// Id of the pipeline.
pub(crate) fn pipeline_id(number: usize) -> String {
    format!("pipeline-{number}")
}
