//! `bowline pipeline …`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use wire::ExecutionView;

use crate::{
    CommandError,
    args::{Format, Pipeline, Run},
    diff::{self, Change},
    display::Display,
    exit::Exit,
    output, plan, progress,
    server::{self, Definition, Server},
    source, span, validate, watch,
};

/// Runs one of the pipeline commands.
pub(crate) async fn run(
    command: Pipeline,
    server: &Server,
    format: Format,
) -> Result<Exit, CommandError> {
    match command {
        Pipeline::List { application } => list(server, application.as_deref(), format).await,
        Pipeline::Get { application, name } => get(server, &application, &name, format).await,
        Pipeline::Save { files } => {
            for file in &files {
                save(server, file, format).await?;
            }
            Ok(Exit::Succeeded)
        }
        Pipeline::Diff { files } => diff(server, &files, format).await,
        Pipeline::Delete { application, name } => {
            server.delete(&application, &name).await?;
            output::note(&format!("deleted pipeline `{name}` of `{application}`"));
            Ok(Exit::Succeeded)
        }
        Pipeline::Run(run) => start(server, run, format).await,
    }
}

async fn list(
    server: &Server,
    application: Option<&str>,
    format: Format,
) -> Result<Exit, CommandError> {
    let definitions = server.pipelines(application).await?;
    match format {
        Format::Json | Format::Yaml => output::data(&definitions, format),
        Format::Table => {
            let row = |definition: &Definition| {
                let stages = definition.get("stages").and_then(Value::as_array).map_or(0, Vec::len);
                let disabled = definition.get("disabled") == Some(&Value::Bool(true));
                [
                    text(definition, "application"),
                    text(definition, "name"),
                    stages.to_string(),
                    if disabled { "disabled" } else { "enabled" }.to_owned(),
                    text(definition, "id"),
                ]
            };
            let rows: Vec<[String; 5]> = definitions.iter().map(row).collect();
            let nothing = match application {
                Some(name) => format!("there are no pipelines in application `{name}`"),
                None => "there are no pipelines".to_owned(),
            };
            output::table(["APPLICATION", "NAME", "STAGES", "STATE", "ID"], &rows, &nothing);
        }
    }
    Ok(Exit::Succeeded)
}

async fn get(
    server: &Server,
    application: &str,
    name: &str,
    format: Format,
) -> Result<Exit, CommandError> {
    output::data(&known(server, application, name).await?, format);
    Ok(Exit::Succeeded)
}

async fn known(server: &Server, application: &str, name: &str) -> Result<Definition, CommandError> {
    let found = server.pipeline(application, name).await?;
    found.ok_or_else(|| CommandError::NoSuchPipeline {
        application: application.to_owned(),
        name: name.to_owned(),
    })
}

async fn save(server: &Server, file: &Path, format: Format) -> Result<(), CommandError> {
    for text in each_definition(&source::read(file)?) {
        save_one(server, file, &text, format).await?;
    }
    Ok(())
}

/// The definitions of a file: one, or a list as `pipeline list -o json` prints it.
fn each_definition(text: &str) -> Vec<String> {
    match serde_json::from_str(text) {
        Ok(Value::Array(definitions)) => {
            definitions.iter().map(|definition| format!("{definition:#}")).collect()
        }
        // What is no definition is told as that, with its place.
        Ok(_) | Err(_) => vec![text.to_owned()],
    }
}

async fn save_one(
    server: &Server,
    file: &Path,
    text: &str,
    format: Format,
) -> Result<(), CommandError> {
    let pipeline = validate::checked(file, text)?;
    let (application, name) = (pipeline.application, pipeline.name);
    let mut definition = pipeline.body;
    if pipeline.id.is_none()
        && let Some(stored) = server.pipeline(&application, &name).await?
        && let Some(id) = stored.get("id")
    {
        definition.insert("id".to_owned(), id.clone());
    }
    for warning in server.save(&name, Value::Object(definition).to_string()).await? {
        output::note(&format!("warning: {warning}"));
    }
    let stored = known(server, &application, &name).await?;
    let id = self::text(&stored, "id");
    match format {
        Format::Json | Format::Yaml => {
            let saved = json!({"application": application, "name": name, "id": id});
            output::data(&saved, format);
        }
        Format::Table => output::line(&format!("saved pipeline `{name}` of `{application}`: {id}")),
    }
    Ok(())
}

/// What saving a file would change.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    file: String,
    application: String,
    name: String,
    /// False when it would be a new pipeline.
    exists: bool,
    changes: Vec<Change>,
}

