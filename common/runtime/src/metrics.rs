//! The process's metrics in Prometheus' text form.

use std::sync::OnceLock;

use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// From 5 ms to half an hour: a claim takes milliseconds, a bake tens of minutes.
const SECONDS: [f64; 14] =
    [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 180.0, 600.0, 1200.0, 1800.0];

/// The recorder of this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// Metrics cannot be recorded: another recorder was installed before.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not install the metrics recorder: {0}")]
pub struct MetricsError(String);

impl Metrics {
    /// Installs the recorder once per process; later calls give the same one.
    ///
    /// # Errors
    ///
    /// Somebody else installed a recorder.
    pub fn install() -> Result<Self, MetricsError> {
        static INSTALLED: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| build().map_err(|error| error.to_string()));
        match installed {
            Ok(handle) => Ok(Self { handle: handle.clone() }),
            Err(text) => Err(MetricsError(text.clone())),
        }
    }

    /// Everything recorded so far.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Folds what was recorded into its buckets: memory grows until this or [`Self::render`].
    pub(crate) fn fold(&self) {
        self.handle.run_upkeep();
    }
}

fn build() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    describe_gauge!("bowline_build_info", Unit::Count, "1, labelled with the version that runs");
    gauge!("bowline_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}
