//! What may stand in a request or in the configuration before it reaches a name, a tag or a script.
//!
//! Strict on purpose: each of these values ends on a command line as root. Nothing begins with `-`
//! (an option) or `@` (a file of arguments), and nothing holds a blank, a quote or a control
//! character.

/// Longest package name or version; real ones are a quarter of it.
const PACKAGE_FIELD_MAX: usize = 128;
/// Longest line of a sources list.
const REPOSITORY_MAX: usize = 512;

fn is_made_of(text: &str, max: usize, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(allowed)
}

fn begins_with_alphanumeric(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// Debian policy 5.6.1, and upper case, which dpkg lets through.
pub(crate) fn is_package_name(text: &str) -> bool {
    text.len() >= 2
        && begins_with_alphanumeric(text)
        && is_made_of(text, PACKAGE_FIELD_MAX, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-')
        })
}

/// Debian policy 5.6.12: `[epoch:]upstream[-revision]`.
pub(crate) fn is_package_version(text: &str) -> bool {
    begins_with_alphanumeric(text)
        && !text.ends_with('-')
        && !text.ends_with(':')
        && is_made_of(text, PACKAGE_FIELD_MAX, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'~' | b'-' | b':')
        })
}

/// `all`, `amd64`, `kfreebsd-amd64`.
pub(crate) fn is_package_arch(text: &str) -> bool {
    begins_with_alphanumeric(text)
        && is_made_of(text, 32, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// First part of an image's name.
pub(crate) fn is_image_name_prefix(text: &str) -> bool {
    begins_with_alphanumeric(text)
        && is_made_of(text, 80, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+')
        })
}

/// A name AWS takes for an image.
pub(crate) fn is_image_name(text: &str) -> bool {
    text.len() >= 3 && is_made_of(text, 128, is_image_name_byte)
}

/// A character AWS takes in the name of an image.
pub(crate) const fn is_image_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'(' | b')' | b'[' | b']' | b' ' | b'.' | b'/' | b'-' | b'\'' | b'@' | b'_'
        )
}

