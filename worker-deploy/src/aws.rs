//! The port over the AWS SDK: EC2, Auto Scaling, and both kinds of Elastic Load Balancing.
//!
//! Reads go through clients which repeat, changes through clients which never do.

mod balancing;
mod compute;
mod faults;
mod groups;
mod images;

use wire::Capacity;
use worker::aws::{Accounts, AwsConfig, Sdk};

use crate::ports::{
    BalancedInstance, Balancer, CloudError, Fault, Image, ImageQuery, InstanceState,
    LaunchTemplate, NewLaunchTemplate, NewServerGroup, Place, Reply, SecurityGroup, ServerGroup,
    ServerGroupCloud, Subnet, TaggedImage, TargetGroup, TemplateRef,
};

/// AWS, in every configured account.
#[derive(Debug)]
pub struct AwsCloud {
    accounts: Accounts,
}

impl AwsCloud {
    /// With these accounts; credentials are fetched when they are first needed.
    pub fn new(config: AwsConfig) -> Self {
        Self { accounts: Accounts::new(config, "bowline-worker-deploy") }
    }

    async fn sdk(&self, place: &Place) -> Result<Sdk, CloudError> {
        self.sdk_in(Some(&place.account), &place.region).await
    }

    async fn sdk_in(&self, account: Option<&str>, region: &str) -> Result<Sdk, CloudError> {
        self.accounts.sdk(account, region).await.map_err(|error| {
            let (code, message) = ("UnknownAccount".to_owned(), error.to_string());
            CloudError::new("choosing an account", Fault::Refused { code, message })
        })
    }

    async fn scaling_reads(
        &self,
        place: &Place,
    ) -> Result<aws_sdk_autoscaling::Client, CloudError> {
        Ok(aws_sdk_autoscaling::Client::new(&self.sdk(place).await?.reads))
    }

    async fn scaling_writes(
        &self,
        place: &Place,
    ) -> Result<aws_sdk_autoscaling::Client, CloudError> {
        Ok(aws_sdk_autoscaling::Client::new(&self.sdk(place).await?.writes))
    }

    async fn ec2_reads(&self, place: &Place) -> Result<aws_sdk_ec2::Client, CloudError> {
        Ok(aws_sdk_ec2::Client::new(&self.sdk(place).await?.reads))
    }

    async fn ec2_writes(&self, place: &Place) -> Result<aws_sdk_ec2::Client, CloudError> {
        Ok(aws_sdk_ec2::Client::new(&self.sdk(place).await?.writes))
    }
}

impl ServerGroupCloud for AwsCloud {
    fn cluster<'a>(&'a self, place: &'a Place, cluster: &'a str) -> Reply<'a, Vec<ServerGroup>> {
        Box::pin(groups::cluster(self, place, cluster))
    }
    fn groups<'a>(&'a self, place: &'a Place, names: &'a [String]) -> Reply<'a, Vec<ServerGroup>> {
        Box::pin(groups::named(self, place, names))
    }
    fn image<'a>(&'a self, place: &'a Place, id_or_name: &'a str) -> Reply<'a, Option<Image>> {
        Box::pin(images::image(self, place, id_or_name))
    }
    fn template_image<'a>(
        &'a self,
        place: &'a Place,
        template: &'a TemplateRef,
    ) -> Reply<'a, Option<String>> {
        Box::pin(images::of_template(self, place, template))
    }
    fn tagged_images<'a>(&'a self, query: &'a ImageQuery) -> Reply<'a, Vec<TaggedImage>> {
        Box::pin(images::tagged(self, query))
    }
    fn subnets<'a>(&'a self, place: &'a Place) -> Reply<'a, Vec<Subnet>> {
        Box::pin(compute::subnets(self, place))
    }
    fn security_groups<'a>(
        &'a self,
        place: &'a Place,
        vpc: &'a str,
        ids_or_names: &'a [String],
    ) -> Reply<'a, Vec<SecurityGroup>> {
        Box::pin(compute::security_groups(self, place, vpc, ids_or_names))
    }
    fn load_balancers<'a>(
        &'a self,
        place: &'a Place,
        names: &'a [String],
    ) -> Reply<'a, Vec<String>> {
        Box::pin(balancing::load_balancers(self, place, names))
    }
    fn target_groups<'a>(
        &'a self,
        place: &'a Place,
        names: &'a [String],
    ) -> Reply<'a, Vec<TargetGroup>> {
        Box::pin(balancing::target_groups(self, place, names))
    }
    fn balancer_health<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
    ) -> Reply<'a, Vec<BalancedInstance>> {
        Box::pin(balancing::health(self, place, balancer))
    }
    fn instances<'a>(
        &'a self,
        place: &'a Place,
        ids: &'a [String],
    ) -> Reply<'a, Vec<InstanceState>> {
        Box::pin(compute::instances(self, place, ids))
    }
    fn launch_template<'a>(
        &'a self,
        place: &'a Place,
        name: &'a str,
    ) -> Reply<'a, Option<LaunchTemplate>> {
        Box::pin(compute::launch_template(self, place, name))
    }
    fn create_launch_template<'a>(
        &'a self,
        place: &'a Place,
        template: &'a NewLaunchTemplate,
    ) -> Reply<'a, LaunchTemplate> {
        Box::pin(compute::create_launch_template(self, place, template))
    }
    fn delete_launch_template<'a>(&'a self, place: &'a Place, id: &'a str) -> Reply<'a, ()> {
        Box::pin(compute::delete_launch_template(self, place, id))
    }
    fn create_group<'a>(&'a self, place: &'a Place, group: &'a NewServerGroup) -> Reply<'a, ()> {
        Box::pin(groups::create(self, place, group))
    }
    fn set_capacity<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        capacity: Capacity,
    ) -> Reply<'a, ()> {
        Box::pin(groups::set_capacity(self, place, group, capacity))
    }
    fn suspend<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        processes: &'a [String],
    ) -> Reply<'a, ()> {
        Box::pin(groups::suspend(self, place, group, processes))
    }
    fn resume<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        processes: &'a [String],
    ) -> Reply<'a, ()> {
        Box::pin(groups::resume(self, place, group, processes))
    }
    fn register<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
        instances: &'a [String],
    ) -> Reply<'a, ()> {
        Box::pin(balancing::register(self, place, balancer, instances))
    }
    fn deregister<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
        instances: &'a [String],
    ) -> Reply<'a, ()> {
        Box::pin(balancing::deregister(self, place, balancer, instances))
    }
    fn tag<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> Reply<'a, ()> {
        Box::pin(groups::tag(self, place, group, key, value))
    }
    fn untag<'a>(&'a self, place: &'a Place, group: &'a str, key: &'a str) -> Reply<'a, ()> {
        Box::pin(groups::untag(self, place, group, key))
    }
    fn delete_group<'a>(&'a self, place: &'a Place, group: &'a str) -> Reply<'a, ()> {
        Box::pin(groups::delete(self, place, group))
    }
}

/// A size as the SDK wants it.
fn size(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A size as the SDK tells it.
fn count(value: Option<i32>) -> u32 {
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or_default()
}
