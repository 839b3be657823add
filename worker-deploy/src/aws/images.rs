//! Images over EC2.

use super::{
    AwsCloud,
    compute::{filter, tags},
    faults,
};
use crate::ports::{
    CloudError, Fault, Image, ImageQuery, ImageState, Place, TaggedImage, TemplateRef,
};

/// EC2's largest page of images.
const PAGE: i32 = 1_000;

/// By name only among images that are ours or were shared with us: anybody may publish an image
/// under any name.
pub(super) async fn image(
    aws: &AwsCloud,
    place: &Place,
    id_or_name: &str,
) -> Result<Option<Image>, CloudError> {
    let client = aws.ec2_reads(place).await?;
    let read = faults::read("DescribeImages");
    if id_or_name.starts_with("ami-") {
        let answer = client.describe_images().image_ids(id_or_name).send().await.map_err(read);
        return match answer {
            Ok(answer) => Ok(newest(answer.images.unwrap_or_default())),
            Err(CloudError { fault: Fault::NotFound(_), .. }) => Ok(None),
            Err(error) => Err(error),
        };
    }
    let named = || client.describe_images().filters(filter("name", &[id_or_name.to_owned()]));
    let own = named().owners("self").send().await.map_err(&read)?;
    if let Some(image) = newest(own.images.unwrap_or_default()) {
        return Ok(Some(image));
    }
    let shared = named().executable_users("self").send().await.map_err(&read)?;
    Ok(newest(shared.images.unwrap_or_default()))
}

/// The newest that can be launched, or else the newest.
fn newest(images: Vec<aws_sdk_ec2::types::Image>) -> Option<Image> {
    let is_available = |image: &aws_sdk_ec2::types::Image| state(image) == ImageState::Available;
    // ISO 8601 in UTC sorts as text.
    let image = images
        .into_iter()
        .max_by_key(|image| (is_available(image), image.creation_date.clone()))?;
    let state = state(&image);
    Some(Image { id: image.image_id?, name: image.name.unwrap_or_default(), state })
}

fn state(image: &aws_sdk_ec2::types::Image) -> ImageState {
    match image.state.as_ref().map_or("unknown", |state| state.as_str()) {
        "available" => ImageState::Available,
        other => ImageState::Other(other.to_owned()),
    }
}

pub(super) async fn of_template(
    aws: &AwsCloud,
    place: &Place,
    template: &TemplateRef,
) -> Result<Option<String>, CloudError> {
    let client = aws.ec2_reads(place).await?;
    let answer = client
        .describe_launch_template_versions()
        .launch_template_id(&template.id)
        .versions(&template.version)
        .send()
        .await
        .map_err(faults::read("DescribeLaunchTemplateVersions"));
    let versions = match answer {
        Ok(answer) => answer.launch_template_versions.unwrap_or_default(),
        Err(CloudError { fault: Fault::NotFound(_), .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(versions.into_iter().find_map(|version| version.launch_template_data?.image_id))
}

pub(super) async fn tagged(
    aws: &AwsCloud,
    query: &ImageQuery,
) -> Result<Vec<TaggedImage>, CloudError> {
    let sdk = aws.sdk_in(query.account.as_deref(), &query.region).await?;
    let client = aws_sdk_ec2::Client::new(&sdk.reads);
    let tagged = query.tags.iter().map(|(key, value)| {
        let value = std::slice::from_ref(value);
        filter(&format!("tag:{key}"), value)
    });
    let named = filter("name", &[format!("{}*", query.name_begin)]);
    let mut pages = client
        .describe_images()
        .owners("self")
        .set_filters(Some(tagged.chain([named]).collect()))
        .max_results(PAGE)
        .into_paginator()
        .items()
        .send();
    let mut found = Vec::new();
    while let Some(image) = pages.next().await {
        let image = image.map_err(faults::read(ImageQuery::CALL))?;
        if found.len() == ImageQuery::MAX {
            return Err(query.too_many());
        }
        let state = state(&image);
        let (Some(id), Some(name)) = (image.image_id, image.name) else { continue };
        if query.fits(&name, &tags(image.tags)) {
            let created = image.creation_date.unwrap_or_default();
            found.push(TaggedImage { id, name, created, state });
        }
    }
    Ok(found)
}
