//! Somebody else who works on the same cluster by hand, at the worst moment.

use fake_aws::world::{Caller, Site, World, group::GroupSpec, template::TemplateRef};

use crate::scene::{CLUSTER, REGION};

/// What they do, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// Right before our group is created, they create one with its name.
    TakesName,
    /// Right after our group was created, they create another one in the cluster.
    AddsGroup,
    /// Right after our group was created, they make an old one anew, under its name.
    ReplacesVictim,
}

/// When they may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A worker creates a group now.
    Creates,
    /// It did.
    Created,
}

/// A group of theirs: what it is called, and what nobody else's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Theirs {
    pub(crate) name: String,
    pub(crate) arn: String,
}

/// As the ledger knows them.
pub(crate) const ACTOR: &str = "stranger";

impl Stranger {
    /// For counting.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TakesName => "takes the name",
            Self::AddsGroup => "adds a group",
            Self::ReplacesVictim => "replaces an old group",
        }
    }

    const fn acts_when(self) -> Moment {
        match self {
            Self::TakesName => Moment::Creates,
            Self::AddsGroup | Self::ReplacesVictim => Moment::Created,
        }
    }

    /// Acts if it is time; what came of it.
    pub(crate) fn act(self, world: &mut World, moment: Moment, ours: &str) -> Option<Theirs> {
        if moment != self.acts_when() {
            return None;
        }
        let site = Site { account: world.home_account().to_owned(), region: REGION.to_owned() };
        let name = match self {
            Self::TakesName => ours.to_owned(),
            Self::AddsGroup => next(ours)?,
            Self::ReplacesVictim => {
                let name = format!("{CLUSTER}-v000");
                world.replace_group(&site, &name);
                name
            }
        };
        if self != Self::ReplacesVictim {
            create(world, site.clone(), &name)?;
        }
        let made = world.sites().get(&site)?.groups.get(&name)?;
        Some(Theirs { arn: made.arn.clone(), name })
    }
}

/// A group like the first of the cluster, without its tags.
fn create(world: &mut World, site: Site, name: &str) -> Option<()> {
    let like = world.sites().get(&site)?.groups.get(&format!("{CLUSTER}-v000"))?;
    let template = TemplateRef::Id(like.template_id.clone());
    let spec = GroupSpec {
        name: name.to_owned(),
        tags: std::collections::BTreeMap::new(),
        ..like.spec.clone()
    };
    let caller = Caller { site, actor: ACTOR.to_owned() };
    world.create_group(&caller, &spec, &template).ok()
}

fn next(name: &str) -> Option<String> {
    let (cluster, number) = name.rsplit_once("-v")?;
    Some(format!("{cluster}-v{:03}", number.parse::<u32>().ok()? + 1))
}
