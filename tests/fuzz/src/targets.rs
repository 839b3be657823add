//! The targets.

mod builds;
mod language;
mod messages;
mod packages;
mod pipelines;

pub use packages::compare_versions;

/// A reader, and what must hold of it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Reads the bytes; panics when something does not hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "notification", run: builds::notification },
    Target { name: "build", run: builds::build },
    Target { name: "job-name", run: builds::job_name },
    Target { name: "properties", run: builds::properties },
    Target { name: "pipeline", run: pipelines::pipeline },
    Target { name: "document", run: pipelines::document },
    Target { name: "versions", run: packages::versions },
    Target { name: "packages", run: packages::packages },
    Target { name: "server-group", run: packages::server_group },
    Target { name: "user-data", run: packages::user_data },
    Target { name: "task", run: messages::task },
    Target { name: "event", run: messages::event },
    Target { name: "ids", run: messages::ids },
    Target { name: "expression", run: language::expression },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The bytes as text: what is no UTF-8 is refused before any of these readers sees it.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
