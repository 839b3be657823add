//! The JSON API's documents, whole; `tree` or [`Detail::Shallow`] cut them down.

use serde_json::{Value, json};

use crate::{
    controller::{Build, Controller},
    path,
};

/// How much of a nested build is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Number and URL, as Jenkins does without `tree`.
    Shallow,
    /// Everything, for a `tree` to choose from.
    Whole,
}

/// The newest builds Jenkins shows as `builds`; all of them are in `allBuilds`.
const BUILDS_SHOWN: usize = 100;

/// The document of the root, a folder or a job; `None` when there is no such thing.
pub(crate) fn item(controller: &Controller, name: &str, detail: Detail) -> Option<Value> {
    if controller.job(name).is_some() {
        job(controller, name, detail)
    } else {
        folder(controller, name, detail)
    }
}

fn folder(controller: &Controller, name: &str, detail: Detail) -> Option<Value> {
    let inside = controller.inside(name);
    if inside.is_empty() && !name.is_empty() {
        return None;
    }
    let full = |child: &str| {
        if name.is_empty() { child.to_owned() } else { format!("{name}/{child}") }
    };
    let jobs: Vec<Value> = inside
        .iter()
        .map(|child| {
            let full = full(child);
            match detail {
                Detail::Whole => item(controller, &full, detail).unwrap_or_default(),
                Detail::Shallow => json!({
                    "_class": class(controller, &full),
                    "name": child,
                    "url": url(controller, &full),
                }),
            }
        })
        .collect();
    Some(json!({
        "_class": class(controller, name),
        "name": last(name),
        "fullName": name,
        "url": url(controller, name),
        "jobs": jobs,
    }))
}

fn job(controller: &Controller, name: &str, detail: Detail) -> Option<Value> {
    let builds = controller.job(name)?;
    let show = |one: &Build| match detail {
        Detail::Whole => build(controller, one),
        Detail::Shallow => brief(controller, one),
    };
    let newest_first: Vec<Value> = builds.values().rev().map(show).collect();
    let link = |which| controller.build(name, which).map(show);
    let mut document = json!({
        "_class": class(controller, name),
        "name": last(name),
        "fullName": name,
        "displayName": last(name),
        "fullDisplayName": name.replace('/', " » "),
        "url": url(controller, name),
        "buildable": true,
        "inQueue": false,
        "builds": newest_first.iter().take(BUILDS_SHOWN).collect::<Vec<_>>(),
        "lastBuild": link(path::Which::Last),
        "lastCompletedBuild": link(path::Which::LastCompleted),
        "lastSuccessfulBuild": link(path::Which::LastSuccessful),
        "nextBuildNumber": builds.keys().next_back().map_or(1, |number| number + 1),
    });
    if let (Detail::Whole, Some(object)) = (detail, document.as_object_mut()) {
        object.insert("allBuilds".to_owned(), Value::Array(newest_first));
    }
    Some(document)
}

fn brief(controller: &Controller, build: &Build) -> Value {
    json!({
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        "number": build.number,
        "url": build_url(controller, build),
    })
}

/// The document of a build.
pub(crate) fn build(controller: &Controller, build: &Build) -> Value {
    let artifacts: Vec<Value> = build
        .archived()
        .map(
            |path| json!({"displayPath": last(path), "fileName": last(path), "relativePath": path}),
        )
        .collect();
    json!({
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        "actions": actions(build),
        "artifacts": artifacts,
        "building": build.building,
        "description": null,
        "displayName": format!("#{}", build.number),
        "duration": if build.building { 0 } else { build.duration_ms },
        "estimatedDuration": build.duration_ms,
        "fullDisplayName": format!("{} #{}", build.job.replace('/', " » "), build.number),
        "id": build.number.to_string(),
        "keepLog": false,
        "number": build.number,
        "queueId": build.number,
        "result": build.result,
        "timestamp": build.started(),
        "url": build_url(controller, build),
    })
}

fn actions(build: &Build) -> Value {
    // Jenkins shows an empty object for every action that exports nothing.
    let mut actions = vec![json!({})];
    if !build.parameters.is_empty() {
        let parameters: Vec<Value> = build
            .parameters
            .iter()
            .map(|(name, value)| {
                json!({"_class": "hudson.model.StringParameterValue", "name": name, "value": value})
            })
            .collect();
        actions.push(json!({"_class": "hudson.model.ParametersAction", "parameters": parameters}));
    }
    if let Some(commit) = &build.commit {
        actions.push(json!({
            "_class": "hudson.plugins.git.util.BuildData",
            "lastBuiltRevision": {
                "SHA1": commit.sha1,
                "branch": [{"SHA1": commit.sha1, "name": commit.branch}],
            },
            "remoteUrls": [commit.remote],
        }));
    }
    Value::Array(actions)
}

fn class(controller: &Controller, name: &str) -> &'static str {
    if name.is_empty() {
        "hudson.model.Hudson"
    } else if controller.job(name).is_some() {
        "org.jenkinsci.plugins.workflow.job.WorkflowJob"
    } else {
        "com.cloudbees.hudson.plugins.folder.Folder"
    }
}

fn url(controller: &Controller, name: &str) -> String {
    format!("{}{}", controller.root(), path::of_job(name))
}

fn build_url(controller: &Controller, build: &Build) -> String {
    format!("{}{}/", url(controller, &build.job), build.number)
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
