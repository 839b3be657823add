//! Jenkins' `tree` parameter: `builds[number,url]{0,50},nextBuildNumber`.
//!
//! Source: the remote access API's documentation. Names are plural JSON names, ranges are
//! `{M,N}`, `{M,}`, `{,N}` and `{N}`; what is nested and not named shows only its class.

use serde_json::{Map, Value};

/// The fields to show of one object.
pub(crate) type Tree = Vec<Field>;

/// One field, with what to show inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    name: String,
    inside: Tree,
    range: Option<(usize, usize)>,
}

/// Reads the parameter; the error is the text Jenkins would answer 400 with.
pub(crate) fn parse(text: &str) -> Result<Tree, String> {
    let mut rest = text;
    let tree = fields(&mut rest, 0)?;
    if rest.is_empty() { Ok(tree) } else { Err(format!("tree: nothing expected at `{rest}`")) }
}

fn fields(rest: &mut &str, depth: u32) -> Result<Tree, String> {
    if depth > 20 {
        return Err("tree: nested too deep".to_owned());
    }
    let mut out = Vec::new();
    loop {
        let end = rest.find([',', '[', ']', '{', '}']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.trim().is_empty() {
            return Err(format!("tree: a name is missing at `{rest}`"));
        }
        *rest = after;
        let mut inside = Vec::new();
        if let Some(after) = rest.strip_prefix('[') {
            *rest = after;
            inside = fields(rest, depth + 1)?;
            *rest = rest.strip_prefix(']').ok_or("tree: a `]` is missing")?;
        }
        let mut within = None;
        if let Some(after) = rest.strip_prefix('{') {
            let (text, after) = after.split_once('}').ok_or("tree: a `}` is missing")?;
            within = Some(range(text)?);
            *rest = after;
        }
        out.push(Field { name: name.trim().to_owned(), inside, range: within });
        match rest.strip_prefix(',') {
            Some(after) => *rest = after,
            None => return Ok(out),
        }
    }
}

fn range(text: &str) -> Result<(usize, usize), String> {
    let number = |part: &str, default: usize| {
        if part.is_empty() { Ok(default) } else { part.parse().map_err(|_| part.to_owned()) }
    };
    let wrong = |part: String| format!("tree: `{part}` is not a number");
    if let Some((from, to)) = text.split_once(',') {
        return Ok((number(from, 0).map_err(wrong)?, number(to, usize::MAX).map_err(wrong)?));
    }
    let at: usize = text.parse().map_err(|_| wrong(text.to_owned()))?;
    Ok((at, at.saturating_add(1)))
}

/// Shows of a value what the tree names.
pub(crate) fn select(value: &Value, tree: &[Field]) -> Value {
    match value {
        Value::Object(object) => {
            let mut out = Map::new();
            if let Some(class) = object.get("_class") {
                out.insert("_class".to_owned(), class.clone());
            }
            for field in tree {
                if let Some(found) = object.get(&field.name) {
                    out.insert(field.name.clone(), select_field(found, field));
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(|item| select(item, tree)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn select_field(value: &Value, field: &Field) -> Value {
    match (value, field.range) {
        (Value::Array(items), Some((from, to))) => {
            items.iter().take(to).skip(from).map(|item| select(item, &field.inside)).collect()
        }
        _ => select(value, &field.inside),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_shows_what_it_names_and_no_more() {
        let job = json!({
            "_class": "Job", "name": "web", "nextBuildNumber": 4,
            "builds": [
                {"_class": "Run", "number": 3, "url": "u3", "result": null},
                {"_class": "Run", "number": 2, "url": "u2", "result": "SUCCESS"},
                {"_class": "Run", "number": 1, "url": "u1", "result": "FAILURE"},
            ],
        });
        let show = |tree: &str| select(&job, &parse(tree).unwrap());
        assert_eq!(
            show("builds[number,result]{0,2},nextBuildNumber"),
            json!({
                "_class": "Job",
                "builds": [
                    {"_class": "Run", "number": 3, "result": null},
                    {"_class": "Run", "number": 2, "result": "SUCCESS"},
                ],
                "nextBuildNumber": 4,
            })
        );
        assert_eq!(show("builds[number]{2}")["builds"][0]["number"], 1);
        assert_eq!(show("builds[number]{1,}")["builds"].as_array().unwrap().len(), 2);
        assert_eq!(show("builds{,1}"), json!({"_class": "Job", "builds": [{"_class": "Run"}]}));
        assert_eq!(show("nothing"), json!({"_class": "Job"}));
    }

    #[test]
    fn a_broken_tree_is_named() {
        for bad in ["", "a[", "a[b", "a{1", "a{x}", "a]", "a,,b", "[b]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"a[".repeat(10_000)).is_err());
    }
}
