//! The functions behind `#`.
//!
//! Those that fetch something from elsewhere (URLs, applications, canary configurations) do not
//! exist here: an expression reads what the execution knows.

mod deployed;
mod lookup;
mod yaml;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value as Json;

use crate::{
    arguments::{Arguments, read_number},
    fault::{Trouble, names_there, short},
    machine::Machine,
    number::{Number, narrow},
    operators::bounded,
    render,
    value::Value,
};

/// Base64 as Java has it: the padding at the end may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

type Called<'s> = Result<Value<'s>, Trouble>;

const NAMES: &[&str] = &[
    "alphanumerical",
    "currentStage",
    "currentUser",
    "deployedServerGroups",
    "doNotEval",
    "fetchReference",
    "fromBase64",
    "judgment",
    "manifestLabelValue",
    "pipelineId",
    "pipelineIdInApplication",
    "pipelineIdOrNull",
    "readAllYaml",
    "readJson",
    "readYaml",
    "resolvedArtifacts",
    "stage",
    "stageByRefId",
    "stageExists",
    "toBase64",
    "toBoolean",
    "toFloat",
    "toInt",
    "toJson",
    "triggerResolvedArtifact",
    "triggerResolvedArtifactByType",
];

/// Whether what a function costs grows with the number of stages.
pub(crate) fn looks_at_stages(name: &str) -> bool {
    let fixed = ["alphanumerical", "currentUser", "doNotEval", "fetchReference", "fromBase64"];
    !(fixed.contains(&name) || name.starts_with("read") || name.starts_with("to"))
}

/// Calls a function.
pub(crate) fn call<'s>(machine: &Machine<'s>, name: &str, values: &[Value<'s>]) -> Called<'s> {
    let arguments = Arguments { values, limits: machine.limits };
    let expected = match name {
        "currentStage" | "currentUser" | "resolvedArtifacts" => 0..=0,
        "deployedServerGroups" => 0..=usize::MAX,
        "manifestLabelValue" => 3..=3,
        "pipelineIdInApplication" | "canaryConfigNameToId" => 2..=2,
        _ => 1..=1,
    };
    if (NAMES.contains(&name) || name == "judgement") && !expected.contains(&values.len()) {
        let (count, wanted) = (values.len(), expected.start());
        return Err(Trouble::Wrong(format!("`#{name}` takes {wanted} arguments, not {count}")));
    }
    match name {
        "alphanumerical" | "fromBase64" | "toBase64" | "toBoolean" | "toFloat" | "toInt"
        | "fetchReference" => on_text(name, &arguments),
        "toJson" => to_json(&arguments),
        "doNotEval" => Ok(Value::Verbatim(arguments.value(0)?.clone().into())),
        "readJson" => read_json(&arguments),
        "readYaml" => yaml::read(&arguments.text(0)?, machine.limits, yaml::Documents::One),
        "readAllYaml" => yaml::read(&arguments.text(0)?, machine.limits, yaml::Documents::All),
        "currentUser" => {
            let user = machine.scope.facts().user.as_deref();
            Ok(Value::text(user.unwrap_or("anonymous")))
        }
        "deployedServerGroups" => deployed::server_groups(machine, &arguments),
        "stage" | "stageByRefId" | "stageExists" | "currentStage" | "judgment" | "judgement" => {
            lookup::stages(machine, name, &arguments)
        }
        "triggerResolvedArtifact" | "triggerResolvedArtifactByType" | "resolvedArtifacts" => {
            lookup::artifacts(machine, name, &arguments)
        }
        "manifestLabelValue" => lookup::manifest_label(machine, &arguments),
        "pipelineId" | "pipelineIdOrNull" | "pipelineIdInApplication" => {
            lookup::pipeline_id(machine, name, &arguments)
        }
        "fromUrl" | "jsonFromUrl" | "yamlFromUrl" | "propertiesFromUrl" => {
            Err(Trouble::Wrong(format!(
                "`#{name}` is not supported: an expression fetches nothing; let a webhook or Jenkins stage fetch it and read its output"
            )))
        }
        "applicationMetadata" | "canaryConfigNameToId" | "cfServiceKey" => Err(Trouble::Wrong(
            format!("`#{name}` is not supported: what it asks does not exist here"),
        )),
        _ => {
            let there = names_there(name, NAMES.iter().copied());
            Err(Trouble::Wrong(format!("there is no function `#{}`; {there}", short(name))))
        }
    }
}

fn on_text<'s>(name: &str, arguments: &Arguments<'_, 's>) -> Called<'s> {
    let limits = arguments.limits;
    if name == "toBoolean" {
        let is_true =
            !arguments.value(0)?.is_null() && arguments.text(0)?.eq_ignore_ascii_case("true");
        return Ok(Value::Bool(is_true));
    }
    let text = arguments.text(0)?;
    match name {
        "alphanumerical" => {
            let kept: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
            Ok(Value::text(kept))
        }
        "toBase64" => bounded(BASE64.encode(&text), limits),
        "fromBase64" => {
            let bytes = BASE64.decode(&text);
            let bytes = bytes.map_err(|_| Trouble::from("the text is not Base64"))?;
            Ok(Value::text(String::from_utf8_lossy(&bytes)))
        }
        "toInt" => {
            let digits = text.strip_prefix('+').unwrap_or(&text);
            digits.parse().map(Value::int).map_err(|_| {
                Trouble::Wrong(format!("`{}` is not a whole number of 32 bits", short(&text)))
            })
        }
        "toFloat" => {
            let number = read_number(&text).map(|number| narrow(number.to_double()));
            let number = number.map(|number| Value::Number(Number::Float(number)));
            number.ok_or_else(|| Trouble::Wrong(format!("`{}` is not a number", short(&text))))
        }
        // No artifact store: a reference is its own content.
        _ => Ok(Value::text(text)),
    }
}

/// Compact JSON. Text that looks like an expression is refused unless the author said that it is
/// only text: in Spinnaker it would be evaluated by the next stage that reads it.
fn to_json<'s>(arguments: &Arguments<'_, 's>) -> Called<'s> {
    let limits = arguments.limits;
    let value = arguments.values.first().ok_or_else(|| Trouble::from("argument 1 is missing"))?;
    let (json, _) = render::json(value, limits).map_err(|refusal| refusal.explained(limits))?;
    let text = json.to_string();
    if text.contains("${") && !matches!(value, Value::Verbatim(_)) {
        return Err(Trouble::from(
            "the JSON holds `${`; write #toJson(#doNotEval(…)) when it is only text",
        ));
    }
    bounded(text, limits)
}

fn read_json<'s>(arguments: &Arguments<'_, 's>) -> Called<'s> {
    let text = arguments.text(0)?;
    let json: Json = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Trouble::Wrong(format!("the text is not JSON (line {line}, column {column})"))
    })?;
    match json {
        Json::Array(_) | Json::Object(_) => Ok(Value::made_of(json)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(Trouble::from("the JSON is neither a list nor a map"))
        }
    }
}
