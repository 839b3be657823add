//! User data of new instances: a header that tells the instance where it is, then the user's own.
//!
//! Applications rely on `/etc/default/server-env`. Source: the default installation's user data
//! template of Spinnaker's clouddriver, which writes these variables to that file.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::moniker::ServerGroupName;
use wire::DeployRequest;

/// EC2 takes so many bytes before base64.
const BYTES_MAX: usize = 16 * 1024;
/// Separates the parts; must not occur in them.
const BOUNDARY: &str = "==bowline-user-data==";

/// User data that cannot be given to an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UserDataError {
    /// Not base64.
    #[error("the user data is not base64")]
    NotBase64,
    /// Compressed, or in parts already: nothing can be put before it.
    #[error(
        "the user data must be text (a script or `#cloud-config`), not compressed and not in MIME parts"
    )]
    NotText,
    /// EC2 would refuse it.
    #[error("the user data has {bytes} bytes together with the header; EC2 takes {BYTES_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
}

/// The whole user data, base64.
pub(crate) fn compose(
    request: &DeployRequest,
    name: &ServerGroupName,
    launch_template: &str,
) -> Result<String, UserDataError> {
    let own = STANDARD.decode(request.user_data.trim()).map_err(|_| UserDataError::NotBase64)?;
    let own = String::from_utf8(own).map_err(|_| UserDataError::NotText)?;
    let header = header(request, name, launch_template);
    let whole = match Form::of(&own)? {
        Form::Shell => format!("{header}{own}"),
        Form::Part { mime } => in_parts(&header, mime, &own),
    };
    if whole.len() > BYTES_MAX {
        return Err(UserDataError::TooLong { bytes: whole.len() });
    }
    Ok(STANDARD.encode(whole))
}

/// How the user's part can follow ours.
enum Form {
    /// As more lines of the same script, as Spinnaker does it.
    Shell,
    /// As a MIME part of its own, because a shell cannot run it.
    Part { mime: &'static str },
}

impl Form {
    fn of(own: &str) -> Result<Self, UserDataError> {
        let first = own.lines().next().unwrap_or_default();
        let lower = first.to_ascii_lowercase();
        if lower.starts_with("content-type:") || lower.starts_with("mime-version:") {
            return Err(UserDataError::NotText);
        }
        if let Some(interpreter) = first.strip_prefix("#!") {
            let shell = interpreter
                .split_whitespace()
                .any(|word| matches!(word.rsplit('/').next(), Some("sh" | "bash" | "dash")));
            let script = Self::Part { mime: "text/x-shellscript" };
            return Ok(if shell { Self::Shell } else { script });
        }
        Ok(match first.trim_end() {
            "#cloud-config" => Self::Part { mime: "text/cloud-config" },
            "#cloud-boothook" => Self::Part { mime: "text/cloud-boothook" },
            "#include" => Self::Part { mime: "text/x-include-url" },
            _ => Self::Shell,
        })
    }
}

fn in_parts(header: &str, mime: &str, own: &str) -> String {
    let part = |mime: &str, text: &str| {
        format!("--{BOUNDARY}\nContent-Type: {mime}; charset=\"utf-8\"\n\n{text}\n")
    };
    format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\n\n{}{}--{BOUNDARY}--\n",
        part("text/x-shellscript", header),
        part(mime, own),
    )
}

fn header(request: &DeployRequest, name: &ServerGroupName, launch_template: &str) -> String {
    let group = name.to_string();
    let cluster = name.moniker.cluster();
    let variables = [
        ("CLOUD_ACCOUNT", request.account.as_str()),
        ("CLOUD_ACCOUNT_TYPE", request.account.as_str()),
        ("CLOUD_ENVIRONMENT", request.account.as_str()),
        ("CLOUD_SERVER_GROUP", group.as_str()),
        ("CLOUD_CLUSTER", cluster.as_str()),
        ("CLOUD_APP", request.application.as_str()),
        ("CLOUD_STACK", request.stack.as_str()),
        ("CLOUD_DETAIL", request.detail.as_str()),
        ("CLOUD_LAUNCH_TEMPLATE", launch_template),
        ("EC2_REGION", request.region.as_str()),
    ];
    let mut script =
        "#!/bin/bash\ncat > /etc/default/server-env <<'BOWLINE_SERVER_ENV'\n".to_owned();
    for (key, text) in variables {
        script.extend([key, "=\"", &quoted(text), "\"\n"]);
    }
    script.push_str("BOWLINE_SERVER_ENV\n");
    script
}

/// Inside double quotes of a shell, on one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::request;

    fn composed(own: &str) -> Result<String, UserDataError> {
        let request = DeployRequest { user_data: STANDARD.encode(own), ..request() };
        let name = "shop-staging-web-v007".parse().unwrap();
        compose(&request, &name, "shop-staging-web-v007-1")
            .map(|text| String::from_utf8(STANDARD.decode(text).unwrap()).unwrap())
    }

    #[test]
    fn a_script_follows_the_header() {
        let text = composed("echo hello\n").unwrap();
        assert_eq!(
            text,
            "#!/bin/bash\n\
             cat > /etc/default/server-env <<'BOWLINE_SERVER_ENV'\n\
             CLOUD_ACCOUNT=\"staging\"\n\
             CLOUD_ACCOUNT_TYPE=\"staging\"\n\
             CLOUD_ENVIRONMENT=\"staging\"\n\
             CLOUD_SERVER_GROUP=\"shop-staging-web-v007\"\n\
             CLOUD_CLUSTER=\"shop-staging-web\"\n\
             CLOUD_APP=\"shop\"\n\
             CLOUD_STACK=\"staging\"\n\
             CLOUD_DETAIL=\"web\"\n\
             CLOUD_LAUNCH_TEMPLATE=\"shop-staging-web-v007-1\"\n\
             EC2_REGION=\"us-east-1\"\n\
             BOWLINE_SERVER_ENV\n\
             echo hello\n"
        );
        assert!(composed("").unwrap().ends_with("BOWLINE_SERVER_ENV\n"));
        assert!(composed("#!/usr/bin/env bash\ntrue\n").unwrap().starts_with("#!/bin/bash"));
    }

    #[test]
    fn what_a_shell_cannot_run_becomes_a_part_of_its_own() {
        for (own, mime) in [
            ("#cloud-config\npackages: []\n", "text/cloud-config"),
            ("#!/usr/bin/env python3\nprint()\n", "text/x-shellscript"),
        ] {
            let text = composed(own).unwrap();
            assert!(text.starts_with("MIME-Version: 1.0\n"), "{text}");
            let parts: Vec<_> = text.split("--==bowline-user-data==").collect();
            assert_eq!(parts.len(), 4, "preamble, header, own, end");
            assert!(parts[1].contains("CLOUD_CLUSTER"));
            assert!(parts[2].contains(mime) && parts[2].contains(own));
        }
    }

    #[test]
    fn what_cannot_be_combined_is_refused() {
        assert_eq!(composed("MIME-Version: 1.0\n"), Err(UserDataError::NotText));
        let long = "x".repeat(BYTES_MAX);
        assert!(matches!(composed(&long), Err(UserDataError::TooLong { .. })));
        let request = DeployRequest { user_data: "%".to_owned(), ..request() };
        let name = "shop-v000".parse().unwrap();
        assert_eq!(compose(&request, &name, "t"), Err(UserDataError::NotBase64));
    }

    #[test]
    fn values_cannot_leave_their_quotes() {
        assert_eq!(quoted("a\"b$c`d\\e\nf"), "a\\\"b\\$c\\`d\\\\ef");
    }
}
