//! A shop that ships: the settings of our programs, the fakes they talk to, and a pipeline.

use std::{
    fmt::{self, Display, Formatter},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::process::{Process, program};

/// What our programs show to Jenkins.
pub const API_TOKEN: &str = "11fake0token";
/// What Jenkins shows to our gateways.
pub const WEBHOOK_TOKEN: &str = "a-webhook-token-for-tests";
/// Purpose of the subnets that server groups go to.
pub const PURPOSE: &str = "internal (vpc0)";
/// Name of the base image in the fake's seed.
const BASE_IMAGE: &str = "debian-12-amd64-20251112-2294";

/// The settings of all of our programs, as the text of one file.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// Where Redis is, and RabbitMQ; without them the embedded store and the bus in the process.
    pub services: Option<(&'a str, &'a str)>,
    /// Where Jenkins is.
    pub jenkins: &'a str,
    /// Where AWS is.
    pub cloud: &'a str,
    /// Id of the base image.
    pub base_image: &'a str,
    /// How long a worker may be silent, in milliseconds.
    pub lease_ms: u64,
    /// Between two beats of a worker, in milliseconds.
    pub beat_ms: u64,
    /// Between disabling an old group and taking it down, in seconds.
    pub disabled_seconds: u64,
}

impl Display for Settings<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { jenkins, cloud, base_image, lease_ms, beat_ms, disabled_seconds, .. } = self;
        if let Some((redis, amqp)) = self.services {
            writeln!(f, "[store]\nurl = \"{redis}\"\n[bus]\nurl = \"{amqp}\"")?;
        }
        write!(
            f,
            r#"[jenkins.controllers.ci-main]
url = "{jenkins}"
user = "bowline"
api_token = "{API_TOKEN}"
webhook_token = "{WEBHOOK_TOKEN}"
[aws.accounts.test]
regions = ["us-east-1"]
endpoint_url = "{cloud}"
[worker]
lease_ttl_ms = {lease_ms}
beat_interval_ms = {beat_ms}
[bake]
poll_interval_ms = 50
repositories = ["deb http://packages.example.test/ stable main"]
[[bake.base_images]]
os = "bookworm"
package_type = "deb"
images = {{ us-east-1 = "{base_image}" }}
[deploy]
poll_interval_ms = 50
disabled_seconds = {disabled_seconds}
"#
        )
    }
}

/// Id of the fake's base image: it depends on nothing but names.
pub fn base_image() -> String {
    let digest = model::digest(&format!("base\nus-east-1\n{BASE_IMAGE}"));
    digest.chars().take(16).fold("ami-0".to_owned(), |id, digit| format!("{id}{digit}"))
}

/// Starts the fake AWS with this seed; where it answers.
pub fn fake_aws(dir: &Path, seed: &Value) -> (Process, String) {
    let file = dir.join("seed.json");
    std::fs::write(&file, seed.to_string()).unwrap();
    let mut command = Command::new(program("fake-aws"));
    command.args(["--listen", "127.0.0.1:0", "--seed"]).arg(&file).stdout(Stdio::piped());
    let mut process = Process::spawn(dir, "fake-aws", &mut command);
    let url = format!("http://{}", process.first_line());
    (process, url)
}

/// Starts the fake Jenkins; where it answers.
pub fn fake_jenkins(dir: &Path) -> (Process, String) {
    let mut command = Command::new(program("fake-jenkins"));
    command.stdout(Stdio::piped());
    let mut process = Process::spawn(dir, "fake-jenkins", &mut command);
    let url = process.first_line();
    (process, url)
}

/// A build of `job` becomes an image, the image becomes the only server group of the cluster `shop-<stack>`.
pub fn pipeline(name: &str, job: &str, stack: &str) -> Value {
    json!({
        "application": "shop",
        "name": name,
        "triggers": [{ "type": "jenkins", "enabled": true, "master": "ci-main", "job": job }],
        "stages": [
            { "refId": "1", "requisiteStageRefIds": [], "type": "bake", "name": "Bake",
              "cloudProviderType": "aws", "regions": ["us-east-1"], "package": "shop-web",
              "baseOs": "bookworm", "baseLabel": "release", "vmType": "hvm", "storeType": "ebs" },
            { "refId": "2", "requisiteStageRefIds": ["1"], "type": "deploy", "name": "Deploy",
              "clusters": [{
                "account": "test", "application": "shop", "stack": stack,
                "provider": "aws", "cloudProvider": "aws", "strategy": "highlander",
                "capacity": { "min": 1, "max": 1, "desired": 1 },
                "availabilityZones": { "us-east-1": ["us-east-1a", "us-east-1b"] },
                "subnetType": PURPOSE, "instanceType": "t3.small",
                "targetGroups": [format!("shop-{stack}")], "loadBalancers": [],
                "securityGroups": ["shop"], "healthCheckType": "EC2"
              }] }
        ]
    })
}
