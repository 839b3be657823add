//! `jenkins`: a successful build of a job starts the pipeline.

mod build;
mod report;
pub mod watch;

use std::collections::BTreeMap;

use model::{
    fields::Fields,
    jenkins::JobName,
    problem::{FieldProblem, Weight, member},
};
use serde_json::Value;
use wire::Unmet;

pub use build::{Build, BuildArtifact, trigger_of_build};
pub use report::ReportedBuild;

use crate::{Confirm, File, Known, Match, Need, Occurrence, Properties, TriggerKind};

/// The kind `jenkins`.
#[derive(Clone, Copy, Debug)]
pub struct Jenkins;

/// Which builds start a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Configured name of the controller.
    pub master: String,
    /// The job.
    pub job: JobName,
    /// Name of an archived file whose properties the execution gets.
    pub property_file: Option<String>,
    /// Regular expressions that values of the property file must contain, by key.
    pub payload_constraints: BTreeMap<String, String>,
    /// Expected artifacts that the build must bring, by id.
    pub expected_artifact_ids: Vec<String>,
}

/// The key under which definitions are indexed that wait for builds of a job.
pub fn key_of(controller: &str, job: &JobName) -> String {
    format!("{}{job}", controller_key(controller))
}

/// The key under which definitions are indexed that wait for builds of any job of a controller.
pub fn controller_key(controller: &str) -> String {
    format!("{}/{controller}/", Jenkins::NAME)
}

/// A build that Jenkins confirmed.
pub fn occurrence(build: Build) -> Occurrence {
    let keys = vec![key_of(&build.controller, &build.job)];
    Occurrence::confirmed::<Jenkins>(build.event_key(), keys, build)
}

impl TriggerKind for Jenkins {
    const NAME: &'static str = "jenkins";
    const CONFIRM: Confirm = Confirm::JenkinsBuild;
    type Config = Config;
    type Event = Build;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Config> {
        let mut required = |key: &str, hint: &str| {
            let text = fields.text(key);
            if text.is_none() && fields.value(key).is_none_or(Value::is_string) {
                fields.missing(Weight::Error, key, hint);
            }
            text.unwrap_or_default()
        };
        let master = required("master", "write the configured name of the Jenkins controller");
        let job = required("job", "write the full name of the job: `folder/job`");
        let config = Config {
            master,
            job: JobName::parse(&job),
            property_file: fields.text("propertyFile"),
            payload_constraints: fields.pairs("payloadConstraints"),
            expected_artifact_ids: fields.texts("expectedArtifactIds"),
        };
        tell_broken_patterns(fields, &config.payload_constraints);
        Some(config)
    }

    fn keys(config: &Config) -> Vec<String> {
        vec![controller_key(&config.master), key_of(&config.master, &config.job)]
    }

    /// Source: Echo's build-event handler; equality on controller and job, only `SUCCESS`, then the payload
    /// constraints over the property file.
    fn matches(config: &Config, build: &Build, known: &Known<'_>) -> Match {
        if build.result != "SUCCESS" {
            let reason =
                format!("the build's result is {}, only SUCCESS starts a pipeline", build.result);
            return Match::Unmet(Unmet::new("result", reason).because("SUCCESS", &build.result));
        }
        if config.master != build.controller || config.job != build.job {
            let wanted = format!("{}/{}", config.master, config.job);
            let found = format!("{}/{}", build.controller, build.job);
            let reason = format!("its Jenkins trigger waits for {wanted}, this is {found}");
            return Match::Unmet(Unmet::new("job", reason).because(wanted, found));
        }
        let properties = match file_of(config, known) {
            Ok(properties) => properties,
            Err(other) => return other,
        };
        match constraints_met(config, &properties) {
            Ok(()) => Match::Start(trigger_of_build(build, Some(config), &properties)),
            Err(unmet) => Match::Unmet(unmet),
        }
    }

    fn describe(config: &Config, _zone: &str) -> String {
        format!("successful builds of {}/{}", config.master, config.job)
    }
}

/// The properties of the file that the trigger names; without one there are none.
fn file_of(config: &Config, known: &Known<'_>) -> Result<Properties, Match> {
    let Some(name) = &config.property_file else { return Ok(Properties::new()) };
    match known.files.get(name) {
        None => Err(Match::Needs(Need::File(name.clone()))),
        Some(File::Read(properties)) => Ok(properties.clone()),
        Some(File::Missing) if config.payload_constraints.is_empty() => Ok(Properties::new()),
        Some(File::Missing) => {
            let found = "the build archived no such file";
            Err(Match::Unmet(unmet_constraint("propertyFile", name, found)))
        }
        Some(File::Unreadable(why)) => {
            Err(Match::Unmet(Unmet::new("propertyFile", why).because(name, "it cannot be read")))
        }
    }
}

/// Judges payload constraints against the build's properties: each key must be there, and its pattern must be
/// found in the value. A pattern that is no regular expression never is.
fn constraints_met(config: &Config, properties: &Properties) -> Result<(), Unmet> {
    for (key, pattern) in &config.payload_constraints {
        let unmet = |found: &str| unmet_constraint(key, pattern, found);
        let value = properties.get(key);
        let value = value.ok_or_else(|| unmet("the property file has no such key"))?;
        let regex = regex_of(pattern)
            .map_err(|cause| unmet(&format!("the pattern is not valid: {cause}")))?;
        if !regex.is_match(value) {
            return Err(unmet(&format!("the value is `{value}`")));
        }
    }
    Ok(())
}

fn unmet_constraint(key: &str, pattern: &str, found: &str) -> Unmet {
    let reason = format!("payload constraint `{key}` = `{pattern}` is not met: {found}");
    let condition =
        if key == "propertyFile" { key.to_owned() } else { format!("payloadConstraints/{key}") };
    Unmet::new(condition, reason).because(pattern, found)
}

fn regex_of(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build()
}

/// A pattern that can never be met is told when the definition is saved.
fn tell_broken_patterns(fields: &mut Fields<'_, '_>, constraints: &BTreeMap<String, String>) {
    let base = fields.pointer("payloadConstraints");
    for (key, pattern) in constraints {
        if let Err(cause) = regex_of(pattern) {
            let cause = cause.to_string();
            let cause = cause.lines().last().unwrap_or_default().trim().to_owned();
            let message = format!(
                "the pattern of `{key}` is no regular expression here, so the trigger never fires: {cause}"
            );
            let problem =
                FieldProblem::new(Weight::Blocks, "invalid-pattern", member(&base, key), message);
            fields.push(problem.hint(
                "write a regular expression without look-ahead, look-behind and back references",
            ));
        }
    }
}
