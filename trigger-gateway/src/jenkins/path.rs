//! From a URL to a job's full name.
//!
//! A job's path is `job/<segment>` repeated; before it there may be a context path, and anywhere
//! in it views. It is read from the right, where no context path can be mistaken for a job.

/// The full name in a URL of a job or a build; `None` when it has no `job/…` pairs. The URL is
/// absolute, or relative to the controller's root.
///
/// # Errors
///
/// A pair names what no job can be called.
pub(super) fn job(url: &str, base_url: &str) -> Result<Option<String>, &'static str> {
    let path = path_of(url);
    let path = match path_of(base_url).trim_matches('/') {
        "" => path,
        context => below(path, context).unwrap_or(path),
    };
    let mut rest: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    // A build's number stands after its job. A job may be called `18` as well: then `job` is before it.
    if let [.., before, last] = rest.as_slice()
        && *before != "job"
        && last.bytes().all(|b| b.is_ascii_digit())
    {
        rest.pop();
    }
    let mut names = Vec::new();
    while let [.., keyword, name] = rest.as_slice() {
        match *keyword {
            "job" => names.push(segment(&decoded(name)?).map(ToOwned::to_owned)?),
            "view" => {}
            _ => break,
        }
        rest.truncate(rest.len().saturating_sub(2));
    }
    names.reverse();
    Ok((!names.is_empty()).then(|| names.join("/")))
}

/// Checks one segment of a full name.
pub(super) fn segment(name: &str) -> Result<&str, &'static str> {
    if name == "." || name == ".." {
        return Err("has a segment that is no name");
    }
    if name.contains('/') {
        return Err("has a slash inside a name");
    }
    if name.chars().any(char::is_control) {
        return Err("has control characters in a name");
    }
    Ok(name)
}

/// Decoded once. Jenkins forbids `/` in names and calls the job of branch `feature/x`
/// `feature%2Fx`, which it writes as `feature%252Fx`; where a proxy has decoded it once already, one
/// more time would make a folder of it.
fn decoded(name: &str) -> Result<String, &'static str> {
    let once = percent_decoded(name).ok_or("is not UTF-8 once decoded")?;
    Ok(if once.contains('/') {
        name.to_owned()
    } else {
        once
    })
}

/// Without scheme, host, query and fragment.
fn path_of(url: &str) -> &str {
    let url = url.trim();
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = url.get(..end).unwrap_or(url);
    match url.split_once("://") {
        Some((_, rest)) => rest
            .find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or(""),
        None => url,
    }
}

/// What follows a context path.
fn below<'a>(path: &'a str, context: &str) -> Option<&'a str> {
    let rest = path.strip_prefix('/')?.strip_prefix(context)?;
    rest.starts_with('/').then_some(rest)
}

/// `None` when the bytes are not UTF-8. A `%` without two hexadecimal digits stands for itself.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
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
        rest = if byte.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn job_names_are_read_from_the_right() {
        let root = "https://ci.example.com/";
        let below = "https://ci.example.com/jenkins/";
        for (url, base, expected) in [
            ("https://ci.example.com/job/shop/18/", root, Some("shop")),
            ("https://ci.example.com/job/shop/18", root, Some("shop")),
            ("https://ci.example.com/job/shop/", root, Some("shop")),
            (
                "https://ci.example.com/job/shop/job/package/job/main/7/",
                root,
                Some("shop/package/main"),
            ),
            (
                "https://other.example.com:8443/jenkins/job/shop/7/",
                below,
                Some("shop"),
            ),
            (
                "https://ci.example.com/jenkins/job/shop/7/",
                root,
                Some("shop"),
            ),
            (
                "https://ci.example.com/view/all/job/shop/7/",
                root,
                Some("shop"),
            ),
            (
                "https://ci.example.com/job/team/view/All%20of%20it/job/shop/7/",
                root,
                Some("team/shop"),
            ),
            (
                "https://ci.example.com/view/a/view/b/job/shop/7/",
                root,
                Some("shop"),
            ),
            (
                "https://ci.example.com/job/job/job/view/7/",
                root,
                Some("job/view"),
            ),
            ("https://ci.example.com/job/18/18/", root, Some("18")),
            ("https://ci.example.com/job/18/", root, Some("18")),
            (
                "https://ci.example.com/job/job/job/x/3/",
                "https://ci.example.com/job/job",
                Some("x"),
            ),
            ("job/shop/18/", root, Some("shop")),
            ("/job/shop/18/", root, Some("shop")),
            ("job/feature%252Fx/18/", root, Some("feature%2Fx")),
            ("job/feature%2Fx/18/", root, Some("feature%2Fx")),
            (
                "job/Build%20my%20project/3/",
                root,
                Some("Build my project"),
            ),
            ("job/Gr%C3%BC%C3%9Fe/3/", root, Some("Grüße")),
            ("job/100%/3/", root, Some("100%")),
            ("job/shop/3/?x=/job/evil/#/job/worse", root, Some("shop")),
            ("http://jenkins/project/15/", root, None),
            ("http://jenkins", root, None),
            ("JobUrl", root, None),
            ("job", root, None),
            ("", root, None),
        ] {
            assert_eq!(
                job(url, base),
                Ok(expected.map(str::to_owned)),
                "{url} below {base}"
            );
        }
    }

    #[test]
    fn names_no_job_can_have_are_refused() {
        for url in [
            "job/%2e%2e/3/",
            "job/../3/",
            "job/a/job/./3",
            "job/a%0Ab/3/",
            "job/%FF/3/",
        ] {
            assert!(job(url, "https://ci.example.com").is_err(), "{url}");
        }
    }
}
