//! A pretended cloud whose package repository has whatever is asked for: a server that only
//! pretends cannot know what somebody's Jenkins has built.

use fake_aws::{FakeAws, InProcess, read_script};
use worker_bake::ports::{
    Answer, Builder, BuilderOrder, Image, ImageCloud, ImageOrder, ImageQuery, Place,
};

/// The version of a package that is asked for without one.
const ANY_VERSION: &str = "1.0";

/// The bake worker's port, with every package published just before it is installed.
#[derive(Debug)]
pub(crate) struct Obliging {
    cloud: InProcess,
    aws: FakeAws,
}

impl Obliging {
    /// Over a cloud.
    pub(crate) fn new(cloud: InProcess, aws: FakeAws) -> Self {
        Self { cloud, aws }
    }
}

impl ImageCloud for Obliging {
    fn run_builder<'a>(&'a self, place: &'a Place, order: &'a BuilderOrder) -> Answer<'a, Builder> {
        if let Some(script) = read_script(&order.user_data) {
            let mut world = self.aws.world();
            for (name, version) in &script.packages {
                world.publish(name, version.as_deref().unwrap_or(ANY_VERSION));
            }
        }
        self.cloud.run_builder(place, order)
    }

    fn images<'a>(&'a self, place: &'a Place, query: ImageQuery) -> Answer<'a, Vec<Image>> {
        self.cloud.images(place, query)
    }

    fn builders<'a>(&'a self, place: &'a Place, ids: &'a [String]) -> Answer<'a, Vec<Builder>> {
        self.cloud.builders(place, ids)
    }

    fn all_builders<'a>(&'a self, place: &'a Place) -> Answer<'a, Vec<Builder>> {
        self.cloud.all_builders(place)
    }

    fn places(&self) -> Vec<Place> {
        self.cloud.places()
    }

    fn builder_of_token<'a>(
        &'a self,
        place: &'a Place,
        client_token: &'a str,
    ) -> Answer<'a, Option<Builder>> {
        self.cloud.builder_of_token(place, client_token)
    }

    fn console<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, String> {
        self.cloud.console(place, builder_id)
    }

    fn enable_ena<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.cloud.enable_ena(place, builder_id)
    }

    fn create_image<'a>(&'a self, place: &'a Place, order: &'a ImageOrder) -> Answer<'a, String> {
        self.cloud.create_image(place, order)
    }

    fn terminate_builder<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.cloud.terminate_builder(place, builder_id)
    }
}
