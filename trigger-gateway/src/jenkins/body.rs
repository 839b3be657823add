//! From bytes to JSON, whatever `Content-Type` says: old plugins sent JSON as
//! `application/x-www-form-urlencoded`, and frameworks between us and them made it a form's key.

use serde_json::Value;

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
    text.split('&').flat_map(|field| field.splitn(2, '=')).find_map(|part| {
        let decoded = percent_decoded(&part.replace('+', " "))?;
        let decoded = decoded.trim();
        decoded.starts_with('{').then(|| serde_json::from_str(decoded).ok()).flatten()
    })
}

/// `None` when the bytes are not UTF-8. A `%` without two hexadecimal digits stands for itself.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%');
        let byte = pair.and_then(|pair| {
            let high = char::from(*pair.first()?).to_digit(16)?;
            let low = char::from(*pair.last()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).ok()
}
