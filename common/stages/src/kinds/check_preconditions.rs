//! `checkPreconditions`: conditions that must hold, looked at side by side in a part for each.

use model::{
    Comparison, ExecutionStatus, OnFailure, PartKey,
    fields::{Choices, Field, Reader, declared::Default, unresolved},
    limits,
    problem::{FieldProblem, Findings, Weight, nearest, shortened},
};
use serde_json::{Map, Value};
use wire::{ClusterCheck, CountGroups, OperationCall, TaskFailure};

use crate::{
    context::{Condition, Context},
    other_cloud,
    plan::{Done, Part, Plan},
    stage_type::{StageType, Surroundings, read, user_failure},
};

pub(crate) struct CheckPreconditions;

const FIELDS: &[Field] = &[Field::objects(
    "preconditions",
    PRECONDITION,
    "Preconditions",
    "The conditions; the stage fails when one of them does not hold.",
)];

/// What a condition may say, in itself or in its `context`.
const PRECONDITION: &[Field] = &[
    Field::text("type", "Type", "What is looked at.").choices(Choices::Fixed(&[
        "expression",
        "stageStatus",
        "clusterSize",
    ])),
    Field::json("context", "Context", "What belongs to the type, as Spinnaker's form writes it."),
    Field::flag(
        "failPipeline",
        "Halt the pipeline",
        "The failure of this condition halts the pipeline; without it the stage's own choice counts.",
    ),
    Field::text("failureMessage", "Failure message", "What people read when it does not hold."),
    Field::json("expression", "Expression", "`expression`: what must be true."),
    Field::text("stageName", "Stage", "`stageStatus`: the name of a stage of this pipeline.")
        .choices(Choices::Stages),
    Field::text("stageStatus", "Status", "`stageStatus`: how the stage must have ended."),
    Field::text("credentials", "Account", "`clusterSize`: the AWS account.")
        .choices(Choices::Accounts),
    Field::text("cluster", "Cluster", "`clusterSize`: the whole name, application-stack-detail.")
        .choices(Choices::Clusters),
    Field::texts("regions", "Regions", "`clusterSize`: each of them is looked at.")
        .choices(Choices::Regions),
    Field::text(
        "comparison",
        "Comparison",
        "`clusterSize`: how the number of server groups is compared.",
    )
    .choices(Choices::Fixed(&["==", "<", ">", "<=", ">="]))
    .default(Default::Text("==")),
    Field::number(
        "expected",
        SERVER_GROUPS_MAX,
        "Expected",
        "`clusterSize`: with what the number is compared.",
    ),
    Field::flag(
        "onlyEnabledServerGroups",
        "Only enabled",
        "`clusterSize`: disabled server groups are not counted.",
    ),
    Field::text("cloudProvider", "Cloud", "`clusterSize`: the cloud.")
        .choices(Choices::Fixed(&["aws"])),
    Field::json(
        "moniker",
        "Moniker",
        "The parts of the cluster's name, as Spinnaker's form writes them.",
    )
    .kept(),
];

#[expect(clippy::as_conversions, reason = "u64::from is not const; the number is small")]
const SERVER_GROUPS_MAX: u64 = limits::SERVER_GROUPS_MAX as u64;

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Precondition {
    /// What its failure means: the stage's own choice, with the condition's `failPipeline` in it.
    pub(crate) on_failure: OnFailure,
    /// What people read when it does not hold.
    pub(crate) failure_message: Option<String>,
    /// What must hold.
    pub(crate) check: Check,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
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
pub(crate) struct ClusterSize {
    /// The account.
    pub(crate) account: String,
    /// The cluster's whole name: `application-stack-detail`.
    pub(crate) cluster: String,
    /// Each of them is looked at.
    pub(crate) regions: Vec<String>,
    /// How the number is compared.
    pub(crate) comparison: Comparison,
    /// With what.
    pub(crate) expected: u32,
    /// Disabled ones are not counted.
    pub(crate) only_enabled: bool,
}

impl Check {
    /// The word in `type`.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Expression { .. } => "expression",
            Self::StageStatus { .. } => "stageStatus",
            Self::ClusterSize(_) => "clusterSize",
        }
    }
}

impl StageType for CheckPreconditions {
    const NAME: &'static str = "checkPreconditions";
    const LABEL: &'static str = "Check preconditions";
    const SUMMARY: &'static str = "Fails unless each of its conditions holds.";
    const FIELDS: &'static [Field] = FIELDS;
    const SELF_EVALUATED: Option<&'static str> = Some("preconditions");

