//! The check preconditions stage: conditions that must hold, looked at side by side.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{other_cloud, runnable};
use crate::{
    fields::{Fields, unresolved},
    limits,
    pipeline::OnFailure,
    problem::{FieldProblem, Findings, Weight, nearest, shortened},
    status::ExecutionStatus,
};

/// A check preconditions stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreconditionsStage {
    /// In the order of the definition.
    pub preconditions: Vec<Precondition>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// What its failure means: the stage's own choice, with the condition's `failPipeline` in it.
    pub on_failure: OnFailure,
    /// What people read when it does not hold.
    pub failure_message: Option<String>,
    /// What must hold.
    pub check: Check,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// An expression is true.
    Expression {
        /// With or without `${…}` around it.
        expression: String,
    },
    /// A stage of this execution ended so.
    StageStatus {
        /// Its name.
        stage: String,
        /// Its status.
        status: ExecutionStatus,
    },
    /// A cluster has so many server groups in each of the regions.
    ClusterSize(ClusterSize),
}

/// How many server groups a cluster must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSize {
    /// The account.
    pub account: String,
    /// The cluster's whole name: `application-stack-detail`.
    pub cluster: String,
    /// Each of them is looked at.
    pub regions: Vec<String>,
    /// How the number is compared.
    pub comparison: Comparison,
    /// With what.
    pub expected: u32,
    /// Disabled ones are not counted.
    pub only_enabled: bool,
}

/// A comparison of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Comparison {
    /// The same.
    #[serde(rename = "==")]
    Equal,
    /// Fewer.
    #[serde(rename = "<")]
    Less,
    /// More.
    #[serde(rename = ">")]
    Greater,
    /// As many or fewer.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// As many or more.
    #[serde(rename = ">=")]
    GreaterOrEqual,
}

impl Comparison {
    const ALL: [Self; 5] =
        [Self::Equal, Self::Less, Self::Greater, Self::LessOrEqual, Self::GreaterOrEqual];

    /// The sign.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The comparison of this sign.
    pub fn of(sign: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == sign)
    }

    /// Whether it holds for `left` and `right`.
    pub const fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::Greater => left > right,
            Self::LessOrEqual => left <= right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Check {
    /// The word in `type`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Expression { .. } => "expression",
            Self::StageStatus { .. } => "stageStatus",
            Self::ClusterSize(_) => "clusterSize",
        }
    }
}

impl PreconditionsStage {
    /// Reads a stage that is to run.
    ///
    /// # Errors
    /// Everything that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Self, Vec<FieldProblem>> {
        runnable(Self::inspect(config))
    }

    /// Reads as much as can be read, and tells everything that is odd. Conditions on other clouds are
    /// left out.
    pub fn inspect(config: &Map<String, Value>) -> (Option<Self>, Vec<FieldProblem>) {
        let mut found = Findings::default();
        let mut stage = Fields::new(String::new(), config, &mut found);
        let mut told = Findings::default();
        let mut preconditions = Vec::new();
        for (at, map) in stage.objects("preconditions") {
            // Spinnaker's form writes what belongs to the type one level down, people beside it.
            let mut own = Fields::new(at.clone(), map, &mut told);
            let context = own.object("context");
            let kind = own.text("type");
            if kind.is_none() && own.value("type").is_none_or(Value::is_string) {
                let hint = "write `expression`, `stageStatus` or `clusterSize`";
                own.missing(Weight::Error, "type", hint);
            }
            let fields = match context {
                Some(context) => {
                    Fields::new(format!("{at}/context"), context, &mut told).above(at, map)
                }
                None if map.get("context").is_none_or(Value::is_null) => own,
                // Told already.
                None => continue,
            };
            let Some(kind) = kind else { continue };
            preconditions.extend(precondition(fields, &kind, (config, map)));
        }
        stage.push_all(told);
        (Some(Self { preconditions }), found.into_list())
    }
}

