//! What workers are asked for beside bakes and deploys. Questions are tasks like any other, and change nothing.
//!
//! What a question is about lies inside it, so that a worker which does not know the question cannot take it
//! for an order.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use crate::{BakeRequest, Capacity, ClusterCheck, DeployRequest, DestroyRequest};

/// What is asked for, where it is no bake and no deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// How many server groups there are.
    ClusterSize,
    /// What a request would come to if it were carried out now.
    Outlook,
    /// That what a failed deploy made goes.
    DestroyMade,
}

/// What a bake worker may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BakeTask {
    /// To bake.
    Bake(Box<BakeRequest>),
    /// To say which image a bake would take or make.
    Outlook(Box<BakeRequest>),
}

/// What a deploy worker may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeployTask {
    /// To deploy.
    Deploy(Box<DeployRequest>),
    /// To look whether a cluster is as expected.
    Check(ClusterCheck),
    /// To say which server groups a deploy would make and destroy.
    Outlook(Box<DeployInquiry>),
    /// To destroy what a failed deploy made.
    Destroy(DestroyRequest),
}

/// Which image would this request take or make? The answer is a [`BakeOutlook`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BakeInquiry {
    /// [`Ask::Outlook`].
    pub ask: Ask,
    /// The request.
    pub request: BakeRequest,
}

/// Which server groups would this request make and destroy? The answer is a [`DeployOutlook`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployInquiry {
    /// [`Ask::Outlook`].
    pub ask: Ask,
    /// The request.
    pub request: DeployRequest,
    /// The request's image stands for one that is made before it, so nobody can look it up yet.
    pub image_to_come: bool,
}

/// The image of a bake that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "image", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum BakeOutlook {
    /// One that is there would be taken.
    Reused {
        /// Its id: `ami-…`.
        image_id: String,
        /// Its name.
        image_name: String,
        /// What it was made from.
        base_image_id: String,
    },
    /// One would be made.
    Baked {
        /// The name it would get; `None` where a version is left to the repository, which gives each
        /// execution an image of its own.
        image_name: Option<String>,
        /// What it would be made from.
        base_image_id: String,
    },
}

/// The server groups of a deploy that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployOutlook {
    /// The name the new group would get.
    pub server_group: String,
    /// The size it would get.
    pub capacity: Capacity,
    /// Groups that would be destroyed once it is healthy, oldest first.
    pub destroys: Vec<GroupOutlook>,
    /// Things worth telling people.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A server group as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupOutlook {
    /// Its name.
    pub name: String,
    /// Instances it has.
    pub instances: usize,
    /// Whether it takes traffic.
    pub enabled: bool,
}

impl<'de> Deserialize<'de> for BakeTask {
    /// What says no `ask` is a bake, as it was before there was anything else.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match asked(&value)? {
            None => read(value).map(|bake| Self::Bake(Box::new(bake))),
            Some(Ask::Outlook) => {
                read(value).map(|BakeInquiry { request, .. }| Self::Outlook(Box::new(request)))
            }
            Some(Ask::ClusterSize | Ask::DestroyMade) => {
                Err(Error::custom("bake workers have nothing to do with clusters"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for DeployTask {
    /// What says no `ask` is a deploy, as it was before there was anything else.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match asked(&value)? {
            None => read(value).map(|deploy| Self::Deploy(Box::new(deploy))),
            Some(Ask::ClusterSize) => read(value).map(Self::Check),
            Some(Ask::Outlook) => read(value).map(|inquiry| Self::Outlook(Box::new(inquiry))),
            Some(Ask::DestroyMade) => read(value).map(Self::Destroy),
        }
    }
}

fn asked<E: Error>(value: &Value) -> Result<Option<Ask>, E> {
    value.get("ask").map(Ask::deserialize).transpose().map_err(E::custom)
}

fn read<T: for<'de> Deserialize<'de>, E: Error>(value: Value) -> Result<T, E> {
    serde_json::from_value(value).map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bake() -> Value {
        json!({ "application": "shop", "pipeline": "ship", "region": "us-east-1", "vm_type": "hvm",
            "base": { "os": "bookworm" }, "packages": [{ "name": "shop-web" }] })
    }

    #[test]
    fn a_question_is_never_taken_for_an_order() {
        let read = |value: Value| serde_json::from_value::<BakeTask>(value);
        assert!(matches!(read(bake()), Ok(BakeTask::Bake(_))));
        let question = json!({ "ask": "outlook", "request": bake() });
        assert!(matches!(read(question.clone()), Ok(BakeTask::Outlook(_))));
        for odd in ["cluster_size", "something_newer"] {
            let question = json!({ "ask": odd, "request": bake() });
            assert!(read(question).is_err(), "{odd}");
        }
        // How a worker reads it that knows no questions.
        assert!(serde_json::from_value::<BakeRequest>(question).is_err());
        assert!(serde_json::from_value::<DeployTask>(json!({ "ask": "something_newer" })).is_err());
    }

    #[test]
    fn a_task_for_deploy_workers_is_told_by_what_it_asks() {
        let destroy = json!({
            "ask": "destroy_made", "tries": ["01ARZ3NDEKTSV4RRFFQ69G5FAV/S1/2"],
            "application": "shop", "account": "test", "region": "us-east-1",
        });
        let DeployTask::Destroy(read) = serde_json::from_value(destroy.clone()).unwrap() else {
            panic!("it asks for a destruction");
        };
        assert_eq!(read.tries[0].attempt, 2);
        assert!(serde_json::from_value::<BakeTask>(destroy).is_err());
        let count = json!({
            "ask": "cluster_size", "account": "test", "cluster": "shop", "regions": [],
            "comparison": "==", "expected": 1,
        });
        assert!(matches!(serde_json::from_value(count), Ok(DeployTask::Check(_))));
        let unknown: Result<DeployTask, _> = serde_json::from_value(json!({ "ask": "to_fly" }));
        assert!(unknown.unwrap_err().to_string().contains("to_fly"));
    }

    #[test]
    fn an_outlook_is_written_for_the_readers_of_plans() {
        let reused = BakeOutlook::Reused {
            image_id: "ami-1".to_owned(),
            image_name: "web-1".to_owned(),
            base_image_id: "ami-0".to_owned(),
        };
        let text = json!({ "image": "reused", "imageId": "ami-1", "imageName": "web-1",
            "baseImageId": "ami-0" });
        assert_eq!(serde_json::to_value(reused).unwrap(), text);
        let deploy = DeployOutlook {
            server_group: "shop-v004".to_owned(),
            capacity: Capacity { min: 1, desired: 2, max: 3 },
            destroys: vec![GroupOutlook {
                name: "shop-v003".to_owned(),
                instances: 2,
                enabled: true,
            }],
            notes: Vec::new(),
        };
        let text = json!({ "serverGroup": "shop-v004",
            "capacity": { "min": 1, "desired": 2, "max": 3 },
            "destroys": [{ "name": "shop-v003", "instances": 2, "enabled": true }], "notes": [] });
        assert_eq!(serde_json::to_value(deploy).unwrap(), text);
    }
}
