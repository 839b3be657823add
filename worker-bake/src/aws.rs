//! The port over the AWS SDK.

mod reading;

use std::collections::BTreeMap;

use aws_sdk_ec2::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        AttributeBooleanValue, Filter, HttpTokensState, IamInstanceProfileSpecification,
        InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceType, ResourceType,
        ShutdownBehavior, Tag, TagSpecification,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::FutureExt as _;
use worker::aws::{Accounts, AwsConfig, Failure, FailureClass};

use crate::ports::{
    Answer, Builder, BuilderOrder, CloudError, Image, ImageCloud, ImageOrder, ImageQuery, Place,
    tag,
};

/// Shown in the accounts' audit logs for calls under a role.
const SESSION_NAME: &str = "bowline-worker-bake";

/// Images and builders in EC2.
#[derive(Debug)]
pub struct Ec2 {
    accounts: Accounts,
    places: Vec<Place>,
}

impl Ec2 {
    /// With these accounts.
    pub fn new(config: AwsConfig) -> Self {
        let of_account = |(name, account): (&String, &worker::aws::AwsAccount)| {
            let place =
                |region: &String| Place { account: Some(name.clone()), region: region.clone() };
            account.regions.iter().map(place).collect::<Vec<_>>()
        };
        let places = config.accounts.iter().flat_map(of_account).collect();
        Self { accounts: Accounts::new(config, SESSION_NAME), places }
    }

    async fn reads(&self, place: &Place, call: &'static str) -> Result<Client, CloudError> {
        let sdk = self.accounts.sdk(place.account.as_deref(), &place.region).await;
        sdk.map(|sdk| Client::new(&sdk.reads)).map_err(|error| unknown_account(call, &error))
    }

    async fn writes(&self, place: &Place, call: &'static str) -> Result<Client, CloudError> {
        let sdk = self.accounts.sdk(place.account.as_deref(), &place.region).await;
        sdk.map(|sdk| Client::new(&sdk.writes)).map_err(|error| unknown_account(call, &error))
    }

    async fn described(
        &self,
        place: &Place,
        filters: Vec<Filter>,
    ) -> Result<Vec<Builder>, CloudError> {
        const CALL: &str = "DescribeInstances";
        let client = self.reads(place, CALL).await?;
        let mut pages =
            client.describe_instances().set_filters(Some(filters)).into_paginator().send();
        let mut builders = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| error_of(CALL, &error))?;
            let instances = page.reservations.unwrap_or_default().into_iter();
            let instances = instances.flat_map(|some| some.instances.unwrap_or_default());
            builders.extend(instances.filter_map(reading::builder));
        }
        Ok(builders)
    }
}