/// `ami-` and hexadecimal digits.
pub(crate) fn is_image_id(text: &str) -> bool {
    text.strip_prefix("ami-")
        .is_some_and(|id| is_made_of(id, 32, |b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

/// `t3.small`, `c6gd.12xlarge`, `u-6tb1.metal`.
pub(crate) fn is_instance_type(text: &str) -> bool {
    let is_part = |part: &str| {
        begins_with_alphanumeric(part)
            && is_made_of(part, 32, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split_once('.').is_some_and(|(family, size)| is_part(family) && is_part(size))
}

/// Key and value of a free attribute: both become tags, whose limits are AWS's.
///
/// # Errors
///
/// Says what is wrong.
pub(crate) fn check_attribute(key: &str, value: &str) -> Result<(), String> {
    if !is_made_of(key, 127, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'/' | b'+' | b'-')
    }) || !begins_with_alphanumeric(key)
    {
        return Err(format!("attribute `{}` cannot be the key of a tag", key.escape_debug()));
    }
    let lower = key.to_ascii_lowercase();
    let ours = ["name", "managed-by", "appversion", "build_host", "build_info_url"];
    if lower.starts_with("aws:") || lower.starts_with("bowline:") || ours.contains(&lower.as_str())
    {
        return Err(format!("attribute `{key}` has the key of a tag that is set by the system"));
    }
    if value.chars().count() > 255 || value.chars().any(char::is_control) {
        return Err(format!(
            "attribute `{key}` has a value that is longer than 255 characters or holds control characters"
        ));
    }
    Ok(())
}

/// A line of a sources list: `deb [signed-by=/…] https://host/path suite component…`.
///
/// # Errors
///
/// Says what is wrong.
pub(crate) fn check_repository(line: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("`{}` {why}", redacted(line)));
    if line.len() > REPOSITORY_MAX {
        return wrong("is longer than 512 characters");
    }
    let Some(rest) = line.strip_prefix("deb ") else {
        return wrong("does not begin with `deb `");
    };
    let rest = match rest.strip_prefix('[') {
        None => rest,
        Some(options) => {
            let Some((options, rest)) = options.split_once("] ") else {
                return wrong("has options that do not end");
            };
            if !is_made_of(options, REPOSITORY_MAX, |b| {
                b.is_ascii_alphanumeric()
                    || matches!(b, b' ' | b'=' | b'/' | b'.' | b',' | b'_' | b'-' | b'+')
            }) {
                return wrong("has characters in its options that have no place there");
            }
            rest
        }
    };
    let mut words = rest.split(' ');
    let address = words.next().unwrap_or_default();
    let Some((_, place)) = address
        .split_once("://")
        .filter(|(scheme, place)| matches!(*scheme, "http" | "https" | "s3") && !place.is_empty())
    else {
        return wrong("does not name an http or https address");
    };
    if place.contains('@') {
        return wrong("holds credentials, and everybody on a builder can read its user data");
    }
    let is_word = |word: &str| {
        !word.starts_with('-')
            && is_made_of(word, REPOSITORY_MAX, |b| {
                b.is_ascii_alphanumeric()
                    || matches!(b, b'.' | b'/' | b'_' | b'-' | b'+' | b':' | b'~' | b'%')
            })
    };
    let words: Vec<&str> = words.collect();
    if !is_word(place) || words.is_empty() || !words.iter().all(|word| is_word(word)) {
        return wrong("is not `deb ADDRESS SUITE COMPONENT…`");
    }
    Ok(())
}

/// Without what stands between `://` and `@`.
fn redacted(line: &str) -> String {
    let Some((head, rest)) = line.split_once("://") else { return line.escape_debug().to_string() };
    match rest.split_once('@') {
        Some((_, tail)) => format!("{head}://***@{tail}").escape_debug().to_string(),
        None => line.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What must never pass as any field.
    const HOSTILE: [&str; 30] = [
        "",
        " ",
        "-y",
        "--force",
        "@/etc/passwd",
        "a b",
        "a\nb",
        "a\tb",
        "a;reboot",
        "a|sh",
        "a&b",
        "$(reboot)",
        "`reboot`",
        "${IFS}",
        "a'b",
        "a\"b",
        "a\\b",
        "a>b",
        "a<b",
        "a*b",
        "a?b",
        "a#b",
        "../a",
        "/etc",
        "a\0b",
        "ä",
        "a\u{202e}b",
        "a\rb",
        "!a",
        "a,b",
    ];

    #[test]
    fn hostile_text_is_no_name_no_version_no_architecture() {
        for text in HOSTILE {
            assert!(!is_package_name(text), "{text:?}");
            assert!(!is_package_version(text), "{text:?}");
            assert!(!is_package_arch(text), "{text:?}");
            assert!(!is_image_name_prefix(text), "{text:?}");
            assert!(!is_instance_type(text), "{text:?}");
            assert!(!is_image_id(text), "{text:?}");
            assert!(check_repository(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn real_names_and_versions_pass() {
        for name in ["shop-web", "libstdc++6", "nflx-djangobase-enhanced", "g++", "0ad", "MyApp"] {
            assert!(is_package_name(name), "{name}");
        }
        for version in ["1.4.2-h118.3f2a1bc", "1:2.0~rc1+dfsg-3ubuntu1.1", "0", "1.0~~"] {
            assert!(is_package_version(version), "{version}");
        }
        for arch in ["all", "amd64", "kfreebsd-amd64"] {
            assert!(is_package_arch(arch), "{arch}");
        }
        for kind in ["t3.small", "c6gd.12xlarge", "u-6tb1.metal"] {
            assert!(is_instance_type(kind), "{kind}");
        }
        assert!(is_image_id("ami-0abc123") && !is_image_id("ami-XYZ"));
    }

    #[test]
    fn repositories_are_sources_lines_without_credentials() {
        for line in [
            "deb https://repo.example/debian bookworm main contrib",
            "deb [signed-by=/usr/share/keyrings/x.gpg arch=amd64] https://repo.example/ ./",
            "deb [trusted=yes] http://10.0.0.5:8080/apt trusty main",
        ] {
            assert_eq!(check_repository(line), Ok(()), "{line}");
        }
        for line in [
            "https://repo.example bookworm main",
            "deb file:///etc bookworm main",
            "deb https://repo.example",
            "deb https://repo.example bookworm -oX=y",
            "deb [a=$(id)] https://repo.example bookworm main",
            "deb https://repo.example book\nworm main",
        ] {
            assert!(check_repository(line).is_err(), "{line}");
        }
        let error = check_repository("deb https://me:secret@repo.example x y").unwrap_err();
        assert!(error.contains("credentials") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn attributes_may_not_pose_as_the_systems_tags() {
        assert_eq!(check_attribute("team", "payments & co"), Ok(()));
        for key in
            ["Name", "managed-by", "bowline:bake-key", "aws:x", "appversion", "", "-x", "a b"]
        {
            assert!(check_attribute(key, "x").is_err(), "{key}");
        }
        assert!(check_attribute("team", "a\nb").is_err());
        assert!(check_attribute("team", &"x".repeat(256)).is_err());
    }
}
