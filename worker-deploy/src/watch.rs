//! What deploys look at again and again; those in the same account and region share their looks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::Instant;
use worker::{Freshness, Seen, SharedLooks};

use crate::{
    plan::health::{Judge, Sources},
    ports::{
        BalancedInstance, Balancer, CloudError, Fault, InstanceLifecycle, InstanceState, Place,
        ServerGroup, ServerGroupCloud,
    },
};

/// Shared reads of every place.
#[derive(Debug)]
pub(crate) struct Watch {
    cloud: Arc<dyn ServerGroupCloud>,
    groups: SharedLooks<Place, String, ServerGroup, CloudError>,
    instances: SharedLooks<Place, String, InstanceState, CloudError>,
    balancers: SharedLooks<(Place, Balancer), Balancer, Vec<BalancedInstance>, CloudError>,
}

impl Watch {
    pub(crate) fn new(cloud: Arc<dyn ServerGroupCloud>, interval: Duration) -> Self {
        Self {
            cloud,
            groups: SharedLooks::new(interval),
            instances: SharedLooks::new(interval),
            balancers: SharedLooks::new(interval),
        }
    }

    /// Server groups by name; those that are not there are left out.
    pub(crate) async fn groups(
        &self,
        place: &Place,
        names: &[String],
        freshness: Freshness,
    ) -> Result<Seen<BTreeMap<String, ServerGroup>>, CloudError> {
        let fetch = |names: Vec<String>| -> BoxFuture<'_, Result<_, CloudError>> {
            Box::pin(async move {
                let found = self.cloud.groups(place, &names).await?;
                Ok(found.into_iter().map(|group| (group.name.clone(), group)).collect())
            })
        };
        self.groups.read(place, names, freshness, fetch).await
    }

    /// What a judge's sources say about a group.
    pub(crate) async fn sources(
        &self,
        place: &Place,
        judge: &Judge,
        group: &ServerGroup,
        freshness: Freshness,
    ) -> Result<Seen<Sources>, CloudError> {
        match judge {
            Judge::Balancers(balancers) => {
                let seen = self.balancers(place, balancers, freshness).await?;
                Ok(Seen {
                    what: Sources { balancers: seen.what, ..Sources::default() },
                    taken: seen.taken,
                })
            }
            Judge::Platform => {
                let in_service =
                    group.instances.iter().filter(|i| i.lifecycle == InstanceLifecycle::InService);
                let ids: Vec<String> = in_service.map(|instance| instance.id.clone()).collect();
                let seen = self.instances(place, &ids, freshness).await?;
                Ok(Seen {
                    what: Sources { instances: seen.what, ..Sources::default() },
                    taken: seen.taken,
                })
            }
        }
    }

    async fn instances(
        &self,
        place: &Place,
        ids: &[String],
        freshness: Freshness,
    ) -> Result<Seen<BTreeMap<String, InstanceState>>, CloudError> {
        if ids.is_empty() {
            let now = Instant::now();
            return Ok(Seen { what: BTreeMap::new(), taken: (now, now) });
        }
        let fetch = |ids: Vec<String>| -> BoxFuture<'_, Result<_, CloudError>> {
            Box::pin(async move {
                let found = self.cloud.instances(place, &ids).await?;
                Ok(found.into_iter().map(|state| (state.id.clone(), state)).collect())
            })
        };
        self.instances.read(place, ids, freshness, fetch).await
    }

    /// What balancers say. One that is gone has nothing registered.
    pub(crate) async fn balancers(
        &self,
        place: &Place,
        balancers: &[Balancer],
        freshness: Freshness,
    ) -> Result<Seen<BTreeMap<Balancer, Vec<BalancedInstance>>>, CloudError> {
        let now = Instant::now();
        let mut all: Option<Seen<BTreeMap<_, _>>> = None;
        for balancer in balancers {
            let fetch = |_: Vec<Balancer>| -> BoxFuture<'_, Result<_, CloudError>> {
                Box::pin(async move {
                    match self.cloud.balancer_health(place, balancer).await {
                        Ok(listed) => Ok([(balancer.clone(), listed)].into()),
                        Err(CloudError { fault: Fault::NotFound(_), .. }) => {
                            Ok([(balancer.clone(), Vec::new())].into())
                        }
                        Err(error) => Err(error),
                    }
                })
            };
            let key = (place.clone(), balancer.clone());
            let asked = std::slice::from_ref(balancer);
            let seen = self.balancers.read(&key, asked, freshness, fetch).await?;
            all = Some(match all {
                None => seen,
                Some(before) => before.and(seen, |mut all, more| {
                    all.extend(more);
                    all
                }),
            });
        }
        Ok(all.unwrap_or(Seen { what: BTreeMap::new(), taken: (now, now) }))
    }
}
