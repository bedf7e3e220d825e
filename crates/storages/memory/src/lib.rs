//! Typed objects in the memory of this process.
//!
//! Three things:
//!
//! - [`Memory`], the engine behind the memory tier of a cache. It holds the entries of every node
//!   type under one bound and one eviction policy, finds them by node, key digest, tag or predicate,
//!   and refuses what the [fence](cache_core::fence) has passed.
//! - [`ShardedCache`], the same engine for typed keys and values, for programs that want no more:
//!   concurrent, exactly bounded, with every [`Policy`].
//! - [`SyncCache`], a plain typed cache with synchronous calls, on [moka](https://docs.rs/moka).
//!
//! ```
//! use cache_core::memory::MemoryEngine;
//! use cache_memory::{Memory, Policy};
//!
//! let memory = Memory::builder().max_entries(100_000).policy(Policy::Adaptive).build()?;
//! let same = Memory::open("memory://adaptive?max_entries=100000")?;
//! assert_eq!(memory.capabilities(), same.capabilities());
//! # Ok::<(), cache_core::error::ConfigError>(())
//! ```
#![cfg_attr(
    test,
    expect(clippy::duplicate_mod, reason = "every engine includes the tests of what all promise")
)]

mod apart;
mod config;
mod curve;
mod engine;
mod eviction;
mod moka_engine;
mod policy;
mod sharded;
mod sync;
mod sync_cache;

pub use config::{
    Bound, CURVE_ENTRIES_DEFAULT, EngineKind, MAX_ENTRIES_DEFAULT, MemoryBuilder, MemoryOptions,
    Policy,
};
pub use engine::Memory;
pub use eviction::{EVICTIONS_BUFFERED, Evictions};
pub use sharded::{EntryOptions, ShardedCache, ShardedCacheBuilder};
pub use sync_cache::{CacheEntry, SyncCache, SyncCacheBuilder};
