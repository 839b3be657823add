//! Every mutating call, with what it did.

use serde::Serialize;

/// One mutating call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Place in the ledger, from 1.
    pub sequence: u64,
    /// World time, epoch milliseconds.
    pub at_ms: u64,
    /// Account it was made in.
    pub account: String,
    /// Region it was made in.
    pub region: String,
    /// Who made it, as far as the credentials say.
    pub actor: String,
    /// The AWS action.
    pub call: &'static str,
    /// Its parameters, in short: the thing first.
    pub summary: String,
    /// What it did.
    pub effect: Effect,
    /// Why it was refused.
    pub refused_with: Option<String>,
    /// What the caller heard.
    pub answer: Heard,
}

/// What a call did.
#[expect(clippy::enum_variant_names, reason = "`NoEffect` says what it means")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// Something new exists.
    Created,
    /// Something is different.
    Changed,
    /// The world was so already.
    NoEffect,
    /// Nothing, and an error said so.
    Refused,
    /// Nothing: the request was lost on its way.
    NeverArrived,
}

/// What a caller heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Heard {
    /// The truth.
    Truth,
    /// Nothing: a timeout.
    Silence,
    /// An internal error, whatever was done.
    ServerError,
}

/// A call that broke a safety invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which one: `I21`.
    pub invariant: &'static str,
    /// World time, epoch milliseconds.
    pub at_ms: u64,
    /// The call's place in the ledger.
    pub sequence: u64,
    /// What happened.
    pub text: String,
}
