//! What the plan of a stage comes to, in words for people and scripts.

use model::ExecutionStatus;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stages::{Await, Child, Done, Plan, Question, Until};
use wire::{
    BakeImage, BakePreview, BakeRequest, CountGroups, CreateGroup, CreateGroupPreview,
    DeployRequest, DeployStrategy, OperationCall, TaskFailure,
};

use crate::stage::Stage;

/// One thing a stage does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Action {
    /// An image is made, or found.
    Bake {
        /// Where.
        region: String,
        /// `name=version`, or the name alone where the build brought no version.
        packages: Vec<String>,
        /// An image that was baked from the same things is taken instead of making one.
        reuses: bool,
        /// Everything the worker is told.
        request: Value,
        /// Which image that is now, as a worker says; `None` while nobody knows.
        preview: Option<BakePreview>,
        /// Why nobody knows.
        unknown: Option<String>,
    },
    /// A server group is made.
    Deploy {
        /// Account.
        account: String,
        /// Where.
        region: String,
        /// The cluster it belongs to.
        cluster: String,
        /// What it runs: an image's id or name, or the stage that makes it.
        image: String,
        /// What happens to the cluster's other groups.
        strategy: DeployStrategy,
        /// Which groups are destroyed once the new one is healthy; `None` destroys none.
        destroys: Option<String>,
        /// What is done if it fails; `None` is nothing.
        on_failure: Option<String>,
        /// Everything the worker is told.
        request: Value,
        /// Which groups these are now, as a worker says; `None` while nobody knows.
        preview: Option<CreateGroupPreview>,
        /// Why nobody knows.
        unknown: Option<String>,
    },
    /// The server groups of a cluster are counted.
    Count {
        /// The question.
        request: Value,
    },
    /// A pause.
    Wait {
        /// How long, in milliseconds.
        time_ms: u64,
    },
    /// A person decides.
    Judge {
        /// What the person reads.
        instructions: Option<String>,
        /// The choices.
        inputs: Vec<String>,
    },
    /// Another pipeline is started.
    Pipeline {
        /// Its owner.
        application: String,
        /// Its id.
        pipeline: String,
        /// Its parameters.
        parameters: Map<String, Value>,
        /// The stage is over when the other one is.
        waits: bool,
    },
    /// A condition is looked at.
    Check {
        /// Its label.
        name: String,
        /// Whether it holds, as far as that is known.
        holds: bool,
        /// Why it does not.
        reason: Option<String>,
    },
    /// Variables are set.
    Set {
        /// By name.
        variables: Map<String, Value>,
    },
}

/// What a plan does, what later stages may read of it, and why it fails if it does.
pub(super) fn of(
    stage: &Stage,
    plan: Plan,
) -> (Vec<Action>, Map<String, Value>, Option<TaskFailure>) {
    let parts = match plan {
        Plan::Parts(parts) => parts,
        Plan::Done(Done { outputs, failure, .. }) => {
            let set = Action::Set { variables: outputs.clone() };
            return (vec![set], outputs, failure);
        }
        Plan::Operation(call) => {
            return (task(call).into_iter().collect(), Map::new(), None);
        }
        Plan::Await(Await::Time { time_ms }) => {
            return (vec![Action::Wait { time_ms }], Map::new(), None);
        }
        Plan::Await(Await::Person(question)) => {
            return (vec![judge(question)], Map::new(), None);
        }
        Plan::Child(child) => return (vec![child_action(child)], Map::new(), None),
    };
    let outputs = stages::of(&stage.kind)
        .map(|entry| (entry.expected_outputs)(&stage.name, &parts))
        .unwrap_or_default();
    let mut actions = Vec::new();
    let mut failed = None;
    for part in parts {
        match part.plan {
            Plan::Operation(call) => actions.extend(task(call)),
            Plan::Done(Done { status, failure, .. }) => {
                let reason = failure.as_ref().map(|failure| failure.message.clone());
                let holds = status == ExecutionStatus::Succeeded;
                actions.push(Action::Check { name: part.name, holds, reason });
                failed = failed.or(failure);
            }
            // No type has such parts.
            Plan::Parts(_) | Plan::Await(_) | Plan::Child(_) => {}
        }
    }
    (actions, outputs, failed)
}

fn judge(question: Question) -> Action {
    Action::Judge { instructions: question.instructions, inputs: question.choices }
}

fn child_action(child: Child) -> Action {
    Action::Pipeline {
        application: child.application,
        pipeline: child.pipeline_id,
        parameters: child.parameters,
        waits: child.until == Until::Complete,
    }
}

/// What a call does. Nobody plans the destruction of what a deploy made before that has failed.
fn task(call: OperationCall) -> Option<Action> {
    if let Ok(request) = call.request::<BakeImage>() {
        return Some(bake(&request, call.request));
    }
    if let Ok(request) = call.request::<CreateGroup>() {
        return Some(deploy(request, call.request));
    }
    call.is::<CountGroups>().then_some(Action::Count { request: call.request })
}

fn bake(told: &BakeRequest, request: Value) -> Action {
    let packages = told.packages.iter().map(|spec| match &spec.version {
        Some(version) => format!("{}={version}", spec.name),
        None => spec.name.clone(),
    });
    // A package without a version is whatever its repository holds at that moment.
    let known = told.packages.iter().all(|spec| spec.version.is_some());
    Action::Bake {
        region: told.region.clone(),
        packages: packages.collect(),
        reuses: known && !told.rebake,
        request,
        preview: None,
        unknown: None,
    }
}

fn deploy(told: DeployRequest, request: Value) -> Action {
    let cluster = cluster(&told);
    let destroys = match told.strategy {
        DeployStrategy::None => None,
        DeployStrategy::Highlander => Some(format!(
            "every other server group of cluster `{cluster}` in {}/{}",
            told.account, told.region
        )),
    };
    let on_failure = told
        .destroy_if_failed
        .then(|| "the new server group is destroyed, unless it has begun to take over".to_owned());
    Action::Deploy {
        on_failure,
        account: told.account,
        region: told.region,
        cluster,
        image: told.image,
        strategy: told.strategy,
        destroys,
        request,
        preview: None,
        unknown: None,
    }
}

fn cluster(request: &DeployRequest) -> String {
    let moniker =
        model::moniker::Moniker::new(&request.application, &request.stack, &request.detail);
    match moniker {
        Ok(moniker) => moniker.cluster(),
        Err(_) => format!("{}-{}-{}", request.application, request.stack, request.detail),
    }
}
