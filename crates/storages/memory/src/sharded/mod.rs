//! The engine: sharded, concurrent, with an exact bound; generic over keys and values.

mod annex;
#[cfg(any(test, not(shuttle)))]
mod bias;
mod budget;
mod builder;
mod cache;
mod costs;
mod departures;
mod engine;
mod lock;
#[cfg(not(shuttle))]
mod places;
mod shard;
mod slab;
#[cfg(test)]
#[cfg(not(shuttle))]
mod soak;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
mod touches;
mod wheel;

pub(crate) use annex::Annex;
pub use builder::ShardedCacheBuilder;
pub use cache::{EntryOptions, ShardedCache};
pub(crate) use departures::Departures;
pub(crate) use engine::{Engine, Plan, SHARDS_MAX};
pub(crate) use lock::ShardLock;
pub(crate) use shard::{New, Shard};
pub(crate) use slab::Slab;
