//! Settings: one TOML file, the environment over it, and every problem at once.
//!
//! A role asks for its sections by name; whatever is wrong in them is collected, and
//! [`Settings::finish`] reports all of it together. The environment is read here and nowhere else.

mod environment;
mod sections;

pub use sections::{
    BusConfig, ConnectionUrl, Deployment, JenkinsConfig, JenkinsController, StoreConfig,
    WebhookTokens,
};

use std::{collections::BTreeSet, fmt, path::Path};

use config::{File, FileFormat, Value, ValueKind};
use serde::de::DeserializeOwned;

type Table = config::Map<String, Value>;

/// What the file and the environment say, and what is wrong with it so far.
#[derive(Debug)]
pub struct Settings {
    table: Table,
    /// Sections that may be there, as far as anybody has said so.
    known: Vec<String>,
    problems: BTreeSet<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The key, with dots: `jenkins.controllers.ci-main.url`.
    pub path: String,
    /// What is wrong with it, and what is allowed.
    pub text: String,
}

/// The settings cannot be used; holds every problem found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty; sorted by path.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid configuration")?;
        for Problem { path, text } in &self.problems {
            write!(f, "\n  {path}: {text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    fn single(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { problems: vec![Problem { path: path.into(), text: text.into() }] }
    }
}

impl Settings {
    /// Reads the file, if one is named, and puts the environment (`BOWLINE__SECTION__KEY`) over it.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not TOML. Everything else is reported by [`Self::finish`].
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                ConfigError::single(
                    path.display().to_string(),
                    format!("could not read it: {error}"),
                )
            })?,
        };
        let name = file.map_or_else(|| "the file".to_owned(), |path| path.display().to_string());
        let mut settings = Self::parse(&text, &name)?;
        settings.overlay(environment::variables());
        Ok(settings)
    }

    /// Reads settings from text alone; the environment is not looked at.
    ///
    /// # Errors
    ///
    /// The text is not TOML.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text, "the settings")
    }

    fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let built = config::Config::builder()
            .add_source(File::from_str(text, FileFormat::Toml))
            .build()
            .map_err(|error| ConfigError::single(name, reason(&error)))?;
        let table = match built.cache.kind {
            ValueKind::Table(table) => table,
            // The builder always makes a table; anything else is an empty file.
            ValueKind::Nil
            | ValueKind::Boolean(_)
            | ValueKind::I64(_)
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::Float(_)
            | ValueKind::String(_)
            | ValueKind::Array(_) => Table::new(),
        };
        Ok(Self { table, known: Vec::new(), problems: BTreeSet::new() })
    }

    fn overlay(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, text) in variables {
            if let Err(text) = environment::put(&mut self.table, &name, &text) {
                self.problem(name, text);
            }
        }
    }

    /// Names sections that may be there though this program may not read them: one file serves all programs.
    pub fn allow(&mut self, sections: impl IntoIterator<Item = &'static str>) {
        for name in sections {
            self.know(name);
        }
    }

    fn know(&mut self, name: &str) {
        if !self.known.iter().any(|known| known == name) {
            self.known.push(name.to_owned());
        }
    }

    /// Reads a section into its type; a missing section is read as an empty one. `None` when
    /// something is wrong: then [`Self::finish`] fails.
    pub fn section<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.know(name);
        let value = self.table.get(name).cloned();
        let mut value = value.unwrap_or_else(|| Value::new(None, Table::new()));
        let mut removed = BTreeSet::new();
        // serde stops at the first thing that is wrong. So that all are told at once, the wrong
        // part is taken out and the rest is read again; each round removes something, so it ends.
        loop {
            let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
                Ok(read) => return removed.is_empty().then_some(read),
                Err(error) => error,
            };
            let path = keys(error.path());
            let text = reason(error.inner());
            let missing = missing(error.inner()).map(|field| joined(&path, field));
            let follows = missing.as_ref().is_some_and(|path| removed.contains(path));
            let culprit = match quoted(&text, "unknown field") {
                Some(field) if path.last().map(String::as_str) != Some(field) => {
                    joined(&path, field)
                }
                Some(_) | None => path,
            };
            if !follows {
                let shown = missing.as_ref().unwrap_or(&culprit);
                self.problem(dotted(name, shown), text);
            }
            let progress = take_out(&mut value, &culprit);
            removed.insert(culprit);
            if !progress {
                return None;
            }
        }
    }

    /// Notes something that is wrong beyond the shape of one section.
    pub fn problem(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.problems.insert(Problem { path: path.into(), text: text.into() });
    }

    /// True when the section is in the file or the environment.
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// Everything that was wrong, sections that were neither read nor allowed included.
    pub fn finish(mut self) -> Result<(), ConfigError> {
        let unknown: Vec<String> =
            self.table.keys().filter(|key| !self.known.contains(key)).cloned().collect();
        for name in unknown {
            self.problem(
                name,
                format!("there is no such section; there are {}", self.known.join(", ")),
            );
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError { problems: self.problems.into_iter().collect() })
    }
}

