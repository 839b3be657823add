#![doc = include_str!("../README.md")]

mod arguments;
mod bare;
mod check;
mod evaluate;
mod fault;
mod format;
mod functions;
mod instance;
mod java;
mod limits;
mod machine;
mod methods;
mod number;
mod operators;
mod parse;
mod pattern;
mod render;
mod scope;
mod syntax;
mod template;
mod token;
mod value;
mod world;

pub use bare::{evaluate_bare, evaluate_condition};
pub use check::check_expressions;
pub use evaluate::{Entry, Evaluated, Level, evaluate, evaluate_text, mentions_expression};
pub use fault::{ExpressionError, FaultKind};
pub use limits::Limits;
pub use scope::{Facts, SavedPipeline, Scope, UnknownNames};
