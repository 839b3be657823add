//! What a deploy would come to, asked without deploying.

use wire::{Ask, Capacity, DeployInquiry, DeployOutlook, GroupOutlook};

use super::{
    super::*,
    NEW, OLD, OLDER,
    cloud::TestCloud,
    config, failed,
    lease::{Durable, TestLease},
    succeeded, world,
};
use crate::{plan::tests::request, ports::Fault};

fn about(request: DeployRequest) -> DeployInquiry {
    DeployInquiry { ask: Ask::Outlook, request, image_to_come: false }
}

/// Asks, and makes sure that nothing was changed, locked or saved.
async fn asked(
    (cloud, deployer, durable): &(Arc<TestCloud>, Deployer, Arc<Durable>),
    inquiry: &DeployInquiry,
) -> Result<DeployOutlook, TaskFailure> {
    let outcome = deployer.outlook(inquiry, &TestLease::new(durable)).await;
    assert_eq!(cloud.state().calls, 0, "no call that could change something");
    assert_eq!(*durable.lock.lock().unwrap(), None);
    assert_eq!(*durable.checkpoint.lock().unwrap(), None);
    match outcome {
        Ok(TaskOutcome::Succeeded { result }) => {
            Ok(serde_json::from_value(Value::Object(result)).unwrap())
        }
        other => Err(failed(other)),
    }
}

/// A world with these groups: name, age, instances, and whether it is enabled.
fn with(groups: &[(&str, u64, u32, bool)]) -> (Arc<TestCloud>, Deployer, Arc<Durable>) {
    let cloud = TestCloud::new();
    for (name, age_ms, size, enabled) in groups {
        cloud.with_old(name, *age_ms);
        let mut state = cloud.state();
        let group = state.groups.get_mut(*name).unwrap();
        group.capacity = Capacity { min: 0, desired: *size, max: 4 };
        if *size == 0 {
            group.instances.clear();
        }
        if !enabled {
            group.suspended.insert("AddToLoadBalancer".to_owned());
        }
    }
    let port: Arc<dyn ServerGroupCloud> = Arc::<TestCloud>::clone(&cloud);
    (cloud, Deployer::new(config(), port), Durable::new())
}

fn group(name: &str, instances: usize, enabled: bool) -> GroupOutlook {
    GroupOutlook { name: name.to_owned(), instances, enabled }
}

#[tokio::test(start_paused = true)]
async fn highlander_names_every_older_group_with_its_size_and_whether_it_takes_traffic() {
    let oldest = "shop-staging-web-v001";
    let three = [(oldest, 300_000, 0, false), (OLDER, 200_000, 1, false), (OLD, 100_000, 2, true)];
    for (groups, name, destroys) in [
        (&[][..], "shop-staging-web-v000", vec![]),
        (&three[2..], NEW, vec![group(OLD, 2, true)]),
        (&three, NEW, vec![group(oldest, 0, false), group(OLDER, 1, false), group(OLD, 2, true)]),
    ] {
        let outlook = asked(&with(groups), &about(request())).await.unwrap();
        assert_eq!(outlook.server_group, name);
        assert_eq!(outlook.capacity, Capacity { min: 1, desired: 2, max: 3 });
        assert_eq!(outlook.destroys, destroys);
        assert_eq!(outlook.notes, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_strategy_nothing_is_destroyed_and_the_size_may_be_the_newest_groups() {
    let mut request = request();
    request.strategy = DeployStrategy::None;
    request.use_source_capacity = true;
    let outlook = asked(&with(&[(OLD, 100_000, 3, true)]), &about(request)).await.unwrap();
    assert_eq!((outlook.server_group.as_str(), outlook.destroys), (NEW, vec![]));
    assert_eq!(outlook.capacity, Capacity { min: 0, desired: 3, max: 4 });
}

#[tokio::test(start_paused = true)]
async fn the_deploy_does_what_was_told_of_it() {
    let world = world();
    let outlook = asked(&world, &about(request())).await.unwrap();
    let (_, deployer, durable) = world;
    let result = succeeded(deployer.deploy(&request(), &TestLease::new(&durable)).await);
    assert_eq!(result.server_group, outlook.server_group);
    assert_eq!(result.capacity, outlook.capacity);
    let told: Vec<String> = outlook.destroys.into_iter().map(|group| group.name).collect();
    assert_eq!(result.destroyed, told);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_yet_to_be_made_is_not_looked_for() {
    let mut request = request();
    request.image = "(the image that stage `Bake` makes in us-east-1)".to_owned();
    let missing = asked(&world(), &about(request.clone())).await.unwrap_err();
    assert_eq!(
        (missing.kind, missing.message.as_str()),
        (
            FailureKind::User,
            "could not plan the deploy: image `(the image that stage `Bake` makes in us-east-1)` \
             does not exist in us-east-1"
        )
    );
    let inquiry = DeployInquiry { image_to_come: true, ..about(request) };
    let outlook = asked(&world(), &inquiry).await.unwrap();
    assert_eq!(outlook.destroys, [group(OLDER, 1, true), group(OLD, 1, true)]);
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_refuses_is_told_with_its_words() {
    let world = world();
    let (code, message) = ("AccessDenied".to_owned(), "not for you".to_owned());
    world.0.state().refuse.push(("cluster", Fault::Refused { code, message }));
    let failure = asked(&world, &about(request())).await.unwrap_err();
    assert_eq!(
        failure.message,
        "reading the cluster failed: cluster: refused with AccessDenied: not for you"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_the_waiting_for_a_slow_cloud() {
    let (cloud, deployer, durable) = world();
    cloud.state().refuse.push(("cluster", Fault::Throttled));
    durable.canceled.store(true, std::sync::atomic::Ordering::SeqCst);
    let ended = deployer.outlook(&about(request()), &TestLease::new(&durable)).await;
    assert!(matches!(ended, Err(Stop::Canceled)), "{ended:?}");
}
