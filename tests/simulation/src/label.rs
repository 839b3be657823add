//! Short names of answers, for the trace and for counting what was seen.

use store::{
    Beat, Claim, Committed, Created, Due, EventAccepted, Locked, PipelineWritten, StoreError,
};

/// Something with a short name.
pub(crate) trait Label {
    fn label(&self) -> &'static str;
}

macro_rules! plain {
    ($($kind:ty => $text:literal),* $(,)?) => {$(
        impl Label for $kind {
            fn label(&self) -> &'static str {
                $text
            }
        }
    )*};
}
plain! {
    () => "done",
    u64 => "number",
    String => "text",
    store::Stats => "stats",
    store::FinishedPage => "page",
    store::Expired => "expired",
    store::Removed => "removed",
    bus::PublishError => "no confirm",
    worker_bake::ports::Builder => "builder",
    worker_deploy::ports::LaunchTemplate => "template",
    coordinator::FetchError => "no answer",
}

impl Label for bool {
    fn label(&self) -> &'static str {
        if *self { "yes" } else { "no" }
    }
}

impl<T> Label for Option<T> {
    fn label(&self) -> &'static str {
        if self.is_some() { "there" } else { "missing" }
    }
}

impl<T> Label for Vec<T> {
    fn label(&self) -> &'static str {
        if self.is_empty() { "none" } else { "some" }
    }
}

impl Label for Claim {
    fn label(&self) -> &'static str {
        match self {
            Self::Granted { checkpoint: None, cancel: false, .. } => "granted",
            Self::Granted { checkpoint: Some(_), cancel: false, .. } => "granted with progress",
            Self::Granted { cancel: true, .. } => "granted to cancel",
            Self::Busy { .. } => "busy",
            Self::Stale { .. } => "stale",
            Self::Finished => "finished",
            Self::Gone => "gone",
        }
    }
}

impl Label for Beat {
    fn label(&self) -> &'static str {
        match self {
            Self::Held { cancel: false } => "held",
            Self::Held { cancel: true } => "held, cancel",
            Self::Lost => "lost",
        }
    }
}

impl Label for Committed {
    fn label(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Duplicate => "duplicate",
            Self::Conflict { .. } => "conflict",
            Self::Gone => "gone",
            Self::Refused { .. } => "refused",
            Self::NoSlot => "no slot",
        }
    }
}

impl Label for Created {
    fn label(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Exists => "exists",
            Self::Refused { .. } => "refused",
        }
    }
}

impl Label for EventAccepted {
    fn label(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Unwanted => "unwanted",
        }
    }
}

impl Label for Locked {
    fn label(&self) -> &'static str {
        match self {
            Self::Granted { .. } => "granted",
            Self::Busy { .. } => "busy",
            Self::Gone => "gone",
        }
    }
}

impl Label for PipelineWritten {
    fn label(&self) -> &'static str {
        match self {
            Self::Saved { .. } => "saved",
            Self::Stale { .. } => "stale",
            Self::NameTaken { .. } => "name taken",
        }
    }
}

impl Label for Due {
    fn label(&self) -> &'static str {
        if self.events.is_empty() && self.outbox.is_empty() && self.wakes.is_empty() {
            "nothing"
        } else {
            "work"
        }
    }
}

impl Label for StoreError {
    fn label(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "no answer",
            Self::Unreadable { .. } => "unreadable",
            Self::Unfit { .. } => "unfit",
        }
    }
}

impl Label for worker_bake::ports::CloudError {
    fn label(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::UnknownOutcome { .. } => "unknown outcome",
            Self::NotFound { .. } => "not found",
            Self::NameTaken { .. } => "name taken",
            Self::TokenReused { .. } => "token reused",
            Self::NoCapacity { .. } => "no capacity",
            Self::Refused { .. } => "refused",
        }
    }
}

impl Label for worker_deploy::ports::CloudError {
    fn label(&self) -> &'static str {
        use worker_deploy::ports::Fault;
        match &self.fault {
            Fault::Throttled => "throttled",
            Fault::UnknownOutcome(_) => "unknown outcome",
            Fault::NotFound(_) => "not found",
            Fault::AlreadyExists(_) => "exists already",
            Fault::InUse(_) => "in use",
            Fault::Refused { .. } => "refused",
        }
    }
}

impl Label for coordinator::Fetched {
    fn label(&self) -> &'static str {
        match self.status {
            200 => "200",
            404 => "404",
            500..=599 => "5xx",
            _ => "other status",
        }
    }
}
