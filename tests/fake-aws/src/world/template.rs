//! Launch templates. Only their first version exists: nothing of ours makes another.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{
    Caller, World,
    error::{ApiError, CallError},
    filter::{Filter, Filtered, select},
    ledger::Effect,
    tags,
};
use crate::rules::Rule;

/// A launch template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Template {
    /// `lt-…`.
    pub id: String,
    /// Unique in its account and region.
    pub name: String,
    /// The token it was made with.
    pub client_token: Option<String>,
    /// What it launches.
    pub data: TemplateData,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Epoch milliseconds.
    pub created_ms: u64,
    /// From when on reads show it.
    pub visible_ms: u64,
}

/// What a template launches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TemplateData {
    /// The image.
    pub image_id: String,
    /// `t3.small`.
    pub instance_type: String,
    /// SSH key.
    pub key_name: Option<String>,
    /// Name or ARN of the instance profile.
    pub instance_profile: Option<String>,
    /// Firewalls.
    pub security_groups: Vec<String>,
    /// Base64, as it was sent.
    pub user_data: String,
    /// Everything else, as it was sent: kept to be compared.
    pub rest: BTreeMap<String, String>,
}

impl TemplateData {
    /// Its user data as an instance reads it.
    ///
    /// # Errors
    ///
    /// It is not base64.
    pub fn decoded_user_data(&self) -> Result<String, ApiError> {
        match STANDARD.decode(&self.user_data) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => {
                let text = format!("Invalid BASE64 encoding of user data: {error}");
                Err(ApiError::new(Rule::UserDataSize, text))
            }
        }
    }
}

impl Filtered for Template {
    const FILTERS: &'static [&'static str] = &["launch-template-name"];

    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn values(&self, filter: &str) -> Vec<String> {
        match filter {
            "launch-template-name" => vec![self.name.clone()],
            _ => Vec::new(),
        }
    }
}

/// A launch template to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTemplate {
    /// Its name.
    pub name: String,
    /// The same token with the same parameters makes one template.
    pub client_token: Option<String>,
    /// What it launches.
    pub data: TemplateData,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A launch template by one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateRef {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

impl World {
    /// EC2 `CreateLaunchTemplate`.
    ///
    /// # Errors
    ///
    /// The name is taken, or the client token was used for something else.
    pub fn create_template(
        &mut self,
        caller: &Caller,
        request: &CreateTemplate,
    ) -> Result<Template, CallError> {
        let summary = format!("{} image {}", request.name, request.data.image_id);
        self.write(caller, "CreateLaunchTemplate", summary, |world, site| {
            tags::check(&request.tags)?;
            request.data.decoded_user_data()?;
            let mut held = world.region(site)?.templates.values();
            let same_token = |t: &&Template| {
                request.client_token.is_some() && t.client_token == request.client_token
            };
            if let Some(before) = held.clone().find(same_token) {
                let same = before.name == request.name && before.data == request.data;
                return if same {
                    Ok((before.clone(), Effect::NoEffect))
                } else {
                    let text = "The client token was used with different parameters";
                    Err(ApiError::new(Rule::TokenParameters, text))
                };
            }
            if held.any(|template| template.name == request.name) {
                return Err(ApiError::new(
                    Rule::TemplateNameTaken,
                    format!("Launch template name already in use: {}.", request.name),
                ));
            }
            let template = Template {
                id: world.new_id("lt"),
                name: request.name.clone(),
                client_token: request.client_token.clone(),
                data: request.data.clone(),
                tags: request.tags.clone(),
                created_ms: world.now_ms,
                visible_ms: world.now_ms + world.behaviour.lags.visible,
            };
            let made = template.clone();
            world.region_mut(site)?.templates.insert(template.id.clone(), template);
            Ok((made, Effect::Created))
        })
    }

    /// EC2 `DescribeLaunchTemplates`.
    ///
    /// # Errors
    ///
    /// A template that is named, or a filter, does not exist.
    pub fn describe_templates(
        &mut self,
        caller: &Caller,
        named: &[TemplateRef],
        filters: &[Filter],
    ) -> Result<Vec<Template>, CallError> {
        self.read(caller, "DescribeLaunchTemplates", |world, region| {
            let is = |template: &Template, wanted: &TemplateRef| match wanted {
                TemplateRef::Id(id) => template.id == *id,
                TemplateRef::Name(name) => template.name == *name,
            };
            let seen = |template: &&Template| template.visible_ms <= world.now_ms;
            for wanted in named {
                if !region.templates.values().filter(seen).any(|template| is(template, wanted)) {
                    return Err(unknown(wanted));
                }
            }
            let asked = |template: &&Template| {
                named.is_empty() || named.iter().any(|wanted| is(template, wanted))
            };
            select(region.templates.values().filter(seen).filter(asked), filters)
        })
    }

    /// EC2 `DeleteLaunchTemplate`. Groups that use it are not asked, as in AWS.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub fn delete_template(
        &mut self,
        caller: &Caller,
        named: &TemplateRef,
    ) -> Result<Template, CallError> {
        let summary = match named {
            TemplateRef::Id(text) | TemplateRef::Name(text) => text.clone(),
        };
        self.write(caller, "DeleteLaunchTemplate", summary, |world, site| {
            let region = world.region_mut(site)?;
            let id = match named {
                TemplateRef::Id(id) => Some(id.clone()),
                TemplateRef::Name(name) => {
                    region.templates.values().find(|t| t.name == *name).map(|t| t.id.clone())
                }
            };
            let gone = id.and_then(|id| region.templates.remove(&id));
            gone.map(|template| (template, Effect::Changed)).ok_or_else(|| unknown(named))
        })
    }
}

fn unknown(named: &TemplateRef) -> ApiError {
    match named {
        TemplateRef::Id(id) => ApiError::new(
            Rule::TemplateIdUnknown,
            format!("The specified launch template, with template ID {id}, does not exist."),
        ),
        TemplateRef::Name(name) => ApiError::new(
            Rule::TemplateNameUnknown,
            format!("The specified launch template, with template name {name}, does not exist."),
        ),
    }
}
