//! The end of an execution whose document has grown too large to be stored.
//!
//! Without it such an execution could never change again, and would live for ever.

use crate::{
    document::{Document, Stage, StageState},
    effects::Effects,
    facts::Facts,
    step::{Input, Rejection, step},
};

/// Cancels an execution whose next document would be too large, and gives up what is known twice or only
/// for people, so that the rest fits. Takes the document as it is stored.
///
/// # Errors
///
/// One that is over stays as it is.
pub fn end_overgrown(
    document: &mut Document,
    facts: &Facts,
    (bytes, bytes_max): (usize, usize),
    now_ms: u64,
) -> Result<Effects, Rejection> {
    if document.is_complete() {
        return Err(Rejection::AlreadyComplete);
    }
    for stage in &mut document.stages {
        slim(stage);
    }
    let reason = format!("its record would be {bytes} bytes long, {bytes_max} are allowed");
    let input = match document.canceled {
        Some(_) => Input::Look,
        None => Input::Cancel { user: "bowline".to_owned(), reason: Some(reason) },
    };
    step(document, &input, facts, now_ms)
}

fn slim(stage: &mut Stage) {
    let over = matches!(stage.state, StageState::Done(_));
    stage.runs.clear();
    if over {
        stage.evaluated = None;
        stage.context.clear();
        if stage.parent.is_some() {
            // The stage it was a part of has gathered them.
            stage.outputs.clear();
        }
    }
    let tries = stage.attempts.iter_mut().filter_map(|attempt| attempt.failure.as_mut());
    for failure in tries.chain(&mut stage.failure) {
        failure.detail = None;
    }
}
