//! Images by their tags, found as a task asks for them.

use std::{collections::BTreeMap, sync::Arc};

use wire::{FailureKind, FindImageByTags, FindImageByTagsRequest, TaggedImageFound, TaskFailure};
use worker::Handler;

use super::{cloud::TestCloud, failed, lease::Durable, world};
use crate::{
    Deployer,
    ports::{ImageState, TaggedImage},
};

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Images of `shop` and `cart`, one a day: name, its tags.
fn with_images(cloud: &TestCloud, images: &[(&str, &[(&str, &str)])]) {
    for (day, (name, pairs)) in (1..).zip(images) {
        let image = TaggedImage {
            id: format!("ami-{name}"),
            name: (*name).to_owned(),
            created: format!("2026-11-0{day}T10:00:00.000Z"),
            state: ImageState::Available,
        };
        cloud.state().images.push((image, tags(pairs)));
    }
}

/// Asks for a look and for the image: the answers are the same, and nothing is changed.
async fn asked(
    (cloud, deployer, durable): &(Arc<TestCloud>, Deployer, Durable),
    wanted: &[(&str, &str)],
) -> Result<TaggedImageFound, TaskFailure> {
    let request = FindImageByTagsRequest {
        account: Some("test".to_owned()),
        region: "us-east-1".to_owned(),
        package: "shop".to_owned(),
        tags: tags(wanted),
    };
    let lease = durable.lease().await;
    let looks = Handler::<FindImageByTags>::preview;
    let looked = looks(deployer, request.clone(), Vec::new(), lease.context()).await;
    let ended = Handler::<FindImageByTags>::run(deployer, request, lease.context()).await;
    assert_eq!(ended, looked);
    assert_eq!(cloud.state().calls, 0, "nothing was changed");
    ended.map_err(|end| failed::<()>(Err(end)))
}

#[tokio::test(start_paused = true)]
async fn the_newest_image_with_all_tags_is_taken_and_the_others_are_said() {
    let world = world().await;
    let released = ("stage", "released");
    with_images(
        &world.0,
        &[
            ("shop-1", &[released]),
            ("shop-2", &[released, ("arch", "arm64")]),
            ("shop-3", &[released]),
            ("shop-4", &[("stage", "test")]),
            ("cart-5", &[released]),
        ],
    );
    let found = asked(&world, &[released]).await.unwrap();
    let expected = TaggedImageFound {
        region: "us-east-1".to_owned(),
        image_id: "ami-shop-3".to_owned(),
        image_name: "shop-3".to_owned(),
        created: "2026-11-03T10:00:00.000Z".to_owned(),
        others: 2,
        other_names: vec!["shop-2".to_owned(), "shop-1".to_owned()],
    };
    assert_eq!(found, expected);
    let found = asked(&world, &[released, ("arch", "arm64")]).await.unwrap();
    assert_eq!((found.image_name.as_str(), found.others), ("shop-2", 0));
}

#[tokio::test(start_paused = true)]
async fn tags_that_fit_nothing_are_said_with_the_number_of_images_of_the_package() {
    let world = world().await;
    let wanted = [("arch", "arm64"), ("stage", "released")];
    for (images, there) in [
        (&[][..], "0 images of that package are there"),
        (&[("shop-1", &[("stage", "released")][..])], "1 image of that package is there"),
        (&[("shop-2", &[]), ("cart-1", &[])], "2 images of that package are there"),
    ] {
        with_images(&world.0, images);
        let failure = asked(&world, &wanted).await.unwrap_err();
        assert_eq!(
            failure.message,
            format!(
                "no image of `shop` in test/us-east-1 can be launched and has the tags arch=arm64, stage=released; \
                 {there}"
            )
        );
        assert!(failure.kind == FailureKind::User && failure.hint.is_some());
    }
}
