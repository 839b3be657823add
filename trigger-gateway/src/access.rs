//! Who may come in: tokens, compared so that the time it takes says nothing.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConstantTimeEq as _};

/// A header in which callers say who they are. It is believed only as far as the token goes: it
/// names a person in the history, it grants nothing.
const USER_HEADER: &str = "x-spinnaker-user";

/// Tokens of which any one opens a door. Only their digests are kept: all of one length, so that
/// not even a length can be measured.
#[derive(Debug)]
pub(crate) struct Tokens {
    digests: Vec<String>,
}

impl Tokens {
    pub(crate) fn new(tokens: &[SecretString]) -> Self {
        let digests = tokens.iter().map(|token| model::digest(token.expose_secret())).collect();
        Self { digests }
    }

    /// A door that no token opens, and at which knocking takes as long as at any other.
    pub(crate) fn nobody() -> Self {
        Self { digests: vec![model::digest(&ulid::Ulid::new().to_string())] }
    }

    pub(crate) fn accept(&self, offered: &str) -> bool {
        let offered = model::digest(offered);
        let fits = |digest: &String| digest.as_bytes().ct_eq(offered.as_bytes());
        self.digests.iter().map(fits).fold(Choice::from(0), |any, one| any | one).into()
    }
}

/// The token in the `Authorization` header: a bearer token, or the password of basic credentials
/// (what Jenkins makes of `https://user:token@host/`).
pub(crate) fn offered(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = text.trim().split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

/// Who the caller says to be.
pub(crate) fn user(headers: &HeaderMap) -> Option<String> {
    // Names are not all ASCII.
    let text = std::str::from_utf8(headers.get(USER_HEADER)?.as_bytes()).ok()?.trim();
    let plain = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())])
    }

    #[test]
    fn any_of_several_tokens_opens_and_nothing_else() {
        let tokens = Tokens::new(&["old".into(), "new".into()]);
        assert!(tokens.accept("old") && tokens.accept("new"));
        assert!(!tokens.accept("") && !tokens.accept("ol") && !tokens.accept("older"));
        assert!(!Tokens::new(&[]).accept(""));
        assert!(!Tokens::nobody().accept(""));
    }

    #[test]
    fn a_user_may_have_any_name_but_no_control_characters() {
        let named = |bytes: &[u8]| {
            let value = axum::http::HeaderValue::from_bytes(bytes).unwrap();
            let name = axum::http::HeaderName::from_static(USER_HEADER);
            user(&HeaderMap::from_iter([(name, value)]))
        };
        assert_eq!(named(b" ann ").as_deref(), Some("ann"));
        assert_eq!(named("Jürgen".as_bytes()).as_deref(), Some("Jürgen"));
        for odd in [&b""[..], b"a\tb", b"\xff\xfe"] {
            assert_eq!(named(odd), None);
        }
    }

    #[test]
    fn tokens_are_read_from_bearer_and_basic() {
        assert_eq!(offered(&headers("Bearer abc")).as_deref(), Some("abc"));
        assert_eq!(offered(&headers("bearer  abc")).as_deref(), Some("abc"));
        // `ci:s3:cret`
        assert_eq!(offered(&headers("Basic Y2k6czM6Y3JldA==")).as_deref(), Some("s3:cret"));
        for odd in ["Basic", "Basic !!!", "Digest abc", "abc", "Basic YWJj"] {
            assert_eq!(offered(&headers(odd)), None, "{odd}");
        }
    }
}
