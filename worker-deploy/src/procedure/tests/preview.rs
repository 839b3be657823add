//! What a deploy would come to, looked at without deploying.

use wire::{Capacity, DeployStrategy, GroupPreview, TaskFailure};

use super::{
    super::*, NEW, OLD, OLDER, cloud::TestCloud, config, failed, lease::Durable, succeeded, world,
};
use crate::{plan::tests::request, ports::Fault};

/// Asks, and makes sure that nothing was changed, locked or saved.
async fn asked(
    (cloud, deployer, durable): &(Arc<TestCloud>, Deployer, Durable),
    request: &DeployRequest,
    to_come: &[String],
) -> Result<CreateGroupPreview, TaskFailure> {
    let ended = deployer.preview(request, to_come, durable.lease().await.context()).await;
    assert_eq!(cloud.state().calls, 0, "no call that could change something");
    assert!(durable.lock_is_free().await);
    assert_eq!(durable.checkpoint(), None);
    ended.map_err(|end| failed::<()>(Err(end)))
}

/// A world with these groups: name, age, instances, and whether it is enabled.
async fn with(groups: &[(&str, u64, u32, bool)]) -> (Arc<TestCloud>, Deployer, Durable) {
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
    (cloud, Deployer::new(config(), port), Durable::new().await)
}

fn group(name: &str, instances: usize, enabled: bool) -> GroupPreview {
    GroupPreview { name: name.to_owned(), instances, enabled }
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
        let preview = asked(&with(groups).await, &request(), &[]).await.unwrap();
        assert_eq!(preview.server_group, name);
        assert_eq!(preview.capacity, Capacity { min: 1, desired: 2, max: 3 });
        assert_eq!(preview.destroys, destroys);
        assert_eq!(preview.notes, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_strategy_nothing_is_destroyed_and_the_size_may_be_the_newest_groups() {
    let mut request = request();
    request.strategy = DeployStrategy::None;
    request.use_source_capacity = true;
    let preview = asked(&with(&[(OLD, 100_000, 3, true)]).await, &request, &[]).await.unwrap();
    assert_eq!((preview.server_group.as_str(), preview.destroys), (NEW, vec![]));
    assert_eq!(preview.capacity, Capacity { min: 0, desired: 3, max: 4 });
}

#[tokio::test(start_paused = true)]
async fn the_deploy_does_what_was_told_of_it() {
    let world = world().await;
    let preview = asked(&world, &request(), &[]).await.unwrap();
    let (_, deployer, durable) = world;
    let result = succeeded(deployer.deploy(&request(), durable.lease().await.context()).await);
    assert_eq!(result.server_group, preview.server_group);
    assert_eq!(result.capacity, preview.capacity);
    let told: Vec<String> = preview.destroys.into_iter().map(|group| group.name).collect();
    assert_eq!(result.destroyed, told);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_yet_to_be_made_is_not_looked_for() {
    let mut request = request();
    request.image = "(the image that stage `Bake` makes in us-east-1)".to_owned();
    let missing = asked(&world().await, &request, &[]).await.unwrap_err();
    assert_eq!(
        (missing.kind, missing.message.as_str()),
        (
            FailureKind::User,
            "could not plan the deploy: image `(the image that stage `Bake` makes in us-east-1)` \
             does not exist in us-east-1"
        )
    );
    let to_come = [request.image.clone()];
    let preview = asked(&world().await, &request, &to_come).await.unwrap();
    assert_eq!(preview.destroys, [group(OLDER, 1, true), group(OLD, 1, true)]);
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_refuses_is_told_with_its_words() {
    let world = world().await;
    let (code, message) = ("AccessDenied".to_owned(), "not for you".to_owned());
    world.0.state().refuse.push(("cluster", Fault::Refused { code, message }));
    let failure = asked(&world, &request(), &[]).await.unwrap_err();
    assert_eq!(
        failure.message,
        "reading the cluster failed: cluster: refused with AccessDenied: not for you"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_the_waiting_for_a_slow_cloud() {
    let (cloud, deployer, durable) = world().await;
    cloud.state().refuse.push(("cluster", Fault::Throttled));
    let lease = durable.lease().await;
    lease.fate().cancel();
    let ended = deployer.preview(&request(), &[], lease.context()).await;
    assert!(matches!(ended, Err(End::Stopped(Stop::Canceled))), "{ended:?}");
}
