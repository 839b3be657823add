//! Which subnets a new server group gets.
//!
//! Source: clouddriver's subnet lookup by purpose (the tag `immutable_metadata`, or a tag `Name` of
//! the form `spinnaker.external.us-east-1`).

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::ports::Subnet;

/// The subnets to use, all of one VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// `vpc-…`.
    pub(crate) vpc: String,
    /// `subnet-…`, sorted.
    pub(crate) subnets: Vec<String>,
}

/// No subnets fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubnetError {
    #[error(
        "no suitable subnet for purpose `{purpose}`; the region's purposes are {}",
        listed(known)
    )]
    NoPurpose { purpose: String, known: Vec<String> },
    #[error(
        "the region has no default subnets; the stage must name a subnet type ({} exist)",
        listed(known)
    )]
    NoDefault { known: Vec<String> },
    #[error("no {what} in zone {}; there are some in {}", listed(missing), listed(zones))]
    NoZone { what: String, missing: Vec<String>, zones: Vec<String> },
    #[error("the {what} are in several VPCs ({}): a server group needs one", listed(vpcs))]
    SeveralVpcs { what: String, vpcs: Vec<String> },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Chooses by purpose (empty: the default subnets) and zones (empty: all).
pub(crate) fn choose(
    subnets: &[Subnet],
    purpose: &str,
    zones: &[String],
) -> Result<Chosen, SubnetError> {
    let fits = |subnet: &&Subnet| {
        if purpose.is_empty() {
            subnet.default_for_zone
        } else {
            self::purpose(subnet).as_deref() == Some(purpose)
        }
    };
    let fitting: Vec<&Subnet> = subnets.iter().filter(fits).collect();
    if fitting.is_empty() {
        let known: BTreeSet<String> = subnets.iter().filter_map(self::purpose).collect();
        let known = known.into_iter().collect();
        return Err(match purpose {
            "" => SubnetError::NoDefault { known },
            purpose => SubnetError::NoPurpose { purpose: purpose.to_owned(), known },
        });
    }
    let what = match purpose {
        "" => "default subnets".to_owned(),
        purpose => format!("subnets of purpose `{purpose}`"),
    };
    let there: BTreeSet<&String> = fitting.iter().map(|subnet| &subnet.zone).collect();
    let missing: Vec<String> = zones.iter().filter(|zone| !there.contains(zone)).cloned().collect();
    if !missing.is_empty() {
        let zones = there.into_iter().cloned().collect();
        return Err(SubnetError::NoZone { what, missing, zones });
    }
    let wanted = |subnet: &&&Subnet| zones.is_empty() || zones.contains(&subnet.zone);
    let chosen: Vec<&&Subnet> = fitting.iter().filter(wanted).collect();
    let vpcs: BTreeSet<&String> = chosen.iter().map(|subnet| &subnet.vpc).collect();
    match (vpcs.first(), vpcs.len()) {
        (Some(vpc), 1) => {
            let subnets: BTreeSet<String> = chosen.iter().map(|s| s.id.clone()).collect();
            Ok(Chosen { vpc: (*vpc).clone(), subnets: subnets.into_iter().collect() })
        }
        _ => Err(SubnetError::SeveralVpcs { what, vpcs: vpcs.into_iter().cloned().collect() }),
    }
}

/// What a subnet is for, if it says so and takes instances.
fn purpose(subnet: &Subnet) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        purpose: Option<String>,
        target: Option<String>,
    }
    if let Some(text) = subnet.tags.get("immutable_metadata") {
        // Somebody else's JSON: one subnet nobody can read must not stop the others.
        let metadata: Metadata = serde_json::from_str(text).ok()?;
        let for_instances = matches!(metadata.target.as_deref(), None | Some("" | "ec2"));
        return metadata.purpose.filter(|_| for_instances);
    }
    let name = subnet.tags.get("Name")?;
    let mut parts = name.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(owner), Some(side @ ("internal" | "external")), Some(_region), None) => {
            Some(format!("{side} ({owner})"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(id: &str, zone: &str, vpc: &str, tag: Option<(&str, &str)>) -> Subnet {
        Subnet {
            id: format!("subnet-{id}"),
            zone: zone.to_owned(),
            vpc: vpc.to_owned(),
            default_for_zone: tag.is_none(),
            tags: tag.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        }
    }

    fn world() -> Vec<Subnet> {
        let external = Some(("Name", "spinnaker.external.us-east-1"));
        vec![
            subnet("2", "us-east-1b", "vpc-1", external),
            subnet("1", "us-east-1a", "vpc-1", external),
            subnet(
                "3",
                "us-east-1a",
                "vpc-1",
                Some(("immutable_metadata", r#"{"purpose":"internal","target":"ec2"}"#)),
            ),
            subnet(
                "4",
                "us-east-1a",
                "vpc-1",
                Some(("immutable_metadata", r#"{"purpose":"internal","target":"elb"}"#)),
            ),
            subnet(
                "5",
                "us-east-1a",
                "vpc-2",
                Some(("immutable_metadata", r#"{"purpose":"both"}"#)),
            ),
            subnet(
                "6",
                "us-east-1b",
                "vpc-3",
                Some(("immutable_metadata", r#"{"purpose":"both"}"#)),
            ),
            subnet("7", "us-east-1a", "vpc-1", Some(("immutable_metadata", "not json"))),
            subnet("8", "us-east-1c", "vpc-0", None),
        ]
    }

    #[test]
    fn purpose_zones_and_defaults_choose() {
        let zone = |text: &str| vec![text.to_owned()];
        for (purpose, zones, vpc, ids) in [
            ("external (spinnaker)", vec![], "vpc-1", vec!["subnet-1", "subnet-2"]),
            ("external (spinnaker)", zone("us-east-1b"), "vpc-1", vec!["subnet-2"]),
            ("internal", vec![], "vpc-1", vec!["subnet-3"]),
            ("both", zone("us-east-1b"), "vpc-3", vec!["subnet-6"]),
            ("", vec![], "vpc-0", vec!["subnet-8"]),
        ] {
            let chosen = choose(&world(), purpose, &zones).unwrap();
            assert_eq!(
                (chosen.vpc.as_str(), chosen.subnets),
                (vpc, ids.into_iter().map(str::to_owned).collect())
            );
        }
    }

    #[test]
    fn errors_say_what_there_is() {
        let message = |purpose, zones: &[&str]| {
            let zones: Vec<_> = zones.iter().map(|zone| (*zone).to_owned()).collect();
            choose(&world(), purpose, &zones).unwrap_err().to_string()
        };
        assert_eq!(
            message("external", &[]),
            "no suitable subnet for purpose `external`; the region's purposes are both, external (spinnaker), internal"
        );
        assert_eq!(
            message("internal", &["us-east-1d"]),
            "no subnets of purpose `internal` in zone us-east-1d; there are some in us-east-1a"
        );
        assert_eq!(
            message("both", &[]),
            "the subnets of purpose `both` are in several VPCs (vpc-2, vpc-3): a server group needs one"
        );
        let nothing = choose(&[], "", &[]).unwrap_err().to_string();
        assert_eq!(
            nothing,
            "the region has no default subnets; the stage must name a subnet type (none exist)"
        );
    }
}
