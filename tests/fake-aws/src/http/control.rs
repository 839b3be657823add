//! What stories in other processes use to look at the world and to make it misbehave.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Face;
use crate::world::{
    behaviour::Behaviour, builder::FateRule, fault::Script, group::ConductRule, ledger::Entry,
    ledger::Violation,
};

pub(super) async fn ledger(State(face): State<Face>) -> Json<Vec<Entry>> {
    Json(face.aws.world().ledger().to_vec())
}

pub(super) async fn violations(State(face): State<Face>) -> Json<Vec<Violation>> {
    Json(face.aws.world().violations().to_vec())
}

pub(super) async fn fired(State(face): State<Face>) -> Json<BTreeMap<String, u64>> {
    Json(face.aws.world().faults_fired().clone())
}

/// Sites as `account/region`, with everything in them.
pub(super) async fn state(State(face): State<Face>) -> Response {
    let world = face.aws.world();
    let mut sites = serde_json::Map::new();
    for (site, region) in world.sites() {
        let Ok(region) = serde_json::to_value(region) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        sites.insert(format!("{}/{}", site.account, site.region), region);
    }
    Json(json!({ "now_ms": world.now_ms(), "sites": Value::Object(sites) })).into_response()
}

pub(super) async fn script(State(face): State<Face>, Json(script): Json<Script>) -> StatusCode {
    face.aws.world().script_fault(script);
    StatusCode::NO_CONTENT
}

/// Changes to a running world.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Additions {
    /// New versions of packages.
    packages: BTreeMap<String, Vec<String>>,
    /// How instances of groups behave from now on.
    conducts: Vec<ConductRule>,
    /// What becomes of the next builders.
    fates: Vec<FateRule>,
    /// Delays and limits.
    behaviour: Option<Behaviour>,
    /// Instances that die now.
    kill: Vec<String>,
}

pub(super) async fn seed(State(face): State<Face>, Json(additions): Json<Additions>) -> StatusCode {
    let mut world = face.aws.world();
    for (name, versions) in &additions.packages {
        for version in versions {
            world.publish(name, version);
        }
    }
    for rule in additions.conducts {
        world.set_conduct(rule);
    }
    for rule in additions.fates {
        world.script_fate(rule);
    }
    if let Some(behaviour) = additions.behaviour {
        world.set_behaviour(behaviour);
    }
    let home = |id: &String| {
        let here = world.sites().iter().find(|(_, region)| region.instances.contains_key(id));
        here.map(|(site, _)| (site.clone(), id.clone()))
    };
    let doomed: Vec<_> = additions.kill.iter().filter_map(home).collect();
    for (site, id) in doomed {
        world.kill_instance(&site, &id);
    }
    StatusCode::NO_CONTENT
}
