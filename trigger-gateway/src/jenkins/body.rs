//! From bytes to JSON, whatever `Content-Type` says: old plugins sent JSON as
//! `application/x-www-form-urlencoded`, and frameworks between us and them made it a form's key.

use serde_json::Value;

use super::path::percent_decoded;

pub(super) fn json(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|_| "is not UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.starts_with('<') {
        return Err("is XML; set the endpoint's format to JSON".to_owned());
    }
    let plain = serde_json::from_str(text);
    let error = match plain {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    form(text).ok_or_else(|| format!("is not JSON: {error}"))
}

/// JSON as the key of a form's only field (`{…}=`, or the same encoded), or as the value of any.
fn form(text: &str) -> Option<Value> {
    if let Some(key) = text.strip_suffix('=')
        && let Ok(value) = serde_json::from_str(key)
    {
        return Some(value);
    }
    text.split('&')
        .flat_map(|field| field.splitn(2, '='))
        .find_map(|part| {
            let decoded = percent_decoded(&part.replace('+', " "))?;
            let decoded = decoded.trim();
            decoded
                .starts_with('{')
                .then(|| serde_json::from_str(decoded).ok())
                .flatten()
        })
}
