//! The expression language alone: evaluations per second.

use std::time::Instant;

use expression::{Facts, Limits, Scope, evaluate_text};
use serde_json::{Value, json};

use crate::{Failure, figures, raw};

/// What pipelines are made of, by how often they say it.
const TEXTS: [(&str, &str); 4] = [
    ("a name and a key", "${ parameters['reason'] }"),
    ("text around two of them", "${trigger.job}-${trigger.buildNumber}-web"),
    ("a stage's output", "${ #stage('Bake')['context']['amiName'].toString() }"),
    (
        "a choice over a selection",
        "${ regions.?[#this.startsWith('us')].size() > 1 ? 'many' : 'one' }",
    ),
];
const EVALUATIONS: usize = 20_000;

pub(crate) fn measure() -> Result<(), Failure> {
    figures::heading("expressions: parsed and evaluated, one thread");
    let Value::Object(roots) = roots() else { return Err("roots are an object".into()) };
    let scope = Scope::new(roots, Facts::default());
    let limits = Limits::STANDARD;
    for (name, text) in TEXTS {
        evaluate_text(text, &scope, &limits)?;
        let begun = Instant::now();
        for _ in 0..EVALUATIONS {
            drop(std::hint::black_box(evaluate_text(std::hint::black_box(text), &scope, &limits)));
        }
        figures::rate(name, raw::per_second(EVALUATIONS, begun), None);
    }
    Ok(())
}

fn roots() -> Value {
    json!({
        "regions": ["us-east-1", "us-west-2", "eu-west-1"],
        "trigger": { "job": "shop-package", "buildNumber": 42, "parameters": { "reason": "release" } },
        "execution": { "id": "01", "stages": [
            { "id": "a", "refId": "1", "name": "Bake", "type": "bake", "status": "SUCCEEDED",
              "context": { "amiName": "shop-web-1.2.3" }, "outputs": {} },
            { "id": "b", "refId": "2", "name": "Deploy", "type": "deploy", "status": "RUNNING",
              "context": {}, "outputs": {} }
        ] }
    })
}
