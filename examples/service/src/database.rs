//! The orders' own table. It knows nothing of the cache.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// An order of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) customer: u32,
    pub(crate) order: u32,
    pub(crate) item: String,
    pub(crate) cents: u32,
    pub(crate) shipped: bool,
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the query did not end: {0}")]
    Unended(#[from] tokio::task::JoinError),
}

/// The database; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    connection: Arc<Mutex<Connection>>,
    queries: Arc<AtomicU64>,
    latency: Duration,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS orders (
        customer INTEGER NOT NULL,
        \"order\"  INTEGER NOT NULL,
        item     TEXT    NOT NULL,
        cents    INTEGER NOT NULL,
        shipped  INTEGER NOT NULL,
        PRIMARY KEY (customer, \"order\")
    ) STRICT, WITHOUT ROWID;
";

const COLUMNS: &str = "customer, \"order\", item, cents, shipped";

impl Database {
    /// Opens the file, and makes it if it is not there.
    pub(crate) fn open(path: &Path, latency: Duration) -> Result<Self, DatabaseError> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self { connection, queries: Arc::default(), latency })
    }

    /// How many queries have read orders.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    pub(crate) async fn ping(&self) -> Result<(), DatabaseError> {
        self.run(|connection| connection.query_row("SELECT 1", [], |_| Ok(()))).await
    }

    pub(crate) async fn order(
        &self,
        customer: u32,
        order: u32,
    ) -> Result<Option<Order>, DatabaseError> {
        self.delay().await;
        self.run(move |connection| find(connection, customer, order)).await
    }

    /// All orders of a customer, by number.
    pub(crate) async fn orders(&self, customer: u32) -> Result<Vec<Order>, DatabaseError> {
        self.delay().await;
        self.run(move |connection| {
            let sql =
                format!("SELECT {COLUMNS} FROM orders WHERE customer = ?1 ORDER BY \"order\"");
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map([customer], read)?.collect()
        })
        .await
    }

    pub(crate) async fn put(&self, order: Order) -> Result<(), DatabaseError> {
        self.run(move |connection| {
            let sql =
                format!("INSERT OR REPLACE INTO orders ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)");
            let Order { customer, order, item, cents, shipped } = order;
            let values = params![customer, order, item, cents, shipped];
            connection.execute(&sql, values).map(|_| ())
        })
        .await
    }

    /// Marks an order as shipped; gives it as it is then, if it is there.
    pub(crate) async fn ship(
        &self,
        customer: u32,
        order: u32,
    ) -> Result<Option<Order>, DatabaseError> {
        self.run(move |connection| {
            let sql = "UPDATE orders SET shipped = 1 WHERE customer = ?1 AND \"order\" = ?2";
            connection.execute(sql, [customer, order])?;
            find(connection, customer, order)
        })
        .await
    }

    /// Removes all orders of a customer; says how many there were.
    pub(crate) async fn forget(&self, customer: u32) -> Result<usize, DatabaseError> {
        self.run(move |connection| {
            connection.execute("DELETE FROM orders WHERE customer = ?1", [customer])
        })
        .await
    }

    /// Counts a query, and takes as long as a database far away.
    async fn delay(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }

    /// The driver blocks, and so it gets a thread where that stops nobody.
    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let connection = Arc::clone(&self.connection);
        let result = tokio::task::spawn_blocking(move || query(&connection.lock())).await?;
        Ok(result?)
    }
}

fn find(connection: &Connection, customer: u32, order: u32) -> rusqlite::Result<Option<Order>> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE customer = ?1 AND \"order\" = ?2");
    connection.prepare_cached(&sql)?.query_row([customer, order], read).optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        customer: row.get(0)?,
        order: row.get(1)?,
        item: row.get(2)?,
        cents: row.get(3)?,
        shipped: row.get(4)?,
    })
}
