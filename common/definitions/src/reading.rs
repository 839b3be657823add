//! From text to pipeline.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use model::{
    OnFailure, artifacts,
    fields::Fields,
    limits, parameters,
    problem::{FieldProblem, Findings, Problem, Severity, Weight, member, shown},
};

use crate::{
    Form, Parsed, Pipeline, StageDefinition, checks,
    position::{Position, Positions, of_syntax_error},
};

pub(super) fn read(text: &str, form: Form) -> Parsed {
    if text.len() > limits::PIPELINE_BYTES_MAX {
        let (size, max) = (text.len(), limits::PIPELINE_BYTES_MAX);
        return refused(
            Position::START,
            "too-large",
            format!("the definition has {size} bytes, {max} are allowed"),
            Some("split it into several pipelines, or move large texts out of it"),
        );
    }
    // Editors on Windows put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if values(text) > limits::VALUES_MAX {
        let max = limits::VALUES_MAX;
        return refused(
            Position::START,
            "too-many-values",
            format!("the definition has more than {max} values and keys"),
            Some("split it into several pipelines, or move large lists out of it"),
        );
    }
    let body = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(body)) => body,
        Ok(other) => return not_a_pipeline(text, &other),
        Err(error) => {
            let place = of_syntax_error(text, error.line(), error.column());
            let told = error.to_string();
            let message = told.rsplit_once(" at line ").map_or(told.as_str(), |(said, _)| said);
            return refused(
                place,
                "syntax",
                format!("this is not JSON: {message}"),
                syntax_hint(message),
            );
        }
    };
    let mut found = Findings::default();
    let mut pipeline = Reader { found: &mut found, form }.pipeline(&body);
    checks::pipeline(&pipeline, &body, form, &mut found);
    dedup_requires(&mut pipeline.stages);
    let problems = placed(text, found.into_list());
    let usable = problems.iter().all(|problem| problem.severity != Severity::Error);
    if usable {
        pipeline.body = body;
        return Parsed { pipeline: Some(pipeline), problems, body: None };
    }
    Parsed { pipeline: None, problems, body: Some(body) }
}

/// How deep brackets may be nested in a text that `serde_json` reads.
const DEPTH_MAX: usize = 127;

/// How many values and keys a JSON text has, at most: each but the first follows a comma, a colon, or the bracket
/// of a list or object. None of one that is nested too deep: that is told as what it is, and soon.
fn values(text: &str) -> usize {
    let mut count = 1;
    let mut depth: usize = 0;
    let mut quoted = false;
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b':' if !quoted => count += 1,
            b'[' | b'{' if !quoted => {
                count += 1;
                depth += 1;
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return 0;
        }
    }
    count
}

fn refused(place: Position, code: &'static str, message: String, hint: Option<&str>) -> Parsed {
    let problem = Problem {
        severity: Severity::Error,
        code,
        pointer: String::new(),
        line: place.line,
        column: place.column,
        message,
        hint: hint.map(str::to_owned),
    };
    Parsed { pipeline: None, problems: vec![problem], body: None }
}

fn syntax_hint(message: &str) -> Option<&'static str> {
    let hints = [
        ("trailing comma", "take away the comma in front of the closing bracket"),
        ("key must be a string", "write keys in double quotes"),
        ("EOF", "the text ends too early: a bracket or a quote is not closed"),
        ("control character", "a line break inside quotes is written \\n"),
        ("recursion limit", "brackets may be nested 127 deep"),
        ("trailing characters", "there is more text after the definition's closing brace"),
    ];
    hints.into_iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| hint)
}

fn not_a_pipeline(text: &str, value: &Value) -> Parsed {
    let hint = if value.is_array() {
        "a file holds one pipeline: take it out of the list"
    } else {
        "a pipeline is a JSON object: { \"application\": …, \"name\": …, \"stages\": […] }"
    };
    let place = Positions::scan(text).locate("");
    refused(place, "not-an-object", format!("the definition is {}", shown(value)), Some(hint))
}

/// Gives problems that were found elsewhere their places.
pub(super) fn place(text: &str, list: Vec<FieldProblem>) -> Vec<Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Findings::default();
    for problem in list {
        found.push(problem);
    }
    located(&Positions::scan(text), found.into_list())
}

