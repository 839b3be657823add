//! Every bound, with its reason, in one place.

use std::time::Duration;

/// How long a live execution may sleep: the store refuses a later wake.
pub const WAKE_MAX: Duration = Duration::from_mins(5);
/// How long a worker may be silent before another takes over.
pub const LEASE_TTL: Duration = Duration::from_secs(90);
/// How often a worker says that it lives: six beats may be lost.
pub const BEAT_INTERVAL: Duration = Duration::from_secs(15);
/// A worker that has not beaten for so long sends no mutating call: it stops well before its
/// lease can be given away, one call's timeout included.
pub const SELF_FENCE: Duration = Duration::from_mins(1);
/// Longest call to AWS, its retries included.
pub const AWS_CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// A dispatched task nobody has claimed for so long is published again.
///
/// Then after twice as long, and so on: what a broker lost with its disk comes back soon, and a
/// long queue does not fill up with doubles.
pub const CLAIM_TIMEOUT: Duration = Duration::from_secs(15);
/// How long after a result is stored it is applied even if no message tells of it.
pub const RESULT_NOTICE: Duration = Duration::from_secs(5);
/// Lost workers in a row, without progress between, before an attempt fails.
pub const EPOCHS_WITHOUT_PROGRESS_MAX: u32 = 5;
/// Tries of one stage's work, the first included.
pub const ATTEMPTS_MAX: u32 = 4;
/// How long an on-failure stage may run, pauses not counted.
///
/// It may have to wait for the lock of its cluster, and a deploy worker takes half of this at most for one
/// server group with its default settings.
pub const ON_FAILURE_TIMEOUT: Duration = Duration::from_hours(1);
/// Largest webhook body.
pub const WEBHOOK_BYTES_MAX: usize = 256 * 1024;
/// Largest pipeline definition.
pub const PIPELINE_BYTES_MAX: usize = 1024 * 1024;
/// Most values and keys in a pipeline definition, together. A megabyte of what people write has 100,000; so many
/// stages as are allowed, each requiring all before it, have 130,000.
pub const VALUES_MAX: usize = 150_000;
/// Most problems told of one pipeline definition; the rest are counted.
pub const PROBLEMS_MAX: usize = 200;
/// Most entries of a list of objects in a pipeline definition: triggers, clusters, preconditions and so on.
pub const ENTRIES_MAX: usize = 1000;
/// Most bytes in all patterns of a pipeline's expected artifacts together.
pub const PATTERNS_BYTES_MAX: usize = 16 * 1024;
/// Most names compared for the hints of one pipeline definition ("did you mean …?").
pub const COMPARISONS_MAX: usize = 5000;
/// Highest `maxConcurrentExecutions`: the range of Spinnaker's own form.
pub const CONCURRENT_EXECUTIONS_MAX: u32 = 65_534;
/// Most stages in a pipeline.
pub const STAGES_MAX: usize = 500;
/// Longest timeout or pause between tries that a stage may ask for, in milliseconds: a year.
pub const STAGE_TIMEOUT_MS_MAX: u64 = 365 * 86_400_000;
/// Longest pause of a wait stage, in seconds: a year.
pub const WAIT_SECONDS_MAX: u64 = 365 * 86_400;
/// Longest random wait after a time window opens, in seconds: a day.
pub const JITTER_SECONDS_MAX: u32 = 86_400;
/// Latest moment that is taken for one, in milliseconds since 1970: the end of the year 9999.
pub const EPOCH_MS_MAX: u64 = 253_402_300_799_999;
/// Most server groups that anybody expects in a cluster.
pub const SERVER_GROUPS_MAX: u32 = 10_000;
/// Most parameters in a pipeline.
pub const PARAMETERS_MAX: usize = 500;
/// How deep pipelines may start pipelines: one that starts itself for ever is stopped here.
pub const PIPELINE_DEPTH_MAX: u32 = 50;
/// Largest pattern of an expected artifact.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Largest message on the broker.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Largest stored snapshot of an execution.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// How long workers have to answer the questions of a dry run: a person waits for it.
pub const SURVEY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an event that Jenkins does not confirm is tried.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_mins(10);

const _: () = assert!(STAGES_MAX * STAGES_MAX / 2 < VALUES_MAX);
const _: () = assert!(PATTERN_BYTES_MAX <= PATTERNS_BYTES_MAX);
const _: () = assert!(BEAT_INTERVAL.as_secs() * 2 <= SELF_FENCE.as_secs());
const _: () = assert!(SELF_FENCE.as_secs() + AWS_CALL_TIMEOUT.as_secs() < LEASE_TTL.as_secs());
const _: () = assert!(LEASE_TTL.as_secs() < WAKE_MAX.as_secs());
