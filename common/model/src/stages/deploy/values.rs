//! The values of a cluster's fields: what each may be, and what it is when nobody says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Capacity;
use crate::{
    fields::{Fields, unresolved},
    problem::{Findings, Weight, nearest, shortened},
};

/// No group is larger; AWS's own default quota is far below.
const INSTANCES_MAX: u32 = 10_000;
/// Longest key of an AWS tag.
const TAG_KEY_MAX: usize = 128;
/// Longest value of an AWS tag.
const TAG_VALUE_MAX: usize = 256;

/// Strategies of Spinnaker that do not run today.
const OTHER_STRATEGIES: [&str; 4] = ["redblack", "rollingredblack", "monitored", "custom"];

/// Source: the scaling processes of Amazon EC2 Auto Scaling.
const SCALING_PROCESSES: [&str; 9] = [
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "InstanceRefresh",
];

pub(super) fn account(fields: &mut Fields<'_, '_>) -> String {
    let account = fields.text("account").or_else(|| fields.text("credentials"));
    if account.is_none() && fields.value("account").is_none_or(Value::is_string) {
        fields.missing(Weight::Blocks, "account", "write the configured name of the AWS account");
    }
    account.unwrap_or_default()
}

pub(super) fn instance_type(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("instanceType");
    if text.is_none() && fields.value("instanceType").is_none_or(Value::is_string) {
        fields.missing(
            Weight::Blocks,
            "instanceType",
            "write a type of EC2 instance: \"t3.small\"",
        );
    }
    let text = text.unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let fits = text.contains('.') && text.chars().all(plain);
    if !text.is_empty() && !fits && unresolved(&text).is_none() {
        fields.hinted(
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

pub(super) fn strategy(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("strategy").unwrap_or_default();
    if matches!(text.as_str(), "" | "none" | "highlander") || unresolved(&text).is_some() {
        return text;
    }
    if OTHER_STRATEGIES.contains(&text.as_str()) {
        fields.hinted(
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
    fields.hinted(Weight::Error, "unknown-strategy", "strategy", (message, hint));
    text
}

pub(super) fn capacity(fields: &mut Fields<'_, '_>) -> Capacity {
    let at = fields.pointer("capacity");
    let Some(map) = fields.object("capacity") else {
        return Capacity { min: 1, desired: 1, max: 1 };
    };
    let mut told = Findings::default();
    let mut inner = Fields::new(at, map, &mut told);
    let min = inner.number("min", INSTANCES_MAX);
    let desired = inner.number("desired", INSTANCES_MAX);
    let max = inner.number("max", INSTANCES_MAX);
    let wrong = told.into_list();
    let sound = wrong.is_empty();
    for problem in wrong {
        fields.push(problem);
    }
    // What is left out follows from what is there.
    let desired = desired.or(min).unwrap_or(1);
    let capacity = Capacity {
        min: min.unwrap_or(desired.min(1)),
        desired,
        max: max.unwrap_or(desired.max(1)),
    };
    let ordered = capacity.min <= capacity.desired && capacity.desired <= capacity.max;
    if sound && !ordered && !fields.says_something("useSourceCapacity") {
        let Capacity { min, desired, max } = capacity;
        fields.hinted(
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

pub(super) fn health_check_type(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("healthCheckType").unwrap_or_else(|| "EC2".to_owned());
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "EC2" | "ELB") {
        return upper;
    }
    if unresolved(&text).is_none() {
        fields.hinted(
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

pub(super) fn termination_policies(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let policies = fields.texts("terminationPolicies");
    if policies.is_empty() { vec!["Default".to_owned()] } else { policies }
}

pub(super) fn suspended_processes(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let processes = fields.texts("suspendedProcesses");
    let strange =
        |name: &&String| !SCALING_PROCESSES.contains(&name.as_str()) && unresolved(name).is_none();
    if let Some(name) = processes.iter().find(strange) {
        let hint = match nearest(name, SCALING_PROCESSES.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", SCALING_PROCESSES.join(", ")),
        };
        let message = format!("`{}` is not a scaling process", shortened(name));
        fields.hinted(Weight::Error, "bad-value", "suspendedProcesses", (message, hint));
    }
    processes
}

pub(super) fn tags(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let tags = fields.pairs("tags");
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
        fields.hinted(
            Weight::Error,
            "bad-tag",
            "tags",
            (message, "change or remove the tag".to_owned()),
        );
    }
    tags
}

pub(super) fn user_data(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("base64UserData").unwrap_or_default();
    if unresolved(&text).is_none() && !is_base64(&text) {
        fields.hinted(
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

pub(super) fn health_providers(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    let given = fields.value("interestingHealthProviderNames").is_some();
    let names = fields.texts("interestingHealthProviderNames");
    given.then_some(names)
}
