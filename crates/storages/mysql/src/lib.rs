//! The MySQL and MariaDB storage of Tiers: entries in one table that every process of a cache
//! shares, fenced by the server.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cache_mysql::MySql;
//!
//! let storage = MySql::open("mysql://cache@db.internal/app?table=cache&ssl-mode=VERIFY_IDENTITY").await?;
//! # let _ = storage.into_storage();
//! # Ok(())
//! # }
//! ```
//!
//! Written for MySQL 8.0 and later and MariaDB 10.6 and later, in the SQL that both have.
//!
//! - A read is one statement and one round trip, of one key or of many. It writes nothing: uses
//!   are gathered in memory and written in batches.
//! - A batch of loads, of sets or of touches is one transaction and one round trip. A batch that
//!   mixes them, compares or updates takes two; one of loads, some of which the fence refuses, two
//!   more than that.
//! - An invalidation raises the fence, and then removes what it names, in transactions of bounded
//!   size; both are done when it returns. How durable they are then is the server's own
//!   `innodb_flush_log_at_trx_commit`.
//! - Expiry is by the server's clock. Entries and bytes are bounded; those used least recently are
//!   evicted, by any number of processes side by side.
//! - It has a log of events for a [backplane](cache_core::backplane): a table, made when it is first
//!   used, and looked at every [`events_interval`](MySqlOptions::events_interval).
//! - What fails for a while (a deadlock, a failover, a lost connection) is tried again within the
//!   [`timeout`](MySqlOptions::timeout); what does not is an error that says so.
//!
//! Not promised: an invalidation that a replica had not received when it became the primary may
//! bring back what it removed, until its time. Servers that take no writes are refused. All
//! processes have to write to one primary: a cluster with several (Galera) does not keep locks
//! between its nodes, and so no fence.

mod atomics;
mod config;
mod connection;
mod error;
mod events;
mod fence;
mod invalidate;
mod maintain;
mod read;
mod schema;
mod storage;
mod write;

pub use config::MySqlOptions;
pub use schema::SCHEMA_VERSION;
pub use storage::MySql;
