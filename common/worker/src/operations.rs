//! A worker as a table of operations: which it carries out, and what carries out each.

use std::{collections::BTreeMap, fmt, future::Future, marker::PhantomData, sync::Arc};

use futures::future::BoxFuture;
use model::Pool;
use serde::Serialize;
use serde_json::{Map, Value};
use wire::{CallMode, FailureKind, Operation, OperationCall, TaskFailure, TaskOutcome};

use crate::{Stop, TaskContext};

/// What carries out one operation, resumable at each step.
///
/// Whoever runs it may vanish at any moment: another worker then runs it again with the same
/// request and the last checkpoint, and must *join* what is there instead of doing it twice. So
/// each step that changes the outside world is named, its inputs are saved before the call, and it
/// looks before it acts.
pub trait Handler<Op: Operation>: Send + Sync + 'static {
    /// Does the work. A cancel is an [`End::Canceled`]: clean up first, and say what is left.
    fn run(
        &self,
        request: Op::Request,
        task: &TaskContext,
    ) -> impl Future<Output = Result<Op::Result, End>> + Send;

    /// Looks what the work would come to; changes, locks and saves nothing. `to_come` names the values in the
    /// request that stand for things which are yet to be made.
    fn preview(
        &self,
        _request: Op::Request,
        _to_come: Vec<String>,
        _task: &TaskContext,
    ) -> impl Future<Output = Result<Op::Preview, End>> + Send {
        let message = format!("operation `{}` cannot say what it would do", Op::NAME);
        async { Err(End::failed(FailureKind::Bug, message)) }
    }
}

/// Why an operation ends without its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The lease says so. `Lost` and `Draining` end the run without a word; `Canceled` does when nothing was in
    /// flight.
    Stopped(Stop),
    /// It failed.
    Failed(Box<TaskFailure>),
    /// It was stopped by a cancel and has cleaned up: what is left, in words for people.
    Canceled(String),
}

impl End {
    /// A failure with this text.
    pub fn failed(kind: FailureKind, message: impl Into<String>) -> Self {
        TaskFailure { kind, message: message.into(), detail: None, hint: None }.into()
    }

    /// The same with a hint for people, if it is a failure.
    #[must_use]
    pub fn with_hint(self, hint: &str) -> Self {
        match self {
            Self::Failed(failure) => TaskFailure { hint: Some(hint.to_owned()), ..*failure }.into(),
            end @ (Self::Stopped(_) | Self::Canceled(_)) => end,
        }
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<TaskFailure> for End {
    fn from(failure: TaskFailure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// The operations of one pool of workers, with what carries out each.
pub struct Operations {
    pool: Pool,
    handlers: BTreeMap<&'static str, Box<dyn CarryOut>>,
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations")
            .field("pool", &self.pool)
            .field("operations", &self.handlers.keys())
            .finish()
    }
}

impl Operations {
    /// None yet.
    pub fn new(pool: Pool) -> Self {
        Self { pool, handlers: BTreeMap::new() }
    }

    /// With one more.
    #[must_use]
    pub fn with<Op: Operation>(mut self, handler: &Arc<impl Handler<Op>>) -> Self {
        debug_assert_eq!(Op::POOL, self.pool, "{} is not sent to these workers", Op::NAME);
        let handler = Typed { handler: Arc::clone(handler), operation: PhantomData::<fn() -> Op> };
        self.handlers.insert(Op::NAME, Box::new(handler));
        self
    }

    /// The workers these operations are for.
    pub fn pool(&self) -> Pool {
        self.pool
    }

    /// Carries out a call. One that no handler knows, or whose request cannot be read, is a failure that says so:
    /// the coordinator committed it, so it is no forgery, but two versions that disagree.
    pub(crate) async fn carry_out(
        &self,
        call: &OperationCall,
        task: &TaskContext,
    ) -> Result<TaskOutcome, Stop> {
        match self.handlers.get(call.operation.as_str()) {
            Some(handler) => handler.carry_out(call, task).await,
            None => Ok(TaskOutcome::Failed { failure: self.unknown(&call.operation) }),
        }
    }

    /// Another worker may be newer, as in the middle of an upgrade, so another attempt may help.
    fn unknown(&self, operation: &str) -> TaskFailure {
        let pool = self.pool;
        let known: Vec<&str> = self.handlers.keys().copied().collect();
        TaskFailure {
            kind: FailureKind::Transient,
            message: format!("this {pool} worker does not know the operation `{operation}`"),
            detail: Some(format!("it knows {}", known.join(", "))),
            hint: Some(format!(
                "upgrade the {pool} workers to the version of the coordinators that ask for it"
            )),
        }
    }
}

/// A handler without its types.
trait CarryOut: Send + Sync {
    fn carry_out<'a>(
        &'a self,
        call: &'a OperationCall,
        task: &'a TaskContext,
    ) -> BoxFuture<'a, Result<TaskOutcome, Stop>>;
}

struct Typed<Op, H> {
    handler: Arc<H>,
    operation: PhantomData<fn() -> Op>,
}

impl<Op: Operation, H: Handler<Op>> CarryOut for Typed<Op, H> {
    fn carry_out<'a>(
        &'a self,
        call: &'a OperationCall,
        task: &'a TaskContext,
    ) -> BoxFuture<'a, Result<TaskOutcome, Stop>> {
        Box::pin(async move {
            let request = match call.request::<Op>() {
                Ok(request) => request,
                Err(error) => {
                    let message = format!("this worker cannot read the task: {error}");
                    return Ok(our_fault(message, None));
                }
            };
            match &call.mode {
                CallMode::Run => outcome(self.handler.run(request, task).await),
                CallMode::Preview { to_come } => {
                    outcome(self.handler.preview(request, to_come.clone(), task).await)
                }
            }
        })
    }
}

fn outcome<T: Serialize>(ended: Result<T, End>) -> Result<TaskOutcome, Stop> {
    match ended {
        Ok(value) => Ok(match object(&value) {
            Ok(result) => TaskOutcome::Succeeded { result },
            Err(message) => our_fault(message, None),
        }),
        Err(End::Failed(failure)) => Ok(TaskOutcome::Failed { failure: *failure }),
        Err(End::Canceled(detail)) => Ok(TaskOutcome::Canceled { detail }),
        Err(End::Stopped(stop)) => Err(stop),
    }
}

fn object<T: Serialize>(value: &T) -> Result<Map<String, Value>, String> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("the result is no JSON object: {other}")),
        Err(error) => Err(format!("the result could not be written as JSON: {error}")),
    }
}

/// A failure that is a bug of ours.
pub(crate) fn our_fault(message: String, detail: Option<String>) -> TaskOutcome {
    let hint = Some("please report it, with the log of the worker".to_owned());
    TaskOutcome::Failed { failure: TaskFailure { kind: FailureKind::Bug, message, detail, hint } }
}
