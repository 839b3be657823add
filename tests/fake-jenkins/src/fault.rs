//! What goes wrong on request.

use serde::{Deserialize, Serialize};

/// Something to go wrong with the next requests which match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only requests whose path contains this; `None` is every request of the API.
    #[serde(default)]
    pub path_contains: Option<String>,
    /// How often, before things go well again.
    pub times: u32,
    /// What happens.
    pub trouble: Trouble,
}

/// A way to go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// Answers with this status and an HTML page.
    Status {
        /// `500`, `502`, `503`, …
        status: u16,
    },
    /// Answers well, but late.
    Slow {
        /// How late.
        delay_ms: u64,
    },
    /// Answers 302 to another place, as a single sign-on in front of Jenkins does.
    Redirect {
        /// Where to.
        location: String,
    },
    /// Answers 200 with a page for people where JSON was asked for.
    LoginPage,
    /// The build (or what else was asked for) is not known yet.
    Unknown,
    /// The build is still running: `building` is true and there is no result.
    StillBuilding,
    /// Post-build steps are running: `building` is true although the result is known.
    PostBuild,
}

impl Fault {
    /// A fault for any path.
    pub fn new(times: u32, trouble: Trouble) -> Self {
        Self { path_contains: None, times, trouble }
    }

    /// Takes one use out of the first fault that fits the path.
    pub(crate) fn take(faults: &mut Vec<Self>, path: &str) -> Option<Trouble> {
        let fits = |fault: &Self| {
            fault.times > 0
                && fault.path_contains.as_ref().is_none_or(|part| path.contains(part.as_str()))
        };
        let fault = faults.iter_mut().find(|fault| fits(fault))?;
        fault.times -= 1;
        let trouble = fault.trouble.clone();
        faults.retain(|fault| fault.times > 0);
        Some(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_used_up_and_only_where_it_fits() {
        let mut faults = vec![
            Fault {
                path_contains: Some("/7/".to_owned()),
                times: 1,
                trouble: Trouble::StillBuilding,
            },
            Fault::new(2, Trouble::Unknown),
        ];
        assert_eq!(Fault::take(&mut faults, "/job/a/8/api/json"), Some(Trouble::Unknown));
        assert_eq!(Fault::take(&mut faults, "/job/a/7/api/json"), Some(Trouble::StillBuilding));
        assert_eq!(Fault::take(&mut faults, "/job/a/7/api/json"), Some(Trouble::Unknown));
        assert_eq!(Fault::take(&mut faults, "/job/a/7/api/json"), None);
        assert!(faults.is_empty());
    }
}
