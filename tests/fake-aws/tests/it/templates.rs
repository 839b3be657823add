//! Launch templates: names and client tokens.

use fake_aws::world::template::TemplateRef;

use crate::world::{code, me, template_order, world};

#[test]
fn a_template_token_makes_one_template() {
    let mut world = world();
    let first = world.create_template(&me(), &template_order("a", "t1")).unwrap();
    let again = world.create_template(&me(), &template_order("a", "t1")).unwrap();
    assert_eq!(first.id, again.id);
    let other = world.create_template(&me(), &template_order("b", "t1"));
    assert_eq!(code(other), "IdempotentParameterMismatch");
}

#[test]
fn a_template_name_is_used_once() {
    let mut world = world();
    world.create_template(&me(), &template_order("a", "t1")).unwrap();
    let other = world.create_template(&me(), &template_order("a", "t2"));
    assert_eq!(code(other), "InvalidLaunchTemplateName.AlreadyExistsException");
}

#[test]
fn a_template_that_is_gone_is_not_found() {
    let mut world = world();
    let id = TemplateRef::Id(world.create_template(&me(), &template_order("a", "t1")).unwrap().id);
    world.delete_template(&me(), &id).unwrap();
    assert_eq!(code(world.delete_template(&me(), &id)), "InvalidLaunchTemplateId.NotFound");
    let name = TemplateRef::Name("a".to_owned());
    let answer = world.describe_templates(&me(), &[name], &[]);
    assert_eq!(code(answer), "InvalidLaunchTemplateName.NotFoundException");
}

#[test]
fn user_data_of_a_template_is_base64() {
    let mut world = world();
    let mut bad = template_order("a", "t1");
    bad.data.user_data = "#!/bin/sh".to_owned();
    assert_eq!(code(world.create_template(&me(), &bad)), "InvalidParameterValue");
}