async fn diff(server: &Server, files: &[PathBuf], format: Format) -> Result<Exit, CommandError> {
    let mut found = Vec::new();
    for file in files {
        let wanted = validate::checked(file, &source::read(file)?)?;
        let stored = server.pipeline(&wanted.application, &wanted.name).await?;
        found.push(Difference {
            file: file.display().to_string(),
            exists: stored.is_some(),
            changes: diff::changes(&stored.unwrap_or_default(), &wanted.body),
            application: wanted.application,
            name: wanted.name,
        });
    }
    match format {
        Format::Json | Format::Yaml => output::data(&found, format),
        Format::Table => found.iter().for_each(tell),
    }
    let same = found.iter().all(|one| one.exists && one.changes.is_empty());
    Ok(if same { Exit::Succeeded } else { Exit::Failed })
}

fn tell(difference: &Difference) {
    let Difference { file, application, name, exists, changes } = difference;
    let verdict = match (exists, changes.len()) {
        (false, _) => "would be new".to_owned(),
        (true, 0) => "is the same".to_owned(),
        (true, 1) => "differs in 1 place".to_owned(),
        (true, many) => format!("differs in {many} places"),
    };
    output::line(&format!("{file}: pipeline `{name}` of `{application}` {verdict}"));
    if *exists {
        for change in changes {
            output::line(&format!("  {}", diff::line(change)));
        }
    }
}

async fn start(server: &Server, run: Run, format: Format) -> Result<Exit, CommandError> {
    let mut trigger = server::manual_trigger(&run.who.user, &run.parameters);
    if run.rebake {
        trigger.insert("rebake".to_owned(), json!(true));
    }
    if let Some(number) = run.build {
        let definition = known(server, &run.application, &run.name).await?;
        let (master, job) = jenkins_job(&definition)
            .ok_or_else(|| CommandError::NoJenkinsTrigger { name: run.name.clone() })?;
        trigger.insert("master".to_owned(), json!(master));
        trigger.insert("job".to_owned(), json!(job));
        trigger.insert("buildNumber".to_owned(), json!(number));
    }
    if run.plan {
        let plan = server.plan(&run.application, &run.name, &trigger).await?;
        match format {
            Format::Json | Format::Yaml => output::data(&plan, format),
            Format::Table => plan::show(&plan),
        }
        return Ok(plan::verdict(&plan));
    }
    let id = server.start(&run.application, &run.name, &trigger).await?;
    match format {
        Format::Json | Format::Yaml => {
            output::data(&json!({"id": id, "ref": format!("/pipelines/{id}")}), format);
        }
        Format::Table => output::line(id.as_str()),
    }
    let asked = Instant::now();
    let patience = watch::patience(run.wait, run.timeout);
    let Some(begun) = watch::begun(server, &id, patience).await? else {
        output::note(&format!(
            "the start was accepted, and not carried out within {}: is a coordinator running? Follow it with `bowline execution watch {id}`",
            span::show(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))
        ));
        return Ok(if run.wait { Exit::Timeout } else { Exit::Succeeded });
    };
    if !run.wait {
        return Ok(refusal(&begun));
    }
    let timeout = run.timeout.map(|timeout| timeout.saturating_sub(asked.elapsed()));
    let waited = watch::wait(server, &id, timeout, &mut Display::for_people()).await?;
    if let (watch::Waited::Over(view), Format::Json | Format::Yaml) = (&waited, format) {
        output::data(view, format);
    }
    Ok(watch::conclude(&id, &waited))
}

/// Tells why an execution ended before it began, if it did.
fn refusal(view: &ExecutionView) -> Exit {
    if view.start_time.is_some() || !view.status.is_complete() {
        return Exit::Succeeded;
    }
    output::note(&progress::summary(view));
    Exit::of(view.status)
}

/// Controller and job of a definition's first enabled Jenkins trigger.
fn jenkins_job(definition: &Map<String, Value>) -> Option<(&str, &str)> {
    definition.get("triggers")?.as_array()?.iter().find_map(|trigger| {
        let enabled = trigger.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        let jenkins = trigger.get("type")?.as_str()? == "jenkins";
        if !(enabled && jenkins) {
            return None;
        }
        Some((trigger.get("master")?.as_str()?, trigger.get("job")?.as_str()?))
    })
}

fn text(definition: &Definition, key: &str) -> String {
    definition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_number_is_of_the_first_enabled_jenkins_trigger() {
        let definition = json!({"triggers": [
            {"type": "cron", "enabled": true},
            {"type": "jenkins", "enabled": false, "master": "old", "job": "x"},
            {"type": "jenkins", "master": "ci", "job": "shop/job/main"},
        ]});
        let found = jenkins_job(definition.as_object().unwrap());
        assert_eq!(found, Some(("ci", "shop/job/main")));
        assert_eq!(jenkins_job(json!({"triggers": []}).as_object().unwrap()), None);
    }
}
