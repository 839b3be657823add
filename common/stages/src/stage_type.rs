//! The unit: what a stage type is, and the table of all.

use std::collections::BTreeSet;

use model::{
    fields::{Field, Reader},
    problem::{FieldProblem, Findings, Speller, Weight},
};
use serde_json::{Map, Value};
use wire::{FailureKind, TaskFailure};

use crate::{
    context::{Context, EndedPart},
    kinds,
    plan::{Part, Plan},
    rules::{self, StageRules},
};

/// A stage type. One file implements it, one line of [`TABLE`] makes it known; nothing else names it.
pub trait StageType: 'static {
    /// The word in `type`.
    const NAME: &'static str;
    /// The label in a list of types.
    const LABEL: &'static str;
    /// What a stage of this type does, in a sentence or two.
    const SUMMARY: &'static str;
    /// Its fields, beside those that every stage has.
    const FIELDS: &'static [Field];
    /// The field whose expressions the type evaluates by itself.
    const SELF_EVALUATED: Option<&'static str> = None;
    /// Whether a person may leave a stage of this type out while it runs. Source: Orca's `canManuallySkip`.
    const SKIPPABLE: bool = false;

    /// Whether stages of this type may need an image that a stage before them makes. Only then
    /// [`StageType::image_regions`] is asked: that takes reading the whole configuration, and a bake asks all
    /// stages behind it.
    const NEEDS_IMAGES: bool = false;

    /// Whether stages of this type make or change something in AWS.
    const WORKS_IN_AWS: bool = false;

    /// A configuration that was read.
    type Config;

    /// Reads as much as can be read, and tells what is odd. `None` when nothing can be made of it.
    fn read(fields: &mut Reader<'_, '_>) -> Option<Self::Config>;

    /// What a stage comes to when it begins.
    ///
    /// # Errors
    ///
    /// A stage that cannot be planned fails with this.
    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure>;

    /// What a stage or a part of it gives to later stages when its operation has succeeded with `result`.
    fn operation_outputs(
        config: &Map<String, Value>,
        result: Map<String, Value>,
    ) -> Map<String, Value> {
        let _: &Map<String, Value> = config;
        result
    }

    /// What a stage made of parts gives to later stages, once the parts are over.
    fn outputs(parts: &[EndedPart<'_>]) -> Map<String, Value> {
        let _: &[EndedPart<'_>] = parts;
        Map::new()
    }

    /// What a stage will give to later stages, as a dry run assumes it: values that stand for what its parts
    /// will bring. `stage` is the label of the stage.
    fn expected_outputs(stage: &str, parts: &[Part]) -> Map<String, Value> {
        let _: (&str, &[Part]) = (stage, parts);
        Map::new()
    }

    /// What is done once the work of a stage has failed, before the failure becomes final. The failure of such a
    /// part says nothing about the stage.
    fn after_failure(context: &dyn Context, parts: &[EndedPart<'_>]) -> Vec<Part> {
        let _: (&dyn Context, &[EndedPart<'_>]) = (context, parts);
        Vec::new()
    }

    /// The regions in which a stage needs an image from the stages before it.
    fn image_regions(config: &Self::Config) -> Vec<String> {
        let _: &Self::Config = config;
        Vec::new()
    }

    /// What is odd about a stage among the others of its pipeline.
    fn check(stage: &Map<String, Value>, pipeline: &mut Surroundings<'_>) -> Vec<FieldProblem> {
        let _: (&Map<String, Value>, &mut Surroundings<'_>) = (stage, pipeline);
        Vec::new()
    }
}

/// The pipeline around a stage whose definition is checked.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Names of the pipeline's stages.
    pub stage_names: &'a BTreeSet<&'a str>,
    /// Whether a stage that builds on this one says in which region it needs an image; true when nobody knows.
    pub image_is_needed_later: bool,
    /// Finds the name that was meant.
    pub speller: &'a mut Speller,
}

/// From the configuration of a stage and the result of its operation to what later stages may read.
pub(crate) type OutputsOf = fn(&Map<String, Value>, Map<String, Value>) -> Map<String, Value>;

/// A row of the table: a stage type, erased.
#[derive(Debug)]
pub struct Entry {
    /// The word in `type`.
    pub name: &'static str,
    /// The label in a list of types.
    pub label: &'static str,
    /// What a stage of this type does.
    pub summary: &'static str,
    /// Its fields, beside those that every stage has ([`rules::FIELDS`]).
    pub fields: &'static [Field],
    /// The field whose expressions the type evaluates by itself.
    pub self_evaluated: Option<&'static str>,
    /// Whether a person may leave a stage of this type out while it runs.
    pub skippable: bool,
    /// Whether stages of this type make or change something in AWS.
    pub works_in_aws: bool,
    /// Tells everything that is odd about a configuration, its common fields left out.
    inspect: fn(&Map<String, Value>) -> Vec<FieldProblem>,
    /// See [`StageType::plan`].
    pub plan: fn(&dyn Context) -> Result<Plan, TaskFailure>,
    operation_outputs: OutputsOf,
    /// See [`StageType::outputs`].
    pub outputs: fn(&[EndedPart<'_>]) -> Map<String, Value>,
    /// See [`StageType::expected_outputs`].
    pub expected_outputs: fn(&str, &[Part]) -> Map<String, Value>,
    /// See [`StageType::after_failure`].
    pub after_failure: fn(&dyn Context, &[EndedPart<'_>]) -> Vec<Part>,
    /// The regions in which a stage of this configuration needs an image from the stages before it.
    pub image_regions: fn(&Map<String, Value>) -> Vec<String>,
    /// See [`StageType::check`].
    pub check: fn(&Map<String, Value>, &mut Surroundings<'_>) -> Vec<FieldProblem>,
}

impl Entry {
    const fn of<T: StageType>() -> Self {
        Self {
            name: T::NAME,
            label: T::LABEL,
            summary: T::SUMMARY,
            fields: T::FIELDS,
            self_evaluated: T::SELF_EVALUATED,
            skippable: T::SKIPPABLE,
            works_in_aws: T::WORKS_IN_AWS,
            inspect: |config| inspect::<T>(config).1,
            plan: T::plan,
            operation_outputs: T::operation_outputs,
            outputs: T::outputs,
            expected_outputs: T::expected_outputs,
            after_failure: T::after_failure,
            image_regions: |config| {
                let read = if T::NEEDS_IMAGES { inspect::<T>(config).0 } else { None };
                read.map(|read| T::image_regions(&read)).unwrap_or_default()
            },
            check: T::check,
        }
    }

    /// See [`StageType::operation_outputs`].
    pub fn operation_outputs(
        &self,
        config: &Map<String, Value>,
        result: Map<String, Value>,
    ) -> Map<String, Value> {
        (self.operation_outputs)(config, result)
    }

    /// Everything that is odd about a stage of this type, its common fields included.
    pub fn inspect(&self, config: &Map<String, Value>) -> Vec<FieldProblem> {
        let mut problems = (self.inspect)(config);
        problems.extend(StageRules::inspect(config));
        problems
    }

    /// What keeps a stage from running whatever its expressions come to: better known before anything runs.
    pub fn obstacles(&self, config: &Map<String, Value>) -> Vec<FieldProblem> {
        let mut problems = self.inspect(config);
        problems.retain(|problem| match problem.weight {
            Weight::Error | Weight::Blocks => true,
            Weight::Advice | Weight::Later => false,
        });
        problems
    }
}

/// Every stage type, in the order in which they are listed to people.
pub static TABLE: &[Entry] = &[
    Entry::of::<kinds::bake::Bake>(),
    Entry::of::<kinds::deploy::Deploy>(),
    Entry::of::<kinds::find_image::FindImage>(),
    Entry::of::<kinds::find_image_from_tags::FindImageFromTags>(),
    Entry::of::<kinds::wait::Wait>(),
    Entry::of::<kinds::manual_judgment::ManualJudgment>(),
    Entry::of::<kinds::check_preconditions::CheckPreconditions>(),
    Entry::of::<kinds::evaluate_variables::EvaluateVariables>(),
    Entry::of::<kinds::pipeline::Pipeline>(),
];

/// The type of this name, if it runs here.
pub fn of(kind: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == kind)
}

/// The names of all stage types that run here.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|entry| entry.name)
}

/// Reads as much of a configuration as can be read, and tells everything that is odd.
pub(crate) fn inspect<T: StageType>(
    config: &Map<String, Value>,
) -> (Option<T::Config>, Vec<FieldProblem>) {
    let mut found = Findings::default();
    let mut reader =
        Reader::new(T::FIELDS, String::new(), config, &mut found).beside(rules::FIELDS);
    let read = T::read(&mut reader);
    // Of a stage for another cloud nothing more is known.
    if read.is_some() {
        reader.finish();
    }
    (read, found.into_list())
}

/// Reads a configuration, and tells what may be in the way: fields without effect are nothing to tell when a stage
/// begins.
fn look<T: StageType>(config: &Map<String, Value>) -> (Option<T::Config>, Vec<FieldProblem>) {
    let mut found = Findings::default();
    let mut reader = Reader::new(T::FIELDS, String::new(), config, &mut found);
    let read = T::read(&mut reader);
    reader.finish_declared();
    (read, found.into_list())
}

/// Reads a configuration that is to run.
///
/// # Errors
///
/// Everything that is in the way, in words.
pub(crate) fn read<T: StageType>(config: &Map<String, Value>) -> Result<T::Config, TaskFailure> {
    runnable(look::<T>(config)).map_err(|problems| unreadable(&problems))
}

/// What can be run, or everything that is in the way.
pub(crate) fn runnable<T>(
    (read, problems): (Option<T>, Vec<FieldProblem>),
) -> Result<T, Vec<FieldProblem>> {
    let stops = |problem: &FieldProblem| match problem.weight {
        Weight::Error | Weight::Blocks | Weight::Later => true,
        Weight::Advice => false,
    };
    match read {
        Some(stage) if !problems.iter().any(stops) => Ok(stage),
        Some(_) | None => Err(problems.into_iter().filter(stops).collect()),
    }
}

/// Why a stage whose fields cannot be read does not begin.
pub fn unreadable(problems: &[FieldProblem]) -> TaskFailure {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("`{}`: {}", problem.pointer, problem.message))
        .collect();
    let hint = problems.iter().find_map(|problem| problem.hint.clone());
    user_failure(format!("the stage cannot be planned: {}", lines.join("; ")), hint)
}

/// A failure that a person must mend.
pub fn user_failure(message: impl Into<String>, hint: Option<String>) -> TaskFailure {
    TaskFailure { kind: FailureKind::User, message: message.into(), detail: None, hint }
}
