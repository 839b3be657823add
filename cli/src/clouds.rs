//! What bakes and deploys happen in: AWS, or something that plays it.

use std::{net::SocketAddr, sync::Arc};

use runtime::{Settings, Tasks};
use worker_bake::{BaseImageConfig, ports::ImageCloud};
use worker_deploy::ports::ServerGroupCloud;

/// The two ports of the workers.
#[derive(Clone, Debug)]
pub(crate) struct Clouds {
    /// What the bake worker works in.
    pub(crate) images: Arc<dyn ImageCloud>,
    /// What the deploy worker works in.
    pub(crate) server_groups: Arc<dyn ServerGroupCloud>,
}
