//! The evaluate variables stage: expressions become outputs.

use serde_json::{Map, Value};

use super::runnable;
use crate::{
    fields::Fields,
    problem::{FieldProblem, Findings, Weight},
};

/// An evaluate variables stage.
#[derive(Clone, Debug, PartialEq)]
pub struct VariablesStage {
    /// In the order in which they are evaluated; a later one may use those before it.
    pub variables: Vec<Variable>,
}

/// One variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name among the outputs.
    pub key: String,
    /// What is evaluated: a text, or any value with texts in it.
    pub value: Value,
}

impl VariablesStage {
    /// Reads a stage that is to run.
    ///
    /// # Errors
    /// Everything that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Self, Vec<FieldProblem>> {
        runnable(Self::inspect(config))
    }

    /// Reads as much as can be read, and tells everything that is odd.
    pub fn inspect(config: &Map<String, Value>) -> (Option<Self>, Vec<FieldProblem>) {
        let mut found = Findings::default();
        let mut fields = Fields::new(String::new(), config, &mut found);
        let mut told = Findings::default();
        let mut variables = Vec::new();
        if fields.value("variables").is_none() {
            fields.missing(
                Weight::Error,
                "variables",
                "write the variables: [{ \"key\": \"version\", \"value\": \"${ … }\" }]",
            );
        }
        for (at, map) in fields.objects("variables") {
            let mut inner = Fields::new(at, map, &mut told);
            let key = inner.text("key");
            if key.is_none() && inner.value("key").is_none_or(Value::is_string) {
                inner.missing(Weight::Error, "key", "write the variable's name");
            }
            let Some(key) = key else { continue };
            // A restarted stage copied from an execution carries the text beside what became of it.
            let source = map.get("sourceValue").or_else(|| map.get("value"));
            variables.push(Variable { key, value: source.cloned().unwrap_or(Value::Null) });
        }
        fields.push_all(told);
        (Some(Self { variables }), found.into_list())
    }
}
