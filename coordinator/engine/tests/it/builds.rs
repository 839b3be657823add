//! Builds that started an execution, and the packages they archived.

use definitions::Pipeline;
use engine::Origin;
use serde_json::{Value, json};
use wire::{BakeImage, BakeRequest, OperationCall};

use crate::world::nth;

fn finished() -> Value {
    json!({
        "number": 118, "building": false, "result": "SUCCESS", "timestamp": 1_700_000_000_000_u64,
        "url": "http://ci/job/shop/job/package/118/",
        "artifacts": [
            { "fileName": "shop-web_1.4.2-h118.3f2a1bc_all.deb",
              "relativePath": "out/shop-web_1.4.2-h118.3f2a1bc_all.deb" },
            { "fileName": "notes.txt", "relativePath": "notes.txt" }
        ],
        "actions": [{}, { "lastBuiltRevision": { "branch": [
            { "name": "origin/main", "SHA1": "3f2a1bc" }
        ] } }]
    })
}

fn pipeline(trigger: &Value) -> Pipeline {
    let text = json!({
        "application": "shop", "name": "ship", "triggers": [trigger],
        "stages": [{ "refId": "1", "type": "bake", "package": "shop-web",
            "regions": ["us-east-1"], "baseOs": "bookworm" }]
    });
    Pipeline::parse(&text.to_string()).pipeline.unwrap()
}

fn trigger() -> Value {
    json!({ "type": "jenkins", "enabled": true, "master": "ci-main", "job": "shop/job/package" })
}

fn planned(json: &Value) -> engine::Document {
    let trigger = json!({ "type": "jenkins", "master": "ci-main", "job": "shop/package",
        "buildNumber": json["number"], "buildInfo": { "artifacts": json["artifacts"],
            "scm": [{ "name": "origin/main", "branch": "main", "sha1": "3f2a1bc" }] } });
    let origin = Origin {
        event_key: "jenkins/ci-main/shop/package/118/1700000000000/done".to_owned(),
        pipeline_id: "p1".to_owned(),
        trigger: trigger.as_object().unwrap().clone(),
        time_zone: None,
    };
    engine::start(&pipeline(&self::trigger()), origin, 1).0
}

fn bake_request(call: &str) -> BakeRequest {
    OperationCall::parse(call).unwrap().request::<BakeImage>().unwrap()
}

#[test]
fn bake_pins_exactly_what_the_build_archived() {
    let document = planned(&finished());
    let engine::StageState::Running(engine::Work::Operation(engine::Operation { request, .. })) =
        nth(&document, 1).state()
    else {
        panic!("{:?}", nth(&document, 1).state());
    };
    let request = bake_request(request);
    assert_eq!(request.packages[0].name, "shop-web");
    assert_eq!(request.packages[0].version.as_deref(), Some("1.4.2-h118.3f2a1bc"));
    assert_eq!(nth(&document, 1).config["package"], "shop-web=1.4.2-h118.3f2a1bc");
    let link = request.build.unwrap();
    assert_eq!((link.number, link.commit.as_deref()), (118, Some("3f2a1bc")));
}

#[test]
fn build_without_the_package_fails_with_the_names_it_has() {
    let mut json = finished();
    json["artifacts"] =
        json!([{ "fileName": "other_1.0_all.deb", "relativePath": "other_1.0_all.deb" }]);
    let document = planned(&json);
    let failure = nth(&document, 0).run.failure.as_ref().unwrap();
    assert!(failure.message.contains("shop-web"), "{}", failure.message);
    assert!(failure.message.contains("other_1.0_all.deb"), "{}", failure.message);
    json["artifacts"] = json!([]);
    let failure = nth(&planned(&json), 0).run.failure.clone().unwrap();
    assert!(failure.message.contains("archived no artifacts"), "{}", failure.message);
    assert!(failure.hint.unwrap().contains("archive"));
}

/// What the bake of a pipeline asks for, with these fields in its stage and this trigger.
fn baked(fields: &Value, trigger: &Value) -> BakeRequest {
    let mut pipeline = pipeline(&self::trigger());
    pipeline.stages[0].config.extend(fields.as_object().unwrap().clone());
    let origin = Origin {
        event_key: "manual/1".to_owned(),
        pipeline_id: "p1".to_owned(),
        trigger: trigger.as_object().unwrap().clone(),
        time_zone: None,
    };
    let document = engine::start(&pipeline, origin, 1).0;
    let engine::StageState::Running(engine::Work::Operation(engine::Operation { request, .. })) =
        nth(&document, 1).state()
    else {
        panic!("{:?}", document.stages)
    };
    bake_request(request)
}

#[test]
fn image_is_baked_anew_when_the_stage_or_who_started_it_says_so() {
    for (stage, trigger, anew) in [
        (json!({}), json!({}), false),
        (json!({ "rebake": true }), json!({}), true),
        (json!({}), json!({ "rebake": true }), true),
        (json!({ "rebake": false }), json!({ "rebake": false }), false),
    ] {
        assert_eq!(baked(&stage, &trigger).rebake, anew, "{stage} {trigger}");
    }
}

#[test]
fn package_the_build_did_not_bring_is_taken_from_the_repository_where_that_is_allowed() {
    let allowed = json!({ "allowMissingPackageInstallation": true });
    let versions = |fields: &Value, artifacts: &Value| {
        let packages = baked(fields, &json!({ "buildInfo": { "artifacts": artifacts } })).packages;
        let told = packages.into_iter().map(|package| (package.name, package.version));
        told.collect::<Vec<_>>()
    };
    let newest = [("shop-web".to_owned(), None)];
    assert_eq!(versions(&allowed, &json!([])), newest);
    assert_eq!(versions(&allowed, &json!([{ "fileName": "other_1.0_all.deb" }])), newest);
    let brought = json!([{ "fileName": "shop-web_1.4_all.deb" }]);
    assert_eq!(versions(&allowed, &brought), [("shop-web".to_owned(), Some("1.4".to_owned()))]);
}

#[test]
fn commit_of_a_build_is_that_of_the_first_branch_of_its_own() {
    for (branches, commit) in [
        (&["master", "topic", "other"][..], Some("1")),
        (&["develop", "topic"], Some("1")),
        (&["master", "develop"], Some("0")),
        (&["develop", "master"], Some("0")),
        (&["topic", "master"], Some("0")),
        (&[], None),
    ] {
        let scm: Vec<Value> = (0..)
            .zip(branches)
            .map(|(number, branch): (u32, _)| json!({ "branch": branch, "sha1": number.to_string() }))
            .collect();
        let trigger = json!({ "job": "shop/package", "buildNumber": 7, "buildInfo": { "scm": scm,
            "artifacts": [{ "fileName": "shop-web_1.4_all.deb" }] } });
        let build = baked(&json!({}), &trigger).build.unwrap();
        assert_eq!(build.commit.as_deref(), commit, "{branches:?}");
    }
}