impl ImageCloud for Ec2 {
    fn images<'a>(&'a self, place: &'a Place, query: ImageQuery) -> Answer<'a, Vec<Image>> {
        const CALL: &str = "DescribeImages";
        async move {
            let call = self.reads(place, CALL).await?.describe_images();
            let call = match query {
                ImageQuery::Id(id) => call.image_ids(id).include_deprecated(true),
                ImageQuery::Name(name) => call.filters(filter("name", [name])),
                ImageQuery::OwnName(name) => call.owners("self").filters(filter("name", [name])),
                ImageQuery::OwnIds(ids) => call.owners("self").filters(filter("image-id", ids)),
                ImageQuery::OwnBakeKey(key) => {
                    let name = format!("tag:{}", tag::BAKE_KEY);
                    call.owners("self").filters(filter(&name, [key]))
                }
            };
            match call.send().await.map_err(|error| error_of(CALL, &error)) {
                Ok(answer) => Ok(answer
                    .images
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(reading::image)
                    .collect()),
                Err(CloudError::NotFound { .. }) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn builders<'a>(&'a self, place: &'a Place, ids: &'a [String]) -> Answer<'a, Vec<Builder>> {
        // As a filter, for an unknown id in the list of ids would refuse the whole call.
        self.described(place, vec![filter("instance-id", ids.iter().cloned())]).boxed()
    }

    fn all_builders<'a>(&'a self, place: &'a Place) -> Answer<'a, Vec<Builder>> {
        let managed = format!("tag:{}", tag::MANAGED_BY);
        let alive = ["pending", "running", "stopping", "stopped"].map(str::to_owned);
        let filters = vec![
            filter(&managed, [tag::MANAGED_BY_BOWLINE.to_owned()]),
            filter("tag-key", [tag::BAKE_KEY.to_owned()]),
            filter("instance-state-name", alive),
        ];
        self.described(place, filters).boxed()
    }

    fn places(&self) -> Vec<Place> {
        self.places.clone()
    }

    fn builder_of_token<'a>(
        &'a self,
        place: &'a Place,
        client_token: &'a str,
    ) -> Answer<'a, Option<Builder>> {
        async move {
            let found =
                self.described(place, vec![filter("client-token", [client_token.to_owned()])]);
            Ok(found.await?.into_iter().next())
        }
        .boxed()
    }

    fn run_builder<'a>(&'a self, place: &'a Place, order: &'a BuilderOrder) -> Answer<'a, Builder> {
        const CALL: &str = "RunInstances";
        async move {
            let profile = order
                .iam_instance_profile
                .as_ref()
                .map(|name| IamInstanceProfileSpecification::builder().name(name).build());
            let groups = &order.security_group_ids;
            let answer = self
                .writes(place, CALL)
                .await?
                .run_instances()
                .client_token(&order.client_token)
                .min_count(1)
                .max_count(1)
                .image_id(&order.image_id)
                .instance_type(InstanceType::from(order.instance_type.as_str()))
                .set_subnet_id(order.subnet_id.clone())
                .set_security_group_ids((!groups.is_empty()).then(|| groups.clone()))
                .set_iam_instance_profile(profile)
                .user_data(STANDARD.encode(&order.user_data))
                .instance_initiated_shutdown_behavior(ShutdownBehavior::Stop)
                .metadata_options(
                    InstanceMetadataOptionsRequest::builder()
                        .http_endpoint(InstanceMetadataEndpointState::Enabled)
                        .http_tokens(HttpTokensState::Required)
                        .http_put_response_hop_limit(1)
                        .build(),
                )
                .tag_specifications(tags_for(ResourceType::Instance, &order.tags))
                .tag_specifications(tags_for(ResourceType::Volume, &order.tags))
                .send()
                .await
                .map_err(|error| error_of(CALL, &error))?;
            let started =
                answer.instances.unwrap_or_default().into_iter().find_map(reading::builder);
            started.ok_or_else(|| empty_answer(CALL))
        }
        .boxed()
    }

    fn console<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, String> {
        const CALL: &str = "GetConsoleOutput";
        async move {
            let call = self.reads(place, CALL).await?.get_console_output().instance_id(builder_id);
            let answer = match call.clone().latest(true).send().await {
                // Only Nitro instances have the newest text at any time.
                Err(error) if error.code() == Some("UnsupportedOperation") => call.send().await,
                answer => answer,
            };
            let answer = answer.map_err(|error| error_of(CALL, &error))?;
            let Some(output) = answer.output else { return Ok(String::new()) };
            let bytes: String = output.split_ascii_whitespace().collect();
            match STANDARD.decode(bytes) {
                Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
                Err(error) => Err(CloudError::UnknownOutcome {
                    call: CALL,
                    detail: format!("its answer is not base64: {error}"),
                }),
            }
        }
        .boxed()
    }

    fn enable_ena<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        const CALL: &str = "ModifyInstanceAttribute";
        async move {
            self.writes(place, CALL)
                .await?
                .modify_instance_attribute()
                .instance_id(builder_id)
                .ena_support(AttributeBooleanValue::builder().value(true).build())
                .send()
                .await
                .map_err(|error| error_of(CALL, &error))?;
            Ok(())
        }
        .boxed()
    }

    fn create_image<'a>(&'a self, place: &'a Place, order: &'a ImageOrder) -> Answer<'a, String> {
        const CALL: &str = "CreateImage";
        async move {
            let answer = self
                .writes(place, CALL)
                .await?
                .create_image()
                .instance_id(&order.builder_id)
                .name(&order.name)
                .description(&order.description)
                .tag_specifications(tags_for(ResourceType::Image, &order.tags))
                .tag_specifications(tags_for(ResourceType::Snapshot, &order.tags))
                .send()
                .await
                .map_err(|error| error_of(CALL, &error))?;
            answer.image_id.ok_or_else(|| empty_answer(CALL))
        }
        .boxed()
    }

    fn terminate_builder<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        const CALL: &str = "TerminateInstances";
        async move {
            self.writes(place, CALL)
                .await?
                .terminate_instances()
                .instance_ids(builder_id)
                .send()
                .await
                .map_err(|error| error_of(CALL, &error))?;
            Ok(())
        }
        .boxed()
    }
}