    type Config = Vec<Precondition>;

    /// Conditions on other clouds are left out.
    fn read(stage: &mut Reader<'_, '_>) -> Option<Vec<Precondition>> {
        let config = stage.map();
        let _: Option<&Value> = stage.value("preconditions");
        let mut found = Findings::default();
        let mut preconditions = Vec::new();
        for (at, map) in stage.fields().objects("preconditions") {
            // Spinnaker's form writes what belongs to the type one level down, people beside it.
            let mut own = Reader::new(PRECONDITION, at.clone(), map, &mut found);
            let context = own.object("context");
            let kind = own.text("type");
            if kind.is_none() && own.value("type").is_none_or(Value::is_string) {
                let hint = "write `expression`, `stageStatus` or `clusterSize`";
                own.fields().missing(Weight::Error, "type", hint);
            }
            let Some(kind) = kind else { continue };
            let mut reader = match context {
                Some(context) => {
                    Reader::new(PRECONDITION, format!("{at}/context"), context, &mut found)
                        .above(at, map)
                }
                None if map.get("context").is_none_or(Value::is_null) => own,
                // Told already.
                None => continue,
            };
            for key in ["context", "type"] {
                let _: Option<&Value> = reader.value(key);
            }
            if let Some(precondition) = precondition(&mut reader, &kind, (config, map)) {
                preconditions.push(precondition);
                reader.finish();
            }
        }
        stage.fields().push_all(found);
        Some(preconditions)
    }

    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        let evaluated = evaluated(context)?;
        let preconditions = read::<Self>(&evaluated)?;
        let configs = evaluated.get("preconditions").and_then(Value::as_array);
        let configs = configs.into_iter().flatten().filter_map(Value::as_object);
        let parts =
            (1..).zip(preconditions.iter().zip(configs)).map(|(number, (precondition, config))| {
                let kind = precondition.check.as_str();
                let mut config = config.clone();
                config.insert("preconditionType".to_owned(), kind.into());
                config.remove("type");
                Part {
                    key: PartKey::Entry { number },
                    name: format!("Check precondition ({kind})"),
                    kind: Self::NAME,
                    config,
                    on_failure: precondition.on_failure,
                    plan: check(context, precondition),
                }
            });
        Ok(Plan::Parts(parts.collect()))
    }

    /// A condition on the status of a stage that is not there never holds.
    fn check(stage: &Map<String, Value>, pipeline: &mut Surroundings<'_>) -> Vec<FieldProblem> {
        unknown_stage_names(stage, pipeline)
    }
}

fn precondition(
    reader: &mut Reader<'_, '_>,
    kind: &str,
    (stage, own): (&Map<String, Value>, &Map<String, Value>),
) -> Option<Precondition> {
    let check = match kind {
        "expression" => expression(reader)?,
        "stageStatus" => stage_status(reader)?,
        "clusterSize" => Check::ClusterSize(cluster_size(reader)?),
        other => {
            let hint =
                match nearest(other, ["expression", "stageStatus", "clusterSize"].into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`expression`, `stageStatus` and `clusterSize` are known".to_owned(),
                };
            let message = format!("`{}` is not a precondition", shortened(other));
            reader.fields().hinted(Weight::Blocks, "unknown-precondition", "type", (message, hint));
            return None;
        }
    };
    let _: bool = reader.flag("failPipeline");
    // Source: Orca; a condition is a copy of its stage with its own `failPipeline`.
    let keys = ["continuePipeline", "failPipeline", "completeOtherBranchesThenFail"];
    let said = |map: &Map<String, Value>, key: &str| {
        map.get(key).filter(|value| !value.is_null()).map(|value| (key.to_owned(), value.clone()))
    };
    let mut choice: Map<String, Value> =
        keys.into_iter().filter_map(|key| said(stage, key)).collect();
    choice.extend(said(own, "failPipeline"));
    let on_failure = OnFailure::of(&choice);
    Some(Precondition { on_failure, failure_message: reader.text("failureMessage"), check })
}

