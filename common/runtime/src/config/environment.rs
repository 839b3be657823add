//! The environment as a layer over the file.

use config::{File, FileFormat, Value, ValueKind};

use super::Table;

const PREFIX: &str = "BOWLINE__";

/// The variables of this process that are settings, in the order of their names, so that
/// `BOWLINE__A` comes before `BOWLINE__A__B`.
pub(super) fn variables() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    found.sort();
    found
}

/// Puts one variable into the table.
///
/// A part of the name means the key that is there already, whatever its case and whether it has
/// `-` or `_`; otherwise the part in lower case. So `BOWLINE__JENKINS__CONTROLLERS__CI_MAIN__URL`
/// reaches a controller named `ci-main`. A value in square brackets is a TOML list.
pub(super) fn put(table: &mut Table, name: &str, text: &str) -> Result<(), String> {
    let path = name.strip_prefix(PREFIX).unwrap_or(name);
    let parts: Vec<&str> = path.split("__").collect();
    let Some((last, owners)) = parts.split_last() else {
        return Ok(());
    };
    if parts.iter().any(|part| part.is_empty()) {
        return Err("the form is BOWLINE__SECTION__KEY".to_owned());
    }
    let mut at = table;
    for part in owners {
        let key = key_for(at, part);
        let inner = at.entry(key).or_insert_with(|| Value::new(None, Table::new()));
        let ValueKind::Table(inner) = &mut inner.kind else {
            return Err(format!("`{part}` is a single value in the file, it has no keys"));
        };
        at = inner;
    }
    let value = value(name, text)?;
    at.insert(key_for(at, last), value);
    Ok(())
}

fn key_for(table: &Table, part: &str) -> String {
    let plain = |key: &str| key.to_lowercase().replace('-', "_");
    let wanted = plain(part);
    table.keys().find(|key| plain(key) == wanted).cloned().unwrap_or_else(|| part.to_lowercase())
}

fn value(name: &str, text: &str) -> Result<Value, String> {
    if text.starts_with('[') {
        let list = config::Config::builder()
            .add_source(File::from_str(&format!("value = {text}"), FileFormat::Toml))
            .build()
            .and_then(|read| read.get::<Value>("value"));
        return list.map_err(|_| "starts with `[` and is not a TOML list".to_owned());
    }
    Ok(Value::new(Some(&name.to_owned()), text))
}
