//! Names, keys, tokens and tags: by these a repeated bake finds what its predecessor made.

use std::collections::BTreeMap;

use model::{TaskId, digest};
use serde_json::json;

use crate::{
    grammar,
    order::{EnhancedNetworking, Order},
    ports::tag,
    user_data::{SCRIPT_FORMAT, Upgrade},
};

/// How much of the key stands in names: 48 bits, and the tags hold all of it.
const KEY_IN_NAME: usize = 12;
/// Longest image name.
const IMAGE_NAME_MAX: usize = 128;
/// Longest value of a tag.
const TAG_VALUE_MAX: usize = 255;

/// What an image is made of, as one key: equal keys, equal images.
///
/// Everything that changes the content is in it. Where a version is left to the repository, so is
/// the execution: what is newest then may not be newest now, and an old image is worse than another
/// bake.
pub(crate) fn bake_key(
    order: &Order,
    base_image_id: &str,
    repositories: &[String],
    task: &TaskId,
) -> String {
    let packages: Vec<String> = order.packages.iter().map(crate::user_data::Pin::to_line).collect();
    let parts = json!({
        "format": SCRIPT_FORMAT,
        "base": base_image_id,
        "packages": packages,
        "architectures": order.architectures,
        "repositories": repositories,
        "region": order.place.region,
        "vm_type": order.vm_type,
        "upgrade": order.upgrade == Upgrade::Full,
        "enhanced_networking": order.enhanced_networking == EnhancedNetworking::Required,
        "attributes": order.attributes,
        "name_prefix": order.name_prefix,
        "newest_as_of": order.is_unpinned().then(|| task.execution.as_str()),
    });
    digest(&parts.to_string())
}

fn short(key: &str) -> &str {
    key.get(..KEY_IN_NAME).unwrap_or(key)
}

/// Unique per key and generation; an image's name is its idempotency token.
pub(crate) fn image_name(order: &Order, key: &str, generation: u32) -> String {
    let tail = format!("-{}-g{generation}", short(key));
    let version = order.packages.first().and_then(|pin| pin.version.as_deref());
    let head = match version {
        Some(version) => format!("{}-{version}", order.name_prefix),
        None => order.name_prefix.clone(),
    };
    let head: String = head
        .bytes()
        .map(|b| if grammar::is_image_name_byte(b) { char::from(b) } else { '-' })
        .take(IMAGE_NAME_MAX - tail.len())
        .collect();
    head + &tail
}

/// The token under which a builder is started: one machine per token, whoever asks.
pub(crate) fn client_token(key: &str, generation: u32, number: u32) -> String {
    model::derived_id(&["bake builder", key, &generation.to_string(), &number.to_string()])
}

/// The name of the lock that serializes bakes of one key.
pub(crate) fn lock_name(order: &Order, key: &str) -> String {
    format!("bake/{}/{key}", order.place)
}

/// Tags of a builder.
pub(crate) fn builder_tags(
    order: &Order,
    key: &str,
    generation: u32,
    task: &TaskId,
) -> BTreeMap<String, String> {
    let mut tags = system_tags(key, generation, task);
    tags.insert("Name".to_owned(), value(&format!("bowline-bake-{}", order.name_prefix)));
    tags
}

/// Tags of an image.
pub(crate) fn image_tags(
    order: &Order,
    key: &str,
    generation: u32,
    task: &TaskId,
) -> BTreeMap<String, String> {
    let mut tags = order.attributes.clone();
    tags.extend(system_tags(key, generation, task));
    tags.insert("Name".to_owned(), image_name(order, key, generation));
    if let Some(version) = appversion(order) {
        tags.insert("appversion".to_owned(), value(&version));
    }
    let url = order.build.as_ref().and_then(|build| build.url.as_deref());
    if let Some((url, host)) = url.and_then(|url| Some((url, host_of(url)?))) {
        tags.insert("build_host".to_owned(), value(&host));
        tags.insert("build_info_url".to_owned(), value(url));
    }
    tags
}

fn system_tags(key: &str, generation: u32, task: &TaskId) -> BTreeMap<String, String> {
    [
        (tag::MANAGED_BY, tag::MANAGED_BY_BOWLINE.to_owned()),
        (tag::BAKE_KEY, key.to_owned()),
        (tag::GENERATION, generation.to_string()),
        (tag::EXECUTION, task.execution.to_string()),
        (tag::TASK, task.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// True for what this system made for this key and generation.
pub(crate) fn is_ours(tags: &BTreeMap<String, String>, key: &str, generation: u32) -> bool {
    let is = |name: &str, value: &str| tags.get(name).is_some_and(|found| found == value);
    is(tag::MANAGED_BY, tag::MANAGED_BY_BOWLINE)
        && is(tag::BAKE_KEY, key)
        && is(tag::GENERATION, &generation.to_string())
}

/// The generation an image's tags name.
pub(crate) fn generation_of(tags: &BTreeMap<String, String>) -> Option<u32> {
    tags.get(tag::GENERATION)?.parse().ok()
}

/// Frigga's form, `name-version-hBUILD.COMMIT/job/build`, by which Spinnaker's tools link an image
/// with its build; `None` when the first package does not fit it.
///
/// Source: Netflix Frigga's `AppVersion` pattern, and rosco, which drops what does not fit.
fn appversion(order: &Order) -> Option<String> {
    let pin = order.packages.first()?;
    let full = pin.version.as_deref()?;
    let bare = full.split_once(':').map_or(full, |(_, rest)| rest);
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let (version, release) = if let Some((version, release)) = bare.rsplit_once('-') {
        (version, release.to_owned())
    } else {
        let build = order.build.as_ref()?;
        let commit = build.commit.as_deref().and_then(|commit| commit.get(..7));
        let commit = commit.map(|commit| format!(".{commit}")).unwrap_or_default();
        (bare, format!("h{}{commit}", build.number))
    };
    let (build, commit) = release.split_once('.').unwrap_or((&release, "c"));
    let version_fits = !version.is_empty()
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'~'));
    if !(version_fits && is_word(build) && is_word(commit)) {
        return None;
    }
    let job = order.build.as_ref().map(|build| {
        let job: String = build.job.chars().map(|c| if c == '/' { '-' } else { c }).collect();
        (job, build.number)
    });
    let job = job
        .filter(|(job, _)| {
            !job.is_empty()
                && job.bytes().all(|b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~' | b'^')
                })
        })
        .map(|(job, number)| format!("/{job}/{number}"))
        .unwrap_or_default();
    Some(format!("{}-{version}-{release}{job}", pin.name))
}

/// `https://ci.example:8443/` of a page there; `None` for what is no web address.
fn host_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let fits = matches!(scheme, "http" | "https")
        && !host.is_empty()
        && !url.chars().any(|c| c.is_control() || c.is_whitespace())
        && !rest.contains('@');
    fits.then(|| format!("{scheme}://{host}/"))
}

/// Cut to what a tag can hold.
fn value(text: &str) -> String {
    text.chars().take(TAG_VALUE_MAX).collect()
}

#[cfg(test)]
mod tests;
