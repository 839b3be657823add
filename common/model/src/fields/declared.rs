//! Declarations of fields: what a field is called, what it holds, what it means.
//!
//! One declaration gives the reader with its pointers and hints ([`Reader`](super::Reader)), the check of a saved
//! definition, the JSON schema, the data of a form and the page of documentation.

use serde::Serialize;

/// One field that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The key in the JSON object.
    pub key: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The label of a form.
    pub label: &'static str,
    /// What it means, in a sentence or two.
    pub help: &'static str,
    /// What counts when nobody writes it.
    pub default: Default,
    /// Whether it must be written.
    pub presence: Presence,
    /// Where the choices of a form come from.
    pub choices: Choices,
    /// What it does.
    pub effect: Effect,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Flag,
    /// A whole number from 0 to `max`.
    Number {
        /// The largest value.
        max: u64,
        /// The unit, such as `seconds`; empty for a plain number.
        unit: &'static str,
    },
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// Lists of texts, by name.
    TextLists,
    /// Texts by name.
    Pairs,
    /// An object with these fields.
    Object(&'static [Field]),
    /// A list of objects with these fields.
    Objects(&'static [Field]),
    /// Any JSON value.
    Json,
}

/// What counts when a field is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Nothing: the field is absent.
    Absent,
    /// This number.
    Number(u64),
    /// True; a flag without a default is false.
    True,
    /// This text.
    Text(&'static str),
    /// What the words say: it depends on other fields.
    Described(&'static str),
}

/// Whether a field must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It may be left out.
    Optional,
    /// Without it the definition is wrong.
    Required {
        /// The way out.
        hint: &'static str,
    },
    /// Without it the definition can be saved, and not run.
    RequiredToRun {
        /// The way out.
        hint: &'static str,
    },
}

/// Where the choices of a form come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Choices {
    /// Anything may be written.
    Free,
    /// These texts; others are refused unless the type's own check allows them.
    Fixed(&'static [&'static str]),
    /// The configured AWS accounts.
    Accounts,
    /// The regions of the chosen account.
    Regions,
    /// The zones of the chosen region.
    Zones,
    /// The base images of the bake workers.
    BaseImages,
    /// The types of EC2 instances in the chosen region.
    InstanceTypes,
    /// The key pairs of the chosen account and region.
    KeyPairs,
    /// The instance profiles of the chosen account.
    InstanceProfiles,
    /// The security groups of the chosen account and region.
    SecurityGroups,
    /// The classic load balancers of the chosen account and region.
    LoadBalancers,
    /// The target groups of the chosen account and region.
    TargetGroups,
    /// The purposes of subnets in the chosen account and region.
    SubnetPurposes,
    /// The clusters of the chosen account.
    Clusters,
    /// The applications that are known.
    Applications,
    /// The pipelines of the chosen application.
    Pipelines,
    /// The stages of this pipeline.
    Stages,
    /// The configured Jenkins controllers.
    Controllers,
    /// The jobs of the chosen Jenkins controller.
    Jobs,
    /// The IANA time zones.
    TimeZones,
}

/// What a field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Bowline acts on it.
    ActedOn,
    /// Bowline keeps it and shows it; it changes nothing that is done.
    Kept,
    /// Users of Spinnaker write it and Bowline does not act on it, for this reason.
    Ignored(&'static str),
}

impl Field {
    const fn new(key: &'static str, kind: Kind, label: &'static str, help: &'static str) -> Self {
        Self {
            key,
            kind,
            label,
            help,
            default: Default::Absent,
            presence: Presence::Optional,
            choices: Choices::Free,
            effect: Effect::ActedOn,
        }
    }

    /// True or false; false unless a default says otherwise.
    pub const fn flag(key: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(key, Kind::Flag, label, help)
    }

    /// A whole number from 0 to `max`.
    pub const fn number(
        key: &'static str,
        max: u64,
        label: &'static str,
        help: &'static str,
    ) -> Self {
        Self::new(key, Kind::Number { max, unit: "" }, label, help)
    }

    /// A text.
    pub const fn text(key: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(key, Kind::Text, label, help)
    }

    /// A list of texts.
    pub const fn texts(key: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(key, Kind::Texts, label, help)
    }

    /// Lists of texts, by name.
    pub const fn text_lists(key: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(key, Kind::TextLists, label, help)
    }

    /// Texts by name.
    pub const fn pairs(key: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(key, Kind::Pairs, label, help)
    }

    /// An object with these fields.
    pub const fn object(
        key: &'static str,
        fields: &'static [Self],
        label: &'static str,
        help: &'static str,
    ) -> Self {
        Self::new(key, Kind::Object(fields), label, help)
    }

    /// A list of objects with these fields.
    pub const fn objects(
        key: &'static str,
        fields: &'static [Self],
        label: &'static str,
        help: &'static str,
    ) -> Self {
        Self::new(key, Kind::Objects(fields), label, help)
    }

    /// Any JSON value.
    pub const fn json(key: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(key, Kind::Json, label, help)
    }

    /// A field that users of Spinnaker write and Bowline does not act on.
    pub const fn ignored(key: &'static str, why: &'static str) -> Self {
        Self { effect: Effect::Ignored(why), ..Self::new(key, Kind::Json, "", "") }
    }

    /// A field that is stored and shown, and changes nothing that is done.
    #[must_use]
    pub const fn kept(self) -> Self {
        Self { effect: Effect::Kept, ..self }
    }

    /// The unit of a number.
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Self {
        let kind = match self.kind {
            Kind::Number { max, .. } => Kind::Number { max, unit },
            other @ (Kind::Flag
            | Kind::Text
            | Kind::Texts
            | Kind::TextLists
            | Kind::Pairs
            | Kind::Object(_)
            | Kind::Objects(_)
            | Kind::Json) => other,
        };
        Self { kind, ..self }
    }

    /// What counts when it is not written.
    #[must_use]
    pub const fn default(self, default: Default) -> Self {
        Self { default, ..self }
    }

    /// It must be written.
    #[must_use]
    pub const fn required(self, hint: &'static str) -> Self {
        Self { presence: Presence::Required { hint }, ..self }
    }

    /// It must be written before the pipeline can run.
    #[must_use]
    pub const fn required_to_run(self, hint: &'static str) -> Self {
        Self { presence: Presence::RequiredToRun { hint }, ..self }
    }

    /// Where the choices of a form come from.
    #[must_use]
    pub const fn choices(self, choices: Choices) -> Self {
        Self { choices, ..self }
    }
}
