//! What every request passes before it reaches a handler.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{access, problem::Problem, state::Gateway};

/// Answered to anybody: they tell that the process lives, and nothing else.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/version"];
/// Below this path the handler itself asks for the controller's token.
pub(crate) const WEBHOOKS: &str = "/webhooks/jenkins/";

/// Lets through who shows the API token. Without one configured only this machine is served, and
/// then a web page open on this machine must not be mistaken for its user.
pub(crate) async fn admit(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    match refusal(&gateway, &request) {
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    }
}

fn refusal(gateway: &Gateway, request: &Request) -> Option<Problem> {
    let (path, headers) = (request.uri().path(), request.headers());
    if !is_safe(request.method()) && comes_from_elsewhere(headers) {
        let text =
            "a page of another site sent this; the API is for its own pages and for programs";
        return Some(Problem::new(StatusCode::FORBIDDEN, "cross-site", text));
    }
    if OPEN.contains(&path) || path.starts_with(WEBHOOKS) {
        return None;
    }
    let Some(tokens) = &gateway.api_tokens else {
        return (!names_this_machine(headers)).then(|| {
            let text = "without gateway.api_token only localhost is served, by that name or by 127.0.0.1; \
                set a token to serve other names";
            Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown-host", text)
        });
    };
    let shown = access::offered(headers).is_some_and(|offered| tokens.accept(&offered));
    (!shown).then(Problem::unauthorized)
}

fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Browsers say where a request comes from, programs do not.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    authority.is_none() || authority != own
}

/// A page can make its own name point to 127.0.0.1 (DNS rebinding), but not change what the
/// browser then sends as the name.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return true;
    };
    let bracketed =
        host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inner, _)| inner);
    let name = bracketed.unwrap_or_else(|| host.rsplit_once(':').map_or(host, |(name, _)| name));
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Headers of every answer: nothing of ours is to be framed, sniffed, cached or run.
pub(crate) async fn harden(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn pages_of_other_sites_are_told_apart_from_programs() {
        assert!(!comes_from_elsewhere(&headers(&[("host", "localhost:8084")])));
        assert!(!comes_from_elsewhere(&headers(&[("host", "h:1"), ("origin", "http://h:1")])));
        assert!(!comes_from_elsewhere(&headers(&[
            ("host", "h:1"),
            ("sec-fetch-site", "same-origin")
        ])));
        for elsewhere in [
            headers(&[("host", "h:1"), ("origin", "http://h:2")]),
            headers(&[("host", "h:1"), ("origin", "null")]),
            headers(&[("host", "h:1"), ("origin", "http://h:1"), ("sec-fetch-site", "cross-site")]),
            headers(&[("host", "h:1"), ("sec-fetch-site", "same-site")]),
        ] {
            assert!(comes_from_elsewhere(&elsewhere), "{elsewhere:?}");
        }
    }

    #[test]
    fn this_machine_goes_by_few_names() {
        for own in
            ["localhost", "LOCALHOST:8084", "127.0.0.1:8084", "127.0.0.1", "[::1]:8084", "[::1]"]
        {
            assert!(names_this_machine(&headers(&[("host", own)])), "{own}");
        }
        for other in ["evil.example", "localhost.evil.example:8084", "10.0.0.1", "[fe80::1]:1", ""]
        {
            assert!(!names_this_machine(&headers(&[("host", other)])), "{other}");
        }
    }
}
