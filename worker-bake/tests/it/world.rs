//! A cloud, a store, and bakes between them.

use std::{collections::BTreeMap, sync::Arc};

use model::Pool;
use runtime::Tasks;
use store::SharedStore;
use wire::{
    BakeImage, BakeRequest, BakeResult, BaseImage, OperationCall, PackageSpec, TaskFailure,
    TaskOutcome,
};
use worker::{Operations, testing::TestTask};
use worker_bake::{Bake, BakeConfig};

use crate::cloud::{BASE, TestCloud};

pub(crate) struct World {
    pub(crate) cloud: Arc<TestCloud>,
    pub(crate) store: SharedStore,
    pub(crate) operations: Operations,
    pub(crate) tasks: Tasks,
    config: BakeConfig,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: BakeConfig) -> Self {
        let cloud = Arc::new(TestCloud::new(&["shop-web=1.4.2-h118", "collectd"]));
        let store = store::open("memory:").await.unwrap();
        let tasks = Tasks::new();
        let operations = operations_of(&config, &cloud, &tasks);
        Self { cloud, store, operations, tasks, config }
    }

    /// All of the worker's memory is gone, as after its death.
    pub(crate) fn restart(&mut self) {
        self.tasks = Tasks::new();
        self.operations = operations_of(&self.config, &self.cloud, &self.tasks);
    }

    pub(crate) async fn task(&self, request: &BakeRequest) -> TestTask {
        self.called(&OperationCall::run::<BakeImage>(request)).await
    }

    pub(crate) async fn called(&self, call: &OperationCall) -> TestTask {
        TestTask::new(SharedStore::clone(&self.store), Pool::Bake, &call.text()).await
    }

    pub(crate) async fn run(&self, request: &BakeRequest) -> TaskOutcome {
        self.task(request).await.run(&self.operations).await.unwrap()
    }
}

fn operations_of(config: &BakeConfig, cloud: &Arc<TestCloud>, tasks: &Tasks) -> Operations {
    let bake = Bake::new(config.clone(), Arc::<TestCloud>::clone(cloud), tasks);
    worker_bake::operations(&Arc::new(bake))
}

pub(crate) fn config() -> BakeConfig {
    BakeConfig {
        poll_interval_ms: 1,
        subnet_id: Some("subnet-1".to_owned()),
        security_group_ids: vec!["sg-1".to_owned()],
        base_images: serde_json::from_value(serde_json::json!([
            {"os": "bookworm", "images": {"us-east-1": BASE}}
        ]))
        .unwrap(),
        ..BakeConfig::default()
    }
}

pub(crate) fn request() -> BakeRequest {
    BakeRequest {
        application: "shop".to_owned(),
        pipeline: "to staging".to_owned(),
        region: "us-east-1".to_owned(),
        account: None,
        base: BaseImage { os: Some("bookworm".to_owned()), label: None, image: None },
        packages: vec![PackageSpec {
            name: "shop-web".to_owned(),
            version: Some("1.4.2-h118".to_owned()),
            arch: Some("all".to_owned()),
        }],
        image_name: None,
        rebake: false,
        upgrade: false,
        vm_type: "hvm".to_owned(),
        instance_type: None,
        enhanced_networking: false,
        attributes: BTreeMap::new(),
        build: None,
    }
}

pub(crate) fn result(outcome: TaskOutcome) -> BakeResult {
    match outcome {
        TaskOutcome::Succeeded { result } => {
            serde_json::from_value(serde_json::Value::Object(result)).unwrap()
        }
        TaskOutcome::Failed { failure } => panic!("failed: {failure:?}"),
        TaskOutcome::Canceled { detail } => panic!("canceled: {detail}"),
    }
}

pub(crate) fn failure(outcome: TaskOutcome) -> TaskFailure {
    match outcome {
        TaskOutcome::Failed { failure } => failure,
        TaskOutcome::Succeeded { result } => panic!("succeeded: {result:?}"),
        TaskOutcome::Canceled { detail } => panic!("canceled: {detail}"),
    }
}
