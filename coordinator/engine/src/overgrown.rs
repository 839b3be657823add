//! The end of an execution whose document has grown too large to be stored.
//!
//! Without it such an execution could never change again, and would live for ever.

use crate::{
    document::Document,
    effects::Effects,
    facts::Facts,
    input::{Input, step},
    rejection::Rejection,
    stage::Stage,
    state::StageState,
};

/// Cancels an execution whose next document would be too large, and gives up what is known twice or only
/// for people, so that the rest fits. Takes the document as it is stored.
///
/// # Errors
///
/// One that is over stays as it is.
///
/// # Panics
///
/// As [`step`].
pub fn end_overgrown(
    document: &mut Document,
    facts: &Facts,
    (bytes, bytes_max): (usize, usize),
    now_ms: u64,
) -> Result<Effects, Rejection> {
    if document.is_complete() {
        return Err(Rejection::AlreadyComplete);
    }
    let mut slimmed = document.clone();
    for stage in &mut slimmed.stages {
        slim(stage);
    }
    let reason = format!("its record would be {bytes} bytes long, {bytes_max} are allowed");
    let input = match document.canceled {
        Some(_) => Input::Look,
        None => Input::Cancel { user: "bowline".to_owned(), reason: Some(reason) },
    };
    let effects = step(&mut slimmed, &input, facts, now_ms)?;
    *document = slimmed;
    Ok(effects)
}

fn slim(stage: &mut Stage) {
    let over = matches!(stage.state(), StageState::Done(_));
    stage.history.clear();
    let run = &mut stage.run;
    if over {
        run.evaluated = None;
        run.context.clear();
        if stage.part.is_some() {
            // The stage it was a part of has gathered them.
            run.outputs.clear();
        }
    }
    let tries = run.attempts.iter_mut().filter_map(|attempt| attempt.failure.as_mut());
    for failure in tries.chain(&mut run.failure) {
        failure.detail = None;
    }
}
