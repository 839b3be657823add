//! What makes no sense though every field by itself does: names, the graph, stage types, and the
//! stages' own fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Form, Graph, Pipeline, StageDefinition, StageType, known_stage_types, nodes, reading};
use crate::{
    fields::{Fields, unresolved},
    graph::GraphProblem,
    limits, moniker,
    problem::{FieldProblem, Findings, Speller, Weight, shortened},
    stages::{self, BakeStage, DeployStage},
};

/// Everything Spinnaker calls a stage, so that a slip of the keyboard is not taken for one of them.
const OTHER_STAGE_TYPES: [&str; 25] = [
    "jenkins",
    "webhook",
    "findImage",
    "findAmi",
    "findImageFromTags",
    "destroyServerGroup",
    "disableServerGroup",
    "enableServerGroup",
    "resizeServerGroup",
    "cloneServerGroup",
    "rollbackCluster",
    "disableCluster",
    "shrinkCluster",
    "scaleDownCluster",
    "upsertImageTags",
    "runJob",
    "script",
    "travis",
    "concourse",
    "bakeManifest",
    "deployManifest",
    "deleteManifest",
    "scaleManifest",
    "upsertLoadBalancers",
    "modifyAwsScalingProcess",
];

pub(super) fn pipeline(
    pipeline: &Pipeline,
    body: &Map<String, Value>,
    form: Form,
    found: &mut Findings,
) {
    whole(pipeline, body, found);
    let template = is_template(body);
    if template {
        found.push(
            FieldProblem::new(
                Weight::Blocks,
                "template",
                String::new(),
                "this is a pipeline template or an instance of one; templates are not expanded yet"
                    .to_owned(),
            )
            .hint("save the expanded pipeline instead"),
        );
    }
    let mut inner = Findings::default();
    let mut speller = Speller::new();
    let graph = graph(&pipeline.stages, &mut speller, &mut inner);
    let before_regions = before_regions(&pipeline.stages, graph.as_ref());
    for (index, stage) in pipeline.stages.iter().enumerate() {
        if inner.is_hopeless() {
            inner.stop();
            break;
        }
        let problems = match StageType::of(&stage.kind) {
            None if stage.kind.is_empty() => Vec::new(),
            None => vec![unknown_type(&stage.kind, &mut speller)],
            Some(kind) => {
                let mut problems = stages::inspect(kind, &stage.config);
                match kind {
                    StageType::Bake => {
                        problems.extend(bake_region(stage, &problems, before_regions.as_ref()));
                    }
                    StageType::CheckPreconditions => {
                        problems.extend(unknown_stage_names(stage, &pipeline.stages, &mut speller));
                    }
                    StageType::Deploy
                    | StageType::Wait
                    | StageType::ManualJudgment
                    | StageType::EvaluateVariables
                    | StageType::Pipeline => {}
                }
                problems
            }
        };
        inner.extend_at(&format!("/stages/{index}"), problems);
    }
    // What a template leaves out is filled in when it is instantiated; it cannot run as it is.
    if template && form == Form::Exported {
        inner.soften();
    }
    found.absorb(inner);
}

fn is_template(body: &Map<String, Value>) -> bool {
    let has = |key: &str| body.get(key).is_some_and(|value| value.is_object() || value.is_array());
    has("template") || (has("variables") && (has("modules") || has("configuration")))
}

fn whole(pipeline: &Pipeline, body: &Map<String, Value>, found: &mut Findings) {
    let mut fields = Fields::literal(String::new(), body, found);
    application(pipeline, &mut fields);
    if pipeline.name.chars().any(char::is_control) {
        fields.hinted(
            Weight::Error,
            "bad-name",
            "name",
            (
                "`name` holds a line break or another control character".to_owned(),
                "write the name on one line".to_owned(),
            ),
        );
    }
    if body.get("stages").is_none_or(|value| value.as_array().is_some_and(Vec::is_empty)) {
        let message = "the pipeline has no stages: it succeeds at once".to_owned();
        fields.problem(Weight::Advice, "no-stages", "stages", message);
    }
    // Read for what is told of it only.
    drop(fields.objects("notifications"));
}

