//! The embedded storage of Tiers: entries in one SQLite file, which outlives the process and may be
//! shared by several on one host.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cache_sqlite::Sqlite;
//!
//! let storage = Sqlite::open("sqlite://cache.db?table=cache&pool_size=10").await?;
//! # let _ = storage.into_storage();
//! # Ok(())
//! # }
//! ```
//!
//! - A read runs on the caller's thread where a connection is free, the value is short and nobody
//!   has to be waited for; otherwise on a reader thread. It never writes: accesses are gathered in
//!   memory and written in batches.
//! - Writes are committed in groups by one thread. An answer comes after the commit.
//! - The write-ahead log is brought into the file by a thread of its own once it has half of
//!   [`wal_bytes_max`](SqliteOptions::wal_bytes_max); writes wait where they could take it further.
//! - It has a log of events for a [backplane](cache_core::backplane) of the processes that share the
//!   file: a table, made when it is first used, and looked at every
//!   [`events_interval`](SqliteOptions::events_interval).
//! - Entries and bytes are bounded, and kept within their bounds by the transaction that would go
//!   over. What goes are the oldest eighth, by last use, of a random sample of 1,024 entries: in a
//!   store of no more than that exactly the least recently used, in a larger one near to it.
//!
//! A killed process loses nothing that was answered. Where the power fails, the last commits since
//! a [`flush`](cache_core::storage::Storage::flush) or a checkpoint may be taken back (see
//! [`Synchronous`]), and an entry that was invalidated by one of them with it, until its time.
//!
//! **Not on a network file system**: SQLite's locks and its log need a local one, and NFS or SMB
//! may damage the file. Within one process, open a file by this crate only: POSIX drops the locks
//! of a process on a file when any descriptor of it is closed.

mod atomics;
mod calls;
mod config;
mod connection;
mod error;
mod events;
mod fence;
#[cfg(all(test, shuttle))]
mod interleavings;
mod invalidate;
mod maintain;
mod outside;
mod queue;
mod read;
mod requests;
mod schema;
mod storage;
mod sync;
mod write;

pub use config::{AutoVacuum, IntegrityCheck, JournalMode, SqliteOptions, Synchronous, TempStore};
pub use maintain::HistorySample;
pub use outside::{Reference, Referring, Values};
pub use schema::{APPLICATION_ID, SCHEMA_VERSION, check_schema, schema_script};
pub use storage::Sqlite;
