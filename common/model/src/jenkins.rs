//! Jenkins's own words: how jobs are named and addressed, and what is in a property file.

mod job;
mod properties;

pub use self::{
    job::{JobName, JobPathError, encoded_path},
    properties::{PropertiesError, read_properties},
};
