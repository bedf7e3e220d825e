//! Tiers: a layered cache. A program names what it wants as a typed *node*; Tiers answers from the
//! nearest tier that has it, loads it once from its source when none has, and fills the tiers on
//! the way back.
//!
//! ```
//! use std::sync::Arc;
//! use tiers::prelude::*;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct User { name: String }
//!
//! #[derive(Node, Clone, PartialEq, Eq, Hash)]
//! #[node(key = "user:{id}", value = User, version = "v1",
//!        tiers(memory(ttl = "30s"), sqlite(ttl = "10d")))]
//! struct UserNode { id: u64 }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite://{}", folder.path().join("cache.db").display());
//! let cache = Cache::builder()
//!     .storage("memory", tiers::open("memory://tinylfu?max_entries=10000").await?)
//!     .storage("sqlite", tiers::open(&url).await?)
//!     .build()?;
//! let users = cache.bind::<UserNode>(source_fn(|node: UserNode| async move {
//!     Ok::<_, LoadError>(User { name: format!("user {}", node.id) })
//! }))?;
//!
//! let user: Arc<User> = users.get(&UserNode { id: 7 }).await?;
//! assert_eq!(user.name, "user 7");
//! cache.close().await?;
//! # Ok(()) }
//! ```
//!
//! | feature | what it brings | default |
//! |---|---|---|
//! | `memory` | objects in this process: [`memory`] | yes |
//! | `sqlite` | the embedded storage: [`sqlite`] | yes |
//! | `filesystem` | a folder of files, for large values: `tiers::filesystem` | no |
//! | `redis` | Redis and Valkey, shared by processes: `tiers::redis` | no |
//! | `postgres` | a storage on a PostgreSQL server: `postgres` | no |
//! | `mongodb` | MongoDB, shared by processes: `tiers::mongodb` | no |
//! | `mysql` | a storage on a MySQL or MariaDB server: `mysql` | no |
//! | `msgpack`, `json`, `bincode` | codecs | `msgpack` |
//! | `zstd`, `lz4` | compression of stored values | `zstd` |
//! | `macros` | `#[derive(Node)]`, `#[cached]` | yes |
//! | `tracing` | spans and events | no |
//! | `metrics` | counters, gauges and latencies for the recorder of the `metrics` facade | no |
//! | `testing` | the behaviour suite for storages, a test storage, a scripted source, a manual clock | no |

#[cfg(doctest)]
mod guide;
mod open;
pub mod prelude;

pub use cache_core as core;
#[cfg(feature = "testing")]
pub use cache_core::testing;
pub use cache_core::{
    atomics, backplane, cache, clock, entry, error, events, handle, key, node, observe, policy,
    source, stats, storage,
};
#[cfg(feature = "filesystem")]
pub use cache_filesystem as filesystem;
#[cfg(feature = "macros")]
pub use cache_macros::{Node, cached};
#[cfg(feature = "memory")]
pub use cache_memory as memory;
#[cfg(feature = "mongodb")]
pub use cache_mongodb as mongodb;
#[cfg(feature = "mysql")]
pub use cache_mysql as mysql;
#[cfg(feature = "postgres")]
pub use cache_postgres as postgres;
#[cfg(feature = "redis")]
pub use cache_redis as redis;
#[cfg(feature = "sqlite")]
pub use cache_sqlite as sqlite;
pub use open::{OpenError, open};