fn filter(name: &str, values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().collect())).build()
}

fn tags_for(resource: ResourceType, tags: &BTreeMap<String, String>) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    TagSpecification::builder().resource_type(resource).set_tags(Some(tags.collect())).build()
}

fn unknown_account(call: &'static str, error: &worker::aws::AccountError) -> CloudError {
    CloudError::Refused { call, code: "UnknownAccount".to_owned(), message: error.to_string() }
}

/// It said yes and not to what: the world must be read.
fn empty_answer(call: &'static str) -> CloudError {
    CloudError::UnknownOutcome { call, detail: "its answer names nothing".to_owned() }
}

fn error_of<E>(
    call: &'static str,
    error: &SdkError<E, aws_sdk_ec2::config::http::HttpResponse>,
) -> CloudError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    cloud_error(call, Failure::of(error))
}

/// What a failed call means here. Codes come first: a lack of capacity has a status that would
/// otherwise leave the outcome open.
///
/// Source: "Error codes for the Amazon EC2 API" in the EC2 Developer Guide.
fn cloud_error(call: &'static str, failure: Failure) -> CloudError {
    let Failure { class, code, message } = failure;
    match (code, class) {
        (Some(code), FailureClass::Refused | FailureClass::UnknownOutcome)
            if is_lack_of_room(&code) =>
        {
            CloudError::NoCapacity { call, code, message }
        }
        (_, FailureClass::Throttled) => CloudError::Throttled { call },
        (code, FailureClass::UnknownOutcome) => CloudError::UnknownOutcome {
            call,
            detail: code.map_or_else(|| message.clone(), |code| format!("{code}: {message}")),
        },
        (None, FailureClass::Refused) => {
            CloudError::Refused { call, code: "NotSent".to_owned(), message }
        }
        (Some(code), FailureClass::Refused) => match code.as_str() {
            "InvalidAMIName.Duplicate" => CloudError::NameTaken { call, message },
            "IdempotentParameterMismatch" | "IdempotentInstanceTerminated" => {
                CloudError::TokenReused { call, code, message }
            }
            _ if code.starts_with("Invalid") && code.ends_with(".NotFound") => {
                CloudError::NotFound { call, message }
            }
            _ => CloudError::Refused { call, code, message },
        },
    }
}

fn is_lack_of_room(code: &str) -> bool {
    matches!(
        code,
        "InsufficientInstanceCapacity"
            | "InsufficientHostCapacity"
            | "InsufficientFreeAddressesInSubnet"
            | "InsufficientAddressCapacity"
            | "InsufficientVolumeCapacity"
            | "InstanceLimitExceeded"
            | "VcpuLimitExceeded"
            | "ResourceLimitExceeded"
            | "VolumeLimitExceeded"
            | "SnapshotLimitExceeded"
            | "AMIQuotaExceeded"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_procedure_asks_for() {
        let of = |class, code: &str| {
            let code = (!code.is_empty()).then(|| code.to_owned());
            cloud_error("X", Failure { class, code, message: "m".to_owned() })
        };
        let refused = |code| of(FailureClass::Refused, code);
        assert!(matches!(refused("InvalidAMIName.Duplicate"), CloudError::NameTaken { .. }));
        assert!(matches!(refused("InvalidInstanceID.NotFound"), CloudError::NotFound { .. }));
        assert!(matches!(refused("IdempotentParameterMismatch"), CloudError::TokenReused { .. }));
        assert!(matches!(refused("IdempotentInstanceTerminated"), CloudError::TokenReused { .. }));
        assert!(matches!(refused("VcpuLimitExceeded"), CloudError::NoCapacity { .. }));
        assert!(matches!(refused("UnauthorizedOperation"), CloudError::Refused { .. }));
        assert!(matches!(refused(""), CloudError::Refused { .. }));
        let unclear = |code| of(FailureClass::UnknownOutcome, code);
        assert!(matches!(unclear("InsufficientInstanceCapacity"), CloudError::NoCapacity { .. }));
        assert!(matches!(unclear("InternalError"), CloudError::UnknownOutcome { .. }));
        let throttled = of(FailureClass::Throttled, "RequestLimitExceeded");
        assert_eq!(throttled, CloudError::Throttled { call: "X" });
    }
}
