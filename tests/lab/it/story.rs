//! Builds go in, executions end: what every scenario does, and what must hold whatever happened.

use std::{collections::BTreeMap, time::Duration};

use processes::{WEBHOOK_TOKEN, eventually, how_soon, program};
use serde_json::{Value, json};

use crate::world::World;

/// A finished Jenkins build of one of the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Build {
    pub(crate) cluster: usize,
    pub(crate) number: u64,
}

impl World {
    /// Jenkins finishes a build of the job of this cluster; nobody is told.
    pub(crate) async fn finish_build(&mut self, cluster: usize) -> Build {
        self.builds += 1;
        let number = self.builds;
        let version = format!("1.0-h{number}");
        let seeds = json!({ "packages": { "shop-web": [version] } });
        self.tell_fake(&format!("{}/_fake/seed", self.cloud), &seeds).await;
        let build = json!({ "job": format!("shop-{cluster}"), "number": number,
            "result": "SUCCESS", "artifacts": [format!("out/shop-web_{version}_all.deb")] });
        self.tell_fake(&format!("{}/_fake/builds", self.jenkins), &build).await;
        Build { cluster, number }
    }

    async fn tell_fake(&self, url: &str, body: &Value) {
        let answer = self.http.post(url).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Jenkins tells gateways of a phase of a build; the statuses they answered, 0 for none.
    pub(crate) async fn tell(&self, build: Build, phase: &str, times: u32) -> Vec<u64> {
        let hook = |gateway: &String| format!("{gateway}/webhooks/jenkins/ci-main/{WEBHOOK_TOKEN}");
        let urls: Vec<String> = self.gateways.iter().map(hook).collect();
        let notice = json!({ "job": format!("shop-{}", build.cluster), "number": build.number,
            "urls": urls, "times": times, "phase": phase });
        let url = format!("{}/_fake/notify", self.jenkins);
        let answer = self.http.post(url).json(&notice).send().await.unwrap();
        let told: Value = answer.json().await.unwrap();
        told.as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap_or(0)).collect()
    }

    /// A build, told until a gateway has accepted it.
    pub(crate) async fn ship(&mut self, cluster: usize) -> Build {
        let build = self.finish_build(cluster).await;
        self.accepted(build).await;
        build
    }

    /// Tells of a build until a gateway says that it is durable.
    pub(crate) async fn accepted(&self, build: Build) {
        eventually("a gateway accepts the build", Duration::from_mins(1), || async {
            self.tell(build, "FINALIZED", 1).await.contains(&202).then_some(())
        })
        .await;
    }

    /// Every execution, by the build it came from.
    pub(crate) async fn executions(&self) -> Option<BTreeMap<Build, Vec<Value>>> {
        let mut found: BTreeMap<Build, Vec<Value>> = BTreeMap::new();
        for (cluster, pipeline) in self.pipelines.iter().enumerate() {
            let path = format!("/executions?pipelineConfigIds={pipeline}&limit=500");
            let Value::Array(list) = self.ask(&path).await? else { return None };
            for execution in list {
                let number = execution["trigger"]["buildNumber"].as_u64().unwrap_or(0);
                found.entry(Build { cluster, number }).or_default().push(execution);
            }
        }
        Some(found)
    }

    /// The first gateway that answers.
    pub(crate) async fn ask(&self, path: &str) -> Option<Value> {
        for gateway in &self.gateways {
            if let Some(found) = self.get(&format!("{gateway}{path}")).await {
                return Some(found);
            }
        }
        None
    }

    /// The execution of a build, once it exists.
    pub(crate) async fn execution(&self, build: Build) -> Value {
        eventually("the execution", Duration::from_secs(40), || async {
            self.executions().await?.remove(&build)?.pop()
        })
        .await
    }

    /// Waits until each build has exactly one execution, and all of them have ended.
    pub(crate) async fn settle(&self, builds: &[Build], at_most: Duration) -> Vec<Value> {
        let ended = eventually("the end of every execution", at_most, || async {
            let found = self.executions().await?;
            let over = |build: &Build| found.get(build).is_some_and(|all| all.iter().all(is_over));
            if builds.iter().all(over) {
                return Some(found);
            }
            // Not in a hurry: these lists are long.
            tokio::time::sleep(Duration::from_millis(200)).await;
            None
        })
        .await;
        for (build, executions) in &ended {
            assert_eq!(executions.len(), 1, "{build:?} has one execution");
            assert!(builds.contains(build), "{build:?} was never made");
        }
        ended.into_values().flatten().collect()
    }

    /// Settles, and everything went well: each build baked once and deployed once, nothing that must
    /// never happen was done to the cloud.
    pub(crate) async fn assert_shipped(&self, builds: &[Build], at_most: Duration) {
        for execution in self.settle(builds, at_most).await {
            assert_eq!(execution["status"], "SUCCEEDED", "{execution:#}");
        }
        self.assert_safe().await;
        for call in ["RunInstances", "CreateImage", "CreateAutoScalingGroup"] {
            let made = self.effects(call, "Created").await;
            assert_eq!(made, builds.len(), "{call} for {} builds", builds.len());
        }
    }

    /// The cloud saw nothing that must never happen, and the store can be true.
    pub(crate) async fn assert_safe(&self) {
        let checked = tokio::process::Command::new(program("bowline"))
            .args(["fsck", "--store", &self.services.redis])
            .output()
            .await
            .unwrap();
        let words = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{words}{}", String::from_utf8_lossy(&checked.stderr));
        let url = format!("{}/_fake/violations", self.cloud);
        let violations = self.get(&url).await.expect("the fake shows violations");
        assert_eq!(violations, json!([]), "safety rules were broken");
    }

    /// Every mutating call the cloud has seen.
    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let ledger = self.get(&format!("{}/_fake/ledger", self.cloud)).await;
        ledger.and_then(|ledger| ledger.as_array().cloned()).expect("the fake shows its ledger")
    }

    /// How often a call took effect.
    pub(crate) async fn effects(&self, call: &str, effect: &str) -> usize {
        let ledger = self.ledger().await;
        ledger.iter().filter(|line| line["call"] == call && line["effect"] == effect).count()
    }

    /// Waits until a call was seen more often than so many times; how long that took.
    pub(crate) async fn called(&self, call: &str, more_than: usize) -> Duration {
        how_soon(call, Duration::from_mins(2), || async {
            let seen = self.ledger().await.iter().filter(|line| line["call"] == call).count();
            (seen > more_than).then_some(())
        })
        .await
    }

    /// The cloud's only region as it is.
    pub(crate) async fn region(&self) -> Value {
        let state = self.get(&format!("{}/_fake/state", self.cloud)).await;
        let mut state = state.expect("the fake shows its state");
        let sites = state["sites"].as_object_mut().unwrap();
        sites.iter_mut().next().map(|(_, region)| region.take()).unwrap()
    }
}

pub(crate) fn is_over(execution: &Value) -> bool {
    let status = execution["status"].as_str().unwrap();
    ["SUCCEEDED", "TERMINAL", "CANCELED"].contains(&status)
}

/// The status of an execution's stage of a type.
pub(crate) fn stage<'a>(execution: &'a Value, kind: &str) -> &'a Value {
    let stages = execution["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["type"] == kind).expect("the stage is there")
}
