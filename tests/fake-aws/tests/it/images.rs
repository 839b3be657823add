//! Images: names, states, who sees them.

use fake_aws::world::{
    World,
    behaviour::{Behaviour, Lags},
    filter::Filter,
    image::{ImageQuery, ImageState},
};

use crate::world::{A_WHILE, code, image_order, me, order, pass, tags, world};

fn stopped_builder(world: &mut World) -> String {
    let id = world.run_instances(&me(), &order("t1", "BAKE k1 shop-web")).unwrap().id;
    pass(world, A_WHILE);
    id
}

fn own() -> ImageQuery {
    ImageQuery { owners: vec!["self".to_owned()], ..ImageQuery::default() }
}

#[test]
fn an_image_is_pending_and_then_available_with_what_the_builder_installed() {
    let mut world = world();
    let builder = stopped_builder(&mut world);
    let id = world.create_image(&me(), &image_order(&builder, "shop-web-1.4.2")).unwrap();
    assert_eq!(world.describe_images(&me(), &own()).unwrap()[0].state, ImageState::Pending);
    pass(&mut world, Lags::FAST.image);
    let image = world.describe_images(&me(), &own()).unwrap().remove(0);
    assert_eq!((image.id, image.state), (id, ImageState::Available));
    assert_eq!(image.packages, ["shop-web=1.4.2-h118"]);
}

#[test]
fn an_image_name_is_used_once_also_while_it_is_invisible() {
    let mut world = world();
    let lags = Lags { visible: 500, ..Lags::FAST };
    let builder = stopped_builder(&mut world);
    world.set_behaviour(Behaviour { lags, ..Behaviour::default() });
    world.create_image(&me(), &image_order(&builder, "shop-web-1.4.2")).unwrap();
    assert_eq!(world.describe_images(&me(), &own()).unwrap(), []);
    let again = world.create_image(&me(), &image_order(&builder, "shop-web-1.4.2"));
    assert_eq!(code(again), "InvalidAMIName.Duplicate");
}

#[test]
fn an_image_name_has_3_to_128_of_the_allowed_characters() {
    let mut world = world();
    let builder = stopped_builder(&mut world);
    for bad in ["ab", "under~tilde", &"x".repeat(129), "plus+plus", "ünïcode"] {
        let answer = world.create_image(&me(), &image_order(&builder, bad));
        assert_eq!(code(answer), "InvalidAMIName.Malformed", "{bad}");
    }
}

#[test]
fn an_image_is_made_only_of_a_running_or_stopped_instance() {
    let mut world = world();
    let id = world.run_instances(&me(), &order("t1", "")).unwrap().id;
    assert_eq!(code(world.create_image(&me(), &image_order(&id, "abc"))), "IncorrectState");
    let gone = world.create_image(&me(), &image_order("i-0", "abc"));
    assert_eq!(code(gone), "InvalidInstanceID.NotFound");
}

#[test]
fn a_pending_image_can_fail() {
    let mut world = world();
    let builder = stopped_builder(&mut world);
    world.create_image(&me(), &image_order(&builder, "shop-web-1.4.2")).unwrap();
    world.fail_pending_images("the snapshot failed");
    pass(&mut world, A_WHILE);
    assert_eq!(world.describe_images(&me(), &own()).unwrap()[0].state, ImageState::Failed);
}

#[test]
fn a_pending_image_is_not_launched() {
    let mut world = world();
    let builder = stopped_builder(&mut world);
    let image = world.create_image(&me(), &image_order(&builder, "shop-web-1.4.2")).unwrap();
    let mut next = order("t2", "");
    next.image_id = image;
    next.tags = tags(&[]);
    assert_eq!(code(world.run_instances(&me(), &next)), "InvalidAMIID.Unavailable");
}

#[test]
fn private_images_of_others_and_unknown_ids_are_not_found() {
    let mut world = world();
    let query = ImageQuery { ids: vec!["ami-0".to_owned()], ..ImageQuery::default() };
    assert_eq!(code(world.describe_images(&me(), &query)), "InvalidAMIID.NotFound");
    let named = ImageQuery { filters: vec![Filter::new("name", "debian-*")], ..own() };
    assert_eq!(world.describe_images(&me(), &named).unwrap(), []);
    let public =
        ImageQuery { filters: vec![Filter::new("name", "debian-*")], ..ImageQuery::default() };
    assert_eq!(world.describe_images(&me(), &public).unwrap().len(), 1);
}

#[test]
fn tags_that_aws_keeps_for_itself_are_refused() {
    let mut world = world();
    let builder = stopped_builder(&mut world);
    let answer = world.create_tags(&me(), &[builder], &tags(&[("aws:x", "y")]));
    assert_eq!(code(answer), "InvalidParameterValue");
    assert_eq!(code(world.create_tags(&me(), &["i-0".to_owned()], &tags(&[]))), "InvalidID");
}
