//! Builds, and the triggers that wait for them.

use std::collections::BTreeMap;

use model::jenkins::JobName;
use serde_json::{Map, Value, json};
use triggers::{
    File, Files, Match, Moment, Need, Occurrence, Properties, Trigger, jenkins, jenkins::Build,
    triggers_of,
};
use wire::{Signal, Unmet};

const MOMENT: Moment<'_> = Moment { now_ms: 1_800_000_000_000, zone: "UTC" };

fn build(json: &Value) -> Option<Build> {
    Build::read("ci-main", &JobName::parse("shop/package"), json)
}

fn finished() -> Value {
    json!({
        "number": 118, "building": false, "result": "SUCCESS", "timestamp": 1_700_000_000_000_u64,
        "url": "http://ci/job/shop/job/package/118/",
        "artifacts": [{ "fileName": "notes.txt", "relativePath": "out/notes.txt" }],
        "actions": [{}, { "lastBuiltRevision": { "branch": [
            { "name": "origin/main", "SHA1": "3f2a1bc" }
        ] } }]
    })
}

fn trigger() -> Value {
    json!({ "type": "jenkins", "enabled": true, "master": "ci-main", "job": "shop/job/package" })
}

fn read(trigger: &Value) -> Trigger {
    let body = json!({ "triggers": [trigger] });
    triggers_of(body.as_object().unwrap()).remove(0)
}

fn occurrence(json: &Value) -> Occurrence {
    jenkins::occurrence(build(json).unwrap())
}

fn judge(trigger: &Value, json: &Value, files: &Files) -> Option<Match> {
    read(trigger).judge(&occurrence(json), files, MOMENT)
}

fn unmet(trigger: &Value, json: &Value, files: &Files) -> Unmet {
    match judge(trigger, json, files) {
        Some(Match::Unmet(unmet)) => unmet,
        other => panic!("{other:?}"),
    }
}

fn started(trigger: &Value, json: &Value, files: &Files) -> Map<String, Value> {
    match judge(trigger, json, files) {
        Some(Match::Start(started)) => started,
        other => panic!("{other:?}"),
    }
}

fn file(name: &str, values: &[(&str, &str)]) -> Files {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    BTreeMap::from([(name.to_owned(), File::Read(values.collect::<Properties>()))])
}

#[test]
fn build_is_over_only_with_a_result_and_not_building() {
    let mut json = finished();
    assert!(build(&json).is_some());
    json["building"] = true.into();
    assert_eq!(build(&json), None, "a result appears while post-build steps run");
    json["building"] = false.into();
    json["result"] = Value::Null;
    assert_eq!(build(&json), None);
}

#[test]
fn key_tells_a_recreated_job_apart() {
    let first = build(&finished()).unwrap();
    let mut later = finished();
    later["timestamp"] = 1_800_000_000_000_u64.into();
    assert_eq!(first.event_key(), "jenkins/ci-main/shop/package/118/1700000000000/done");
    assert_ne!(first.event_key(), build(&later).unwrap().event_key());
}

#[test]
fn a_report_is_a_signal_to_those_who_wait_for_its_job() {
    let report = jenkins::ReportedBuild {
        controller: "ci-main".to_owned(),
        job: "shop/package".to_owned(),
        number: 118,
        started_ms: None,
        reported_ms: 1_200_000,
        found: false,
    };
    let signal = report.signal();
    assert_eq!((signal.source.as_str(), signal.only.as_ref()), ("jenkins", None));
    assert_eq!(signal.dedupe, "jenkins/ci-main/shop/package/118/2");
    assert_eq!(signal.keys, ["jenkins/ci-main/shop/package"]);
    assert!(read(&trigger()).keys().contains(&signal.keys[0]), "written with `job/` in between");
    assert_eq!(jenkins::ReportedBuild::of(&signal).unwrap(), report);
}

#[test]
fn triggers_match_or_say_why_not() {
    let none = Files::new();
    assert_eq!(started(&trigger(), &finished(), &none)["buildNumber"], 118);
    let mut unstable = finished();
    unstable["result"] = "UNSTABLE".into();
    let found = unmet(&trigger(), &unstable, &none);
    assert_eq!(found.reason, "the build's result is UNSTABLE, only SUCCESS starts a pipeline");
    assert_eq!(
        (found.wanted.as_deref(), found.found.as_deref()),
        (Some("SUCCESS"), Some("UNSTABLE"))
    );
    let mut off = trigger();
    off["enabled"] = false.into();
    assert_eq!(unmet(&off, &finished(), &none).reason, "the trigger is disabled");
    for (field, other) in [("job", "shop/other"), ("master", "ci-two")] {
        let mut another = trigger();
        another[field] = other.into();
        assert_eq!(judge(&another, &finished(), &none), None, "{field}: it waits for another job");
    }
    let cron = json!({ "type": "git", "enabled": true });
    assert_eq!(judge(&cron, &finished(), &none), None);
}

