//! MySQL's protocol, spoken by MariaDB, beside a connection of the driver with prepared statements.

use std::sync::Arc;

use anyhow::ensure;
use async_trait::async_trait;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use tiers::entry::Entry;
use tiers::key::Key;
use tiers::storage::Storage;
use tiers_servers::Kind;
use tokio::sync::Mutex;

use super::subject::{Driver, Place, Subject};

/// One server.
pub(super) struct MySql;

#[async_trait]
impl Subject for MySql {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn start(&self) -> anyhow::Result<Place> {
        Place::server(Kind::MySql)
    }

    async fn open(&self, url: &str) -> anyhow::Result<Arc<dyn Storage>> {
        Ok(tiers::mysql::MySql::open(url).await?.into_storage())
    }

    async fn driver(&self, url: &str) -> anyhow::Result<Arc<dyn Driver>> {
        let mut connection = MySqlConnection::connect(url).await?;
        let table = "CREATE TABLE bare (name VARBINARY(512) PRIMARY KEY, expire_at BIGINT NOT NULL, \
                     value LONGBLOB NOT NULL, KEY (expire_at)) ENGINE = InnoDB";
        connection.execute(sqlx::raw_sql(table)).await?;
        Ok(Arc::new(Bare { connection: Mutex::new(connection) }))
    }
}

struct Bare {
    connection: Mutex<MySqlConnection>,
}

fn places(place: &str, count: usize) -> String {
    vec![place; count].join(",")
}

#[async_trait]
impl Driver for Bare {
    async fn get(&self, key: &Key) -> anyhow::Result<Vec<u8>> {
        const GET: &str = "SELECT value FROM bare WHERE name = ? AND \
                           (expire_at < 0 OR expire_at > UNIX_TIMESTAMP(NOW(3)) * 1000)";
        let query = sqlx::query(GET).bind(key.as_str().as_bytes());
        let row = query.fetch_one(&mut *self.connection.lock().await).await?;
        Ok(row.try_get(0)?)
    }

    async fn get_many(&self, keys: &[Key]) -> anyhow::Result<Vec<Vec<u8>>> {
        let sql = format!(
            "SELECT name, value FROM bare WHERE name IN ({}) AND \
             (expire_at < 0 OR expire_at > UNIX_TIMESTAMP(NOW(3)) * 1000)",
            places("?", keys.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for key in keys {
            query = query.bind(key.as_str().as_bytes());
        }
        let rows = query.fetch_all(&mut *self.connection.lock().await).await?;
        ensure!(rows.len() == keys.len(), "{} of {} entries", rows.len(), keys.len());
        rows.iter().map(|row| Ok(row.try_get(1)?)).collect()
    }

    async fn set_many(&self, entries: &[(&Key, Entry)]) -> anyhow::Result<()> {
        let sql = format!(
            "INSERT INTO bare (name, expire_at, value) VALUES {} ON DUPLICATE KEY UPDATE \
             expire_at = VALUES(expire_at), value = VALUES(value)",
            places("(?,?,?)", entries.len())
        );
        let envelopes: Vec<_> = entries.iter().map(|(_, entry)| entry.to_envelope()).collect();
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((key, entry), envelope) in entries.iter().zip(&envelopes) {
            query = query.bind(key.as_str().as_bytes());
            query = query.bind(entry.kept_until.unix_ms() as i64).bind(&envelope[..]);
        }
        query.execute(&mut *self.connection.lock().await).await?;
        Ok(())
    }
}
