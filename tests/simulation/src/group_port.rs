//! The cloud as one deploy worker reaches it.

use std::sync::Arc;

use futures::FutureExt as _;
use wire::Capacity;
use worker_deploy::ports::{
    BalancedInstance, Balancer, CloudError, Fault, Image, ImageQuery, InstanceState,
    LaunchTemplate, NewLaunchTemplate, NewServerGroup, Place, Reply, SecurityGroup, ServerGroup,
    ServerGroupCloud, Subnet, TaggedImage, TargetGroup, TemplateRef,
};

use crate::{
    fault::{Face, What},
    image_port::{CloudTrouble, cloud_trouble},
    label::Label,
    process::{Call, Lossy, Process},
    stranger::Moment,
};

/// A process's connection to the cloud.
#[derive(Clone, Debug)]
pub(crate) struct GroupPort(pub(crate) Arc<Process>);

impl Lossy for CloudError {
    fn no_answer(call: &'static str) -> Self {
        Self::new(call, Fault::UnknownOutcome("no answer in time".to_owned()))
    }

    fn refusal(call: &'static str, what: What) -> Option<Self> {
        let fault = match cloud_trouble(what)? {
            CloudTrouble::Throttled => Fault::Throttled,
            CloudTrouble::Inside => Fault::UnknownOutcome("InternalFailure".to_owned()),
        };
        Some(Self::new(call, fault))
    }
}

impl GroupPort {
    fn cloud(&self) -> &fake_aws::InProcess {
        self.0.ground.cloud()
    }

    fn read<'a, T: Label + Send + 'a>(
        &'a self,
        name: &'static str,
        act: impl FnMut() -> Reply<'a, T> + Send + 'a,
    ) -> Reply<'a, T> {
        self.0.point(Call { face: Face::CloudRead, name }, act).boxed()
    }

    fn write<'a, T: Label + Send + 'a>(
        &'a self,
        name: &'static str,
        act: impl FnMut() -> Reply<'a, T> + Send + 'a,
    ) -> Reply<'a, T> {
        async move {
            self.0.ground.sends_change(&self.0.name, name);
            let answer = self.0.point(Call { face: Face::CloudWrite, name }, act).await;
            self.0.ground.look_at_cloud();
            answer.map_err(|error| self.0.planted_deploy_error(error))
        }
        .boxed()
    }
}