#[test]
fn constraints_are_found_in_the_property_file() {
    let mut asked = trigger();
    asked["propertyFile"] = "build.properties".into();
    asked["payloadConstraints"] = json!({ "RELEASE": "^(true|yes)$" });
    let needs = judge(&asked, &finished(), &Files::new()).unwrap();
    assert_eq!(needs, Match::Needs(Need::File("build.properties".to_owned())));
    let with = |values: &[(&str, &str)]| file("build.properties", values);
    let start = started(&asked, &finished(), &with(&[("RELEASE", "true")]));
    assert_eq!(start["properties"], json!({ "RELEASE": "true" }));
    let found = unmet(&asked, &finished(), &with(&[("RELEASE", "truest")]));
    assert_eq!(
        found.reason,
        "payload constraint `RELEASE` = `^(true|yes)$` is not met: the value is `truest`"
    );
    assert_eq!(found.condition, "payloadConstraints/RELEASE");
    assert_eq!(found.wanted.as_deref(), Some("^(true|yes)$"));
    let found = unmet(&asked, &finished(), &with(&[]));
    assert!(found.reason.ends_with("the property file has no such key"), "{found}");
    let missing = BTreeMap::from([("build.properties".to_owned(), File::Missing)]);
    let found = unmet(&asked, &finished(), &missing);
    assert!(found.reason.ends_with("the build archived no such file"), "{found}");
    let torn = File::Unreadable("it is not JSON".to_owned());
    let torn = BTreeMap::from([("build.properties".to_owned(), torn)]);
    assert_eq!(unmet(&asked, &finished(), &torn).reason, "it is not JSON");
}

#[test]
fn a_file_without_constraints_may_be_missing() {
    let mut asked = trigger();
    asked["propertyFile"] = "build.properties".into();
    let missing = BTreeMap::from([("build.properties".to_owned(), File::Missing)]);
    assert_eq!(started(&asked, &finished(), &missing)["properties"], json!({}));
}

#[test]
fn execution_of_a_build_carries_what_its_trigger_asks_for() {
    let mut asked = trigger();
    asked["propertyFile"] = "build.properties".into();
    asked["expectedArtifactIds"] = json!(["package"]);
    let carried = started(&asked, &finished(), &file("build.properties", &[("VERSION", "1.4.2")]));
    assert_eq!(carried["propertyFile"], "build.properties");
    assert_eq!(carried["expectedArtifactIds"], json!(["package"]));
    assert_eq!(carried["properties"], json!({ "VERSION": "1.4.2" }));
    assert_eq!((&carried["buildNumber"], &carried["job"]), (&json!(118), &json!("shop/package")));
    let plain = started(&trigger(), &finished(), &Files::new());
    assert_eq!((plain.get("propertyFile"), plain.get("expectedArtifactIds")), (None, None));
}

#[test]
fn revisions_are_read_wherever_the_git_plugin_puts_them() {
    let mut json = finished();
    json["actions"] = json!([
        { "lastBuiltRevision": { "branch": [{ "name": "origin/main", "SHA1": "3f2a1bc" }] },
          "build": { "revision": { "branch": [{ "name": "origin/main", "SHA1": "3f2a1bc" }] } } },
        { "build": { "revision": { "branch": [{ "name": "refs/remotes/origin/topic", "SHA1": "77aa" }] } } },
    ]);
    let trigger = started(&trigger(), &json, &Files::new());
    assert_eq!(
        trigger["buildInfo"]["scm"],
        json!([
            { "name": "origin/main", "branch": "main", "sha1": "3f2a1bc" },
            { "name": "refs/remotes/origin/topic", "branch": "topic", "sha1": "77aa" },
        ])
    );
}

#[test]
fn a_signal_of_an_unknown_source_is_no_occurrence() {
    let signal = Signal {
        source: "git".to_owned(),
        dedupe: "git/1".to_owned(),
        keys: Vec::new(),
        only: None,
        body: Map::new(),
    };
    assert_eq!(Occurrence::of(&signal).unwrap_err(), "no trigger waits for `git`");
    let unread = Signal { source: "jenkins".to_owned(), ..signal };
    assert!(Occurrence::of(&unread).is_err(), "its body is no build");
}
