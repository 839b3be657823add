//! What makes no sense though every field by itself does: names, the graph, stage types, and the
//! stages' own fields.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use model::{
    fields::{Fields, unresolved},
    graph::GraphProblem,
    moniker,
    problem::{FieldProblem, Findings, Speller, Weight, shortened},
};
use stages::Surroundings;

use crate::{Form, Graph, Pipeline, StageDefinition, nodes, reading};

/// Everything Spinnaker calls a stage, so that a slip of the keyboard is not taken for one of them.
const OTHER_STAGE_TYPES: [&str; 23] = [
    "jenkins",
    "webhook",
    "findAmi",
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
    let stage_names: BTreeSet<&str> =
        pipeline.stages.iter().map(|stage| stage.name.as_str()).collect();
    for (index, stage) in pipeline.stages.iter().enumerate() {
        if inner.is_hopeless() {
            inner.stop();
            break;
        }
        let problems = match stages::of(&stage.kind) {
            None if stage.kind.is_empty() => Vec::new(),
            None => vec![unknown_type(&stage.kind, &mut speller)],
            Some(entry) => {
                let mut problems = entry.inspect(&stage.config);
                let mut around = Surroundings {
                    stage_names: &stage_names,
                    image_is_needed_later: before_regions
                        .as_ref()
                        .is_none_or(|before| before.contains(&stage.ref_id)),
                    speller: &mut speller,
                };
                problems.extend((entry.check)(&stage.config, &mut around));
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
    let deploys = pipeline
        .stages
        .iter()
        .any(|stage| stages::of(&stage.kind).is_some_and(|entry| entry.works_in_aws));
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

/// The stages behind which a deploy says where. `None` without a graph: then nothing is known about
/// what comes later, and that is told elsewhere.
fn before_regions(stages: &[StageDefinition], graph: Option<&Graph>) -> Option<BTreeSet<String>> {
    let graph = graph?;
    let needing: BTreeSet<&str> = stages
        .iter()
        .filter(|stage| {
            let entry = stages::of(&stage.kind);
            entry.is_some_and(|entry| !(entry.image_regions)(&stage.config).is_empty())
        })
        .map(|stage| stage.ref_id.as_str())
        .collect();
    let mut before = BTreeSet::new();
    for id in graph.topological().into_iter().rev() {
        let says = |child: &&str| before.contains(*child) || needing.contains(child);
        if graph.children(id).iter().any(says) {
            before.insert(id.to_owned());
        }
    }
    Some(before)
}

fn unknown_type(kind: &str, speller: &mut Speller) -> FieldProblem {
    let runs = stages::names().collect::<Vec<_>>().join("`, `");
    let known = stages::names().chain(OTHER_STAGE_TYPES);
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
