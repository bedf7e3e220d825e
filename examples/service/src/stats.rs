//! The cache's figures as JSON.

use serde_json::{Value, json};
use tiers::stats::{NodeStats, StorageReport, TierStats};

use crate::orders::Orders;

pub(crate) async fn to_json(orders: &Orders) -> Value {
    let stats = orders.cache.stats().await;
    json!({
        "database_queries": orders.database.queries(),
        "loads_in_flight": orders.cache.loads_in_flight(),
        "nodes": stats.nodes.iter().map(node).collect::<Vec<_>>(),
        "memories": stats.memories.iter().map(|memory| json!({
            "storage": memory.storage,
            "entries": memory.stats.entries,
        })).collect::<Vec<_>>(),
        "storages": stats.storages.iter().map(storage).collect::<Vec<_>>(),
    })
}

fn node(stats: &NodeStats) -> Value {
    json!({
        "node": stats.node,
        "requests": stats.requests(),
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_rate": stats.hit_rate(),
        "coalesced": stats.coalesced,
        "loads_succeeded": stats.loads_succeeded,
        "loads_failed": stats.loads_failed,
        "mean_load_us": stats.mean_load_time().as_secs_f64() * 1e6,
        "tiers": stats.tiers.iter().map(tier).collect::<Vec<_>>(),
    })
}

fn tier(stats: &TierStats) -> Value {
    json!({
        "storage": stats.storage,
        "hits": stats.hits,
        "misses": stats.misses,
        "stale": stats.stale,
        "errors": stats.errors,
        "damaged": stats.damaged,
        "fills": stats.fills,
        "fills_refused": stats.fills_refused,
        "fills_skipped": stats.fills_skipped,
    })
}

fn storage(report: &StorageReport) -> Value {
    match &report.stats {
        Ok(stats) => json!({
            "storage": report.storage,
            "entries": stats.entries,
            "payload_bytes": stats.payload_bytes,
            "stored_bytes": stats.stored_bytes,
            "evicted": stats.evicted,
            "expired": stats.expired,
            "pending_invalidations": report.pending_invalidations,
        }),
        Err(error) => json!({
            "storage": report.storage,
            "error": error.to_string(),
            "pending_invalidations": report.pending_invalidations,
        }),
    }
}
