//! Redis beside the driver's multiplexed connection.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo as _};
use tiers::entry::Entry;
use tiers::key::Key;
use tiers::storage::Storage;
use tiers_servers::Kind;

use super::subject::{Driver, Place, Subject};

/// One server.
pub(super) struct Redis;

const CONCURRENT_GETS_MIN: f64 = 0.9;
/// As long as the storage waits.
const TIMEOUT: Duration = Duration::from_secs(5);

#[async_trait]
impl Subject for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn start(&self) -> anyhow::Result<Place> {
        Place::server(Kind::Redis)
    }

    async fn open(&self, url: &str) -> anyhow::Result<Arc<dyn Storage>> {
        Ok(tiers::redis::Redis::open(url).await?.into_storage())
    }

    async fn driver(&self, url: &str) -> anyhow::Result<Arc<dyn Driver>> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        // As the storage has it: else the system would hold commands back to send several at once.
        let info = url.into_connection_info()?;
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let client = Client::open(info.set_tcp_settings(tcp))?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Arc::new(Bare { connection }))
    }

    fn concurrent_gets_min(&self) -> Option<f64> {
        Some(CONCURRENT_GETS_MIN)
    }
}

struct Bare {
    connection: MultiplexedConnection,
}

fn name(key: &Key) -> String {
    format!("bare:{key}")
}

#[async_trait]
impl Driver for Bare {
    async fn get(&self, key: &Key) -> anyhow::Result<Vec<u8>> {
        let bytes: Option<Vec<u8>> =
            redis::cmd("GET").arg(name(key)).query_async(&mut self.connection.clone()).await?;
        bytes.ok_or_else(|| anyhow::anyhow!("{key} is not there"))
    }

    async fn get_many(&self, keys: &[Key]) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(name(key));
        }
        let found: Vec<Option<Vec<u8>>> = command.query_async(&mut self.connection.clone()).await?;
        let found: Vec<_> = found.into_iter().flatten().collect();
        ensure!(found.len() == keys.len(), "{} of {} entries", found.len(), keys.len());
        Ok(found)
    }

    async fn set_many(&self, entries: &[(&Key, Entry)]) -> anyhow::Result<()> {
        let mut pipeline = redis::pipe();
        for (key, entry) in entries {
            let until = entry.kept_until.unix_ms();
            pipeline.cmd("SET").arg(name(key)).arg(&entry.to_envelope()[..]);
            pipeline.arg("PXAT").arg(until).ignore();
        }
        Ok(pipeline.exec_async(&mut self.connection.clone()).await?)
    }
}
