//! From a URL to a job's full name, below a controller whose root we know.

use model::jenkins::{JobName, JobPathError};

/// The job in a URL of a job or a build; `None` when it has no `job/…` pairs. The URL is absolute,
/// or relative to the controller's root, whose context path may itself look like a job.
///
/// # Errors
///
/// A pair names what no job can be called.
pub(super) fn job(url: &str, base_url: &str) -> Result<Option<JobName>, &'static str> {
    let path = path_of(url);
    let context = path_of(base_url).trim_matches('/');
    let path = below(path, context).unwrap_or(path);
    match JobName::from_url_path(path) {
        Ok(job) => named(job).map(Some),
        Err(JobPathError::NoJob { .. }) => Ok(None),
        Err(JobPathError::Escape { .. }) => Err("names a job by text that is not escaped properly"),
    }
}

/// The job called so: the short name, without folders.
///
/// # Errors
///
/// No job can be called so.
pub(super) fn top_level(name: &str) -> Result<JobName, &'static str> {
    if name.contains('/') || name == "." || name == ".." {
        return Err("is no name of a job");
    }
    named(JobName::parse(name))
}

fn named(job: JobName) -> Result<JobName, &'static str> {
    let printable = |name: &String| !name.chars().any(char::is_control);
    if job.segments().iter().all(printable) {
        Ok(job)
    } else {
        Err("has control characters in a name")
    }
}

/// Without scheme, host, query and fragment.
fn path_of(url: &str) -> &str {
    let url = url.trim();
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = url.get(..end).unwrap_or(url);
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or(""),
        None => url,
    }
}

/// What follows a context path.
fn below<'a>(path: &'a str, context: &str) -> Option<&'a str> {
    let rest = path.strip_prefix('/')?.strip_prefix(context)?;
    rest.starts_with('/').then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_found_below_the_controller() {
        let root = "https://ci.example.com/";
        let inner = "https://ci.example.com/jenkins/";
        for (url, base, expected) in [
            ("https://ci.example.com/job/shop/job/main/18/", root, Some("shop/main")),
            ("https://other.example.com:8443/jenkins/job/shop/7/", inner, Some("shop")),
            ("https://ci.example.com/jenkins/job/shop/7/", root, Some("shop")),
            (
                "https://ci.example.com/job/team/view/All%20of%20it/job/shop/7/",
                root,
                Some("team/shop"),
            ),
            ("https://ci.example.com/job/18/18/", root, Some("18")),
            (
                "https://ci.example.com/job/job/job/x/3/",
                "https://ci.example.com/job/job",
                Some("x"),
            ),
            // A folder called `job`: the form that cannot be read as another job.
            ("https://ci.example.com/job/job/job/view/7/", root, Some("job/job/view")),
            ("job/feature%252Fx/18/", inner, Some("feature%2Fx")),
            ("/job/shop/18/", inner, Some("shop")),
            ("job/shop/3/?x=/job/evil/#/job/worse", root, Some("shop")),
            ("http://jenkins/project/15/", root, None),
            ("http://jenkins", root, None),
            ("JobUrl", root, None),
            ("", root, None),
        ] {
            let found = job(url, base).map(|job| job.map(|job| job.to_string()));
            assert_eq!(found, Ok(expected.map(str::to_owned)), "{url} below {base}");
        }
    }

    #[test]
    fn names_no_job_can_have_are_refused() {
        for url in ["job/%2e%2e/3/", "job/../3/", "job/a/job/./3", "job/a%0Ab/3/", "job/%FF/3/"] {
            assert!(job(url, "https://ci.example.com").is_err(), "{url}");
        }
        for name in ["..", "a/b", "a\u{7}"] {
            assert!(top_level(name).is_err(), "{name}");
        }
    }
}
