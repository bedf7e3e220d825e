//! Opening: the first connection, what the server may evict, and the fences.

use std::sync::Arc;

use cache_core::storage::{Capabilities, Reach, StorageError, StorageErrorKind};
use parking_lot::Mutex;
use redis::cluster_routing::Slot;
use redis::{Cmd, FromRedisValue};

use super::Shared;
use crate::config::RedisOptions;
use crate::connection::{Connections, Connector, Routed};
use crate::error::{SCHEME, error, unexpected};
use crate::layout::{Bucket, Names};
use crate::maintain;
use crate::read::{Apart, Together};

const OPERATION: &str = "open";

pub(super) async fn open(options: RedisOptions) -> Result<Arc<Shared>, StorageError> {
    options.validate().map_err(|problem| {
        error(OPERATION, StorageErrorKind::Invalid, problem.to_string()).with_source(problem)
    })?;
    // Reads the files of certificates.
    let given = options.clone();
    let connector = tokio::task::spawn_blocking(move || Connector::new(&given)).await;
    let connector = connector.map_err(|source| {
        error(OPERATION, StorageErrorKind::Failed, "the options could not be read")
            .with_source(source)
    })??;
    let names = Names::new(&options.key_prefix, options.buckets);
    let slots = names.buckets().map(|bucket| Slot::for_key(names.head(bucket))).collect();
    let host = |host: &crate::config::Host| format!("{}:{}", host.name, host.port);
    let mut shared = Shared {
        connections: Connections::new(connector, options.pool_size, options.timeout),
        names,
        capabilities: Capabilities::new(SCHEME, Reach::Shared)
            .with_value_bytes_max(options.value_bytes_max)
            .without_eviction()
            .with_atomics(),
        refuses_tags: false,
        events_max: options.events_max,
        servers: options.servers.hosts().iter().map(host).collect(),
        together: Together::default(),
        apart: Apart::new(options.buckets.into()),
        slots,
        upkeep: Mutex::new(None),
    };
    let evicts_any_key = examine(&shared).await?;
    shared.refuses_tags = evicts_any_key && !options.accept_tag_eviction;
    let buckets: Vec<Bucket> = shared.names.buckets().collect();
    shared.open_fences(OPERATION, &buckets).await?;
    let shared = Arc::new(shared);
    if let Some(interval) = options.cleanup_interval {
        let task = maintain::schedule(&shared, interval);
        *shared.upkeep.lock() = Some(task.abort_handle());
    }
    Ok(shared)
}

/// Checks that the servers take writes; tells whether one of them may evict keys that have no end.
async fn examine(shared: &Shared) -> Result<bool, StorageError> {
    let nodes = shared.connections.nodes(OPERATION).await?;
    let commands = nodes.each().into_iter().flat_map(|node| {
        ["memory", "replication"].map(|section| {
            let mut command = Cmd::new();
            command.arg("INFO").arg(section);
            Routed { slot: node.slot, command }
        })
    });
    let mut evicts_any_key = false;
    for answer in shared.connections.many(OPERATION, commands.collect()).await? {
        let info = String::from_redis_value(answer?).map_err(|_| unexpected(OPERATION))?;
        let line = |name| info.lines().find_map(|line| line.strip_prefix(name));
        if line("role:").is_some_and(|role| role != "master") {
            let message = "the server follows another, which is to be opened instead of it";
            return Err(error(OPERATION, StorageErrorKind::Unavailable, message));
        }
        evicts_any_key |=
            line("maxmemory_policy:").is_some_and(|policy| policy.starts_with("allkeys"));
    }
    Ok(evicts_any_key)
}
