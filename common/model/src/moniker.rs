//! Names of clusters and server groups. A cluster is found by its name alone, so what is built here
//! must be read back the same, or a deploy would clean up a cluster that is not its own.
//!
//! Source: Netflix Frigga, the naming rules behind Spinnaker.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest name Auto Scaling takes, in characters.
const GROUP_NAME_MAX: usize = 255;
/// Most digits in the number of a server group.
const SEQUENCE_DIGITS_MAX: usize = 6;
/// Fewest digits in the number of a server group.
const SEQUENCE_DIGITS_MIN: usize = 3;
/// Longest cluster name: room is left for `-v` and the longest number.
const CLUSTER_NAME_MAX: usize = GROUP_NAME_MAX - 2 - SEQUENCE_DIGITS_MAX;

/// Text that cannot be part of a name, or that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A cluster belongs to an application.
    #[error("the application's name is empty")]
    NoApplication,
    /// A hyphen here would move the border between the parts.
    #[error("`{text}` cannot be {part}: {allowed} are allowed")]
    Characters {
        /// Which part: `an application`, `a stack`, `a detail`.
        part: &'static str,
        /// What was given.
        text: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// The cluster's name would be read as the name of one of its server groups.
    #[error("`{text}` cannot end a cluster's name: it reads as the number of a server group")]
    LooksLikeSequence {
        /// The last part.
        text: String,
    },
    /// AWS refuses longer names.
    #[error("`{text}` is too long for a cluster: {CLUSTER_NAME_MAX} characters are allowed")]
    TooLong {
        /// The name.
        text: String,
    },
    /// Parts are missing, or there is an empty one at the end.
    #[error("`{text}` is not the name of a cluster: `app`, `app-stack`, `app-stack-detail` are")]
    NotACluster {
        /// What was given.
        text: String,
    },
    /// There is no `-v000` at the end.
    #[error(
        "`{text}` is not the name of a server group: it does not end with `-v` and 3 to 6 digits"
    )]
    NoSequence {
        /// What was given.
        text: String,
    },
}

/// Application, stack and detail: what a cluster is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moniker {
    app: String,
    stack: String,
    detail: String,
}

impl Moniker {
    /// A cluster's name from its parts; an empty stack or detail is none.
    pub fn new(app: &str, stack: &str, detail: &str) -> Result<Self, NameError> {
        if app.is_empty() {
            return Err(NameError::NoApplication);
        }
        check_application(app)?;
        check_stack(stack)?;
        check_detail(detail)?;
        let moniker =
            Self { app: app.to_owned(), stack: stack.to_owned(), detail: detail.to_owned() };
        let cluster = moniker.cluster();
        if split_sequence(&cluster).is_some() {
            let last = if detail.is_empty() { stack } else { detail };
            return Err(NameError::LooksLikeSequence { text: last.to_owned() });
        }
        if cluster.len() > CLUSTER_NAME_MAX {
            return Err(NameError::TooLong { text: cluster });
        }
        Ok(moniker)
    }

    /// The application.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The stack; empty is none.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// The detail; empty is none.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The cluster's name: `app`, `app-stack`, `app-stack-detail`, `app--detail`.
    pub fn cluster(&self) -> String {
        match (self.stack.as_str(), self.detail.as_str()) {
            ("", "") => self.app.clone(),
            (stack, "") => format!("{}-{stack}", self.app),
            (stack, detail) => format!("{}-{stack}-{detail}", self.app),
        }
    }
}

impl fmt::Display for Moniker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cluster())
    }
}

impl FromStr for Moniker {
    type Err = NameError;
    /// Reads a cluster's name.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().unwrap_or_default();
        let (app, stack, detail) = (next(), next(), next());
        let moniker = Self::new(app, stack, detail)?;
        // A hyphen at the end makes an empty part, and another name when it is built again.
        if moniker.cluster() == text {
            Ok(moniker)
        } else {
            Err(NameError::NotACluster { text: text.to_owned() })
        }
    }
}

impl TryFrom<String> for Moniker {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Moniker> for String {
    fn from(moniker: Moniker) -> Self {
        moniker.cluster()
    }
}

/// A server group's name: its cluster and its number.
///
/// `Display` writes at least three digits. A foreign `app-v0007` is read, but written `app-v007`:
/// address an existing group by the name AWS gave, not by one built again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerGroupName {
    /// Its cluster.
    pub moniker: Moniker,
    /// Its number. New groups get 0 to 999; other tools may have gone further.
    pub sequence: u32,
}

impl ServerGroupName {
    /// The name of a cluster's group with this number.
    pub const fn new(moniker: Moniker, sequence: u32) -> Self {
        Self { moniker, sequence }
    }
}

impl fmt::Display for ServerGroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-v{:03}", self.moniker, self.sequence)
    }
}

impl FromStr for ServerGroupName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (cluster, sequence) =
            split_sequence(text).ok_or_else(|| NameError::NoSequence { text: text.to_owned() })?;
        Ok(Self { moniker: cluster.parse()?, sequence })
    }
}

impl TryFrom<String> for ServerGroupName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ServerGroupName> for String {
    fn from(name: ServerGroupName) -> Self {
        name.to_string()
    }
}

