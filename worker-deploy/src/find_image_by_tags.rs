//! Finds the newest image of a package that has given tags. Changes nothing.

use std::collections::BTreeMap;

use runtime::Chain;
use tracing::{Instrument, info, info_span};
use wire::{FailureKind, FindImageByTags, FindImageByTagsRequest, TaggedImageFound};
use worker::{End, Handler, TaskContext};

use crate::{
    Deployer,
    check::kind_of,
    ports::{CloudError, ImageQuery, ImageState, ServerGroupCloud, TaggedImage},
};

/// So many older images are named.
const NAMED_MAX: usize = 10;

impl Handler<FindImageByTags> for Deployer {
    async fn run(
        &self,
        request: FindImageByTagsRequest,
        task: &TaskContext,
    ) -> Result<TaggedImageFound, End> {
        let span = info_span!(
            "find image by tags",
            execution.id = %task.task().execution,
            region = %request.region,
            package = %request.package,
        );
        Box::pin(find(self.cloud.as_ref(), &request).instrument(span)).await
    }

    async fn preview(
        &self,
        request: FindImageByTagsRequest,
        _to_come: Vec<String>,
        _task: &TaskContext,
    ) -> Result<TaggedImageFound, End> {
        Box::pin(find(self.cloud.as_ref(), &request)).await
    }
}

/// The newest image that fits.
async fn find(
    cloud: &dyn ServerGroupCloud,
    request: &FindImageByTagsRequest,
) -> Result<TaggedImageFound, End> {
    let query = ImageQuery {
        account: request.account.clone(),
        region: request.region.clone(),
        name_begin: request.package.clone(),
        tags: request.tags.clone(),
    };
    let images = cloud.tagged_images(&query).await.map_err(|error| unreadable(request, &error))?;
    let images = newest_first(&images);
    let Some((newest, older)) = images.split_first() else {
        return Err(none_fits(cloud, request, query).await);
    };
    info!(image.id = %newest.id, image.name = %newest.name, older = older.len(), "image found");
    Ok(TaggedImageFound {
        region: request.region.clone(),
        image_id: newest.id.clone(),
        image_name: newest.name.clone(),
        created: newest.created.clone(),
        others: u32::try_from(older.len()).unwrap_or(u32::MAX),
        other_names: older.iter().take(NAMED_MAX).map(|image| image.name.clone()).collect(),
    })
}

/// Those that can be launched. Names break ties, so that the same world always gives the same image.
fn newest_first(images: &[TaggedImage]) -> Vec<&TaggedImage> {
    let mut found: Vec<&TaggedImage> =
        images.iter().filter(|image| image.state == ImageState::Available).collect();
    found.sort_by(|a, b| (&b.created, &b.name).cmp(&(&a.created, &a.name)));
    found
}

/// Why there is none: the package has images without these tags, or none at all.
async fn none_fits(
    cloud: &dyn ServerGroupCloud,
    request: &FindImageByTagsRequest,
    query: ImageQuery,
) -> End {
    let any = ImageQuery { tags: BTreeMap::new(), ..query };
    let there = match cloud.tagged_images(&any).await {
        Ok(images) if images.len() == 1 => "1 image of that package is there".to_owned(),
        Ok(images) => format!("{} images of that package are there", images.len()),
        Err(error) if error == any.too_many() => {
            format!("more than {} images of that package are there", ImageQuery::MAX)
        }
        Err(error) => return unreadable(request, &error),
    };
    let tags: Vec<String> =
        request.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let message = format!(
        "no image of `{}` in {} can be launched and has the tags {}; {there}",
        request.package,
        place(request),
        tags.join(", ")
    );
    End::failed(FailureKind::User, message)
        .with_hint("compare `tags` and `packageName` with the images in the account's EC2 console")
}

fn unreadable(request: &FindImageByTagsRequest, error: &CloudError) -> End {
    let (package, place) = (&request.package, place(request));
    let message = format!("could not read the images of `{package}` in {place}: {}", Chain(error));
    End::failed(kind_of(&error.fault), message)
}

fn place(request: &FindImageByTagsRequest) -> String {
    match &request.account {
        Some(account) => format!("{account}/{}", request.region),
        None => request.region.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_that_can_be_launched_is_first() {
        let image = |name: &str, created: &str, state: ImageState| TaggedImage {
            id: format!("ami-{name}"),
            name: name.to_owned(),
            created: created.to_owned(),
            state,
        };
        let pending = ImageState::Other("pending".to_owned());
        let images = [
            image("b", "2026-11-02T10:00:00.000Z", ImageState::Available),
            image("d", "2026-11-04T10:00:00.000Z", pending),
            image("a", "2026-11-02T10:00:00.000Z", ImageState::Available),
            image("c", "2026-11-03T10:00:00.000Z", ImageState::Available),
        ];
        let names: Vec<&str> =
            newest_first(&images).into_iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a"]);
    }
}
