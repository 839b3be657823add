//! The bake worker's port.

use worker_bake::ports::{
    Answer, Builder, BuilderOrder, BuilderState, CloudError, Image, ImageCloud, ImageOrder,
    ImageQuery, ImageState, Place, tag,
};

use super::{InProcess, Said, rfc3339, said};
use crate::world::{
    Caller, World,
    error::{ApiError, CallError},
    filter::Filter,
    image::{self, CreateImage},
    instance::{Instance, InstanceState, OnShutdown, RunInstances},
};

impl InProcess {
    fn bake<'a, T: Send + 'a>(
        &'a self,
        place: &'a Place,
        call: &'static str,
        act: impl FnOnce(&mut World, &Caller) -> Result<T, CallError> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            self.call(place.account.as_deref(), &place.region, act)
                .map_err(|error| cloud_error(call, error))
        })
    }
}

impl ImageCloud for InProcess {
    fn images<'a>(&'a self, place: &'a Place, query: ImageQuery) -> Answer<'a, Vec<Image>> {
        self.bake(place, "DescribeImages", move |world, caller| {
            let own = vec!["self".to_owned()];
            let (owners, filters) = match query {
                ImageQuery::Id(id) => (Vec::new(), vec![Filter::new("image-id", &id)]),
                ImageQuery::Name(name) => (Vec::new(), vec![Filter::new("name", &name)]),
                ImageQuery::OwnName(name) => (own, vec![Filter::new("name", &name)]),
                ImageQuery::OwnIds(values) => {
                    (own, vec![Filter { name: "image-id".to_owned(), values }])
                }
                ImageQuery::OwnBakeKey(key) => {
                    (own, vec![Filter::new(&format!("tag:{}", tag::BAKE_KEY), &key)])
                }
            };
            let query = image::ImageQuery { ids: Vec::new(), owners, filters };
            let found = world.describe_images(caller, &query)?;
            Ok(found.into_iter().map(image_of).collect())
        })
    }

    fn builders<'a>(&'a self, place: &'a Place, ids: &'a [String]) -> Answer<'a, Vec<Builder>> {
        self.bake(place, "DescribeInstances", |world, caller| {
            let filter = Filter { name: "instance-id".to_owned(), values: ids.to_vec() };
            let found = world.describe_instances(caller, &[], &[filter])?;
            Ok(found.into_iter().map(builder_of).collect())
        })
    }

    fn all_builders<'a>(&'a self, place: &'a Place) -> Answer<'a, Vec<Builder>> {
        self.bake(place, "DescribeInstances", |world, caller| {
            let alive = ["pending", "running", "stopping", "stopped"].map(str::to_owned);
            let filters = [
                Filter::new(&format!("tag:{}", tag::MANAGED_BY), tag::MANAGED_BY_BOWLINE),
                Filter::new("tag-key", tag::BAKE_KEY),
                Filter { name: "instance-state-name".to_owned(), values: alive.to_vec() },
            ];
            let found = world.describe_instances(caller, &[], &filters)?;
            Ok(found.into_iter().map(builder_of).collect())
        })
    }

    fn places(&self) -> Vec<Place> {
        Vec::new()
    }

    fn builder_of_token<'a>(
        &'a self,
        place: &'a Place,
        client_token: &'a str,
    ) -> Answer<'a, Option<Builder>> {
        self.bake(place, "DescribeInstances", move |world, caller| {
            let filter = Filter::new("client-token", client_token);
            let found = world.describe_instances(caller, &[], &[filter])?;
            Ok(found.into_iter().map(builder_of).next())
        })
    }

    fn run_builder<'a>(&'a self, place: &'a Place, order: &'a BuilderOrder) -> Answer<'a, Builder> {
        self.bake(place, "RunInstances", |world, caller| {
            let request = RunInstances {
                client_token: Some(order.client_token.clone()),
                image_id: order.image_id.clone(),
                instance_type: order.instance_type.clone(),
                subnet_id: order.subnet_id.clone(),
                security_groups: order.security_group_ids.clone(),
                key_name: None,
                instance_profile: order.iam_instance_profile.clone(),
                user_data: order.user_data.clone(),
                on_shutdown: OnShutdown::Stop,
                tags: order.tags.clone(),
            };
            world.run_instances(caller, &request).map(builder_of)
        })
    }

    fn console<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, String> {
        self.bake(place, "GetConsoleOutput", move |world, caller| {
            world.console_output(caller, builder_id)
        })
    }

    fn enable_ena<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.bake(place, "ModifyInstanceAttribute", move |world, caller| {
            world.enable_ena(caller, builder_id)
        })
    }

    fn create_image<'a>(&'a self, place: &'a Place, order: &'a ImageOrder) -> Answer<'a, String> {
        self.bake(place, "CreateImage", |world, caller| {
            let request = CreateImage {
                instance_id: order.builder_id.clone(),
                name: order.name.clone(),
                description: order.description.clone(),
                tags: order.tags.clone(),
            };
            world.create_image(caller, &request)
        })
    }

    fn terminate_builder<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.bake(place, "TerminateInstances", move |world, caller| {
            world.terminate_instances(caller, &[builder_id.to_owned()]).map(drop)
        })
    }
}

fn image_of(image: image::Image) -> Image {
    Image {
        state: match image.state {
            image::ImageState::Pending => ImageState::Pending,
            image::ImageState::Available => ImageState::Available,
            image::ImageState::Failed => ImageState::Failed,
        },
        state_reason: image.state_reason.filter(|_| image.state == image::ImageState::Failed),
        created_at: rfc3339(image.created_ms),
        id: image.id,
        name: image.name,
        tags: image.tags,
        architecture: image.architecture,
        virtualization: image.virtualization,
        ena_support: image.ena_support,
    }
}

fn builder_of(instance: Instance) -> Builder {
    Builder {
        state: match instance.state {
            InstanceState::Pending => BuilderState::Pending,
            InstanceState::Running => BuilderState::Running,
            InstanceState::Stopping => BuilderState::Stopping,
            InstanceState::Stopped => BuilderState::Stopped,
            InstanceState::ShuttingDown => BuilderState::ShuttingDown,
            InstanceState::Terminated => BuilderState::Terminated,
        },
        id: instance.id,
        state_reason: instance.state_reason,
        tags: instance.tags,
        ena_support: instance.ena_support,
        started_ms: instance.launched_ms,
    }
}

fn cloud_error(call: &'static str, error: CallError) -> CloudError {
    let ApiError { code, message, .. } = match said(error) {
        Said::Throttled => return CloudError::Throttled { call },
        Said::Unknown(detail) => return CloudError::UnknownOutcome { call, detail },
        Said::Refused(error) => error,
    };
    match code.as_str() {
        "InvalidAMIName.Duplicate" => CloudError::NameTaken { call, message },
        "IdempotentParameterMismatch" | "IdempotentInstanceTerminated" => {
            CloudError::TokenReused { call, code, message }
        }
        "InstanceLimitExceeded" | "VcpuLimitExceeded" | "InsufficientInstanceCapacity" => {
            CloudError::NoCapacity { call, code, message }
        }
        _ if code.ends_with(".NotFound") => CloudError::NotFound { call, message },
        _ => CloudError::Refused { call, code, message },
    }
}
