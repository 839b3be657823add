//! `wait`: a pause, which a person may cut short.

use model::{
    fields::{Field, Reader, declared::Default},
    limits,
};
use wire::TaskFailure;

use crate::{
    context::Context,
    plan::{Await, Plan},
    stage_type::{StageType, read},
};

pub(crate) struct Wait;

impl StageType for Wait {
    const NAME: &'static str = "wait";
    const LABEL: &'static str = "Wait";
    const SUMMARY: &'static str = "Waits for a time. A person may end the wait early.";
    // Source: names and the default are those of Spinnaker's form.
    const FIELDS: &'static [Field] = &[
        Field::number(
            "waitTime",
            limits::WAIT_SECONDS_MAX,
            "Wait time",
            "How long the stage waits.",
        )
        .unit("seconds")
        .default(Default::Number(30)),
        Field::text(
            "skipWaitText",
            "Text for skipping",
            "What a person reads who is about to end the wait early.",
        )
        .kept(),
    ];
    const SKIPPABLE: bool = true;

    /// How long, in seconds.
    type Config = u64;

    fn read(fields: &mut Reader<'_, '_>) -> Option<u64> {
        Some(fields.number("waitTime").unwrap_or_default())
    }

    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        let seconds = read::<Self>(context.stage().config)?;
        Ok(Plan::Await(Await::Time { time_ms: seconds.saturating_mul(1_000) }))
    }
}
