//! What makes no sense though every field by itself does: names, the graph, stage types, and the
//! stages' own fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Form, Graph, Pipeline, StageDefinition, StageType, known_stage_types, nodes, reading};
use crate::{
    fields::{Fields, unresolved},
    graph::GraphProblem,
    moniker,
    problem::{FieldProblem, Findings, Weight, nearest, shortened},
    stages::{self, BakeStage, DeployStage},
};

/// Everything Spinnaker calls a stage, so that a slip of the keyboard is not taken for one of them.
const OTHER_STAGE_TYPES: [&str; 30] = [
    "wait",
    "manualJudgment",
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
    "pipeline",
    "checkPreconditions",
    "evaluateVariables",
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
    let graph = graph(&pipeline.stages, &mut inner);
    let regions = deploy_regions(&pipeline.stages);
    for (index, stage) in pipeline.stages.iter().enumerate() {
        let problems = match StageType::of(&stage.kind) {
            Some(StageType::Bake) => bake(stage, regions_after(graph.as_ref(), stage, &regions)),
            Some(StageType::Deploy) => DeployStage::inspect(&stage.config).1,
            Some(StageType::Wait | StageType::ManualJudgment) => Vec::new(),
            None if stage.kind.is_empty() => Vec::new(),
            None => vec![unknown_type(&stage.kind)],
        };
        let at = format!("/stages/{index}");
        inner.extend_at(&at, problems);
        if StageType::of(&stage.kind).is_some() {
            inner.extend_at(&at, stages::unsupported(&stage.config));
        }
    }
    let mut problems = inner.into_list();
    // What a template leaves out is filled in when it is instantiated; it cannot run as it is.
    if template && form == Form::Exported {
        for problem in &mut problems {
            problem.weight = problem.weight.max(Weight::Blocks);
        }
    }
    found.extend_at("", problems);
}

fn is_template(body: &Map<String, Value>) -> bool {
    let has = |key: &str| body.get(key).is_some_and(|value| value.is_object() || value.is_array());
    has("template") || (has("variables") && (has("modules") || has("configuration")))
}

fn whole(pipeline: &Pipeline, body: &Map<String, Value>, found: &mut Findings) {
    let mut fields = Fields::new(String::new(), body, found);
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
    // Read for what is told of them only.
    drop(fields.objects("notifications"));
    drop(fields.objects("expectedArtifacts"));
    parameters(&mut fields);
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
    let deploys = pipeline.stages.iter().any(|stage| StageType::of(&stage.kind).is_some());
    // Applications of other clouds have hyphens, and their pipelines can be kept here.
    let only_hyphens = moniker::check_detail(name).is_ok();
    let weight = if only_hyphens && !deploys { Weight::Advice } else { Weight::Error };
    let hint = "AWS server groups are found by name: application-stack-detail".to_owned();
    fields.hinted(weight, "bad-name", "application", (error.to_string(), hint));
}

fn parameters(fields: &mut Fields<'_, '_>) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut told = Findings::default();
    for (at, map) in fields.objects("parameterConfig") {
        let mut parameter = Fields::new(at.clone(), map, &mut told);
        let Some(name) = parameter.text("name") else {
            if parameter.value("name").is_none_or(Value::is_string) {
                parameter.missing(Weight::Error, "name", "write the parameter's name");
            }
            continue;
        };
        if let Some(first) = seen.get(&name) {
            let message = format!("parameter `{}` is already at {first}", shortened(&name));
            parameter.hinted(
                Weight::Error,
                "duplicate-parameter",
                "name",
                (message, "give each parameter its own name".to_owned()),
            );
        }
        seen.insert(name, at);
    }
    for problem in told.into_list() {
        fields.push(problem);
    }
}

fn graph(stages: &[StageDefinition], found: &mut Findings) -> Option<Graph> {
    let problems = match Graph::build(&nodes(stages)) {
        Ok(graph) => return Some(graph),
        Err(problems) => problems,
    };
    for problem in problems {
        // Hints are costly; what is only counted needs none.
        if found.is_full() {
            let message = String::new();
            found.push(FieldProblem::new(Weight::Error, "graph", String::new(), message));
        } else if let Some(problem) = graph_problem(stages, problem) {
            found.push(problem);
        }
    }
    None
}

/// `None` for what follows from a wrong ref id, which has been told already.
fn graph_problem(stages: &[StageDefinition], problem: GraphProblem) -> Option<FieldProblem> {
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
                    .hint(requisite_hint(stages, id))
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

fn requisite_hint(stages: &[StageDefinition], id: &str) -> String {
    if let Some(named) = stages.iter().find(|stage| stage.name == id) {
        return format!(
            "the stage named `{}` has refId `{}`",
            shortened(id),
            shortened(&named.ref_id)
        );
    }
    if let Some(near) = nearest(id, stages.iter().map(|stage| stage.ref_id.as_str())) {
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

/// Whether deploys that build on a stage say where.
fn regions_after(
    graph: Option<&Graph>,
    stage: &StageDefinition,
    regions: &BTreeMap<&str, Vec<String>>,
) -> LaterRegions {
    // Without a graph nothing is known about what comes later, and that is told elsewhere.
    let Some(graph) = graph else {
        return LaterRegions::Some;
    };
    let later = graph.descendants(&stage.ref_id);
    let any = later.into_iter().any(|id| regions.get(id).is_some_and(|list| !list.is_empty()));
    if any { LaterRegions::Some } else { LaterRegions::None }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LaterRegions {
    Some,
    None,
}

fn bake(stage: &StageDefinition, later: LaterRegions) -> Vec<FieldProblem> {
    let (read, mut problems) = BakeStage::inspect(&stage.config);
    let Some(bake) = read else { return problems };
    let detects = later == LaterRegions::Some && !bake.skip_region_detection;
    if bake.regions.is_empty() && !detects && !problems.iter().any(names_regions) {
        problems.push(
            FieldProblem::new(
                Weight::Error,
                "missing-field",
                "/regions".to_owned(),
                "`regions` is missing, and no deploy that builds on this stage says a region"
                    .to_owned(),
            )
            .hint("write \"regions\": [\"us-east-1\"]"),
        );
    }
    problems
}

fn names_regions(problem: &FieldProblem) -> bool {
    problem.pointer.starts_with("/region")
}

fn unknown_type(kind: &str) -> FieldProblem {
    let runs = known_stage_types().join("`, `");
    let known = known_stage_types().into_iter().chain(OTHER_STAGE_TYPES);
    let hint = match nearest(kind, known) {
        Some(near) if near != kind => format!("did you mean `{near}`? `{runs}` run today"),
        Some(_) | None => format!("stages of type `{runs}` run today"),
    };
    let message = format!(
        "stages of type `{}` can be stored and shown, but not run: starting the pipeline fails",
        shortened(kind)
    );
    FieldProblem::new(Weight::Blocks, "unknown-stage-type", "/type".to_owned(), message).hint(hint)
}
