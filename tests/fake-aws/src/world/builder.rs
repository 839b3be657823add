//! Plays the builder: an instance whose user data is a bake script "runs" it far enough to write
//! what the real script writes on the console, and to stop or fail as a real machine would.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{
    Site, World,
    instance::{InstanceState, OnShutdown},
    timer::Timer,
};

/// Understands user data; `None` if it is not a bake script.
pub type ScriptReader = fn(&str) -> Option<Script>;

/// What a bake script says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The bake key: the console says it when all went well.
    pub key: String,
    /// Names and versions to install, in this order.
    pub packages: Vec<(String, Option<String>)>,
}

/// What becomes of a builder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It does what its script says.
    #[default]
    Normal,
    /// It never starts: there is no capacity.
    NoCapacity,
    /// It hangs in its script, and never stops.
    Hangs,
    /// It is gone in the middle of its script.
    Dies,
    /// The apt repository cannot be read.
    RepositoryDown,
    /// A package does not install.
    InstallFails,
    /// It stops without a word on its console.
    Silent,
}

/// What becomes of the next builders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FateRule {
    /// Only of those that install this package.
    #[serde(default)]
    pub package: Option<String>,
    /// So many of them.
    pub times: u64,
    /// This.
    pub fate: Fate,
}

impl World {
    /// Puts a package into the pretend repository, as its newest version.
    pub fn publish(&mut self, name: &str, version: &str) {
        let versions = self.repository.entry(name.to_owned()).or_default();
        versions.retain(|known| known != version);
        versions.push(version.to_owned());
    }

    /// Decides what becomes of the next builders.
    pub fn script_fate(&mut self, rule: FateRule) {
        self.fates.push(rule);
    }

    pub(super) fn draw_fate(&mut self, script: &Script) -> Fate {
        let fits = |rule: &&mut FateRule| {
            let named = |name: &String| script.packages.iter().any(|(has, _)| has == name);
            rule.times > 0 && rule.package.as_ref().is_none_or(named)
        };
        let Some(rule) = self.fates.iter_mut().find(fits) else { return Fate::Normal };
        rule.times -= 1;
        let fate = rule.fate;
        self.fates.retain(|rule| rule.times > 0);
        fate
    }

    /// pending → running, and what follows from that.
    pub(super) fn instance_runs(&mut self, site: &Site, id: &str) {
        let lags = self.behaviour.lags.clone();
        let Some(instance) = self.instance_mut(site, id) else { return };
        if instance.state != InstanceState::Pending {
            return;
        }
        if instance.fate == Fate::NoCapacity {
            instance.state = InstanceState::Terminated;
            let reason = "Server.InsufficientInstanceCapacity: There is not enough capacity";
            instance.state_reason = Some(reason.to_owned());
            return;
        }
        instance.state = InstanceState::Running;
        let belongs = instance.group.is_some();
        let fate = instance.script.as_ref().map(|_| instance.fate);
        let id = id.to_owned();
        match fate {
            Some(Fate::Hangs) => self.log(site, &id, "| bowline: installing\n"),
            Some(Fate::Dies) => self.after(site, lags.install / 2, Timer::Dies(id)),
            Some(
                Fate::Normal
                | Fate::NoCapacity
                | Fate::RepositoryDown
                | Fate::InstallFails
                | Fate::Silent,
            ) => self.after(site, lags.install, Timer::ScriptEnds(id)),
            None if belongs => self.after(site, lags.in_service, Timer::InService(id)),
            None => self.log(site, &id, "login:\n"),
        }
    }

    /// A script is through: its verdict stands on the console, and the machine shuts itself down.
    pub(super) fn script_ends(&mut self, site: &Site, id: &str) {
        let Some(instance) = self.instance_mut(site, id) else { return };
        let Some(script) = instance.script.clone() else { return };
        if instance.state != InstanceState::Running {
            return;
        }
        let fate = instance.fate;
        let on_shutdown = instance.on_shutdown;
        let (text, installed) = self.play(&script, fate);
        self.log(site, id, &text);
        if let Some(instance) = self.instance_mut(site, id) {
            instance.packages.extend(installed);
            if on_shutdown == OnShutdown::Stop {
                instance.state = InstanceState::Stopping;
                let reason = "Client.InstanceInitiatedShutdown: Instance initiated shutdown";
                instance.state_reason = Some(reason.to_owned());
            }
        }
        match on_shutdown {
            OnShutdown::Stop => {
                self.after(site, self.behaviour.lags.stop, Timer::Stopped(id.to_owned()));
            }
            OnShutdown::Terminate => {
                self.shut_down(site, id, Some("Client.InstanceInitiatedShutdown"));
            }
        }
    }

    /// The console text of a script's run, and what it installed.
    fn play(&self, script: &Script, fate: Fate) -> (String, Vec<String>) {
        let mut text = format!("| bowline: baking {}\n", script.key);
        let mut installed = Vec::new();
        let failed = |mut text: String, why: &str| {
            for _ in 0..3 {
                // Writing to a String cannot fail.
                _ = write!(text, "\nBOWLINE-BAKE-FAILED {why}\n");
            }
            (text, Vec::new())
        };
        match fate {
            Fate::Silent => return (String::new(), installed),
            Fate::RepositoryDown => {
                text.push_str("| E: Failed to fetch https://apt.example/dists/stable/InRelease\n");
                return failed(text, "repository: the package lists could not be read");
            }
            Fate::Normal | Fate::NoCapacity | Fate::Hangs | Fate::Dies | Fate::InstallFails => {}
        }
        for (name, version) in &script.packages {
            let wanted = version.as_ref().map_or_else(|| name.clone(), |v| format!("{name}={v}"));
            let Some(found) = self.find_version(name, version.as_deref()) else {
                _ = writeln!(text, "| E: Unable to locate package {name}");
                return failed(text, &format!("package-missing: {wanted}"));
            };
            _ = writeln!(text, "| bowline: installing {name}={found}");
            if fate == Fate::InstallFails {
                _ = writeln!(text, "| dpkg: error processing package {name} (--configure):");
                return failed(text, &format!("install: {wanted}"));
            }
            _ = writeln!(text, "| Setting up {name} ({found}) ...");
            installed.push(format!("{name}={found}"));
        }
        for _ in 0..3 {
            _ = write!(text, "\nBOWLINE-BAKE-OK {}\n", script.key);
        }
        (text, installed)
    }

    /// As apt and the script do: the newest, or exactly this version, or this one with an epoch.
    fn find_version(&self, name: &str, version: Option<&str>) -> Option<&str> {
        let versions = self.repository.get(name)?;
        let Some(wanted) = version else { return versions.last().map(String::as_str) };
        let bare = |known: &str| known.split_once(':').map(|(_, bare)| bare == wanted);
        versions
            .iter()
            .find(|known| *known == wanted)
            .or_else(|| versions.iter().rev().find(|known| bare(known) == Some(true)))
            .map(String::as_str)
    }

    fn log(&mut self, site: &Site, id: &str, text: &str) {
        let ready_ms = self.now_ms + self.behaviour.lags.console;
        if let Some(instance) = self.instance_mut(site, id) {
            instance.console.push_str(text);
            instance.console_ms = ready_ms;
        }
    }
}