/// `app-stack-v007` as `app-stack` and 7.
fn split_sequence(text: &str) -> Option<(&str, u32)> {
    let (cluster, digits) = text.rsplit_once("-v")?;
    let fits = (SEQUENCE_DIGITS_MIN..=SEQUENCE_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !fits {
        return None;
    }
    Some((cluster, digits.parse().ok()?))
}

/// Whether a text may be an application's name.
pub fn check_application(text: &str) -> Result<(), NameError> {
    check(text, "an application", "letters, digits, `.` and `_`, no hyphen,", is_plain)
}

/// Whether a text may be a stack; empty is none and fine.
pub fn check_stack(text: &str) -> Result<(), NameError> {
    check(text, "a stack", "letters, digits, `.` and `_`, no hyphen,", is_plain)
}

/// Whether a text may be a detail; empty is none and fine.
pub fn check_detail(text: &str) -> Result<(), NameError> {
    let fits = |c: char| is_plain(c) || matches!(c, '-' | '~' | '^');
    check(text, "a detail", "letters, digits, `.`, `_`, `-`, `~` and `^`", fits)
}

const fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_')
}

fn check(
    text: &str,
    part: &'static str,
    allowed: &'static str,
    fits: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if text.chars().all(fits) {
        Ok(())
    } else {
        Err(NameError::Characters { part, text: text.to_owned(), allowed })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clusters_are_named_as_frigga_does() {
        for (app, stack, detail, cluster) in [
            ("shop", "", "", "shop"),
            ("shop", "staging", "", "shop-staging"),
            ("shop", "staging", "web", "shop-staging-web"),
            ("shop", "", "web", "shop--web"),
            ("shop", "staging", "web-blue~1^2", "shop-staging-web-blue~1^2"),
            ("shop", "staging", "-web", "shop-staging--web"),
            ("v001", "", "", "v001"),
            ("shop", "v001", "web", "shop-v001-web"),
            ("my.shop_2", "a.b_c", "", "my.shop_2-a.b_c"),
        ] {
            let moniker = Moniker::new(app, stack, detail).unwrap();
            assert_eq!(moniker.cluster(), cluster);
            assert_eq!(cluster.parse::<Moniker>().unwrap(), moniker, "{cluster}");
        }
    }

    #[test]
    fn server_groups_are_read_back_to_cluster_and_number() {
        for (text, cluster, sequence) in [
            ("shop-staging-web-v007", "shop-staging-web", 7),
            ("shop-v000", "shop", 0),
            ("shop--web-v999", "shop--web", 999),
            ("shop-staging-v1000", "shop-staging", 1000),
            ("shop-staging-v999999", "shop-staging", 999_999),
            ("v001-v002", "v001", 2),
        ] {
            let name: ServerGroupName = text.parse().unwrap();
            assert_eq!(name.moniker.cluster(), cluster);
            assert_eq!(name.sequence, sequence);
            assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn a_number_with_more_zeros_is_read_and_written_short() {
        let name: ServerGroupName = "shop-v0007".parse().unwrap();
        assert_eq!((name.sequence, name.to_string().as_str()), (7, "shop-v007"));
    }

    #[test]
    fn what_is_no_server_group_is_refused() {
        for text in [
            "",
            "shop",
            "shop-staging",
            "shop-v",
            "shop-v1",
            "shop-v12",
            "shop-v1234567",
            "shop-v12a",
            "-v001",
            "shop--v001",
            "shop-staging--v001",
            "sh op-v001",
            "shop-v001-v002",
            "shop-v٣٣٣",
        ] {
            assert!(text.parse::<ServerGroupName>().is_err(), "{text}");
        }
    }

    #[test]
    fn parts_that_would_move_a_border_are_refused() {
        for (app, stack, detail) in [
            ("", "", ""),
            ("", "staging", ""),
            ("my-shop", "", ""),
            ("shop", "my-stack", ""),
            ("shop", "staging", "a b"),
            ("shop", "${x}", ""),
            ("shop", "v001", ""),
            ("shop", "staging", "v001"),
            ("shop", "staging", "web-v0012"),
            ("shöp", "", ""),
        ] {
            assert!(Moniker::new(app, stack, detail).is_err(), "{app}/{stack}/{detail}");
        }
        assert!(Moniker::new("shop", "staging", &"x".repeat(300)).is_err());
    }

    #[test]
    fn errors_name_the_part_and_what_is_allowed() {
        let error = Moniker::new("shop", "my-stack", "").unwrap_err().to_string();
        assert_eq!(
            error,
            "`my-stack` cannot be a stack: letters, digits, `.` and `_`, no hyphen, are allowed"
        );
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_back(
            app in "[A-Za-z0-9._]{1,12}",
            stack in "[A-Za-z0-9._v]{0,8}",
            detail in "[A-Za-z0-9._~^v-]{0,16}",
            sequence in 0_u32..1_000_000,
        ) {
            // Parts that are refused are the subject of the table above.
            let Ok(moniker) = Moniker::new(&app, &stack, &detail) else { return Ok(()) };
            prop_assert_eq!(&moniker.cluster().parse::<Moniker>().unwrap(), &moniker);
            let name = ServerGroupName::new(moniker, sequence);
            prop_assert_eq!(name.to_string().parse::<ServerGroupName>().unwrap(), name);
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}") {
            if let Ok(moniker) = text.parse::<Moniker>() {
                prop_assert_eq!(moniker.cluster(), text);
            }
        }
    }
}
