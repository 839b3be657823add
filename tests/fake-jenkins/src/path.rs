//! Jenkins' URL paths: which thing of which job a path means, and the path of a job.
//!
//! A job's full name is `a/b/c`, its path `job/a/job/b/job/c`. Each segment is percent-encoded
//! once, also when the name itself holds `%2F` (a multibranch job for the branch `feature/x`).

/// What a request path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Full name of the job or folder; empty for the root.
    pub(crate) item: String,
    /// Which part of it.
    pub(crate) part: Part,
}

/// Which part of a job, folder or root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `api/json` of the item itself.
    Item,
    /// `N/api/json`, or a permalink in place of N.
    Build(Which),
    /// `N/artifact/PATH`.
    Artifact(Which, String),
}

/// Which build of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// By number.
    Number(u64),
    /// `lastBuild`.
    Last,
    /// `lastCompletedBuild`.
    LastCompleted,
    /// `lastSuccessfulBuild`.
    LastSuccessful,
}

/// Reads a path that has lost its context path. `None`: not a path of the API.
pub(crate) fn parse(path: &str) -> Option<Target> {
    let segments: Vec<String> =
        path.split('/').filter(|s| !s.is_empty()).map(decode).collect::<Option<_>>()?;
    let mut rest = segments.as_slice();
    let mut names: Vec<&str> = Vec::new();
    while let [kind, name, tail @ ..] = rest {
        match kind.as_str() {
            "job" => names.push(name),
            // A view is only a way to look at the same jobs.
            "view" => {}
            _ => break,
        }
        rest = tail;
    }
    let item = names.join("/");
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let part = match words.as_slice() {
        ["api", "json"] => Part::Item,
        [build, "api", "json"] => Part::Build(which(build)?),
        [build, "artifact", path @ ..] if !path.is_empty() => {
            Part::Artifact(which(build)?, path.join("/"))
        }
        _ => return None,
    };
    Some(Target { item, part })
}

fn which(word: &str) -> Option<Which> {
    match word {
        "lastBuild" => Some(Which::Last),
        "lastCompletedBuild" => Some(Which::LastCompleted),
        "lastSuccessfulBuild" | "lastStableBuild" => Some(Which::LastSuccessful),
        number => number.parse().ok().map(Which::Number),
    }
}

/// The path of a job, relative to the root, with a final slash: `job/a/job/b/`.
pub(crate) fn of_job(full_name: &str) -> String {
    full_name.split('/').filter(|s| !s.is_empty()).fold(String::new(), |mut path, segment| {
        path.push_str("job/");
        path.push_str(&encode(segment));
        path.push('/');
        path
    })
}

/// Percent-encodes one segment.
pub(crate) fn encode(segment: &str) -> String {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or('0');
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

/// Decodes one segment once; `None` when the result is no text.
fn decode(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "compared with what `parse` gives")]
    fn target(item: &str, part: Part) -> Option<Target> {
        Some(Target { item: item.to_owned(), part })
    }

    #[test]
    fn paths_mean_what_jenkins_means_by_them() {
        assert_eq!(parse("/api/json"), target("", Part::Item));
        assert_eq!(parse("/job/shop/job/web/api/json"), target("shop/web", Part::Item));
        assert_eq!(
            parse("/view/all/job/shop/view/x/job/web/118/api/json/"),
            target("shop/web", Part::Build(Which::Number(118)))
        );
        assert_eq!(
            parse("/job/web/job/feature%252Fx/7/artifact/target/a%20b.deb"),
            target(
                "web/feature%2Fx",
                Part::Artifact(Which::Number(7), "target/a b.deb".to_owned())
            )
        );
        assert_eq!(parse("/job/web/lastBuild/api/json"), target("web", Part::Build(Which::Last)));
        for none in ["/", "/job/web", "/job/web/x/api/json", "/login", "/job/%zz/api/json"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_branch_with_a_slash_is_encoded_twice_on_the_way_out() {
        assert_eq!(of_job("web/feature%2Fx"), "job/web/job/feature%252Fx/");
        assert_eq!(of_job("größe/a b"), "job/gr%C3%B6%C3%9Fe/job/a%20b/");
    }
}
