//! The cloud as one bake worker reaches it.

use std::sync::Arc;

use futures::FutureExt as _;
use worker_bake::ports::{
    Answer, Builder, BuilderOrder, CloudError, Image, ImageCloud, ImageOrder, ImageQuery, Place,
    tag,
};

use crate::{
    fault::{Face, What},
    process::{Call, Lossy, Process},
};

/// A process's connection to the cloud.
#[derive(Clone, Debug)]
pub(crate) struct ImagePort {
    pub(crate) process: Arc<Process>,
    pub(crate) hand: Hand,
}

/// Who of a process reaches out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// A bake, which holds a lease.
    Bake,
    /// The janitor, who ends what is left by executions that are over.
    Janitor,
}

impl Lossy for CloudError {
    fn no_answer(call: &'static str) -> Self {
        Self::UnknownOutcome { call, detail: "no answer in time".to_owned() }
    }

    fn refusal(call: &'static str, what: What) -> Option<Self> {
        match cloud_trouble(what)? {
            CloudTrouble::Throttled => Some(Self::Throttled { call }),
            CloudTrouble::Inside => {
                Some(Self::UnknownOutcome { call, detail: "InternalFailure".to_owned() })
            }
        }
    }
}

/// What a cloud answers in place of the truth.
pub(crate) enum CloudTrouble {
    Throttled,
    Inside,
}

pub(crate) const fn cloud_trouble(what: What) -> Option<CloudTrouble> {
    match what {
        What::Throttled => Some(CloudTrouble::Throttled),
        What::ServerError => Some(CloudTrouble::Inside),
        What::Lost
        | What::Silent
        | What::Twice
        | What::Slow(_)
        | What::CrashBefore(_)
        | What::CrashAfter(_)
        | What::PauseBefore(_)
        | What::PauseAfter(_)
        | What::Drain(_)
        | What::Cut(_)
        | What::Vanish
        | What::Double
        | What::Late(_)
        | What::Refused
        | What::Unroutable
        | What::Wipe
        | What::Reconnect
        | What::LoginPage
        | What::NotYetKnown
        | What::StillBuilding
        | What::Rollback(_) => None,
    }
}

impl ImagePort {
    fn read<'a, T: crate::label::Label + Send + 'a>(
        &'a self,
        name: &'static str,
        act: impl FnMut() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        self.process.point(Call { face: Face::CloudRead, name }, act).boxed()
    }

    fn write<'a, T: crate::label::Label + Send + 'a>(
        &'a self,
        name: &'static str,
        act: impl FnMut() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        async move {
            if self.hand == Hand::Bake {
                self.process.ground.sends_change(&self.process.name, name);
            }
            let answer = self.process.point(Call { face: Face::CloudWrite, name }, act).await;
            self.process.ground.look_at_cloud();
            answer.map_err(|error| self.process.planted_bake_error(error))
        }
        .boxed()
    }

    fn cloud(&self) -> &fake_aws::InProcess {
        self.process.ground.cloud()
    }

    /// I26: the janitor ends builders of executions that are over, and no others.
    async fn only_what_is_left(&self, builder_id: &str) {
        let ground = &self.process.ground;
        let execution = {
            let world = self.cloud().aws().world();
            let mut regions = world.sites().values();
            let builder = regions.find_map(|region| region.instances.get(builder_id));
            builder.and_then(|builder| builder.tags.get(tag::EXECUTION).cloned())
        };
        let Some(id) = execution.and_then(|id| id.parse().ok()) else { return };
        let row = ground.store().execution_view(&id).await.ok().flatten();
        if row.is_none_or(|row| !row.status.is_complete()) {
            let text = format!("the janitor ended {builder_id} of {id}, which is not over");
            ground.judge(|oracle| oracle.violate("I26", &text));
        }
        ground.count("janitor", "ended a builder");
    }
}

impl ImageCloud for ImagePort {
    fn images<'a>(&'a self, place: &'a Place, query: ImageQuery) -> Answer<'a, Vec<Image>> {
        let by_id = matches!(query, ImageQuery::OwnIds(_));
        let read = self.read("DescribeImages", move || self.cloud().images(place, query.clone()));
        async move {
            let found = read.await?;
            if by_id && found.is_empty() && self.process.takes_empty_for_gone() {
                let (call, code) = ("DescribeImages", "Planted".to_owned());
                return Err(CloudError::Refused { call, code, message: "gone".to_owned() });
            }
            Ok(found)
        }
        .boxed()
    }

    fn builders<'a>(&'a self, place: &'a Place, ids: &'a [String]) -> Answer<'a, Vec<Builder>> {
        self.read("DescribeInstances", move || self.cloud().builders(place, ids))
    }

    fn all_builders<'a>(&'a self, place: &'a Place) -> Answer<'a, Vec<Builder>> {
        self.read("DescribeInstances", move || self.cloud().all_builders(place))
    }

    fn places(&self) -> Vec<Place> {
        self.cloud().places()
    }

    fn builder_of_token<'a>(
        &'a self,
        place: &'a Place,
        client_token: &'a str,
    ) -> Answer<'a, Option<Builder>> {
        self.read("DescribeInstances", move || self.cloud().builder_of_token(place, client_token))
    }

    fn run_builder<'a>(&'a self, place: &'a Place, order: &'a BuilderOrder) -> Answer<'a, Builder> {
        let order = self.process.planted_builder_order(order);
        async move { self.write("RunInstances", || self.cloud().run_builder(place, &order)).await }
            .boxed()
    }

    fn console<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, String> {
        self.read("GetConsoleOutput", move || self.cloud().console(place, builder_id))
    }

    fn enable_ena<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.write("ModifyInstanceAttribute", move || self.cloud().enable_ena(place, builder_id))
    }

    fn create_image<'a>(&'a self, place: &'a Place, order: &'a ImageOrder) -> Answer<'a, String> {
        let order = self.process.planted_image_order(order);
        async move { self.write("CreateImage", || self.cloud().create_image(place, &order)).await }
            .boxed()
    }

    fn terminate_builder<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        if self.process.leaves_builders() {
            return async { Ok(()) }.boxed();
        }
        let end = move || {
            async move {
                if self.hand == Hand::Janitor {
                    self.only_what_is_left(builder_id).await;
                }
                self.cloud().terminate_builder(place, builder_id).await
            }
            .boxed()
        };
        self.write("TerminateInstances", end)
    }
}
