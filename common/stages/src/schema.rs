//! From declarations of fields to a JSON schema and to the data of a form.

use model::fields::{Choices, Effect, Field, Kind, Presence, declared::Default};
use serde_json::{Map, Value, json};

use crate::{rules, stage_type::Entry};

/// The JSON schema (draft 2020-12) of a stage of this type. Where a flag, a number or a list is wanted, an
/// expression may stand: it is evaluated when the stage begins.
pub fn schema(entry: &Entry) -> Value {
    let mut schema = object(entry.fields.iter().chain(rules::FIELDS));
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), entry.label.into());
    schema.insert("description".to_owned(), entry.summary.into());
    if let Some(kind) = schema.get_mut("properties").and_then(|all| all.get_mut("type")) {
        *kind = json!({ "const": entry.name });
    }
    Value::Object(schema)
}

fn object<'a>(fields: impl Iterator<Item = &'a Field>) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        if properties.contains_key(field.key) {
            continue;
        }
        if let Presence::Required { .. } = field.presence {
            required.push(Value::from(field.key));
        }
        properties.insert(field.key.to_owned(), property(field));
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::Array(required));
    }
    schema
}

fn property(field: &Field) -> Value {
    let expression = json!({ "type": "string", "pattern": "\\$\\{" });
    let or_expression = |schema: Value| json!({ "anyOf": [schema, expression] });
    let mut schema = match field.kind {
        Kind::Flag => or_expression(json!({ "type": "boolean" })),
        Kind::Number { max, .. } => or_expression(json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": max },
            { "type": "string", "pattern": "^[0-9]+$" },
        ]})),
        Kind::Text => json!({ "type": "string" }),
        Kind::Texts => or_expression(json!({ "type": "array", "items": { "type": "string" } })),
        Kind::TextLists => or_expression(json!({ "type": "object",
            "additionalProperties": { "type": "array", "items": { "type": "string" } } })),
        Kind::Pairs => or_expression(json!({ "type": "object" })),
        Kind::Object(fields) => or_expression(Value::Object(object(fields.iter()))),
        Kind::Objects(fields) => {
            or_expression(json!({ "type": "array", "items": object(fields.iter()) }))
        }
        Kind::Json => json!({}),
    };
    if let Some(schema) = schema.as_object_mut() {
        let (help, deprecated) = match field.effect {
            Effect::ActedOn | Effect::Kept => (field.help.to_owned(), false),
            Effect::Ignored(why) => (format!("Has no effect: {why}."), true),
        };
        if !field.label.is_empty() {
            schema.insert("title".to_owned(), field.label.into());
        }
        schema.insert("description".to_owned(), help.into());
        if deprecated {
            schema.insert("deprecated".to_owned(), true.into());
        }
        if let Some(default) = default_of(field) {
            schema.insert("default".to_owned(), default);
        }
    }
    schema
}

fn default_of(field: &Field) -> Option<Value> {
    match (field.default, field.kind) {
        (Default::Number(number), _) => Some(number.into()),
        (Default::True, _) => Some(true.into()),
        (Default::Text(text), Kind::Texts) => Some(json!([text])),
        (Default::Text(text), _) => Some(text.into()),
        (Default::Absent, Kind::Flag) => Some(false.into()),
        (Default::Absent | Default::Described(_), _) => None,
    }
}

/// The data from which a form for fields is drawn: key, kind, label, help, default, whether they are required,
/// where the choices come from, and what they do.
pub fn form(fields: &[Field]) -> Value {
    fields.iter().map(form_field).collect()
}

fn form_field(field: &Field) -> Value {
    let (kind, inner) = match field.kind {
        Kind::Flag => ("flag", None),
        Kind::Number { .. } => ("number", None),
        Kind::Text => ("text", None),
        Kind::Texts => ("texts", None),
        Kind::TextLists => ("textLists", None),
        Kind::Pairs => ("pairs", None),
        Kind::Object(fields) => ("object", Some(fields)),
        Kind::Objects(fields) => ("objects", Some(fields)),
        Kind::Json => ("json", None),
    };
    let mut form = Map::new();
    let mut put = |key: &str, value: Value| {
        form.insert(key.to_owned(), value);
    };
    put("key", field.key.into());
    put("kind", kind.into());
    put("label", field.label.into());
    put("help", field.help.into());
    if let Kind::Number { max, unit } = field.kind {
        put("max", max.into());
        put("unit", unit.into());
    }
    if let Some(fields) = inner {
        put("fields", self::form(fields));
    }
    if let Some(default) = default_of(field) {
        put("default", default);
    }
    if let Default::Described(words) = field.default {
        put("defaultDescription", words.into());
    }
    put("required", (field.presence != Presence::Optional).into());
    put("choices", if field.choices == Choices::Free { Value::Null } else { json!(field.choices) });
    match field.effect {
        Effect::ActedOn => put("effect", "actedOn".into()),
        Effect::Kept => put("effect", "kept".into()),
        Effect::Ignored(why) => {
            put("effect", "ignored".into());
            put("reason", why.into());
        }
    }
    Value::Object(form)
}