fn precondition(
    mut fields: Fields<'_, '_>,
    kind: &str,
    (stage, own): (&Map<String, Value>, &Map<String, Value>),
) -> Option<Precondition> {
    let fields = &mut fields;
    let check = match kind {
        "expression" => expression(fields)?,
        "stageStatus" => stage_status(fields)?,
        "clusterSize" => Check::ClusterSize(cluster_size(fields)?),
        other => {
            let hint =
                match nearest(other, ["expression", "stageStatus", "clusterSize"].into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`expression`, `stageStatus` and `clusterSize` are known".to_owned(),
                };
            let message = format!("`{}` is not a precondition", shortened(other));
            fields.hinted(Weight::Blocks, "unknown-precondition", "type", (message, hint));
            return None;
        }
    };
    fields.flag("failPipeline");
    // Source: Orca; a condition is a copy of its stage with its own `failPipeline`.
    let keys = ["continuePipeline", "failPipeline", "completeOtherBranchesThenFail"];
    let said = |map: &Map<String, Value>, key: &str| {
        map.get(key).filter(|value| !value.is_null()).map(|value| (key.to_owned(), value.clone()))
    };
    let mut choice: Map<String, Value> =
        keys.into_iter().filter_map(|key| said(stage, key)).collect();
    choice.extend(said(own, "failPipeline"));
    let on_failure = OnFailure::of(&choice);
    Some(Precondition { on_failure, failure_message: fields.text("failureMessage"), check })
}

fn expression(fields: &mut Fields<'_, '_>) -> Option<Check> {
    let expression = match fields.value("expression") {
        // An evaluated condition, or one that somebody wrote down as what it comes to.
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        _ => fields.text("expression"),
    };
    if expression.is_none() && fields.value("expression").is_none_or(Value::is_string) {
        fields.missing(Weight::Error, "expression", "write what must be true: \"${ … }\"");
    }
    Some(Check::Expression { expression: expression? })
}

fn stage_status(fields: &mut Fields<'_, '_>) -> Option<Check> {
    let stage = fields.text("stageName");
    if stage.is_none() && fields.value("stageName").is_none_or(Value::is_string) {
        fields.missing(Weight::Error, "stageName", "write the name of a stage of this pipeline");
    }
    let word = fields.text("stageStatus");
    let Some(word) = word else {
        if fields.value("stageStatus").is_none_or(Value::is_string) {
            fields.missing(Weight::Error, "stageStatus", "write a status: \"SUCCEEDED\"");
        }
        return None;
    };
    if fields.is_open("stageStatus") {
        let message = format!("`stageStatus` is \"{}\", which was not evaluated", shortened(&word));
        fields.problem(Weight::Later, "expression", "stageStatus", message);
        return None;
    }
    let Ok(status) = word.parse::<ExecutionStatus>() else {
        let names = ExecutionStatus::ALL.map(ExecutionStatus::as_str);
        let message = format!("`{}` is not the status of a stage", shortened(&word));
        let hint = nearest(&word, names.into_iter()).map_or_else(
            || format!("there are {}", names.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        fields.hinted(Weight::Error, "bad-value", "stageStatus", (message, hint));
        return None;
    };
    Some(Check::StageStatus { stage: stage?, status })
}

fn cluster_size(fields: &mut Fields<'_, '_>) -> Option<ClusterSize> {
    if other_cloud(fields, &["cloudProvider"]) {
        return None;
    }
    let mut required = |key: &str, hint: &str| {
        let text = fields.text(key);
        if text.is_none() && fields.value(key).is_none_or(Value::is_string) {
            fields.missing(Weight::Blocks, key, hint);
        }
        text
    };
    let account = required("credentials", "write the configured name of the AWS account");
    let cluster = required("cluster", "write the cluster: \"application-stack-detail\"");
    let regions = fields.texts("regions");
    let none = fields.value("regions").is_none_or(|value| value.as_array().is_some());
    if regions.is_empty() && none {
        fields.missing(Weight::Blocks, "regions", "write the regions: [\"us-east-1\"]");
    }
    let sign = fields.text("comparison");
    let comparison = match sign.as_deref() {
        None => Some(Comparison::Equal),
        Some(text) if unresolved(text).is_some() => {
            let message =
                format!("`comparison` is \"{}\", which was not evaluated", shortened(text));
            fields.problem(Weight::Later, "expression", "comparison", message);
            None
        }
        Some(text) => {
            let known = Comparison::of(text);
            if known.is_none() {
                let message = format!("`{}` is not a comparison", shortened(text));
                let hint =
                    format!("write one of {}", Comparison::ALL.map(Comparison::as_str).join(" "));
                fields.hinted(Weight::Error, "bad-value", "comparison", (message, hint));
            }
            known
        }
    };
    let expected = fields.number("expected", limits::SERVER_GROUPS_MAX);
    if expected.is_none() && fields.value("expected").is_none() {
        fields.missing(Weight::Error, "expected", "write how many server groups there must be");
    }
    Some(ClusterSize {
        account: account?,
        cluster: cluster?,
        regions,
        comparison: comparison?,
        expected: expected?,
        only_enabled: fields.flag("onlyEnabledServerGroups").unwrap_or(false),
    })
}
