//! What every worker's process does beside its work: read its sections, open store and bus, show
//! its health.

use std::{net::SocketAddr, sync::Arc};

use bus::SharedBus;
use runtime::{Admin, Deployment, Metrics, Settings, Tasks, process::Failure};
use store::SharedStore;

use crate::{WorkerPace, aws::AwsConfig};

/// The sections all workers read.
#[derive(Debug)]
pub struct Sections {
    /// `[aws]`
    pub aws: AwsConfig,
    /// `[worker]`
    pub pace: WorkerPace,
}

impl Sections {
    /// Reads them; `None` when something is wrong, which `settings.finish()` then tells.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let aws: Option<AwsConfig> = settings.section("aws");
        for (path, text) in aws.iter().flat_map(AwsConfig::problems) {
            settings.problem(format!("aws.{path}"), text);
        }
        let pace = WorkerPace::read(settings);
        Some(Self { aws: aws?, pace: pace? })
    }
}

/// Ends the reading of a distributed worker's settings and opens its store and its bus.
///
/// # Errors
///
/// Everything that is wrong with the settings; a store or a broker that is not there.
pub async fn open(mut settings: Settings) -> Result<(SharedStore, SharedBus), Failure> {
    let store = settings.store(Deployment::Distributed);
    let bus = settings.bus(Deployment::Distributed);
    settings.finish()?;
    let (Some(store), Some(bus)) = (store, bus) else {
        return Err("the settings were refused without a reason: please report this".into());
    };
    let store = store::open(store.url.expose()).await?;
    let bus = bus::open(bus.url.expose(), bus::Options::default()).await?;
    Ok((store, bus))
}

/// Serves health and metrics, if an address is given.
///
/// # Errors
///
/// The address cannot be listened on.
pub async fn show_health(
    address: Option<SocketAddr>,
    store: &SharedStore,
    bus: &SharedBus,
    tasks: &Tasks,
) -> Result<(), Failure> {
    let Some(address) = address else { return Ok(()) };
    let (store, bus) = (Arc::clone(store), Arc::clone(bus));
    let admin =
        Admin::new(Metrics::install()?, tasks)
            .check("store", move || {
                let store = Arc::clone(&store);
                async move { store.now_ms().await.map(drop).map_err(|error| error.to_string()) }
            })
            .check("bus", move || {
                let healthy = bus.healthy();
                async move {
                    if healthy { Ok(()) } else { Err("the broker does not answer".to_owned()) }
                }
            });
    let address = admin.serve(address).await?;
    tracing::info!(%address, "health and metrics");
    Ok(())
}
