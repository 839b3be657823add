//! The whole procedure over a small cloud, with a crash, a cancel or a lost answer at every place.

mod cloud;
mod destroy;
mod find_image;
mod find_image_by_tags;
mod lease;
mod preview;

use wire::{Capacity, DeployStrategy, TaskFailure};
use worker::End;

use self::{
    cloud::{Cut, TestCloud},
    lease::Durable,
};
use super::*;
use crate::{
    plan::tests::{group, request},
    ports::Fault,
    tags,
};

const OLD: &str = "shop-staging-web-v003";
const OLDER: &str = "shop-staging-web-v002";
const NEW: &str = "shop-staging-web-v004";

fn config() -> DeployConfig {
    DeployConfig {
        poll_interval_ms: 1_000,
        healthy_timeout_seconds: 120,
        destroy_timeout_seconds: 120,
        disabled_seconds: 3,
        ..DeployConfig::default()
    }
}

async fn world() -> (Arc<TestCloud>, Deployer, Durable) {
    let cloud = TestCloud::new();
    cloud.with_old(OLDER, 200_000);
    cloud.with_old(OLD, 100_000);
    let port: Arc<dyn ServerGroupCloud> = Arc::<TestCloud>::clone(&cloud);
    (cloud, Deployer::new(config(), port), Durable::new().await)
}

fn succeeded<T>(ended: Result<T, End>) -> T {
    ended.unwrap_or_else(|end| panic!("not a success: {end:?}"))
}

fn failed<T: std::fmt::Debug>(ended: Result<T, End>) -> TaskFailure {
    match ended {
        Err(End::Failed(failure)) => *failure,
        other => panic!("not a failure: {other:?}"),
    }
}

