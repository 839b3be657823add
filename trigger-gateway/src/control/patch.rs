//! What can be changed about a stage of an execution, in the words of Gate's callers. Spinnaker merges
//! whatever is sent into the stage's context; here only what means something is taken.

use model::StageId;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{Control, Judgment};

use crate::problem::Problem;

/// The body of a change, as it is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Body {
    judgment_status: Option<String>,
    judgment_input: Option<String>,
    skip_remaining_wait: Option<bool>,
    manual_skip: Option<bool>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A person has decided.
    Judge { decision: Judgment, input: Option<String> },
    /// Enough waited.
    SkipWait,
    /// It is left out.
    Skip,
}

impl Change {
    /// The change, of this stage.
    pub(super) fn of(self, stage: StageId) -> Control {
        match self {
            Self::Judge { decision, input } => Control::Judge { stage, decision, input },
            Self::SkipWait => Control::SkipWait { stage },
            Self::Skip => Control::SkipStage { stage },
        }
    }
}

/// Reads a body that says exactly one thing.
pub(super) fn read(body: &[u8]) -> Result<Change, Problem> {
    // Read as an object first: a structure would also be read from a list of its values.
    let read = serde_json::from_slice(body).map(Value::Object);
    let body: Body = read.and_then(serde_json::from_value).map_err(|error| {
        let text = format!(
            "a change of a stage is a JSON object with `judgmentStatus` (and `judgmentInput`), \
             `skipRemainingWait` or `manualSkip`: {error}"
        );
        Problem::bad_request("invalid-change", text)
    })?;
    let Body { judgment_status, judgment_input, skip_remaining_wait, manual_skip } = body;
    let asks = |flag: Option<bool>| flag == Some(true);
    match (judgment_status, asks(skip_remaining_wait), asks(manual_skip)) {
        (Some(word), false, false) => {
            Ok(Change::Judge { decision: decision(&word)?, input: judgment_input })
        }
        (None, _, _) if judgment_input.is_some() => {
            let text = "`judgmentInput` is the choice that goes with a `judgmentStatus` of `continue` or `stop`";
            Err(wrong("/judgmentStatus", text))
        }
        (None, true, false) => Ok(Change::SkipWait),
        (None, false, true) => Ok(Change::Skip),
        (None, false, false) => {
            let text = "nothing is asked for: set `judgmentStatus` to `continue` or `stop`, or `skipRemainingWait` or `manualSkip` to true";
            Err(wrong("", text))
        }
        (Some(_), _, _) | (None, true, true) => {
            let text = "a judgment, the end of a wait and a skip are asked for one at a time";
            Err(wrong("", text))
        }
    }
}

fn decision(word: &str) -> Result<Judgment, Problem> {
    [Judgment::Continue, Judgment::Stop]
        .into_iter()
        .find(|decision| decision.as_str().eq_ignore_ascii_case(word.trim()))
        .ok_or_else(|| {
            let text = format!("`{word}` is no judgment; `continue` and `stop` are");
            wrong("/judgmentStatus", &text)
        })
}

fn wrong(pointer: &str, text: &str) -> Problem {
    let errors = json!([{ "pointer": pointer, "code": "invalid-change", "message": text }]);
    Problem::bad_request("invalid-change", text).with_errors(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_read_from_a_body() {
        let judged = |decision, input: Option<&str>| Change::Judge {
            decision,
            input: input.map(str::to_owned),
        };
        for (body, expected) in [
            (r#"{"judgmentStatus":"continue"}"#, judged(Judgment::Continue, None)),
            (
                r#"{"judgmentStatus":"Stop","judgmentInput":"later"}"#,
                judged(Judgment::Stop, Some("later")),
            ),
            (
                r#"{"judgmentStatus":"continue","judgmentInput":null}"#,
                judged(Judgment::Continue, None),
            ),
            (r#"{"skipRemainingWait":true}"#, Change::SkipWait),
            (r#"{"manualSkip":true,"skipRemainingWait":false}"#, Change::Skip),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_would_be_right() {
        for (body, part) in [
            ("", "a JSON object"),
            ("[]", "a JSON object"),
            ("{}", "nothing is asked for"),
            (r#"{"skipRemainingWait":false}"#, "nothing is asked for"),
            (r#"{"judgmentStatus":"maybe"}"#, "`continue` and `stop` are"),
            (r#"{"judgmentStatus":1}"#, "a JSON object"),
            (r#"{"judgmentInput":"yes"}"#, "goes with a `judgmentStatus`"),
            (r#"{"judgmentStatus":"stop","manualSkip":true}"#, "one at a time"),
            (r#"{"manualSkip":true,"skipRemainingWait":true}"#, "one at a time"),
            (r#"{"waitTime":1}"#, "expected one of `judgmentStatus`"),
        ] {
            let problem = read(body.as_bytes()).unwrap_err();
            assert!(problem.detail().contains(part), "{body}: {}", problem.detail());
        }
    }
}
