//! Typed objects in the memory of this process.
//!
//! Two things, which know nothing of each other:
//!
//! - [`Memory`], the engine behind the memory tier of a cache. It holds the entries of every node
//!   type under one bound and one eviction policy, finds them by node, key digest, tag or predicate,
//!   and refuses what the [fence](cache_core::fence) has passed.
//! - [`SyncCache`], a plain typed cache with synchronous calls, for programs that want no more.
//!
//! Both stand on [moka](https://docs.rs/moka).
//!
//! ```
//! use cache_core::memory::MemoryEngine;
//! use cache_memory::{Memory, Policy};
//!
//! let memory = Memory::builder().max_entries(100_000).policy(Policy::TinyLfu).build()?;
//! let same = Memory::open("memory://tinylfu?max_entries=100000")?;
//! assert_eq!(memory.capabilities(), same.capabilities());
//! # Ok::<(), cache_core::error::ConfigError>(())
//! ```

mod config;
mod engine;
mod eviction;
mod expiry;
mod index;
mod policy;
mod sharded;
mod slot;
mod stripe;
mod sync;
mod sync_cache;
mod uses;

pub use config::{Bound, MAX_ENTRIES_DEFAULT, MemoryBuilder, MemoryOptions, Policy};
pub use engine::Memory;
pub use eviction::{EVICTIONS_BUFFERED, Evictions};
pub use sharded::{EntryOptions, ShardedCache, ShardedCacheBuilder};
pub use sync_cache::{CacheEntry, SyncCache, SyncCacheBuilder};