/// What must be so after a deploy that succeeded, however it went.
fn assert_one_remains(cloud: &TestCloud, result: &DeployResult, story: &str) {
    let state = cloud.state();
    assert_eq!(state.groups.keys().collect::<Vec<_>>(), [NEW], "{story}");
    assert_eq!(state.serving(NEW), 2, "{story}");
    assert_eq!(result.destroyed, [OLDER, OLD], "{story}");
    assert_eq!(state.templates.len(), 1, "{story}");
    for call in ["create ", "template "] {
        let made = state.ledger.iter().filter(|entry| entry.starts_with(call)).count();
        assert_eq!(made, 1, "{story}: {:?}", state.ledger);
    }
    for victim in [OLD, OLDER] {
        for call in ["resize", "delete"] {
            let entry = format!("{call} {victim}");
            let times = state.ledger.iter().filter(|one| **one == entry).count();
            assert_eq!(times, 1, "{story}: {entry} in {:?}", state.ledger);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_group_replaces_the_older_ones() {
    let (cloud, deployer, durable) = world().await;
    let result = succeeded(deployer.deploy(&request(), durable.lease().await.context()).await);
    assert_eq!(result.server_group, NEW);
    assert_eq!(result.capacity, Capacity { min: 1, desired: 2, max: 3 });
    assert_one_remains(&cloud, &result, "calm");
    assert!(durable.lock_is_free().await, "the lock is given back");
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_save_is_continued() {
    let mut died = 0;
    for save in 1.. {
        let (cloud, deployer, durable) = world().await;
        let lease = durable.lease_until(save).await;
        match deployer.deploy(&request(), lease.context()).await {
            Err(End::Stopped(Stop::Lost)) => died += 1,
            done => {
                assert_one_remains(&cloud, &succeeded(done), "never cut");
                break;
            }
        }
        let result = succeeded(deployer.deploy(&request(), durable.lease().await.context()).await);
        assert_one_remains(&cloud, &result, &format!("cut after save {save}"));
    }
    assert!(died >= 10, "{died} saves");
}

#[tokio::test(start_paused = true)]
async fn a_crash_right_after_any_call_took_effect_is_continued() {
    let mut died = 0;
    for call in 1.. {
        let (cloud, deployer, durable) = world().await;
        let lease = durable.lease().await;
        let fate = lease.fate();
        cloud.state().cut = Some((call, Cut(Arc::new(move || fate.lose()))));
        match deployer.deploy(&request(), lease.context()).await {
            Err(End::Stopped(Stop::Lost)) => died += 1,
            done => {
                assert_one_remains(&cloud, &succeeded(done), "never cut");
                break;
            }
        }
        let result = succeeded(deployer.deploy(&request(), durable.lease().await.context()).await);
        assert_one_remains(&cloud, &result, &format!("cut after call {call}"));
    }
    assert!(died >= 14, "{died} calls");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_any_call_does_no_harm() {
    for call in 1..=16 {
        let (cloud, deployer, durable) = world().await;
        cloud.state().cut = Some((call, Cut(Arc::new(|| {}))));
        let result = succeeded(deployer.deploy(&request(), durable.lease().await.context()).await);
        assert!(cloud.state().calls >= call, "the fault happened");
        assert_one_remains(&cloud, &result, &format!("answer {call} was lost"));
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_and_busy_groups_are_waited_out() {
    let (cloud, deployer, durable) = world().await;
    for call in ["template", "create", "suspend", "deregister", "tag", "resume", "resize", "delete"]
    {
        cloud.state().refuse.push((call, Fault::Throttled));
        cloud.state().refuse.push((call, Fault::InUse("busy".to_owned())));
    }
    let result = succeeded(deployer.deploy(&request(), durable.lease().await.context()).await);
    assert_eq!(cloud.state().refuse, []);
    assert_one_remains(&cloud, &result, "throttled");
}

#[tokio::test(start_paused = true)]
async fn a_new_group_that_shows_up_late_is_made_once() {
    let (cloud, deployer, durable) = world().await;
    cloud.state().lag = Duration::from_secs(20);
    let lost = Arc::new(|| {});
    // The answer to the creation (the second call) is lost on top of it.
    cloud.state().cut = Some((2, Cut(lost)));
    let result = succeeded(deployer.deploy(&request(), durable.lease().await.context()).await);
    assert_one_remains(&cloud, &result, "late");
}

#[tokio::test(start_paused = true)]
async fn without_health_nothing_old_is_touched() {
    let (cloud, deployer, durable) = world().await;
    cloud.state().sick.insert(NEW.to_owned());
    let failure = failed(deployer.deploy(&request(), durable.lease().await.context()).await);
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(
        failure.message.contains(
            "0 of 2 instances are healthy; i-003: not registered with target group `web`"
        ),
        "{}",
        failure.message
    );
    let detail = failure.detail.unwrap();
    assert!(detail.contains(&format!("the new group `{NEW}` was created and stays")), "{detail}");
    let state = cloud.state();
    assert_eq!((state.serving(OLD), state.serving(OLDER)), (1, 1));
    assert_eq!(state.ledger.len(), 2, "{:?}", state.ledger);
}

#[tokio::test(start_paused = true)]
async fn a_new_group_that_fails_midway_gets_no_more_traffic_to_lose() {
    let (cloud, deployer, durable) = world().await;
    let lease = durable.lease().await;
    let mut request = request();
    request.delay_before_scale_down_seconds = 30;
    let work = deployer.deploy(&request, lease.context());
    let watcher = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut state = cloud.state();
            if state.ledger.iter().any(|entry| entry == &format!("tag {OLDER}")) {
                state.sicken(NEW);
                return;
            }
        }
    };
    let (outcome, ()) = tokio::join!(work, watcher);
    let failure = failed(outcome);
    let detail = failure.detail.unwrap();
    assert!(detail.contains(&format!("`{OLDER}` was disabled and is enabled again")), "{detail}");
    assert!(detail.contains(&format!("`{OLD}` is untouched")), "{detail}");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let state = cloud.state();
    assert_eq!((state.serving(OLD), state.serving(OLDER)), (1, 1));
    assert!(state.groups[OLDER].suspended.is_empty());
    assert!(!state.groups[OLDER].tags.contains_key(tags::DOOMED));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_at_any_call_leaves_nothing_half_done_and_unsaid() {
    let mut canceled = 0;
    for call in 1.. {
        let (cloud, deployer, durable) = world().await;
        let lease = durable.lease().await;
        let fate = lease.fate();
        cloud.state().cut = Some((call, Cut(Arc::new(move || fate.cancel()))));
        let detail = match deployer.deploy(&request(), lease.context()).await {
            Err(End::Canceled(detail)) => detail,
            done => {
                // The last call's answer is not waited for any more.
                succeeded(done);
                break;
            }
        };
        canceled += 1;
        assert!(durable.lock_is_free().await, "the lock is given back");
        tokio::time::sleep(Duration::from_secs(20)).await;
        let state = cloud.state();
        assert!(detail.contains(NEW), "{detail}");
        for old in [OLD, OLDER] {
            let group = state.groups.get(old);
            let whole = state.serving(old) == 1 && group.is_some_and(|g| g.suspended.is_empty());
            let said = match group {
                None => {
                    detail.contains(&format!("`{old}` is gone"))
                        || detail.contains(&format!("`{old}` is disabled and empty"))
                }
                Some(_) => {
                    detail.contains(&format!("`{old}` is disabled and"))
                        || detail.contains(&format!("`{old}` was left: it was scaled to 0"))
                }
            };
            assert!(whole || said, "canceled at call {call}: {old} is {group:?}, and: {detail}");
        }
        let serving: usize = state.groups.keys().map(|name| state.serving(name)).sum();
        assert!(serving >= 2, "canceled at call {call}");
    }
    assert!(canceled >= 12, "{canceled} cancels");
}

#[tokio::test(start_paused = true)]
async fn a_canceled_undo_is_continued_by_the_next_worker() {
    for save in 1..60 {
        let (cloud, deployer, durable) = world().await;
        let lease = durable.lease_until(save).await;
        // The fourth call takes the first victim out of traffic.
        cloud.state().cut = Some((4, Cut(Arc::new(durable.cancel()))));
        let first = deployer.deploy(&request(), lease.context()).await;
        let was_cut = matches!(first, Err(End::Stopped(Stop::Lost)));
        let done = match first {
            Err(End::Stopped(Stop::Lost)) => {
                deployer.deploy(&request(), durable.lease().await.context()).await
            }
            done => done,
        };
        assert!(matches!(done, Err(End::Canceled(_))), "{done:?}");
        tokio::time::sleep(Duration::from_secs(20)).await;
        let state = cloud.state();
        assert_eq!((state.serving(OLD), state.serving(OLDER)), (1, 1), "cut after save {save}");
        assert!(state.groups[OLDER].suspended.is_empty());
        if !was_cut {
            return;
        }
    }
    panic!("the cuts never ended");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_group_with_our_name_moves_us_to_the_next() {
    let (cloud, deployer, durable) = world().await;
    // Somebody takes the name while our launch template is being made.
    let other = Arc::clone(&cloud);
    let seize = async {
        while other.state().templates.len() == 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut foreign = group(NEW, cloud::EPOCH_MS + 1);
        foreign.capacity.desired = 0;
        other.state().groups.insert(NEW.to_owned(), foreign);
    };
    let lease = durable.lease().await;
    let request = request();
    let (outcome, ()) = tokio::join!(Box::pin(deployer.deploy(&request, lease.context())), seize);
    let result = succeeded(outcome);
    assert_eq!(result.server_group, "shop-staging-web-v005");
    assert_eq!(result.destroyed, [OLDER, OLD]);
    let state = cloud.state();
    assert!(state.groups.contains_key(NEW), "it was not in the plan");
    let templates: Vec<_> = state.templates.keys().collect();
    assert_eq!(templates.len(), 1, "the template of the first name is gone");
    assert!(templates[0].starts_with("shop-staging-web-v005-"));
}

#[tokio::test(start_paused = true)]
async fn a_group_made_after_the_plan_survives() {
    let (cloud, deployer, durable) = world().await;
    let other = Arc::clone(&cloud);
    let newcomer = async {
        while !other.state().groups.contains_key(NEW) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let foreign = group("shop-staging-web-v005", cloud::EPOCH_MS + 60_000);
        other.state().groups.insert(foreign.name.clone(), foreign);
    };
    let lease = durable.lease().await;
    let request = request();
    let (outcome, ()) =
        tokio::join!(Box::pin(deployer.deploy(&request, lease.context())), newcomer);
    succeeded(outcome);
    let state = cloud.state();
    let left: Vec<_> = state.groups.keys().collect();
    assert_eq!(left, [NEW, "shop-staging-web-v005"]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_mark_stops_the_destruction() {
    let (cloud, deployer, durable) = world().await;
    let other = Arc::clone(&cloud);
    let rescue = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut state = other.state();
            let settled = durable.checkpoint().unwrap_or_default();
            if settled.contains("\"disabled\"") {
                state.groups.get_mut(OLDER).unwrap().tags.remove(tags::DOOMED);
                return;
            }
        }
    };
    let lease = durable.lease().await;
    let request = request();
    let (outcome, ()) = tokio::join!(Box::pin(deployer.deploy(&request, lease.context())), rescue);
    let failure = failed(outcome);
    assert!(failure.message.contains("somebody wants the group back"), "{}", failure.message);
    let state = cloud.state();
    assert_eq!(state.groups[OLDER].instances.len(), 1);
    assert_eq!(state.serving(OLD), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_lock_is_gone_destroys_nothing() {
    let (cloud, deployer, durable) = world().await;
    let thief = async {
        while !cloud.state().groups.contains_key(NEW) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        durable.lock_is_stolen().await
    };
    let lease = durable.lease().await;
    let request = request();
    let (outcome, _other) =
        tokio::join!(Box::pin(deployer.deploy(&request, lease.context())), thief);
    assert!(failed(outcome).message.contains("lock is not ours"));
    let state = cloud.state();
    assert_eq!((state.serving(OLD), state.serving(OLDER)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn deploys_of_one_cluster_wait_for_each_other() {
    let (cloud, deployer, durable) = world().await;
    let other = durable.other_locks().await.unwrap();
    let freed = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(cloud.state().calls, 0, "nothing is done without the lock");
        other.free().await;
    };
    let lease = durable.lease().await;
    let request = request();
    let (outcome, ()) = tokio::join!(Box::pin(deployer.deploy(&request, lease.context())), freed);
    succeeded(outcome);
}

#[tokio::test(start_paused = true)]
async fn without_a_strategy_and_without_older_groups_the_new_one_is_all() {
    let cloud = TestCloud::new();
    let port: Arc<dyn ServerGroupCloud> = Arc::<TestCloud>::clone(&cloud);
    let deployer = Deployer::new(config(), port);
    let durable = Durable::new().await;
    let first = DeployRequest {
        strategy: DeployStrategy::None,
        target_groups: Vec::new(),
        suspended_processes: vec!["AZRebalance".to_owned()],
        ..request()
    };
    let result = succeeded(deployer.deploy(&first, durable.lease().await.context()).await);
    assert_eq!(result.server_group, "shop-staging-web-v000");
    assert_eq!(result.notes.len(), 1, "judged by the platform");
    assert!(cloud.state().groups["shop-staging-web-v000"].suspended.contains("AZRebalance"));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_counted_and_left_as_it_is() {
    let (cloud, _, _) = world().await;
    cloud.state().groups.get_mut(OLDER).unwrap().suspended.insert("AddToLoadBalancer".to_owned());
    let ask = |comparison: &str, expected: u32, only_enabled: bool| {
        let check = serde_json::json!({
            "account": "test", "cluster": "shop-staging-web", "regions": ["us-east-1"],
            "comparison": comparison, "expected": expected, "only_enabled": only_enabled,
        });
        serde_json::from_value::<ClusterCheck>(check).unwrap()
    };
    // Comparison, with what, enabled ones only, whether it holds: there are two, one of them disabled.
    for (comparison, expected, only_enabled, holds) in [
        ("==", 2, false, true),
        ("==", 2, true, false),
        ("==", 1, true, true),
        ("<", 2, false, false),
        ("<=", 2, false, true),
        (">", 1, false, true),
        (">=", 3, false, false),
    ] {
        let check = ask(comparison, expected, only_enabled);
        let counted = check::cluster_size(cloud.as_ref(), &check).await;
        assert_eq!(counted.is_ok(), holds, "{comparison} {expected} {only_enabled}: {counted:?}");
        let size = if only_enabled { 1 } else { 2 };
        let found = succeeded(check::count(cloud.as_ref(), &check).await);
        assert_eq!(found.server_groups, [("us-east-1".to_owned(), size)].into());
    }
    let told = failed(check::cluster_size(cloud.as_ref(), &ask("<", 2, false)).await);
    assert_eq!(
        told.message,
        "cluster `shop-staging-web` must have < 2 server groups, and has 2 in us-east-1"
    );
    let named = ClusterCheck { cluster: "shop--".to_owned(), ..ask("==", 0, false) };
    assert_eq!(failed(check::cluster_size(cloud.as_ref(), &named).await).kind, FailureKind::User);
    assert_eq!(cloud.state().calls, 0, "nothing was changed");
}

#[tokio::test(start_paused = true)]
async fn what_aws_refuses_is_told_and_ends_it() {
    let (cloud, deployer, durable) = world().await;
    let refused = Fault::Refused {
        code: "ValidationError".to_owned(),
        message: "invalid instance type".to_owned(),
    };
    cloud.state().refuse.push(("template", refused));
    let failure = failed(deployer.deploy(&request(), durable.lease().await.context()).await);
    assert_eq!(failure.kind, FailureKind::User);
    assert_eq!(
        failure.message,
        "creating the launch template failed: template: refused with ValidationError: invalid instance type"
    );
}