/// The words of an error of the `config` crate, without its own idea of the key.
fn reason(error: &config::ConfigError) -> String {
    if let config::ConfigError::At { error, .. } = error {
        return reason(error);
    }
    if let config::ConfigError::Type { origin, unexpected, expected, .. } = error {
        let from = origin.as_ref().map(|origin| format!(" (from {origin})")).unwrap_or_default();
        return format!("is {unexpected}, must be {expected}{from}");
    }
    if let config::ConfigError::Message(text) = error {
        return text.clone();
    }
    if let config::ConfigError::NotFound(_) = error {
        return "is missing".to_owned();
    }
    error.to_string()
}

/// The field whose absence the error is about.
fn missing(error: &config::ConfigError) -> Option<&str> {
    if let config::ConfigError::At { error, .. } = error {
        return missing(error);
    }
    let config::ConfigError::NotFound(key) = error else {
        return None;
    };
    key.rsplit('.').next()
}

/// The name in backticks after a phrase of serde's.
fn quoted<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    text.strip_prefix(phrase)?.trim_start().strip_prefix('`')?.split('`').next()
}

fn keys(path: &serde_path_to_error::Path) -> Vec<String> {
    path.iter()
        .filter(|segment| !matches!(segment, serde_path_to_error::Segment::Unknown))
        .map(ToString::to_string)
        .map(|segment| segment.trim_matches(['[', ']']).to_owned())
        .collect()
}

fn joined(path: &[String], key: &str) -> Vec<String> {
    path.iter().cloned().chain([key.to_owned()]).collect()
}

fn dotted(section: &str, path: &[String]) -> String {
    [&[section.to_owned()], path].concat().join(".")
}

