//! What an operation is, and a call of one.

use model::Pool;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::WireError;

/// One kind of work that workers carry out: what it is called, who does it, what it is asked with and what it
/// answers.
pub trait Operation: Send + Sync + 'static {
    /// Its name with the version of its request: `image.bake/1`. Readers ignore fields they do not know, so a
    /// field may be added; any other change of the request is the next version.
    const NAME: &'static str;
    /// The workers that carry it out.
    const POOL: Pool;
    /// Whether it can be asked what it would do. False for what never stands in the plan of a dry run.
    const HAS_PREVIEW: bool = true;

    /// What is asked for.
    type Request: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What a success brings. Its JSON is an object.
    type Result: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What the same request would bring if it were carried out now. Its JSON is an object.
    type Preview: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// A request in a sentence for people: what is done, without the subject.
    fn describe(request: &Self::Request) -> String;

    /// A preview in words for people, one line for each thing that would happen.
    fn preview_lines(preview: &Self::Preview) -> Vec<String>;
}

/// The preview of an operation that has none: there is no such value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoPreview {}

/// One request for an operation.
///
/// Its text ([`OperationCall::text`]) is what a coordinator commits the digest of, and what it sends: a worker
/// reads exactly that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationCall {
    /// [`Operation::NAME`].
    pub operation: String,
    /// [`Operation::POOL`].
    pub pool: Pool,
    /// Whether it is to be carried out.
    pub mode: CallMode,
    /// The request, as the operation writes it.
    pub request: Value,
}

/// Whether an operation is carried out or only asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallMode {
    /// It is carried out; the answer is its `Result`.
    Run,
    /// Nothing is changed; the answer is its `Preview`.
    Preview {
        /// Values in the request that stand for things which earlier stages have yet to make: nobody can look
        /// them up.
        to_come: Vec<String>,
    },
}

impl OperationCall {
    /// A call that carries the operation out.
    pub fn run<Op: Operation>(request: &Op::Request) -> Self {
        Self::new::<Op>(request, CallMode::Run)
    }

    /// A call that asks what the operation would do.
    pub fn preview<Op: Operation>(request: &Op::Request, to_come: Vec<String>) -> Self {
        Self::new::<Op>(request, CallMode::Preview { to_come })
    }

    fn new<Op: Operation>(request: &Op::Request, mode: CallMode) -> Self {
        // Requests are structs of texts, numbers, lists and maps with texts as keys, which JSON can always hold.
        // If one could not, its worker would refuse it with these words.
        let request = serde_json::to_value(request)
            .unwrap_or_else(|error| format!("the request cannot be written: {error}").into());
        Self { operation: Op::NAME.to_owned(), pool: Op::POOL, mode, request }
    }

    /// Reads the text of a call.
    ///
    /// # Errors
    ///
    /// The text is no call. Whether the operation is known and its request readable is for
    /// [`OperationCall::request`] to say.
    pub fn parse(text: &str) -> Result<Self, WireError> {
        Ok(serde_json::from_str(text)?)
    }

    /// The JSON text that is committed and sent. A call holds nothing that JSON cannot, so there is always one.
    pub fn text(&self) -> String {
        let Self { operation, pool, mode, request } = self;
        json!({ "operation": operation, "pool": pool, "mode": mode, "request": request })
            .to_string()
    }

    /// Whether it is a call of this operation.
    pub fn is<Op: Operation>(&self) -> bool {
        self.operation == Op::NAME
    }

    /// The request, if this is a call of `Op`.
    ///
    /// # Errors
    ///
    /// It is a call of another operation, or its request is not what the operation is asked with.
    pub fn request<Op: Operation>(&self) -> Result<Op::Request, WireError> {
        if !self.is::<Op>() {
            return Err(WireError::Operation {
                found: self.operation.clone(),
                wanted: Op::NAME.to_owned(),
            });
        }
        let unreadable = |cause| WireError::Request { operation: self.operation.clone(), cause };
        Op::Request::deserialize(&self.request).map_err(unreadable)
    }
}
