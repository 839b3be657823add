use serde_json::json;

use super::*;
use crate::{CallMode, OperationCall};

fn bake() -> BakeRequest {
    let request = json!({ "application": "shop", "pipeline": "ship", "region": "us-east-1",
        "vm_type": "hvm", "base": { "os": "bookworm" }, "packages": [{ "name": "shop-web" }] });
    serde_json::from_value(request).unwrap()
}

#[test]
fn names_say_their_version_and_are_unique() {
    for (at, row) in TABLE.iter().enumerate() {
        let (name, version) = row.name.split_once('/').unwrap();
        assert!(name.contains('.') && version.parse::<u32>().is_ok(), "{}", row.name);
        assert_eq!(TABLE.iter().position(|other| other.name == row.name), Some(at));
        assert_eq!(find(row.name).map(|found| found.name), Some(row.name));
    }
    assert!(find("image.bake").is_none());
    assert!(find("image.bake/2").is_none());
}

#[test]
fn a_call_is_read_as_it_was_written_and_names_its_operation() {
    let call = OperationCall::run::<BakeImage>(&bake());
    let text = call.text();
    let start = r#"{"operation":"image.bake/1","pool":"bake","mode":"run","request":{"#;
    assert!(text.starts_with(start), "{text}");
    assert_eq!(OperationCall::parse(&text).unwrap(), call);
    assert_eq!(call.request::<BakeImage>().unwrap(), bake());
    let other = call.request::<CreateGroup>().unwrap_err().to_string();
    assert_eq!(other, "it is a call of `image.bake/1`, not of `group.create/1`");

    let call = OperationCall::preview::<BakeImage>(&bake(), vec!["ami-later".to_owned()]);
    let read = OperationCall::parse(&call.text()).unwrap();
    assert_eq!(read.mode, CallMode::Preview { to_come: vec!["ami-later".to_owned()] });
    assert!(call.text().contains(r#""mode":{"preview":{"to_come":["ami-later"]}}"#));
    for odd in ["", "{}", r#"{"operation":"image.bake/1","pool":"bake","mode":"fly","request":{}}"#]
    {
        assert!(OperationCall::parse(odd).is_err(), "{odd}");
    }
}

#[test]
fn a_row_reads_what_its_operation_reads() {
    let row = find(BakeImage::NAME).unwrap();
    let call = OperationCall::run::<BakeImage>(&bake());
    assert_eq!(row.check_request(&call.request), Ok(()));
    assert!(find(CreateGroup::NAME).unwrap().check_request(&call.request).is_err());
    let result = json!({ "region": "us-east-1", "image_id": "ami-1", "image_name": "web",
        "base_image_id": "ami-0", "reused": false, "bake_key": "k", "generation": 1 });
    assert_eq!(row.check_result(&result), Ok(()));
    assert!(row.check_result(&json!({})).is_err());
    assert!(row.preview_lines(&json!({ "image": "borrowed" })).is_err());
    assert!(find(DestroyCreated::NAME).unwrap().preview_lines(&json!({})).is_err());
}

#[test]
fn previews_have_one_form_and_words_for_people() {
    let baked =
        |name: Value| json!({ "image": "baked", "imageName": name, "baseImageId": "ami-0" });
    let group = |instances, destroys: Value| {
        json!({ "serverGroup": "shop-v004",
            "capacity": { "min": 1, "desired": instances, "max": 3 },
            "destroys": destroys, "notes": ["it has no load balancer"] })
    };
    let tagged = |others| {
        json!({ "region": "us-east-1", "imageId": "ami-1", "imageName": "web-1",
            "created": "2026-11-03T10:00:00.000Z", "others": others, "otherNames": [] })
    };
    let old = json!([{ "name": "shop-v003", "instances": 2, "enabled": true },
        { "name": "shop-v002", "instances": 0, "enabled": false }]);
    for (operation, preview, words) in [
        (
            BakeImage::NAME,
            json!({ "image": "reused", "imageId": "ami-1", "imageName": "web-1", "baseImageId": "ami-0" }),
            &["reuses ami-1 (web-1)"][..],
        ),
        (BakeImage::NAME, baked(json!("web-2")), &["bakes a new one: web-2, from ami-0"]),
        (BakeImage::NAME, baked(Value::Null), &["bakes a new one from ami-0"]),
        (
            CreateGroup::NAME,
            group(2, old),
            &[
                "creates shop-v004 (2 instances)",
                "destroys shop-v003 (2 instances, enabled)",
                "destroys shop-v002 (0 instances, disabled)",
                "! it has no load balancer",
            ],
        ),
        (
            CreateGroup::NAME,
            group(1, json!([])),
            &[
                "creates shop-v004 (1 instance)",
                "destroys no server group",
                "! it has no load balancer",
            ],
        ),
        (
            CountGroups::NAME,
            json!({ "cluster": "shop", "serverGroups": { "us-east-1": 1, "us-west-2": 2 } }),
            &["finds 1 server group in us-east-1", "finds 2 server groups in us-west-2"],
        ),
        (
            FindImage::NAME,
            json!({ "region": "us-east-1", "imageId": "ami-1", "imageName": "web-1", "serverGroup": "shop-v003" }),
            &["finds ami-1 (web-1) in us-east-1, the image of shop-v003"],
        ),
        (FindImageByTags::NAME, tagged(0), &["finds ami-1 (web-1) in us-east-1"]),
        (FindImageByTags::NAME, tagged(1), &["finds ami-1 (web-1) in us-east-1, the newest of 2"]),
    ] {
        let lines = find(operation).unwrap().preview_lines(&preview);
        assert_eq!(lines.unwrap(), words, "{operation}");
    }
}

#[test]
fn the_look_for_an_image_is_said_in_a_sentence() {
    for (selection, only_enabled, which) in [
        ("largest", true, "largest enabled server group"),
        ("newest", false, "newest server group"),
        ("oldest", true, "oldest enabled server group"),
        ("fail", true, "one enabled server group"),
    ] {
        let request = json!({ "account": "staging", "cluster": "shop-web", "region": "us-east-1",
            "selection": selection, "only_enabled": only_enabled });
        let said = find(FindImage::NAME).unwrap().describe(&request).unwrap();
        let wanted =
            format!("finds the image of the {which} of cluster shop-web in staging/us-east-1");
        assert_eq!(said, wanted);
    }
}

#[test]
fn the_look_for_tags_is_said_in_a_sentence() {
    let request = json!({ "region": "us-east-1", "package": "shop-web",
        "tags": { "stage": "released", "arch": "arm64" } });
    assert_eq!(
        find(FindImageByTags::NAME).unwrap().describe(&request).unwrap(),
        "finds the newest image of shop-web with arch=arm64, stage=released in us-east-1"
    );
}
