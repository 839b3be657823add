//! The stage types, one file each.

pub(crate) mod bake;
pub(crate) mod check_preconditions;
pub(crate) mod deploy;
pub(crate) mod evaluate_variables;
pub(crate) mod find_image;
pub(crate) mod find_image_from_tags;
pub(crate) mod manual_judgment;
pub(crate) mod pipeline;
pub(crate) mod wait;
