//! EC2's words into this room's.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Image as Ec2Image, Instance, InstanceStateName, StateReason, Tag};

use crate::ports::{Builder, BuilderState, Image, ImageState};

/// `None` for an image without an id, which EC2 does not send.
pub(super) fn image(image: Ec2Image) -> Option<Image> {
    use aws_sdk_ec2::types::ImageState as Ec2State;
    // A state this code does not know may yet become available; the time limit ends the wait.
    let state = match image.state {
        Some(Ec2State::Available) => ImageState::Available,
        Some(
            Ec2State::Failed
            | Ec2State::Error
            | Ec2State::Invalid
            | Ec2State::Deregistered
            | Ec2State::Disabled,
        ) => ImageState::Failed,
        Some(Ec2State::Pending | Ec2State::Transient | _) | None => ImageState::Pending,
    };
    Some(Image {
        id: image.image_id?,
        name: image.name.unwrap_or_default(),
        state,
        state_reason: image.state_reason.and_then(reason),
        tags: tags(image.tags),
        created_at: image.creation_date.unwrap_or_default(),
        architecture: image.architecture.map(|a| a.as_str().to_owned()).unwrap_or_default(),
        virtualization: image
            .virtualization_type
            .map(|kind| kind.as_str().to_owned())
            .unwrap_or_default(),
        ena_support: image.ena_support.unwrap_or(false),
    })
}

/// `None` for an instance without an id, which EC2 does not send.
pub(super) fn builder(instance: Instance) -> Option<Builder> {
    let state = match instance.state.and_then(|state| state.name) {
        Some(InstanceStateName::Running) => BuilderState::Running,
        Some(InstanceStateName::Stopping) => BuilderState::Stopping,
        Some(InstanceStateName::Stopped) => BuilderState::Stopped,
        Some(InstanceStateName::ShuttingDown) => BuilderState::ShuttingDown,
        Some(InstanceStateName::Terminated) => BuilderState::Terminated,
        Some(InstanceStateName::Pending | _) | None => BuilderState::Pending,
    };
    Some(Builder {
        id: instance.instance_id?,
        state,
        state_reason: instance.state_reason.and_then(reason),
        tags: tags(instance.tags),
        ena_support: instance.ena_support.unwrap_or(false),
        // Without a time it is as good as new: it is left alone.
        started_ms: instance
            .launch_time
            .and_then(|time| time.to_millis().ok())
            .and_then(|time| u64::try_from(time).ok())
            .unwrap_or(u64::MAX),
    })
}

fn reason(reason: StateReason) -> Option<String> {
    match (reason.code, reason.message) {
        // EC2's messages repeat the code.
        (Some(code), Some(message)) if message.starts_with(&code) => Some(message),
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (Some(text), None) | (None, Some(text)) => Some(text),
        (None, None) => None,
    }
}

fn tags(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    let tags = tags.unwrap_or_default().into_iter();
    tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}
