//! Subnets and security groups: seeded, never changed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Caller, Region, World,
    error::{ApiError, CallError},
    filter::{Filter, Filtered, select},
};
use crate::rules::Rule;

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// `us-east-1a`.
    pub zone: String,
    /// `10.0.0.0/20`.
    pub cidr: String,
    /// Whether it is what a zone uses when nothing else is said.
    pub default_for_zone: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Filtered for Subnet {
    const FILTERS: &'static [&'static str] = &[
        "subnet-id",
        "vpc-id",
        "availability-zone",
        "availabilityZone",
        "state",
        "default-for-az",
        "defaultForAz",
        "cidr-block",
        "cidr",
    ];

    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn values(&self, filter: &str) -> Vec<String> {
        vec![match filter {
            "subnet-id" => self.id.clone(),
            "vpc-id" => self.vpc.clone(),
            "availability-zone" | "availabilityZone" => self.zone.clone(),
            "state" => "available".to_owned(),
            "default-for-az" | "defaultForAz" => self.default_for_zone.to_string(),
            "cidr-block" | "cidr" => self.cidr.clone(),
            _ => return Vec::new(),
        }]
    }
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Unique in its VPC.
    pub name: String,
    /// Its VPC.
    pub vpc: String,
    /// For people.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Filtered for SecurityGroup {
    const FILTERS: &'static [&'static str] = &["group-id", "group-name", "vpc-id", "description"];

    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn values(&self, filter: &str) -> Vec<String> {
        vec![match filter {
            "group-id" => self.id.clone(),
            "group-name" => self.name.clone(),
            "vpc-id" => self.vpc.clone(),
            "description" => self.description.clone(),
            _ => return Vec::new(),
        }]
    }
}

impl Region {
    pub(super) fn subnet(&self, id: &str) -> Result<&Subnet, ApiError> {
        self.subnets.get(id).ok_or_else(|| {
            let text = format!("The subnet ID '{id}' does not exist");
            ApiError::new(Rule::SubnetUnknown, text)
        })
    }

    /// Checks that security groups exist, and in the VPC.
    pub(super) fn check_security_groups(&self, ids: &[String], vpc: &str) -> Result<(), ApiError> {
        for id in ids {
            let group = self.security_groups.get(id).ok_or_else(|| {
                let text = format!("The security group '{id}' does not exist");
                ApiError::new(Rule::SecurityGroupUnknown, text)
            })?;
            if group.vpc != vpc {
                let text = format!("Security group {id} and subnet belong to different networks.");
                return Err(ApiError::new(Rule::SecurityGroupElsewhere, text));
            }
        }
        Ok(())
    }
}

impl World {
    /// EC2 `DescribeSubnets`.
    ///
    /// # Errors
    ///
    /// A subnet id or a filter that does not exist.
    pub fn describe_subnets(
        &mut self,
        caller: &Caller,
        ids: &[String],
        filters: &[Filter],
    ) -> Result<Vec<Subnet>, CallError> {
        self.read(caller, "DescribeSubnets", |_, region| {
            for id in ids {
                region.subnet(id)?;
            }
            let wanted = |subnet: &&Subnet| ids.is_empty() || ids.contains(&subnet.id);
            select(region.subnets.values().filter(wanted), filters)
        })
    }

    /// EC2 `DescribeSecurityGroups`.
    ///
    /// # Errors
    ///
    /// A group id or a filter that does not exist.
    pub fn describe_security_groups(
        &mut self,
        caller: &Caller,
        ids: &[String],
        filters: &[Filter],
    ) -> Result<Vec<SecurityGroup>, CallError> {
        self.read(caller, "DescribeSecurityGroups", |_, region| {
            if let Some(id) = ids.iter().find(|id| !region.security_groups.contains_key(*id)) {
                let text = format!("The security group '{id}' does not exist");
                return Err(ApiError::new(Rule::SecurityGroupUnknown, text));
            }
            let wanted = |group: &&SecurityGroup| ids.is_empty() || ids.contains(&group.id);
            select(region.security_groups.values().filter(wanted), filters)
        })
    }
}