impl ServerGroupCloud for GroupPort {
    fn cluster<'a>(&'a self, place: &'a Place, cluster: &'a str) -> Reply<'a, Vec<ServerGroup>> {
        let read = self.read("DescribeCluster", move || self.cloud().cluster(place, cluster));
        async move {
            let groups = self.0.planted_groups(read.await?);
            Ok(self.0.planted_cluster(self.0.planted_identities(groups)))
        }
        .boxed()
    }

    fn groups<'a>(&'a self, place: &'a Place, names: &'a [String]) -> Reply<'a, Vec<ServerGroup>> {
        let read =
            self.read("DescribeAutoScalingGroups", move || self.cloud().groups(place, names));
        async move {
            read.await.map(|groups| self.0.planted_identities(self.0.planted_groups(groups)))
        }
        .boxed()
    }

    fn image<'a>(&'a self, place: &'a Place, id_or_name: &'a str) -> Reply<'a, Option<Image>> {
        self.read("DescribeImages", move || self.cloud().image(place, id_or_name))
    }

    fn template_image<'a>(
        &'a self,
        place: &'a Place,
        template: &'a TemplateRef,
    ) -> Reply<'a, Option<String>> {
        self.read("DescribeLaunchTemplateVersions", move || {
            self.cloud().template_image(place, template)
        })
    }

    fn tagged_images<'a>(&'a self, query: &'a ImageQuery) -> Reply<'a, Vec<TaggedImage>> {
        self.read("DescribeImages", move || self.cloud().tagged_images(query))
    }

    fn subnets<'a>(&'a self, place: &'a Place) -> Reply<'a, Vec<Subnet>> {
        self.read("DescribeSubnets", move || self.cloud().subnets(place))
    }

    fn security_groups<'a>(
        &'a self,
        place: &'a Place,
        vpc: &'a str,
        ids_or_names: &'a [String],
    ) -> Reply<'a, Vec<SecurityGroup>> {
        self.read("DescribeSecurityGroups", move || {
            self.cloud().security_groups(place, vpc, ids_or_names)
        })
    }

    fn load_balancers<'a>(
        &'a self,
        place: &'a Place,
        names: &'a [String],
    ) -> Reply<'a, Vec<String>> {
        self.read("DescribeLoadBalancers", move || self.cloud().load_balancers(place, names))
    }

    fn target_groups<'a>(
        &'a self,
        place: &'a Place,
        names: &'a [String],
    ) -> Reply<'a, Vec<TargetGroup>> {
        self.read("DescribeTargetGroups", move || self.cloud().target_groups(place, names))
    }

    fn balancer_health<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
    ) -> Reply<'a, Vec<BalancedInstance>> {
        let read =
            self.read("DescribeHealth", move || self.cloud().balancer_health(place, balancer));
        async move { read.await.map(|listed| self.0.planted_health(listed)) }.boxed()
    }

    fn instances<'a>(
        &'a self,
        place: &'a Place,
        ids: &'a [String],
    ) -> Reply<'a, Vec<InstanceState>> {
        self.read("DescribeInstances", move || self.cloud().instances(place, ids))
    }

    fn launch_template<'a>(
        &'a self,
        place: &'a Place,
        name: &'a str,
    ) -> Reply<'a, Option<LaunchTemplate>> {
        self.read("DescribeLaunchTemplates", move || self.cloud().launch_template(place, name))
    }

    fn create_launch_template<'a>(
        &'a self,
        place: &'a Place,
        template: &'a NewLaunchTemplate,
    ) -> Reply<'a, LaunchTemplate> {
        self.write("CreateLaunchTemplate", move || {
            self.cloud().create_launch_template(place, template)
        })
    }

    fn delete_launch_template<'a>(&'a self, place: &'a Place, id: &'a str) -> Reply<'a, ()> {
        self.write("DeleteLaunchTemplate", move || self.cloud().delete_launch_template(place, id))
    }

    fn create_group<'a>(&'a self, place: &'a Place, group: &'a NewServerGroup) -> Reply<'a, ()> {
        self.0.plants_group(group);
        self.write("CreateAutoScalingGroup", move || {
            async move {
                self.0.ground.stranger_may_act(Moment::Creates, &group.name);
                self.cloud().create_group(place, group).await?;
                self.0.ground.stranger_may_act(Moment::Created, &group.name);
                Ok(())
            }
            .boxed()
        })
    }

    fn set_capacity<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        capacity: Capacity,
    ) -> Reply<'a, ()> {
        self.0.forces_deletion(place, group, capacity);
        self.write("UpdateAutoScalingGroup", move || {
            self.cloud().set_capacity(place, group, capacity)
        })
    }

    fn suspend<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        processes: &'a [String],
    ) -> Reply<'a, ()> {
        if self.0.skips_disabling() {
            return async { Ok(()) }.boxed();
        }
        self.write("SuspendProcesses", move || self.cloud().suspend(place, group, processes))
    }

    fn resume<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        processes: &'a [String],
    ) -> Reply<'a, ()> {
        self.write("ResumeProcesses", move || self.cloud().resume(place, group, processes))
    }

    fn register<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
        instances: &'a [String],
    ) -> Reply<'a, ()> {
        self.write("RegisterInstances", move || self.cloud().register(place, balancer, instances))
    }

    fn deregister<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
        instances: &'a [String],
    ) -> Reply<'a, ()> {
        if self.0.skips_disabling() {
            return async { Ok(()) }.boxed();
        }
        self.write("DeregisterInstances", move || {
            self.cloud().deregister(place, balancer, instances)
        })
    }

    fn tag<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> Reply<'a, ()> {
        self.write("CreateOrUpdateTags", move || self.cloud().tag(place, group, key, value))
    }

    fn untag<'a>(&'a self, place: &'a Place, group: &'a str, key: &'a str) -> Reply<'a, ()> {
        self.write("DeleteTags", move || self.cloud().untag(place, group, key))
    }

    fn delete_group<'a>(&'a self, place: &'a Place, group: &'a str) -> Reply<'a, ()> {
        self.write("DeleteAutoScalingGroup", move || self.cloud().delete_group(place, group))
    }
}
