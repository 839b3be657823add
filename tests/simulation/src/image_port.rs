//! The cloud as one bake worker reaches it.

use std::sync::Arc;

use futures::FutureExt as _;
use worker_bake::ports::{
    Answer, Builder, BuilderOrder, CloudError, Image, ImageCloud, ImageOrder, ImageQuery, Place,
};

use crate::{
    fault::{Face, What},
    process::{Call, Lossy, Process},
};

/// A process's connection to the cloud.
#[derive(Clone, Debug)]
pub(crate) struct ImagePort(pub(crate) Arc<Process>);

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
        | What::StillBuilding => None,
    }
}

impl ImagePort {
    fn read<'a, T: crate::label::Label + Send + 'a>(
        &'a self,
        name: &'static str,
        act: impl FnMut() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        self.0.point(Call { face: Face::CloudRead, name }, act).boxed()
    }

    fn write<'a, T: crate::label::Label + Send + 'a>(
        &'a self,
        name: &'static str,
        act: impl FnMut() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        async move {
            self.0.ground.sends_change(&self.0.name, name);
            let answer = self.0.point(Call { face: Face::CloudWrite, name }, act).await;
            self.0.ground.look_at_cloud();
            answer.map_err(|error| self.0.planted_bake_error(error))
        }
        .boxed()
    }

    fn cloud(&self) -> &fake_aws::InProcess {
        self.0.ground.cloud()
    }
}

impl ImageCloud for ImagePort {
    fn images<'a>(&'a self, place: &'a Place, query: ImageQuery) -> Answer<'a, Vec<Image>> {
        let by_id = matches!(query, ImageQuery::OwnIds(_));
        let read = self.read("DescribeImages", move || self.cloud().images(place, query.clone()));
        async move {
            let found = read.await?;
            if by_id && found.is_empty() && self.0.takes_empty_for_gone() {
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

    fn builder_of_token<'a>(
        &'a self,
        place: &'a Place,
        client_token: &'a str,
    ) -> Answer<'a, Option<Builder>> {
        self.read("DescribeInstances", move || self.cloud().builder_of_token(place, client_token))
    }

    fn run_builder<'a>(&'a self, place: &'a Place, order: &'a BuilderOrder) -> Answer<'a, Builder> {
        let order = self.0.planted_builder_order(order);
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
        let order = self.0.planted_image_order(order);
        async move { self.write("CreateImage", || self.cloud().create_image(place, &order)).await }
            .boxed()
    }

    fn terminate_builder<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        if self.0.leaves_builders() {
            return async { Ok(()) }.boxed();
        }
        self.write("TerminateInstances", move || self.cloud().terminate_builder(place, builder_id))
    }
}
