//! Images of server groups, found as a task asks for them.

use std::sync::Arc;

use wire::{FailureKind, FindImage, FindImageRequest, FoundImage, GroupSelection, TaskFailure};
use worker::Handler;

use super::{OLD, OLDER, cloud::TestCloud, failed, lease::Durable, succeeded, world};
use crate::{Deployer, ports::Fault};

fn request(selection: GroupSelection) -> FindImageRequest {
    FindImageRequest {
        account: "test".to_owned(),
        cluster: "shop-staging-web".to_owned(),
        region: "us-east-1".to_owned(),
        selection,
        only_enabled: true,
        image_name_pattern: None,
    }
}

/// Asks for a look and for the image: the answers are the same, and nothing is changed.
async fn asked(
    (cloud, deployer, durable): &(Arc<TestCloud>, Deployer, Durable),
    request: FindImageRequest,
) -> Result<FoundImage, TaskFailure> {
    let lease = durable.lease().await;
    let looks = Handler::<FindImage>::preview;
    let looked = looks(deployer, request.clone(), Vec::new(), lease.context()).await;
    let ended = Handler::<FindImage>::run(deployer, request, lease.context()).await;
    assert_eq!(ended, looked);
    assert_eq!(cloud.state().calls, 0, "nothing was changed");
    assert!(durable.lock_is_free().await);
    ended.map_err(|end| failed::<()>(Err(end)))
}

#[tokio::test(start_paused = true)]
async fn the_image_is_that_of_the_groups_template() {
    let world = world().await;
    for (selection, group) in [(GroupSelection::Newest, OLD), (GroupSelection::Oldest, OLDER)] {
        let expected = FoundImage {
            region: "us-east-1".to_owned(),
            image_id: format!("ami-{group}-1699999999999"),
            image_name: "shop".to_owned(),
            server_group: group.to_owned(),
        };
        assert_eq!(asked(&world, request(selection)).await, Ok(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_cluster_region_and_what_was_found() {
    let newest = || request(GroupSelection::Newest);
    let world = world().await;
    let message = |request: FindImageRequest| async {
        let failure = asked(&world, request).await.unwrap_err();
        assert!(failure.kind == FailureKind::User && failure.hint.is_some(), "{failure:?}");
        failure.message
    };
    assert_eq!(
        message(request(GroupSelection::Fail)).await,
        "cluster `shop-staging-web` has 2 server groups in test/us-east-1, and only one was expected: \
         shop-staging-web-v002, shop-staging-web-v003"
    );
    assert_eq!(
        message(FindImageRequest { cluster: "cart".to_owned(), ..newest() }).await,
        "cluster `cart` has no server groups in test/us-east-1"
    );
    let pattern =
        |text: &str| FindImageRequest { image_name_pattern: Some(text.to_owned()), ..newest() };
    assert_eq!(
        message(pattern("cart-.*")).await,
        "the image of server group `shop-staging-web-v003` of cluster `shop-staging-web` in test/us-east-1 is \
         ami-shop-staging-web-v003-1699999999999 (`shop`), and `cart-.*` is wanted"
    );
    assert!(asked(&world, pattern("sh.p")).await.is_ok());
    assert!(message(pattern("(")).await.contains("no regular expression"));
    assert!(message(FindImageRequest { cluster: "shop--".to_owned(), ..newest() }).await.len() > 1);
    for group in world.0.state().groups.values_mut() {
        group.suspended.insert("AddToLoadBalancer".to_owned());
    }
    assert_eq!(
        message(newest()).await,
        "cluster `shop-staging-web` has no enabled server groups in test/us-east-1; disabled are \
         shop-staging-web-v002, shop-staging-web-v003"
    );
    let any = || FindImageRequest { only_enabled: false, ..newest() };
    assert_eq!(succeeded(asked(&world, any()).await.map_err(Into::into)).server_group, OLD);
    world.0.state().templates.clear();
    assert_eq!(
        message(any()).await,
        "the image of server group `shop-staging-web-v003` of cluster `shop-staging-web` in test/us-east-1 is not \
         known: version 1 of its launch template `shop-staging-web-v003-1699999999999` is gone, or names no image"
    );
    world.0.state().groups.get_mut(OLD).unwrap().launch_template = None;
    assert_eq!(
        message(any()).await,
        "the image of server group `shop-staging-web-v003` of cluster `shop-staging-web` in test/us-east-1 is not \
         known: it has an old launch configuration and no launch template"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_does_not_answer_is_asked_again_later() {
    let (cloud, deployer, durable) = world().await;
    cloud.state().refuse.push(("cluster", Fault::Throttled));
    let lease = durable.lease().await;
    let asked = request(GroupSelection::Newest);
    let ended = Handler::<FindImage>::run(&deployer, asked, lease.context()).await;
    let failure = failed(ended);
    assert_eq!(failure.kind, FailureKind::Transient);
    let begin = "could not read the server groups of cluster `shop-staging-web` in test/us-east-1";
    assert!(failure.message.starts_with(begin), "{}", failure.message);
}