fn expression(reader: &mut Reader<'_, '_>) -> Option<Check> {
    let expression = match reader.value("expression") {
        // An evaluated condition, or one that somebody wrote down as what it comes to.
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        Some(
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
        )
        | None => reader.fields().text("expression"),
    };
    if expression.is_none() && reader.value("expression").is_none_or(Value::is_string) {
        reader.fields().missing(Weight::Error, "expression", "write what must be true: \"${ … }\"");
    }
    Some(Check::Expression { expression: expression? })
}

fn stage_status(reader: &mut Reader<'_, '_>) -> Option<Check> {
    let stage = reader.text("stageName");
    if stage.is_none() && reader.value("stageName").is_none_or(Value::is_string) {
        reader.fields().missing(
            Weight::Error,
            "stageName",
            "write the name of a stage of this pipeline",
        );
    }
    let word = reader.text("stageStatus");
    let Some(word) = word else {
        if reader.value("stageStatus").is_none_or(Value::is_string) {
            reader.fields().missing(Weight::Error, "stageStatus", "write a status: \"SUCCEEDED\"");
        }
        return None;
    };
    if reader.fields().is_open("stageStatus") {
        let message = format!("`stageStatus` is \"{}\", which was not evaluated", shortened(&word));
        reader.fields().problem(Weight::Later, "expression", "stageStatus", message);
        return None;
    }
    let Ok(status) = word.parse::<ExecutionStatus>() else {
        let names = ExecutionStatus::ALL.map(ExecutionStatus::as_str);
        let message = format!("`{}` is not the status of a stage", shortened(&word));
        let hint = nearest(&word, names.into_iter()).map_or_else(
            || format!("there are {}", names.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        reader.fields().hinted(Weight::Error, "bad-value", "stageStatus", (message, hint));
        return None;
    };
    Some(Check::StageStatus { stage: stage?, status })
}

fn cluster_size(reader: &mut Reader<'_, '_>) -> Option<ClusterSize> {
    if other_cloud(reader, &["cloudProvider"]) {
        return None;
    }
    let mut required = |key: &str, hint: &str| {
        let text = reader.text(key);
        if text.is_none() && reader.value(key).is_none_or(Value::is_string) {
            reader.fields().missing(Weight::Blocks, key, hint);
        }
        text
    };
    let account = required("credentials", "write the configured name of the AWS account");
    let cluster = required("cluster", "write the cluster: \"application-stack-detail\"");
    let regions = reader.texts("regions");
    let none = reader.value("regions").is_none_or(|value| value.as_array().is_some());
    if regions.is_empty() && none {
        reader.fields().missing(Weight::Blocks, "regions", "write the regions: [\"us-east-1\"]");
    }
    let sign = reader.text("comparison");
    let comparison = match sign.as_deref() {
        None => Some(Comparison::Equal),
        Some(text) if unresolved(text).is_some() => {
            let message =
                format!("`comparison` is \"{}\", which was not evaluated", shortened(text));
            reader.fields().problem(Weight::Later, "expression", "comparison", message);
            None
        }
        Some(text) => {
            let known = Comparison::of(text);
            if known.is_none() {
                let message = format!("`{}` is not a comparison", shortened(text));
                let hint =
                    format!("write one of {}", Comparison::ALL.map(Comparison::as_str).join(" "));
                reader.fields().hinted(Weight::Error, "bad-value", "comparison", (message, hint));
            }
            known
        }
    };
    let expected = reader.number("expected").and_then(|number| u32::try_from(number).ok());
    if expected.is_none() && reader.value("expected").is_none() {
        reader.fields().missing(
            Weight::Error,
            "expected",
            "write how many server groups there must be",
        );
    }
    Some(ClusterSize {
        account: account?,
        cluster: cluster?,
        regions,
        comparison: comparison?,
        expected: expected?,
        only_enabled: reader.flag("onlyEnabledServerGroups"),
    })
}

/// The stage with everything evaluated but the conditions themselves: those are evaluated once, when they
/// are judged, so that what a trigger brings is never taken for an expression.
fn evaluated(context: &dyn Context) -> Result<Map<String, Value>, TaskFailure> {
    let mut open = Map::new();
    let stage = context.stage();
    let raw = stage.written.get("preconditions").cloned().unwrap_or(Value::Null);
    let mut conditions = Vec::new();
    let mut bare = raw;
    for precondition in bare.as_array_mut().into_iter().flatten() {
        let own = precondition.get_mut("expression").map(Value::take);
        let inner = precondition.get_mut("context").and_then(|inner| inner.get_mut("expression"));
        conditions.push((own, inner.map(Value::take)));
    }
    open.insert("preconditions".to_owned(), bare);
    let result = context.evaluate(&Map::new(), open);
    if let Some(failure) = result.failed {
        return Err(failure);
    }
    let mut config = stage.config.clone();
    config.extend(result.config);
    let list = config.get_mut("preconditions").and_then(Value::as_array_mut);
    for (precondition, (own, inner)) in list.into_iter().flatten().zip(conditions) {
        if let (Some(place), Some(own)) = (precondition.get_mut("expression"), own) {
            *place = own;
        }
        let own_context = precondition.get_mut("context");
        let place = own_context.and_then(|inner| inner.get_mut("expression"));
        if let (Some(place), Some(inner)) = (place, inner) {
            *place = inner;
        }
    }
    Ok(config)
}

fn check(context: &dyn Context, precondition: &Precondition) -> Plan {
    let verdict = match &precondition.check {
        Check::Expression { expression } => holds(context, expression),
        Check::StageStatus { stage, status } => has_status(context, stage, *status),
        Check::ClusterSize(size) => return count(precondition, size),
    };
    match verdict {
        Ok(()) => Plan::Done(Done::succeeded()),
        Err(failure) => Plan::Done(Done::failed(with_message(precondition, failure))),
    }
}

/// What its author wrote for this case comes first.
fn with_message(precondition: &Precondition, failure: TaskFailure) -> TaskFailure {
    match &precondition.failure_message {
        None => failure,
        Some(text) => TaskFailure { message: format!("{text} ({})", failure.message), ..failure },
    }
}

fn holds(context: &dyn Context, expression: &str) -> Result<(), TaskFailure> {
    match context.condition(expression) {
        Condition::True => Ok(()),
        Condition::False(text) => {
            Err(user_failure(format!("the precondition is false: {text}"), None))
        }
        Condition::Invalid(failure) => Err(failure),
    }
}

fn has_status(
    context: &dyn Context,
    name: &str,
    wanted: ExecutionStatus,
) -> Result<(), TaskFailure> {
    let Some(found) = context.stages().into_iter().find(|stage| stage.name == name) else {
        return Err(user_failure(
            format!("there is no stage named `{name}` in this execution"),
            Some("write the name of a stage of this pipeline".to_owned()),
        ));
    };
    let status = found.status;
    if status == wanted {
        return Ok(());
    }
    Err(user_failure(format!("stage `{name}` is {status}, and {wanted} is wanted"), None))
}

/// Only a worker can look at a cluster; it answers whether the number is right.
fn count(precondition: &Precondition, size: &ClusterSize) -> Plan {
    let request = ClusterCheck {
        account: size.account.clone(),
        cluster: size.cluster.clone(),
        regions: size.regions.clone(),
        comparison: size.comparison,
        expected: size.expected,
        only_enabled: size.only_enabled,
        failure_message: precondition.failure_message.clone(),
    };
    Plan::Operation(OperationCall::run::<CountGroups>(&request))
}

/// A condition on the status of a stage that is not there never holds.
fn unknown_stage_names(
    stage: &Map<String, Value>,
    pipeline: &mut Surroundings<'_>,
) -> Vec<FieldProblem> {
    let names = pipeline.stage_names;
    let mut problems = Vec::new();
    let list = stage.get("preconditions").and_then(Value::as_array);
    for (index, entry) in list.into_iter().flatten().enumerate() {
        let context = entry.get("context").filter(|context| context.is_object());
        let (at, context) = match context {
            Some(context) => ("/context", context),
            None => ("", entry),
        };
        let kind = entry.get("type").and_then(Value::as_str);
        let name = context.get("stageName").and_then(Value::as_str);
        let Some(name) = name.filter(|name| {
            kind == Some("stageStatus") && !name.trim().is_empty() && unresolved(name).is_none()
        }) else {
            continue;
        };
        if names.contains(name) || problems.len() > limits::PROBLEMS_MAX {
            continue;
        }
        let message = format!("there is no stage named `{}`", shortened(name));
        let hint = match pipeline.speller.nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write the name of a stage of this pipeline".to_owned(),
        };
        let at = format!("/preconditions/{index}{at}/stageName");
        let problem = FieldProblem::new(Weight::Advice, "unknown-stage", at, message);
        problems.push(problem.hint(hint));
    }
    problems
}
