//! Metrics of a whole cache, at a time or again and again.

use std::sync::Arc;
use std::time::Duration;

use super::whole::Cache;

impl Cache {
    /// Sends what was counted to the recorder of the `metrics` facade: call it before the recorder
    /// is read. Asks every storage for its figures; nothing is sent in between, and no request is
    /// slowed by it. The metrics are [`METRICS`](crate::observe::METRICS).
    ///
    /// Samples of latencies are sent once: those of before the recorder was installed are lost if
    /// metrics were published by then. Counters and gauges are sent whole each time. Two caches
    /// with the same prefix, node and storage names in one process share their metrics, and the
    /// larger counter of the two is seen.
    pub async fn publish_metrics(&self) {
        let stats = self.stats().await;
        self.shared.publisher.publish(self.prefix(), &stats, self.loads_in_flight());
    }

    /// Publishes again and again, until the cache is closed or forgotten.
    pub(super) fn publish_every(&self, interval: Duration) {
        let clock = Arc::clone(&self.shared.clock);
        let shared = Arc::downgrade(&self.shared);
        let registry = Arc::downgrade(&self.registry);
        self.shared.spawn_until_closing(async move {
            loop {
                clock.sleep(interval).await;
                let (Some(shared), Some(registry)) = (shared.upgrade(), registry.upgrade()) else {
                    return;
                };
                Self { shared, registry }.publish_metrics().await;
            }
        });
    }
}
