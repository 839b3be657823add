//! From `parameterConfig` to parameters.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Comparator, Condition, Constraint, Parameter, is_blank, is_date, text_of};
use crate::{
    fields::{Fields, unresolved},
    limits,
    problem::{FieldProblem, Findings, Speller, Weight, member, shortened, shown},
};

/// Reads a definition's parameters and tells everything that is odd about them.
pub fn read(body: &Map<String, Value>, found: &mut Findings) -> Vec<Parameter> {
    let mut fields = Fields::literal(String::new(), body, found);
    let objects = fields.objects("parameterConfig");
    if objects.len() > limits::PARAMETERS_MAX {
        let (many, max) = (objects.len(), limits::PARAMETERS_MAX);
        let message = format!("the pipeline has {many} parameters, {max} are allowed");
        let hint = "take away those that nobody uses".to_owned();
        fields.hinted(Weight::Error, "too-many-parameters", "parameterConfig", (message, hint));
        return Vec::new();
    }
    let mut told = Findings::default();
    let mut speller = Speller::new();
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    let mut parameters = Vec::new();
    for (at, map) in objects {
        let mut inner = Fields::literal(at.clone(), map, &mut told);
        let Some(parameter) = parameter(&mut inner, &mut speller) else { continue };
        if let Some(first) = places.get(&parameter.name) {
            let message =
                format!("parameter `{}` is already at {first}", shortened(&parameter.name));
            let hint = "give each parameter its own name".to_owned();
            inner.hinted(Weight::Error, "duplicate-parameter", "name", (message, hint));
            continue;
        }
        places.insert(parameter.name.clone(), at);
        parameters.push(parameter);
    }
    tell_conditions(&parameters, &places, &mut speller, &mut told);
    fields.push_all(told);
    parameters
}

fn parameter(fields: &mut Fields<'_, '_>, speller: &mut Speller) -> Option<Parameter> {
    let name = fields.text("name");
    if name.is_none() && fields.value("name").is_none_or(Value::is_string) {
        fields.missing(Weight::Error, "name", "write the parameter's name");
    }
    let label = fields.text("label");
    let listed = options(fields);
    let has_options = fields.flag("hasOptions").unwrap_or(false);
    let constraint = constraint(fields);
    let default = fields.value("default").cloned();
    let parameter = Parameter {
        label: label.or_else(|| name.clone()).unwrap_or_default(),
        name: name.unwrap_or_default(),
        description: fields.text("description"),
        default,
        required: fields.flag("required").unwrap_or(false),
        pinned: fields.flag("pinned").unwrap_or(false),
        options: if has_options { listed } else { Vec::new() },
        constraint,
        condition: condition(fields),
    };
    default_fits(&parameter, speller, fields);
    (!parameter.name.is_empty()).then_some(parameter)
}

/// An option is an object with a `value`; a plain text is taken too. Spinnaker's form leaves blank ones.
fn options(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let base = fields.pointer("options");
    let mut options: Vec<String> = Vec::new();
    for (index, entry) in fields.list("options").into_iter().flatten().enumerate() {
        let value = entry.as_object().map_or(Some(entry), |map| map.get("value"));
        match value {
            Some(Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
                options.extend(value.filter(|value| !is_blank(value)).map(text_of));
            }
            None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => {
                fields.push_with(Weight::Error, || {
                    let at = member(&base, &index.to_string());
                    let message = format!("entry {index} of `options` is {}", shown(entry));
                    FieldProblem::new(Weight::Error, "wrong-type", at, message)
                        .hint("write { \"value\": \"the option\" }")
                });
            }
        }
    }
    options
}

fn constraint(fields: &mut Fields<'_, '_>) -> Option<Constraint> {
    match fields.text("constraint")?.as_str() {
        "date" => Some(Constraint::Date),
        // What Spinnaker's form writes for "none".
        "null" => None,
        other => {
            let message = format!("`{}` is not a constraint; it has no effect", shortened(other));
            let hint = "write \"date\", or take the field away".to_owned();
            fields.hinted(Weight::Advice, "unknown-constraint", "constraint", (message, hint));
            None
        }
    }
}

fn condition(fields: &mut Fields<'_, '_>) -> Option<Condition> {
    let at = fields.pointer("conditional");
    let map = fields.object("conditional")?;
    // Spinnaker's form writes an empty object for none.
    if map.values().all(is_blank) {
        return None;
    }
    let mut told = Findings::default();
    let mut inner = Fields::literal(at, map, &mut told);
    let parameter = inner.text("parameter");
    if parameter.is_none() && inner.value("parameter").is_none_or(Value::is_string) {
        inner.missing(Weight::Error, "parameter", "write the name of another parameter");
    }
    let sign = inner.text("comparator").unwrap_or_else(|| "=".to_owned());
    let comparator = Comparator::of(&sign);
    if comparator.is_none() {
        let message = format!("`{}` is not a comparator", shortened(&sign));
        let signs = Comparator::ALL.map(Comparator::as_str).join(" ");
        let hint = format!("write one of {signs}");
        inner.hinted(Weight::Error, "bad-value", "comparator", (message, hint));
    }
    let value = inner.value("comparatorValue").map(text_of).unwrap_or_default();
    fields.push_all(told);
    Some(Condition { parameter: parameter?, comparator: comparator?, value })
}

/// A default that would be refused is found now, not by the first build at night.
fn default_fits(parameter: &Parameter, speller: &mut Speller, fields: &mut Fields<'_, '_>) {
    let Some(default) = parameter.default.as_ref().filter(|default| !is_blank(default)) else {
        return;
    };
    let text = text_of(default);
    if unresolved(&text).is_some() {
        return;
    }
    if !parameter.options.is_empty() && !parameter.options.contains(&text) {
        let message = format!(
            "the default, {}, is not among the options: starts without this parameter are refused",
            shown(default)
        );
        let hint = match speller.nearest(&text, parameter.options.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of {}", super::listed(&parameter.options)),
        };
        fields.hinted(Weight::Advice, "bad-default", "default", (message, hint));
    } else if parameter.constraint == Some(Constraint::Date) && !is_date(&text) {
        let message = format!(
            "the default, {}, is not a date: starts without this parameter are refused",
            shown(default)
        );
        let hint = "write a date as YYYY-MM-DD, like 2024-02-29".to_owned();
        fields.hinted(Weight::Advice, "bad-default", "default", (message, hint));
    }
}

fn tell_conditions(
    parameters: &[Parameter],
    places: &BTreeMap<String, String>,
    speller: &mut Speller,
    found: &mut Findings,
) {
    for parameter in parameters {
        let (Some(condition), Some(at)) = (&parameter.condition, places.get(&parameter.name))
        else {
            continue;
        };
        let other = &condition.parameter;
        let at = format!("{at}/conditional/parameter");
        if *other == parameter.name {
            let message = format!("parameter `{}` depends on itself", shortened(other));
            found.push(
                FieldProblem::new(Weight::Error, "self-reference", at, message)
                    .hint("name another parameter"),
            );
        } else if !places.contains_key(other) {
            let hint = match speller.nearest(other, places.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name another parameter of this pipeline".to_owned(),
            };
            let message = format!(
                "there is no parameter `{}`: its value is taken for an empty text",
                shortened(other)
            );
            found.push(
                FieldProblem::new(Weight::Advice, "unknown-parameter", at, message).hint(hint),
            );
        }
    }
}
