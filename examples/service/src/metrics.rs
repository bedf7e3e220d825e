//! The cache's figures for Prometheus.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tiers::cache::Cache;

use crate::AnyError;

/// From a few microseconds to seconds; the first are for storages, the last for sources.
const BUCKETS_SECONDS: [f64; 12] =
    [2e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 2e-2, 1e-1, 0.5, 2.0];

/// What keeps the metrics of this program; clones are the same.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder of this program, once and before the cache is opened.
    pub(crate) fn install() -> Result<Self, AnyError> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS_SECONDS)?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder)?;
        Ok(Self(handle))
    }

    /// The metrics as they are now, as text.
    pub(crate) async fn render(&self, cache: &Cache) -> String {
        cache.publish_metrics().await;
        self.0.render()
    }
}
