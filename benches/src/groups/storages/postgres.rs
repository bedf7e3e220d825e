//! PostgreSQL beside a connection of the driver with prepared statements.

use std::sync::Arc;

use anyhow::ensure;
use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use tiers::entry::Entry;
use tiers::key::Key;
use tiers::storage::Storage;
use tiers_servers::Kind;
use tokio::sync::Mutex;

use super::subject::{Driver, Place, Subject};

/// One server.
pub(super) struct Postgres;

const GET: &str = "SELECT value FROM bare WHERE name = $1 AND \
    (expire_at < 0 OR expire_at > extract(epoch FROM clock_timestamp()) * 1000)";
const GET_MANY: &str = "SELECT name, value FROM bare WHERE name = ANY($1) AND \
    (expire_at < 0 OR expire_at > extract(epoch FROM clock_timestamp()) * 1000)";
const SET_MANY: &str = "INSERT INTO bare (name, expire_at, value) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]) ON CONFLICT (name) DO UPDATE \
    SET expire_at = excluded.expire_at, value = excluded.value";

#[async_trait]
impl Subject for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn start(&self) -> anyhow::Result<Place> {
        Place::server(Kind::Postgres)
    }

    async fn open(&self, url: &str) -> anyhow::Result<Arc<dyn Storage>> {
        Ok(tiers::postgres::Postgres::open(url).await?.into_storage())
    }

    async fn driver(&self, url: &str) -> anyhow::Result<Arc<dyn Driver>> {
        let mut connection = PgConnection::connect(url).await?;
        let table = "CREATE TABLE bare (name text COLLATE \"C\" PRIMARY KEY, \
                     expire_at bigint NOT NULL, value bytea NOT NULL); \
                     CREATE INDEX ON bare (expire_at)";
        connection.execute(sqlx::raw_sql(table)).await?;
        Ok(Arc::new(Bare { connection: Mutex::new(connection) }))
    }
}

struct Bare {
    connection: Mutex<PgConnection>,
}

#[async_trait]
impl Driver for Bare {
    async fn get(&self, key: &Key) -> anyhow::Result<Vec<u8>> {
        let query = sqlx::query(GET).bind(key.as_str());
        let row = query.fetch_one(&mut *self.connection.lock().await).await?;
        Ok(row.try_get(0)?)
    }

    async fn get_many(&self, keys: &[Key]) -> anyhow::Result<Vec<Vec<u8>>> {
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let query = sqlx::query(GET_MANY).bind(names);
        let rows = query.fetch_all(&mut *self.connection.lock().await).await?;
        ensure!(rows.len() == keys.len(), "{} of {} entries", rows.len(), keys.len());
        rows.iter().map(|row| Ok(row.try_get(1)?)).collect()
    }

    async fn set_many(&self, entries: &[(&Key, Entry)]) -> anyhow::Result<()> {
        let names: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        let ends = entries.iter().map(|(_, entry)| entry.kept_until.unix_ms() as i64);
        let envelopes = entries.iter().map(|(_, entry)| entry.to_envelope().to_vec());
        let query = sqlx::query(SET_MANY)
            .bind(names)
            .bind(ends.collect::<Vec<_>>())
            .bind(envelopes.collect::<Vec<_>>());
        query.execute(&mut *self.connection.lock().await).await?;
        Ok(())
    }
}