/// Removes a part; false when it is not there or is the whole.
fn take_out(value: &mut Value, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    if let ValueKind::Table(table) = &mut value.kind {
        if rest.is_empty() {
            return table.remove(first).is_some();
        }
        return table.get_mut(first).is_some_and(|inner| take_out(inner, rest));
    }
    let (ValueKind::Array(items), Ok(index)) = (&mut value.kind, first.parse::<usize>()) else {
        return false;
    };
    if rest.is_empty() {
        // An emptied place would move the others; the whole list goes instead, by its owner.
        items.clear();
        return true;
    }
    items.get_mut(index).is_some_and(|inner| take_out(inner, rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bake {
        #[serde(default = "two_hundred")]
        slots: u32,
        #[serde(default)]
        regions: Vec<String>,
        #[serde(default)]
        images: BTreeMap<String, Image>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Image {
        os: String,
        #[serde(default)]
        size: u32,
    }

    fn two_hundred() -> u32 {
        200
    }

    #[test]
    fn missing_sections_are_defaults() {
        let mut settings = Settings::from_toml("").unwrap();
        assert_eq!(settings.section::<Bake>("bake").unwrap().slots, 200);
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let text = r#"
            [bake]
            slots = "many"
            slot = 3
            [bake.images.a]
            os = "bookworm"
            size = "big"
            [bake.images.b]
            size = 2
            [nonsense]
        "#;
        let mut settings = Settings::from_toml(text).unwrap();
        settings.allow(["gateway", "store", "bake"]);
        assert!(settings.section::<Bake>("bake").is_none());
        settings.problem("bake.slots", "must be below the quota");
        let text = settings.finish().unwrap_err().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7, "{text}");
        assert_eq!(lines[0], "invalid configuration");
        for (line, part) in lines[1..].iter().zip([
            "  bake.images.a.size: is string \"big\", must be an integer",
            "  bake.images.b.os: is missing",
            "  bake.slot: unknown field `slot`, expected one of `slots`",
            "  bake.slots: is string \"many\", must be an integer",
            "  bake.slots: must be below the quota",
            "  nonsense: there is no such section; there are gateway, store",
        ]) {
            assert!(line.starts_with(part), "{line} should start with {part}");
        }
    }

    #[test]
    fn a_section_that_is_not_read_must_be_allowed() {
        let mut settings = Settings::from_toml("[bake]\n[deploy]").unwrap();
        settings.allow(["deploy"]);
        assert!(settings.section::<Bake>("bake").is_some());
        assert_eq!(settings.finish(), Ok(()));
        let mut settings = Settings::from_toml("[bake]\n[deploy]").unwrap();
        assert!(settings.section::<Bake>("bake").is_some());
        let problem = settings.finish().unwrap_err().problems.remove(0);
        assert_eq!(
            (problem.path.as_str(), problem.text.as_str()),
            ("deploy", "there is no such section; there are bake")
        );
    }

    #[test]
    fn a_section_of_the_wrong_shape_is_a_problem() {
        let mut settings = Settings::from_toml("bake = 3").unwrap();
        assert!(settings.section::<Bake>("bake").is_none());
        assert!(settings.finish().unwrap_err().to_string().contains("bake: "));
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = "[bake]\nslots = 3\n[bake.images.debian-12]\nos = \"bookworm\"";
        let mut settings = Settings::from_toml(file).unwrap();
        settings.overlay([
            ("BOWLINE__BAKE__SLOTS".to_owned(), "7".to_owned()),
            ("BOWLINE__BAKE__IMAGES__DEBIAN_12__OS".to_owned(), "12".to_owned()),
            ("BOWLINE__BAKE__REGIONS".to_owned(), "[\"us-east-1\", \"us-west-2\"]".to_owned()),
        ]);
        let bake: Bake = settings.section("bake").unwrap();
        assert_eq!(bake.slots, 7);
        assert_eq!(bake.images["debian-12"].os, "12");
        assert_eq!(bake.images["debian-12"].size, 0);
        assert_eq!(bake.regions, ["us-east-1", "us-west-2"]);
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn a_wrong_variable_is_named_by_itself() {
        let mut settings = Settings::from_toml("[bake]\nslots = 3").unwrap();
        settings.overlay([
            ("BOWLINE__BAKE__SLOTS__X".to_owned(), "7".to_owned()),
            ("BOWLINE__BAKE__SLOTS".to_owned(), "x".to_owned()),
        ]);
        assert!(settings.section::<Bake>("bake").is_none());
        let text = settings.finish().unwrap_err().to_string();
        assert!(text.contains("BOWLINE__BAKE__SLOTS__X: "), "{text}");
        assert!(text.contains("(from BOWLINE__BAKE__SLOTS)"), "{text}");
    }

    #[test]
    fn text_that_is_not_toml_is_an_error_with_its_place() {
        let error = Settings::from_toml("[bake\nslots = 3").unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
        let error = Settings::load(Some(Path::new("/nowhere/bowline.toml"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/bowline.toml: could not read it"), "{error}");
    }
}
