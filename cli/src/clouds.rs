//! What bakes and deploys happen in: AWS, or something that plays it.

#[cfg(feature = "aws")]
mod amazon;
mod obliging;

use std::{collections::BTreeMap, sync::Arc};

use fake_aws::{BaseImageSeed, FakeAws, GroupSeed, InProcess, Seed, SeedError};
use runtime::Tasks;
use worker_bake::{BaseImageConfig, PackageType, ports::ImageCloud};
use worker_deploy::ports::ServerGroupCloud;

use crate::{clouds::obliging::Obliging, watch::now_ms};

#[cfg(feature = "aws")]
pub(crate) use amazon::amazon;

/// What the example pipeline calls the account.
#[cfg(feature = "aws")]
const ACCOUNT: &str = "staging";
/// Where the example pipeline bakes and deploys.
const REGION: &str = "us-east-1";
/// What the example pipeline calls the operating system.
const OS: &str = "bookworm";

/// The two ports of the workers.
#[derive(Clone, Debug)]
pub(crate) struct Clouds {
    /// What the bake worker works in.
    pub(crate) images: Arc<dyn ImageCloud>,
    /// What the deploy worker works in.
    pub(crate) server_groups: Arc<dyn ServerGroupCloud>,
}

/// How a pretended cloud is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// By calls inside this process.
    InProcess,
    /// By the AWS SDK and the wire.
    Sdk,
}

/// What a pretended cloud's package repository has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repository {
    /// What the example's build has made.
    Example,
    /// Whatever is asked for.
    Everything,
}

/// No cloud to work in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloudsError {
    /// The pretended one contradicts itself.
    #[error("the pretended AWS cannot be as it should")]
    Seed(#[from] SeedError),
    /// It cannot be reached over the wire.
    #[cfg(feature = "aws")]
    #[error("the pretended AWS could not listen on the loopback interface")]
    Listen(#[source] std::io::Error),
    /// It cannot be reached through the SDK.
    #[cfg(not(feature = "aws"))]
    #[error("this program was built without the AWS SDK")]
    NoSdk,
}

/// A cloud inside this process, with an old server group of the example pipeline's cluster in it.
#[derive(Debug)]
pub(crate) struct Pretended {
    clouds: Clouds,
    description: String,
    base_images: Vec<BaseImageConfig>,
}

impl Pretended {
    /// Makes one; it is forgotten with the process.
    pub(crate) async fn start(
        reach: Reach,
        repository: Repository,
        tasks: &Tasks,
    ) -> Result<Self, CloudsError> {
        let seed = seed();
        let base_images = seed.base_images.first().map(|base| base_image(&seed, base));
        let aws = FakeAws::seeded(&seed)?;
        let (clouds, description) = match reach {
            Reach::InProcess => (in_process(aws, repository), "inside this process".to_owned()),
            Reach::Sdk => over_the_wire(aws, tasks).await?,
        };
        Ok(Self { clouds, description, base_images: base_images.into_iter().collect() })
    }

    /// The ports.
    pub(crate) fn clouds(&self) -> Clouds {
        self.clouds.clone()
    }

    /// Where it is, in words.
    pub(crate) fn description(&self) -> &str {
        &self.description
    }

    /// Rows of the base image table for images that exist there.
    pub(crate) fn base_images(&self) -> impl Iterator<Item = &BaseImageConfig> {
        self.base_images.iter()
    }
}

fn in_process(aws: FakeAws, repository: Repository) -> Clouds {
    let both = InProcess::new(aws.clone());
    let images: Arc<dyn ImageCloud> = match repository {
        Repository::Example => Arc::new(both.clone()),
        Repository::Everything => Arc::new(Obliging::new(both.clone(), aws)),
    };
    Clouds { images, server_groups: Arc::new(both) }
}

#[cfg(feature = "aws")]
async fn over_the_wire(aws: FakeAws, tasks: &Tasks) -> Result<(Clouds, String), CloudsError> {
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(CloudsError::Listen)?;
    let url = format!("http://{}", listener.local_addr().map_err(CloudsError::Listen)?);
    let stop = tasks.stop().clone();
    tasks.spawn(async move {
        let served = tokio::select! {
            served = fake_aws::serve(listener, aws) => served,
            () = stop.cancelled() => Ok(()),
        };
        if let Err(error) = served {
            tracing::error!(%error, "the pretended AWS stopped serving");
        }
    });
    let description = format!("{url} over the wire, through the AWS SDK");
    Ok((amazon::at(&url, ACCOUNT, REGION), description))
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "the same as with the SDK")]
async fn over_the_wire(_: FakeAws, _: &Tasks) -> Result<(Clouds, String), CloudsError> {
    Err(CloudsError::NoSdk)
}

/// Everything the example pipeline names, and a server group to be replaced.
fn seed() -> Seed {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let seed = Seed {
        regions: names(&[REGION, "us-west-2"]),
        purposes: names(&["internal (main)", "external (main)"]),
        security_groups: names(&["default", "shop-web"]),
        load_balancers: names(&["shop-staging"]),
        target_groups: names(&["shop-staging"]),
        ..Seed::default()
    };
    seed.starting_at(now_ms()).with_package("shop-web", "1.4.2-118").with_group(GroupSeed {
        region: REGION.to_owned(),
        name: "shop-staging-web-v003".to_owned(),
        size: 2,
        load_balancers: names(&["shop-staging"]),
        target_groups: Vec::new(),
    })
}

fn base_image(seed: &Seed, base: &BaseImageSeed) -> BaseImageConfig {
    let image = |region: &String| (region.clone(), Seed::base_image_id(region, &base.name));
    BaseImageConfig {
        os: OS.to_owned(),
        label: "release".to_owned(),
        package_type: PackageType::Deb,
        images: seed.regions.iter().map(image).collect::<BTreeMap<_, _>>(),
        vm_type: None,
        instance_type: None,
    }
}