/// An application that servers are deployed for must fit into their names.
fn application(pipeline: &Pipeline, fields: &mut Fields<'_, '_>) {
    let name = pipeline.application.as_str();
    if name.is_empty() || unresolved(name).is_some() {
        return;
    }
    let Err(error) = moniker::check_application(name) else {
        return;
    };
    let on_aws = [StageType::Bake, StageType::Deploy].map(StageType::as_str);
    let deploys = pipeline.stages.iter().any(|stage| on_aws.contains(&stage.kind.as_str()));
    // Applications of other clouds have hyphens, and their pipelines can be kept here.
    let only_hyphens = moniker::check_detail(name).is_ok();
    let weight = if only_hyphens && !deploys { Weight::Advice } else { Weight::Error };
    let hint = "AWS server groups are found by name: application-stack-detail".to_owned();
    fields.hinted(weight, "bad-name", "application", (error.to_string(), hint));
}

fn graph(stages: &[StageDefinition], speller: &mut Speller, found: &mut Findings) -> Option<Graph> {
    let problems = match Graph::build(&nodes(stages)) {
        Ok(graph) => return Some(graph),
        Err(problems) => problems,
    };
    for problem in problems {
        // Hints are costly; what is only counted needs none.
        if found.is_full() {
            let message = String::new();
            found.push(FieldProblem::new(Weight::Error, "graph", String::new(), message));
        } else if let Some(problem) = graph_problem(stages, problem, speller) {
            found.push(problem);
        }
    }
    None
}

/// `None` for what follows from a wrong ref id, which has been told already.
fn graph_problem(
    stages: &[StageDefinition],
    problem: GraphProblem,
    speller: &mut Speller,
) -> Option<FieldProblem> {
    let error = |code, at, message| FieldProblem::new(Weight::Error, code, at, message);
    match problem {
        GraphProblem::DuplicateId { stage, first } => {
            let id = stages.get(stage).map(|stage| stage.ref_id.as_str())?;
            (!id.is_empty()).then(|| {
                let message =
                    format!("refId `{}` is already the one of /stages/{first}", shortened(id));
                error("duplicate-ref-id", format!("/stages/{stage}/refId"), message)
                    .hint("give each stage its own refId")
            })
        }
        GraphProblem::UnknownId { stage, requirement } => {
            let id = stages.get(stage)?.requires.get(requirement)?;
            (!id.is_empty()).then(|| {
                let message = format!("there is no stage with refId `{}`", shortened(id));
                error("unknown-requisite", reading::requirement_at(stage, requirement), message)
                    .hint(requisite_hint(stages, id, speller))
            })
        }
        GraphProblem::OnItself { stage, requirement } => {
            let id = stages.get(stage).map(|stage| stage.ref_id.as_str())?;
            (!id.is_empty()).then(|| {
                let message = format!("stage `{}` requires itself", shortened(id));
                error("self-reference", reading::requirement_at(stage, requirement), message)
                    .hint("take it out of the list")
            })
        }
        GraphProblem::Cycle { stages: cycle } => {
            let name = |place: &usize| {
                stages.get(*place).map_or_else(String::new, |stage| shortened(&stage.ref_id))
            };
            let first = cycle.first()?;
            let mut names: Vec<String> = cycle.iter().map(name).collect();
            names.push(name(first));
            let message = format!("stages wait for each other: {}", names.join(" → "));
            let at = format!("/stages/{first}/requisiteStageRefIds");
            Some(
                error("cycle", at, message)
                    .hint("each stage requires the one after the arrow: take one of these away"),
            )
        }
    }
}

/// Most ref ids a hint lists.
const LISTED_MAX: usize = 10;

