//! Images that are found and not made, and the deploys that use them.

use engine::Input;
use serde_json::json;
use wire::{
    CreateGroup, FailureKind, FindImage, FindImageByTags, GroupSelection, OperationCall,
    PlannedAction,
};

use crate::{
    dry_run::planned,
    world::{World, outcome_of, pipeline},
};

#[test]
fn a_deploy_takes_the_image_of_a_server_group_in_its_region() {
    // The stage names no region: the deploy behind it does.
    let stage = r#"1:findImage@{"credentials":"live","cluster":"shop-web"} 2:deploy<1"#;
    let mut world = World::start(&pipeline(stage));
    let find = world.task("1");
    let call = OperationCall::parse(&world.requests[&find].call).unwrap();
    let asked = call.request::<FindImage>().unwrap();
    assert_eq!((asked.account.as_str(), asked.region.as_str()), ("live", "us-east-1"));
    assert_eq!((asked.selection, asked.only_enabled), (GroupSelection::Newest, true));

    let found = outcome_of(&world.requests[&find], true, FailureKind::User);
    world.finish(&find, found);
    world.step(&Input::Look).unwrap();
    let outputs = json!({ "deploymentDetails": [{
        "ami": "ami-of-us-east-1", "imageId": "ami-of-us-east-1", "amiName": "shop-web-1",
        "imageName": "shop-web-1", "region": "us-east-1", "cloudProvider": "aws",
        "cloudProviderType": "aws", "sourceServerGroup": "shop-v007" }] });
    assert_eq!(json!(world.stage("1").run.outputs), outputs);
    let deploy = world.task("2");
    let call = OperationCall::parse(&world.requests[&deploy].call).unwrap();
    assert_eq!(call.request::<CreateGroup>().unwrap().image, "ami-of-us-east-1");
}

#[test]
fn a_dry_run_tells_the_look_and_lets_the_deploy_wait_for_its_image() {
    let definition = json!({ "stages": [
        { "refId": "1", "type": "findImage", "name": "Find", "credentials": "live", "cluster": "shop-web",
          "regions": ["us-east-1"], "selectionStrategy": "FAIL" },
        { "refId": "2", "type": "deploy", "requisiteStageRefIds": ["1"], "clusters": [{
          "account": "test", "instanceType": "t3.small", "targetGroups": ["shop"], "region": "us-east-1" }] },
    ] });
    let plan = planned(&definition, &json!({}));
    let PlannedAction::Operation { summary, .. } = &plan.stages[0].actions[0] else {
        panic!("{:?}", plan.stages[0])
    };
    let wanted =
        "finds the image of the one enabled server group of cluster shop-web in live/us-east-1";
    assert_eq!(summary, wanted);
    let PlannedAction::Operation { request, .. } = &plan.stages[1].actions[0] else {
        panic!("{:?}", plan.stages[1])
    };
    let image = request["image"].as_str().unwrap();
    assert!(stages::values_to_come(&plan).contains(image), "{image}");
}

#[test]
fn a_deploy_takes_the_image_with_the_tags() {
    let stage = r#"1:findImageFromTags@{"packageName":"shop-web","regions":["us-east-1"],"tags":{"stage":"released"}} 2:deploy<1"#;
    let mut world = World::start(&pipeline(stage));
    let find = world.task("1");
    let call = OperationCall::parse(&world.requests[&find].call).unwrap();
    let asked = call.request::<FindImageByTags>().unwrap();
    assert_eq!((asked.account, asked.package.as_str()), (None, "shop-web"));
    assert_eq!(asked.tags["stage"], "released");

    let found = outcome_of(&world.requests[&find], true, FailureKind::User);
    world.finish(&find, found);
    world.step(&Input::Look).unwrap();
    let details = &world.stage("1").run.outputs["deploymentDetails"];
    assert_eq!(
        (&details[0]["olderImages"], &details[0]["olderImageNames"]),
        (&json!(1), &json!(["shop-web-0"]))
    );
    let deploy = world.task("2");
    let call = OperationCall::parse(&world.requests[&deploy].call).unwrap();
    assert_eq!(call.request::<CreateGroup>().unwrap().image, "ami-with-tags-us-east-1");
}
