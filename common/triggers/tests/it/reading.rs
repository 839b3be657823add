//! What a definition says of its triggers, and what is told about it.

use model::problem::{Findings, Weight};
use serde_json::{Value, json};
use triggers::{Trigger, index_keys, read, triggers_of};

fn told(trigger: &Value) -> (Option<Trigger>, Vec<(Weight, String, String)>) {
    let mut found = Findings::default();
    let read = read("/triggers/2".to_owned(), trigger.as_object().unwrap(), &mut found);
    let told = found.into_list();
    (read, told.into_iter().map(|one| (one.weight, one.pointer, one.message)).collect())
}

#[test]
fn what_is_missing_or_unknown_is_told_with_its_place() {
    let (trigger, problems) = told(&json!({ "type": "jenkins", "enabled": true, "master": "ci" }));
    assert_eq!(trigger.unwrap().place, 2);
    let missing = (Weight::Error, "/triggers/2/job".to_owned(), "`job` is missing".to_owned());
    assert_eq!(problems, [missing]);
    let (trigger, problems) = told(&json!({ "enabled": true }));
    assert_eq!(trigger, None);
    let missing = (Weight::Error, "/triggers/2/type".to_owned(), "`type` is missing".to_owned());
    assert_eq!(problems, [missing]);
    let (trigger, problems) = told(&json!({ "type": "jenkinz", "enabled": true }));
    assert_eq!(trigger.unwrap().keys(), [""; 0]);
    assert_eq!(problems[0].2, "nothing watches for triggers of type `jenkinz` yet");
    let (trigger, problems) = told(&json!({ "type": "jenkins", "master": "ci", "job": "a" }));
    assert!(!trigger.unwrap().enabled);
    assert_eq!(problems[0].2, "the trigger does not say `enabled`, so it is off");
}

#[test]
fn a_pattern_that_is_never_met_is_told() {
    let (_, problems) =
        told(&json!({ "type": "jenkins", "enabled": true, "master": "ci", "job": "a",
        "payloadConstraints": { "good": "^a$", "b": "*main", "g": "^(?!rel).*$" } }));
    let places: Vec<&str> = problems.iter().map(|(_, at, _)| at.as_str()).collect();
    assert_eq!(places, ["/triggers/2/payloadConstraints/b", "/triggers/2/payloadConstraints/g"]);
    assert!(problems.iter().all(|(weight, ..)| *weight == Weight::Blocks), "{problems:?}");
}

#[test]
fn a_definition_is_indexed_once_under_each_key_of_all_its_triggers() {
    let trigger = |enabled: bool, job: &str| json!({ "type": "jenkins", "enabled": enabled, "master": "ci", "job": job });
    let body = json!({ "triggers": [trigger(true, "shop/job/a"), trigger(false, "b"),
        trigger(true, "shop/a"), { "type": "git", "enabled": true }, 7] });
    let triggers = triggers_of(body.as_object().unwrap());
    assert_eq!(index_keys(&triggers), ["jenkins/ci/", "jenkins/ci/b", "jenkins/ci/shop/a"]);
    let places: Vec<usize> = triggers.iter().map(|trigger| trigger.place).collect();
    assert_eq!(places, [0, 1, 2, 3]);
}

#[test]
fn a_trigger_keeps_its_identity_while_it_says_the_same() {
    let of = |body: Value| triggers_of(body.as_object().unwrap()).remove(0).identity;
    let one = |job: &str| json!({ "type": "jenkins", "enabled": true, "master": "ci", "job": job });
    let first = of(json!({ "triggers": [one("a")] }));
    let off = json!({ "job": "a", "master": "ci", "enabled": false, "type": "jenkins" });
    assert_eq!(of(json!({ "triggers": [off] })), first, "off, and in another order");
    assert_ne!(of(json!({ "triggers": [one("b")] })), first);
}
