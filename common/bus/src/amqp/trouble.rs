//! Why the broker cannot be used.

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The broker is not reachable now.
    Away(String),
    /// It is, and holds something else under one of our names.
    Topology { name: String, detail: String },
}

impl Trouble {
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Away(detail) => detail.clone(),
            Self::Topology { name, detail } => format!("`{name}` is not as declared: {detail}"),
        }
    }
}