/// Gives every problem its place, in the order of the text.
fn placed(text: &str, list: Vec<FieldProblem>) -> Vec<Problem> {
    let positions = Positions::scan(text);
    let mut problems = located(&positions, list);
    problems.extend(positions.duplicates.iter().map(|duplicate| Problem {
        severity: Severity::Warning,
        code: "duplicate-key",
        pointer: duplicate.pointer.clone(),
        line: duplicate.at.line,
        column: duplicate.at.column,
        message: format!(
            "`{}` is given twice here; the last one counts",
            shown_key(&duplicate.key)
        ),
        hint: Some("take one of them away".to_owned()),
    }));
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

fn located(positions: &Positions<'_>, list: Vec<FieldProblem>) -> Vec<Problem> {
    let mut locator = positions.locator();
    let place = |problem: FieldProblem| {
        let at = locator.locate(&problem.pointer);
        Problem {
            severity: problem.severity(),
            code: problem.code,
            line: at.line,
            column: at.column,
            pointer: problem.pointer,
            message: problem.message,
            hint: problem.hint,
        }
    };
    // What an expression comes to is nothing to tell about a definition.
    let told = list.into_iter().filter(|problem| problem.weight != Weight::Later);
    told.map(place).collect()
}

fn shown_key(key: &str) -> String {
    model::problem::shortened(key)
}

struct Reader<'f> {
    found: &'f mut Findings,
    form: Form,
}

