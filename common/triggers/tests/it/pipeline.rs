//! Pipelines that start when others end.

use model::{
    ExecutionStatus,
    problem::{Findings, Weight},
};
use serde_json::{Value, json};
use triggers::{Files, Match, Moment, Occurrence, Trigger, read};
use wire::{ExecutionEnded, Signal, Unmet};

fn told(trigger: &Value) -> (Option<Trigger>, Vec<(Weight, &'static str)>) {
    let mut found = Findings::default();
    let read = read("/triggers/0".to_owned(), trigger.as_object().unwrap(), &mut found);
    (read, found.into_list().into_iter().map(|one| (one.weight, one.code)).collect())
}

fn after(statuses: &[&str]) -> Value {
    json!({ "type": "pipeline", "enabled": true, "application": "shop", "pipeline": "p1",
        "status": statuses })
}

fn ended(status: ExecutionStatus) -> Signal {
    let trigger = json!({ "type": "jenkins", "user": "ada", "buildNumber": 7 });
    ExecutionEnded {
        id: "E1".parse().unwrap(),
        application: "shop".to_owned(),
        name: "ship".to_owned(),
        pipeline_config_id: "p1".to_owned(),
        status,
        start_time: Some(1),
        end_time: 9,
        trigger: trigger.as_object().unwrap().clone(),
    }
    .signal()
}

fn judge(trigger: &Value, signal: &Signal) -> Option<Match> {
    let moment = Moment { now_ms: 10, zone: "UTC" };
    let (trigger, problems) = told(trigger);
    assert_eq!(problems, []);
    trigger.unwrap().judge(&Occurrence::of(signal).unwrap(), &Files::new(), moment)
}

fn unmet(judged: Option<Match>) -> Unmet {
    match judged {
        Some(Match::Unmet(unmet)) => unmet,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_end_of_an_execution_starts_those_who_wait_for_its_status() {
    use ExecutionStatus::{Canceled, Succeeded, Terminal};
    for (status, word) in [(Succeeded, "successful"), (Terminal, "failed"), (Canceled, "canceled")]
    {
        let signal = ended(status);
        assert_eq!(
            (signal.dedupe.as_str(), &signal.keys[..]),
            ("pipeline/E1/9", &["pipeline/p1".to_owned()][..])
        );
        let Some(Match::Start(carried)) = judge(&after(&[word]), &signal) else { panic!("{word}") };
        let carried = Value::Object(carried);
        assert_eq!((&carried["type"], &carried["user"]), (&json!("pipeline"), &json!("ada")));
        assert_eq!(carried["parentPipelineId"], "p1");
        assert_eq!(carried["parentExecution"]["id"], "E1");
        assert_eq!(carried["parentExecution"]["trigger"]["buildNumber"], 7);
        assert_eq!(carried["parentExecution"]["status"], json!(status));
        for other in ["successful", "failed", "canceled"] {
            if other != word {
                let unmet = unmet(judge(&after(&[other]), &signal));
                let reason = format!("the execution was {word}, the trigger waits for {other}");
                assert_eq!(unmet.reason, reason);
            }
        }
    }
    let either = after(&["failed", "canceled"]);
    assert!(matches!(judge(&either, &ended(Canceled)), Some(Match::Start(_))));
    assert_eq!(
        unmet(judge(&either, &ended(Succeeded))).wanted.as_deref(),
        Some("failed or canceled")
    );
}

#[test]
fn the_application_must_be_the_one_it_names() {
    let mut other = after(&["successful"]);
    other["application"] = "cart".into();
    let unmet = unmet(judge(&other, &ended(ExecutionStatus::Succeeded)));
    assert_eq!(unmet.reason, "the pipeline belongs to `shop`, not to `cart`");
    let mut another = after(&["successful"]);
    another["pipeline"] = "p2".into();
    assert_eq!(judge(&another, &ended(ExecutionStatus::Succeeded)), None);
    let (trigger, _) = told(&after(&["successful"]));
    let trigger = trigger.unwrap();
    assert_eq!((trigger.keys(), trigger.follows()), (vec!["pipeline/p1".to_owned()], vec!["p1"]));
    assert_eq!(trigger.describe("UTC"), "successful executions of pipeline p1");
}

#[test]
fn what_does_not_fit_is_told() {
    let mut trigger = after(&["successful", "lost"]);
    assert_eq!(told(&trigger).1, [(Weight::Error, "unknown-value")]);
    trigger["status"] = json!([]);
    assert_eq!(told(&trigger).1, [(Weight::Blocks, "trigger-without-status")]);
    trigger["status"] = json!(["failed"]);
    trigger["pipeline"] = Value::Null;
    assert_eq!(told(&trigger).1, [(Weight::Error, "missing-field")]);
}
