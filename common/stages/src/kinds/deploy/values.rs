//! The values of a cluster's fields: what each may be, and what it is when nobody says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::SCALING_PROCESSES;
use model::{
    fields::{Reader, unresolved},
    problem::{Weight, nearest, shortened},
};
use wire::Capacity;

/// Longest key of an AWS tag.
const TAG_KEY_MAX: usize = 128;
/// Longest value of an AWS tag.
const TAG_VALUE_MAX: usize = 256;

/// Strategies of Spinnaker that do not run today.
const OTHER_STRATEGIES: [&str; 4] = ["redblack", "rollingredblack", "monitored", "custom"];

pub(super) fn account(reader: &mut Reader<'_, '_>) -> String {
    let account = reader.text("account").or_else(|| reader.text("credentials"));
    if account.is_none() && reader.value("account").is_none_or(Value::is_string) {
        reader.fields().missing(
            Weight::Blocks,
            "account",
            "write the configured name of the AWS account",
        );
    }
    account.unwrap_or_default()
}

pub(super) fn instance_type(reader: &mut Reader<'_, '_>) -> String {
    let text = reader.text("instanceType");
    let text = text.unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let fits = text.contains('.') && text.chars().all(plain);
    if !text.is_empty() && !fits && unresolved(&text).is_none() {
        reader.fields().hinted(
            Weight::Error,
            "bad-value",
            "instanceType",
            (
                format!("`instanceType` is \"{}\"", shortened(&text)),
                "write a type of EC2 instance: \"t3.small\"".to_owned(),
            ),
        );
    }
    text
}

pub(super) fn strategy(reader: &mut Reader<'_, '_>) -> String {
    let text = reader.text("strategy").unwrap_or_default();
    if matches!(text.as_str(), "" | "none" | "highlander") || unresolved(&text).is_some() {
        return text;
    }
    if OTHER_STRATEGIES.contains(&text.as_str()) {
        reader.fields().hinted(
            Weight::Blocks,
            "unsupported-strategy",
            "strategy",
            (
                format!("strategy `{text}` does not run yet"),
                "write \"highlander\", or \"\" to leave the old groups alone".to_owned(),
            ),
        );
        return text;
    }
    let known = ["highlander", "none"].into_iter().chain(OTHER_STRATEGIES);
    let hint = match nearest(&text, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write \"highlander\", or \"\" to leave the old groups alone".to_owned(),
    };
    let message = format!("`{}` is not a strategy", shortened(&text));
    reader.fields().hinted(Weight::Error, "unknown-strategy", "strategy", (message, hint));
    text
}

pub(super) fn capacity(reader: &mut Reader<'_, '_>) -> Capacity {
    let written = reader.inner("capacity", |inner| {
        ["min", "desired", "max"].map(|key| {
            let number = inner.number(key).and_then(|number| u32::try_from(number).ok());
            // What is written and cannot be read is told as that.
            let sound = number.is_some() || inner.value(key).is_none();
            (number, sound)
        })
    });
    let Some([(min, min_sound), (desired, desired_sound), (max, max_sound)]) = written else {
        return Capacity { min: 1, desired: 1, max: 1 };
    };
    let sound = min_sound && desired_sound && max_sound;
    // What is left out follows from what is there.
    let desired = desired.or(min).unwrap_or(1);
    let capacity = Capacity {
        min: min.unwrap_or(desired.min(1)),
        desired,
        max: max.unwrap_or(desired.max(1)),
    };
    let ordered = capacity.min <= capacity.desired && capacity.desired <= capacity.max;
    if sound && !ordered && !reader.fields().says_something("useSourceCapacity") {
        let Capacity { min, desired, max } = capacity;
        reader.fields().hinted(
            Weight::Error,
            "capacity",
            "capacity",
            (
                format!("capacity is min {min}, desired {desired}, max {max}"),
                "min ≤ desired ≤ max must hold".to_owned(),
            ),
        );
    }
    capacity
}

pub(super) fn health_check_type(reader: &mut Reader<'_, '_>) -> String {
    let text = reader.text("healthCheckType").unwrap_or_default();
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "EC2" | "ELB") {
        return upper;
    }
    if unresolved(&text).is_none() {
        reader.fields().hinted(
            Weight::Error,
            "bad-value",
            "healthCheckType",
            (
                format!("`healthCheckType` is \"{}\"", shortened(&text)),
                "write \"EC2\" or \"ELB\"".to_owned(),
            ),
        );
    }
    text
}

pub(super) fn termination_policies(reader: &mut Reader<'_, '_>) -> Vec<String> {
    let policies = reader.texts("terminationPolicies");
    if policies.is_empty() { vec!["Default".to_owned()] } else { policies }
}

pub(super) fn suspended_processes(reader: &mut Reader<'_, '_>) -> Vec<String> {
    let processes = reader.texts("suspendedProcesses");
    let strange =
        |name: &&String| !SCALING_PROCESSES.contains(&name.as_str()) && unresolved(name).is_none();
    if let Some(name) = processes.iter().find(strange) {
        let hint = match nearest(name, SCALING_PROCESSES.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", SCALING_PROCESSES.join(", ")),
        };
        let message = format!("`{}` is not a scaling process", shortened(name));
        reader.fields().hinted(Weight::Error, "bad-value", "suspendedProcesses", (message, hint));
    }
    processes
}

pub(super) fn tags(reader: &mut Reader<'_, '_>) -> BTreeMap<String, String> {
    let tags = reader.pairs("tags");
    for (key, value) in &tags {
        let message = if key.to_ascii_lowercase().starts_with("aws:") {
            format!("tag `{}` begins with `aws:`, which AWS keeps for itself", shortened(key))
        } else if key.is_empty() || key.chars().count() > TAG_KEY_MAX {
            format!("the key of tag `{}` must have 1 to {TAG_KEY_MAX} characters", shortened(key))
        } else if value.chars().count() > TAG_VALUE_MAX {
            format!(
                "the value of tag `{}` is longer than {TAG_VALUE_MAX} characters",
                shortened(key)
            )
        } else {
            continue;
        };
        reader.fields().hinted(
            Weight::Error,
            "bad-tag",
            "tags",
            (message, "change or remove the tag".to_owned()),
        );
    }
    tags
}

pub(super) fn user_data(reader: &mut Reader<'_, '_>) -> String {
    let text = reader.text("base64UserData").unwrap_or_default();
    if unresolved(&text).is_none() && !is_base64(&text) {
        reader.fields().hinted(
            Weight::Error,
            "bad-value",
            "base64UserData",
            ("`base64UserData` is not base64".to_owned(), "encode it: base64 -w0 FILE".to_owned()),
        );
    }
    text
}

fn is_base64(text: &str) -> bool {
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = text.len() - padding;
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len().is_multiple_of(4) && padding <= 2 && text.iter().take(digits).all(is_digit)
}

pub(super) fn health_providers(reader: &mut Reader<'_, '_>) -> Option<Vec<String>> {
    let given = reader.value("interestingHealthProviderNames").is_some();
    let names = reader.texts("interestingHealthProviderNames");
    given.then_some(names)
}