impl Reader<'_> {
    fn pipeline(&mut self, body: &Map<String, Value>) -> Pipeline {
        let (application, name) = self.names(body);
        let stages = self.stages(body);
        let triggers = self.triggers(body);
        let parameters = parameters::read(body, self.found);
        let expected_artifacts = artifacts::read(body, self.found);
        let mut fields = Fields::literal(String::new(), body, self.found);
        Pipeline {
            id: fields.text("id"),
            application,
            name,
            disabled: fields.flag("disabled").unwrap_or(false),
            limit_concurrent: fields.flag("limitConcurrent").unwrap_or(false),
            max_concurrent_executions: fields
                .number("maxConcurrentExecutions", limits::CONCURRENT_EXECUTIONS_MAX)
                .unwrap_or(0),
            keep_waiting_pipelines: fields.flag("keepWaitingPipelines").unwrap_or(false),
            start_time_expiry: fields.large_number("startTimeExpiry", limits::EPOCH_MS_MAX),
            parameters,
            expected_artifacts,
            stages,
            triggers,
            body: Map::new(),
        }
    }

    fn names(&mut self, body: &Map<String, Value>) -> (String, String) {
        let mut fields = Fields::literal(String::new(), body, self.found);
        let absent = |key: &str| body.get(key).is_none_or(Value::is_null);
        let cut_out = absent("application") && absent("name");
        // An ad-hoc task has a list of jobs and no name.
        let task =
            absent("stages") && absent("name") && body.get("job").is_some_and(Value::is_array);
        let weight = match self.form {
            Form::Exported if cut_out || task => Weight::Blocks,
            Form::Exported | Form::Stored => Weight::Error,
        };
        let mut name_of = |key: &str, hint: &str| {
            let text = fields.text(key);
            // A wrong type has been told already.
            if text.is_none() && fields.value(key).is_none_or(Value::is_string) {
                fields.missing(weight, key, hint);
            }
            text.unwrap_or_default()
        };
        let application =
            name_of("application", "write the name of the application that owns the pipeline");
        let name = name_of("name", "write a name that is unique in the application");
        if task {
            fields.hinted(
                Weight::Blocks,
                "ad-hoc-task",
                "job",
                (
                    "this is an ad-hoc task (`job`), not a pipeline".to_owned(),
                    "write the jobs as `stages`".to_owned(),
                ),
            );
        }
        (application, name)
    }

    fn stages(&mut self, body: &Map<String, Value>) -> Vec<StageDefinition> {
        let mut fields = Fields::literal(String::new(), body, self.found);
        let objects = match body.get("stages").and_then(Value::as_array).map(Vec::len) {
            Some(many) if many > limits::STAGES_MAX => {
                let max = limits::STAGES_MAX;
                fields.hinted(
                    Weight::Error,
                    "too-many-stages",
                    "stages",
                    (
                        format!("the pipeline has {many} stages, {max} are allowed"),
                        "split it into several pipelines".to_owned(),
                    ),
                );
                return Vec::new();
            }
            Some(_) | None => fields.objects("stages"),
        };
        // Source: Orca; a list in which no stage says how it stands to the others is a chain.
        let chained = objects.iter().all(|(_, map)| map.get("refId").is_none_or(Value::is_null));
        let mut stages: Vec<StageDefinition> = Vec::new();
        for (at, map) in objects {
            // An entry that is no object keeps its place, so that places in the list and in the text
            // stay the same.
            let place = at.rsplit('/').next().and_then(|place| place.parse().ok());
            while place.is_some_and(|place| stages.len() < place) {
                stages.push(nothing());
            }
            let index = stages.len();
            let mut stage = self.stage(&at, map);
            if chained {
                stage.requires =
                    stages.last().map(|before| before.ref_id.clone()).into_iter().collect();
                stage.ref_id = (index + 1).to_string();
            } else {
                self.ref_ids(&at, map, &mut stage);
            }
            stages.push(stage);
        }
        stages
    }

    fn stage(&mut self, at: &str, map: &Map<String, Value>) -> StageDefinition {
        let mut fields = Fields::literal(at.to_owned(), map, self.found);
        let kind = fields.text("type");
        if kind.is_none() && fields.value("type").is_none_or(Value::is_string) {
            fields.missing(Weight::Error, "type", "write the stage's type: `bake`, `deploy` …");
        }
        let kind = kind.unwrap_or_default();
        StageDefinition {
            ref_id: String::new(),
            name: fields.text("name").unwrap_or_else(|| kind.clone()),
            kind,
            requires: Vec::new(),
            on_failure: on_failure(&mut fields, map),
            config: map.clone(),
        }
    }

    fn ref_ids(&mut self, at: &str, map: &Map<String, Value>, stage: &mut StageDefinition) {
        let mut fields = Fields::literal(at.to_owned(), map, self.found);
        match fields.value("refId").map(ref_id) {
            Some(Some(id)) => stage.ref_id = id,
            Some(None) => {
                let value = fields.value("refId").map(shown).unwrap_or_default();
                fields.hinted(
                    Weight::Error,
                    "wrong-type",
                    "refId",
                    (
                        format!("`refId` is {value}, not a text or a whole number"),
                        "write a name that no other stage has, like \"1\"".to_owned(),
                    ),
                );
            }
            None => fields.missing(
                Weight::Error,
                "refId",
                "other stages have one: give this stage one too, like \"1\"",
            ),
        }
        let base = fields.pointer("requisiteStageRefIds");
        if fields.tell_too_many("requisiteStageRefIds") {
            return;
        }
        for (index, value) in fields.list("requisiteStageRefIds").into_iter().flatten().enumerate()
        {
            if let Some(id) = ref_id(value) {
                stage.requires.push(id);
                continue;
            }
            // An entry is kept, so that places in the list and in the text stay the same.
            stage.requires.push(String::new());
            fields.push_with(Weight::Error, || {
                let message = format!(
                    "entry {index} of `requisiteStageRefIds` is {}, not a text or a whole number",
                    shown(value)
                );
                let at = format!("{base}/{index}");
                FieldProblem::new(Weight::Error, "wrong-type", at, message)
                    .hint("write the refId of a stage")
            });
        }
    }

    fn triggers(&mut self, body: &Map<String, Value>) -> Vec<triggers::Trigger> {
        let objects = Fields::literal(String::new(), body, self.found).objects("triggers");
        objects.into_iter().filter_map(|(at, map)| triggers::read(at, map, self.found)).collect()
    }
}

/// What stands for an entry that is no stage; told where it was read.
fn nothing() -> StageDefinition {
    StageDefinition {
        ref_id: String::new(),
        kind: String::new(),
        name: String::new(),
        requires: Vec::new(),
        on_failure: OnFailure::HaltPipeline,
        config: Map::new(),
    }
}

/// Read before a stage begins, so expressions in it cannot count.
fn on_failure(fields: &mut Fields<'_, '_>, map: &Map<String, Value>) -> OnFailure {
    for key in ["failPipeline", "continuePipeline", "completeOtherBranchesThenFail"] {
        fields.flag(key);
    }
    OnFailure::of(map)
}

/// A ref id, a text or a whole number.
fn ref_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}

/// Drops repeated requirements; fan-in counts stages, not mentions.
fn dedup_requires(stages: &mut [StageDefinition]) {
    for stage in stages {
        let mut seen = BTreeSet::new();
        stage.requires.retain(|id| seen.insert(id.clone()));
    }
}

/// Pointer to the entry of a stage's requirements.
pub(super) fn requirement_at(stage: usize, requirement: usize) -> String {
    member(&format!("/stages/{stage}/requisiteStageRefIds"), &requirement.to_string())
}
