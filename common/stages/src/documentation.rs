//! From declarations of fields to pages of documentation. A test keeps the committed pages true.

use model::fields::{Choices, Effect, Field, Kind, Presence, declared::Default};

use crate::{
    rules,
    stage_type::{Entry, TABLE},
};

/// Every page by its file name: one for each stage type, one for the common fields, one that lists them.
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> =
        TABLE.iter().map(|entry| (format!("{}.md", entry.name), page(entry))).collect();
    pages.push(("common-fields.md".to_owned(), common()));
    pages.push(("README.md".to_owned(), list()));
    pages
}

const NOTE: &str =
    "<!-- Written from the declarations of the fields; `make docs` writes it again. -->\n";

fn list() -> String {
    let mut text = format!(
        "{NOTE}\n# Stage types\n\nEvery stage also has the [common fields](common-fields.md).\n\n| type | what it does |\n|---|---|\n"
    );
    for entry in TABLE {
        line(&mut text, &format!("| [`{0}`]({0}.md) | {1} |", entry.name, entry.summary));
    }
    text
}

fn common() -> String {
    let mut text = format!("{NOTE}\n# Fields that every stage has\n");
    tables(&mut text, rules::FIELDS, "");
    text
}

/// The page of one stage type.
pub fn page(entry: &Entry) -> String {
    let mut text = format!("{NOTE}\n# `{}`: {}\n\n{}\n", entry.name, entry.label, entry.summary);
    if entry.skippable {
        text.push_str("\nA person may skip a stage of this type while it runs.\n");
    }
    if let Some(field) = entry.self_evaluated {
        line(
            &mut text,
            &format!(
                "\nExpressions in `{field}` are evaluated by the stage itself, each when it is needed."
            ),
        );
    }
    tables(&mut text, entry.fields, "");
    text.push_str("\nEvery stage also has the [common fields](common-fields.md).\n");
    text
}

fn tables(text: &mut String, fields: &[Field], inside: &str) {
    let of = if inside.is_empty() { String::new() } else { format!(" of `{inside}`") };
    let shown: Vec<&Field> = fields.iter().filter(|field| is_acted_on(field)).collect();
    if !shown.is_empty() {
        heading(text, &format!("Fields{of}"));
        text.push_str("| field | holds | default | meaning |\n|---|---|---|---|\n");
        for field in shown {
            row(text, field);
        }
    }
    let kept: Vec<&Field> = fields.iter().filter(|field| field.effect == Effect::Kept).collect();
    if !kept.is_empty() {
        heading(text, &format!("Fields{of} that are kept and change nothing"));
        text.push_str("| field | meaning |\n|---|---|\n");
        for field in kept {
            line(text, &format!("| `{}` | {} |", field.key, field.help));
        }
    }
    let ignored: Vec<(&Field, &str)> = fields
        .iter()
        .filter_map(|field| match field.effect {
            Effect::Ignored(why) => Some((field, why)),
            Effect::ActedOn | Effect::Kept => None,
        })
        .collect();
    if !ignored.is_empty() {
        heading(text, &format!("Fields{of} that have no effect"));
        text.push_str("`bowline validate` warns of them.\n\n| field | why |\n|---|---|\n");
        for (field, why) in ignored {
            line(text, &format!("| `{}` | {why} |", field.key));
        }
    }
    for field in fields {
        if let Kind::Object(inner) | Kind::Objects(inner) = field.kind {
            tables(text, inner, field.key);
        }
    }
}

fn is_acted_on(field: &Field) -> bool {
    field.effect == Effect::ActedOn
}

fn row(text: &mut String, field: &Field) {
    let holds = match field.kind {
        Kind::Flag => "true or false".to_owned(),
        Kind::Number { max, unit: "" } => format!("a number up to {max}"),
        Kind::Number { max, unit } => format!("{unit}, up to {max}"),
        Kind::Text => "a text".to_owned(),
        Kind::Texts => "a list of texts".to_owned(),
        Kind::TextLists => "lists of texts by name".to_owned(),
        Kind::Pairs => "texts by name".to_owned(),
        Kind::Object(_) => "an object".to_owned(),
        Kind::Objects(_) => "a list of objects".to_owned(),
        Kind::Json => "any value".to_owned(),
    };
    let holds = match field.choices {
        Choices::Fixed(choices) => {
            let listed: Vec<String> =
                choices.iter().map(|choice| format!("`{choice:?}`")).collect();
            format!("{holds}: {}", listed.join(", "))
        }
        Choices::Free
        | Choices::Accounts
        | Choices::Regions
        | Choices::Zones
        | Choices::BaseImages
        | Choices::InstanceTypes
        | Choices::KeyPairs
        | Choices::InstanceProfiles
        | Choices::SecurityGroups
        | Choices::LoadBalancers
        | Choices::TargetGroups
        | Choices::SubnetPurposes
        | Choices::Clusters
        | Choices::Applications
        | Choices::Pipelines
        | Choices::Stages
        | Choices::Controllers
        | Choices::Jobs
        | Choices::TimeZones => holds,
    };
    let default = match (field.presence, field.default, field.kind) {
        (Presence::Required { .. }, _, _) => "required".to_owned(),
        (Presence::RequiredToRun { .. }, _, _) => "required to run".to_owned(),
        (_, Default::Number(number), _) => number.to_string(),
        (_, Default::True, _) => "true".to_owned(),
        (_, Default::Text(text), _) => format!("`{text}`"),
        (_, Default::Described(words), _) => words.to_owned(),
        (_, Default::Absent, Kind::Flag) => "false".to_owned(),
        (_, Default::Absent, _) => String::new(),
    };
    line(text, &format!("| `{}` | {holds} | {default} | {} |", field.key, field.help));
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn heading(text: &mut String, heading: &str) {
    text.push_str("\n## ");
    text.push_str(heading);
    text.push_str("\n\n");
}
