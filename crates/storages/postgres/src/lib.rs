//! The PostgreSQL storage of Tiers: entries in one table that every process of a cache shares,
//! fenced by the server.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cache_postgres::Postgres;
//!
//! let storage = Postgres::open("postgres://cache@db.internal/app?table=cache&sslmode=verify-full").await?;
//! # let _ = storage.into_storage();
//! # Ok(())
//! # }
//! ```
//!
//! - A read is one statement and one round trip, of one key or of many. It writes nothing: uses
//!   are gathered in memory and written in batches.
//! - A batch of writes is one statement and one transaction, whatever is in it.
//! - An invalidation raises the fence, and then removes what it names, in transactions of bounded
//!   size; both are durable when it returns.
//! - Expiry is by the server's clock. Entries and bytes are bounded by estimates; those used least
//!   recently are evicted, by any number of processes side by side.
//! - What fails for a while (a deadlock, a failover, a lost connection) is tried again within the
//!   [`timeout`](PostgresOptions::timeout); what does not is an error that says so.
//! - It has a log of events for a [backplane](cache_core::backplane): a table, made when it is first
//!   used; readers are woken by `NOTIFY`.
//!
//! Not promised: an invalidation that a standby had not received when it became the primary may
//! bring back what it removed, until its time. Reads from a standby are refused.

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

pub use config::PostgresOptions;
pub use schema::SCHEMA_VERSION;
pub use storage::Postgres;
