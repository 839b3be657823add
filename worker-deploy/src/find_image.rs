//! Finds the image of a server group of a cluster. Changes nothing.

use std::cmp::Reverse;

use model::{moniker::Moniker, pattern::Pattern};
use runtime::Chain;
use tracing::{Instrument, info_span};
use wire::{FailureKind, FindImage, FindImageRequest, FoundImage, GroupSelection};
use worker::{End, Handler, TaskContext};

use crate::{
    Deployer,
    check::kind_of,
    plan::retire::is_disabled,
    ports::{CloudError, GroupLifecycle, Place, ServerGroup, ServerGroupCloud},
};

/// A failure names so many server groups.
const NAMED_MAX: usize = 10;

impl Handler<FindImage> for Deployer {
    async fn run(&self, request: FindImageRequest, task: &TaskContext) -> Result<FoundImage, End> {
        let span = info_span!(
            "find image",
            execution.id = %task.task().execution,
            account = %request.account,
            region = %request.region,
            cluster = %request.cluster,
        );
        Box::pin(find(self.cloud.as_ref(), &request).instrument(span)).await
    }

    async fn preview(
        &self,
        request: FindImageRequest,
        _to_come: Vec<String>,
        _task: &TaskContext,
    ) -> Result<FoundImage, End> {
        Box::pin(find(self.cloud.as_ref(), &request)).await
    }
}

/// The image of the server group that is meant.
pub(crate) async fn find(
    cloud: &dyn ServerGroupCloud,
    request: &FindImageRequest,
) -> Result<FoundImage, End> {
    if let Err(error) = request.cluster.parse::<Moniker>() {
        return Err(End::failed(FailureKind::User, Chain(&error).to_string())
            .with_hint("write the cluster's whole name: application-stack-detail"));
    }
    let pattern = pattern(request)?;
    let place = Place { account: request.account.clone(), region: request.region.clone() };
    let unreadable = |what: &str, error: &CloudError| {
        let cluster = &request.cluster;
        let message =
            format!("could not read {what} of cluster `{cluster}` in {place}: {}", Chain(error));
        End::failed(kind_of(&error.fault), message)
    };
    let groups = cloud
        .cluster(&place, &request.cluster)
        .await
        .map_err(|error| unreadable("the server groups", &error))?;
    let group = choose(&groups, request.selection, request.only_enabled)
        .map_err(|none| none.in_words(request, &place))?;
    let of_group =
        format!("server group `{}` of cluster `{}` in {place}", group.name, request.cluster);
    let Some(template) = &group.launch_template else {
        let message = format!(
            "the image of {of_group} is not known: it has an old launch configuration and no launch template"
        );
        return Err(End::failed(FailureKind::User, message)
            .with_hint("deploy it anew, or name the image in the deploy stage (`amiName`)"));
    };
    let named = cloud
        .template_image(&place, template)
        .await
        .map_err(|error| unreadable("the launch templates", &error))?;
    let Some(named) = named else {
        let (name, version) = (&template.name, &template.version);
        let message = format!(
            "the image of {of_group} is not known: version {version} of its launch template `{name}` is gone, or names no image"
        );
        return Err(End::failed(FailureKind::User, message)
            .with_hint("select another server group with `selectionStrategy`"));
    };
    let image =
        cloud.image(&place, &named).await.map_err(|error| unreadable("the images", &error))?;
    let Some(image) = image else {
        let message = format!("image `{named}` of {of_group} is gone");
        return Err(End::failed(FailureKind::User, message).with_hint(
            "select another server group with `selectionStrategy`, or bake the image again",
        ));
    };
    if pattern.is_some_and(|pattern| !pattern.fits(&image.name)) {
        let wanted = request.image_name_pattern.as_deref().unwrap_or_default();
        let message = format!(
            "the image of {of_group} is {} (`{}`), and `{wanted}` is wanted",
            image.id, image.name
        );
        return Err(End::failed(FailureKind::User, message)
            .with_hint("`imageNamePattern` must fit the whole name of the image"));
    }
    Ok(FoundImage {
        region: place.region,
        image_id: image.id,
        image_name: image.name,
        server_group: group.name.clone(),
    })
}

fn pattern(request: &FindImageRequest) -> Result<Option<Pattern>, End> {
    let read = request.image_name_pattern.as_deref().map(Pattern::new).transpose();
    read.map_err(|why| {
        let message = format!("`imageNamePattern` is no regular expression: {why}");
        End::failed(FailureKind::User, message)
            .with_hint("write one that the whole name fits: \"shop-web-.*\"")
    })
}

/// Why no server group is meant. The names are those of the groups that were looked at, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NoGroup {
    /// There is none.
    Empty,
    /// There are only disabled ones, and they do not count.
    AllDisabled(Vec<String>),
    /// There are several, and only one was expected.
    Several(Vec<String>),
}

/// The server group that is meant. Groups that are being deleted do not count.
fn choose(
    groups: &[ServerGroup],
    selection: GroupSelection,
    only_enabled: bool,
) -> Result<&ServerGroup, NoGroup> {
    let is_there = |group: &&ServerGroup| match group.lifecycle {
        GroupLifecycle::Active => true,
        GroupLifecycle::Deleting => false,
    };
    let mut there: Vec<&ServerGroup> = groups.iter().filter(is_there).collect();
    // Names break ties, so that the same world always gives the same group.
    there.sort_by_key(|group| (group.created_ms, &group.name));
    let names = |groups: &[&ServerGroup]| groups.iter().map(|group| group.name.clone()).collect();
    let counted: Vec<&ServerGroup> =
        there.iter().copied().filter(|group| !(only_enabled && is_disabled(group))).collect();
    if counted.is_empty() && !there.is_empty() {
        return Err(NoGroup::AllDisabled(names(&there)));
    }
    let several = counted.len() > 1;
    let found = match selection {
        GroupSelection::Fail if several => return Err(NoGroup::Several(names(&counted))),
        GroupSelection::Newest | GroupSelection::Fail => counted.last(),
        GroupSelection::Oldest => counted.first(),
        // Of the largest ones the first from behind: the newest.
        GroupSelection::Largest => {
            counted.iter().rev().min_by_key(|group| Reverse(group.instances.len()))
        }
    };
    found.copied().ok_or(NoGroup::Empty)
}

impl NoGroup {
    fn in_words(self, request: &FindImageRequest, place: &Place) -> End {
        let cluster = &request.cluster;
        let (message, hint) = match self {
            Self::Empty => (
                format!("cluster `{cluster}` has no server groups in {place}"),
                "write the cluster's whole name, application-stack-detail; with `skipRegionDetection` only the \
                 stage's own regions are looked at",
            ),
            Self::AllDisabled(names) => (
                format!(
                    "cluster `{cluster}` has no enabled server groups in {place}; disabled are {}",
                    listed(&names)
                ),
                "set `onlyEnabled` to false to take the image of a disabled one",
            ),
            Self::Several(names) => (
                format!(
                    "cluster `{cluster}` has {} server groups in {place}, and only one was expected: {}",
                    names.len(),
                    listed(&names)
                ),
                "write \"NEWEST\", \"OLDEST\" or \"LARGEST\" as `selectionStrategy`",
            ),
        };
        End::failed(FailureKind::User, message).with_hint(hint)
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMED_MAX);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests;