fn requisite_hint(stages: &[StageDefinition], id: &str, speller: &mut Speller) -> String {
    if let Some(named) = stages.iter().find(|stage| stage.name == id) {
        return format!(
            "the stage named `{}` has refId `{}`",
            shortened(id),
            shortened(&named.ref_id)
        );
    }
    if let Some(near) = speller.nearest(id, stages.iter().map(|stage| stage.ref_id.as_str())) {
        return format!("did you mean `{near}`?");
    }
    let ids = stages.iter().map(|stage| shortened(&stage.ref_id)).take(LISTED_MAX);
    let listed = ids.collect::<Vec<_>>().join("`, `");
    let more = if stages.len() > LISTED_MAX { " and so on" } else { "" };
    format!("there are `{listed}`{more}")
}

/// Regions of the deploy stages, by ref id.
fn deploy_regions(stages: &[StageDefinition]) -> BTreeMap<&str, Vec<String>> {
    let deploys =
        stages.iter().filter(|stage| StageType::of(&stage.kind) == Some(StageType::Deploy));
    deploys
        .map(|stage| {
            let (read, _) = DeployStage::inspect(&stage.config);
            let clusters = read.map(|deploy| deploy.clusters).unwrap_or_default();
            let regions = clusters.into_iter().flat_map(|cluster| cluster.regions).collect();
            (stage.ref_id.as_str(), regions)
        })
        .collect()
}

/// The stages behind which a deploy says where. `None` without a graph: then nothing is known about
/// what comes later, and that is told elsewhere.
fn before_regions(stages: &[StageDefinition], graph: Option<&Graph>) -> Option<BTreeSet<String>> {
    let graph = graph?;
    let regions = deploy_regions(stages);
    let mut before = BTreeSet::new();
    for id in graph.topological().into_iter().rev() {
        let says = |child: &&str| {
            before.contains(*child) || regions.get(child).is_some_and(|list| !list.is_empty())
        };
        if graph.children(id).iter().any(says) {
            before.insert(id.to_owned());
        }
    }
    Some(before)
}

/// A bake must know where: from its own field, or from a deploy behind it.
fn bake_region(
    stage: &StageDefinition,
    problems: &[FieldProblem],
    before_regions: Option<&BTreeSet<String>>,
) -> Option<FieldProblem> {
    let bake = BakeStage::inspect(&stage.config).0?;
    if !bake.regions.is_empty() || problems.iter().any(names_regions) {
        return None;
    }
    let detected = before_regions.is_none_or(|before| before.contains(&stage.ref_id));
    if detected && !bake.skip_region_detection {
        return None;
    }
    let problem = FieldProblem::new(
        Weight::Error,
        "missing-field",
        "/regions".to_owned(),
        "`regions` is missing, and no deploy that builds on this stage says a region".to_owned(),
    );
    Some(problem.hint("write \"regions\": [\"us-east-1\"]"))
}

fn names_regions(problem: &FieldProblem) -> bool {
    problem.pointer.starts_with("/region")
}

/// A condition on the status of a stage that is not there never holds.
fn unknown_stage_names(
    stage: &StageDefinition,
    stages: &[StageDefinition],
    speller: &mut Speller,
) -> Vec<FieldProblem> {
    let names: BTreeSet<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    let mut problems = Vec::new();
    let list = stage.config.get("preconditions").and_then(Value::as_array);
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
        let hint = match speller.nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write the name of a stage of this pipeline".to_owned(),
        };
        let at = format!("/preconditions/{index}{at}/stageName");
        let problem = FieldProblem::new(Weight::Advice, "unknown-stage", at, message);
        problems.push(problem.hint(hint));
    }
    problems
}

fn unknown_type(kind: &str, speller: &mut Speller) -> FieldProblem {
    let runs = known_stage_types().join("`, `");
    let known = known_stage_types().into_iter().chain(OTHER_STAGE_TYPES);
    let hint = match speller.nearest(kind, known) {
        Some(near) if near != kind => format!("did you mean `{near}`?"),
        Some(_) | None => format!("stages of type `{runs}` run today"),
    };
    let message = format!(
        "stages of type `{}` can be stored and shown, but not run: starting the pipeline fails",
        shortened(kind)
    );
    FieldProblem::new(Weight::Blocks, "unknown-stage-type", "/type".to_owned(), message).hint(hint)
}
