//! What can be typed after `bowline eval`.

use std::path::PathBuf;

use clap::Args;

pub(crate) const EVAL_HELP: &str = "\
The result is printed on standard output, as JSON, or as YAML with -o yaml. What stayed unresolved, and why,
goes to standard error; as in a stage, it stays as text and is no failure unless --strict is given.

The context file is one JSON object. Its keys are the names at the root: `trigger`, `parameters`,
`execution` (with an `id` and `stages`) and the keys of the stage's own context.

Examples:
  bowline eval 'image ${trigger.buildInfo.number}' --context context.json
  bowline eval '${#toInt(\"4\") * 2}'
  bowline eval --document stage.json --context context.json
  bowline execution get ID -o json | jq '{execution: .}' | bowline eval -c - '${#stage(\"bake\").status}'

Exit codes: 0 evaluated, 1 a file cannot be used or (--strict) something stayed as text, 2 wrong usage.";

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// One string, with `${…}` in it.
    #[arg(
        value_name = "EXPR",
        allow_hyphen_values = true,
        required_unless_present = "document",
        conflicts_with = "document"
    )]
    pub(crate) expression: Option<String>,
    /// Evaluate every string and every key of this JSON file; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
    /// What the expressions can see: a JSON object; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) context: Option<PathBuf>,
    /// Id of the stage that `#currentStage()` gives.
    #[arg(long, value_name = "ID")]
    pub(crate) stage: Option<String>,
    /// Exit with 1 when anything stayed unresolved or failed, as `failOnFailedExpressions` does.
    #[arg(long)]
    pub(crate) strict: bool,
}
