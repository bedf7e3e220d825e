//! Redis and Valkey as a storage of Tiers: entries on a server, shared by every process that uses
//! it. One server, a Cluster, or a group watched by Sentinel.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cache_redis::Redis;
//!
//! let storage = Redis::open("redis://localhost:6379/0?key_prefix=shop").await?;
//! # let _ = storage.into_storage();
//! # Ok(())
//! # }
//! ```
//!
//! - A read is one `MGET` of entries and the fence's counter, and reads that tasks make at once share
//!   one, but for a Cluster. Writes of a batch are one script, and
//!   so is the removal of keys; the scripts stand in `scripts/redis` for administrators to read.
//! - Entries end by the server's clock, to the millisecond. The server holds its bound by its own
//!   `maxmemory-policy`: the storage removes nothing to make room.
//! - On a Cluster, keys are put into buckets, each in one slot with a fence and tag sets of its own;
//!   a batch is one command for each bucket that it touches, all on their way at once.
//! - A restarted server, and a replica that has become the master, make the fence anew at the first
//!   write: what was being loaded then is refused. What the server lost, or a replica never got, may
//!   bring an invalidated entry back until its time.
//! - Patterns and namespaces are found by `SCAN` on every master, which looks at every key there is;
//!   so does [`stats`](cache_core::storage::Storage::stats).
//! - It has a log of events for a [backplane](cache_core::backplane): a stream, of which as much is
//!   kept as [`events_max`](RedisOptions::events_max) says, read on a connection of its own.
//!
//! Redis 6 and later, and Valkey. A user of the server's access control list needs, on keys of the
//! prefix, `+@read +@write +@scripting +@connection +info +time`, and on a Cluster `+cluster|slots`;
//! by `INFO` a restart is told. No command that stops the server for long is used, neither `KEYS`
//! nor `FLUSHALL`.

mod atomics;
mod config;
mod connection;
mod error;
mod events;
mod fence;
mod invalidate;
mod layout;
mod maintain;
mod read;
mod script;
mod storage;
mod write;

pub use config::RedisOptions;
pub use storage::Redis;
