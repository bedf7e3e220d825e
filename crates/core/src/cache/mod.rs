//! The engine: registered storages, bound node types, and what is done to all of them at once.
//!
//! - `builder`: names, storages, clock and runtime become a [`Cache`].
//! - `bind`: a definition is checked against them and becomes a binding.
//! - `binding`: what a handle works on. `registered`: a storage under its name.
//! - `across`: single flight across processes. `atomics`: counters, locks and the like.
//! - `guard`, `storage_options`: how long a storage may take, and when it is left alone.
//! - `behind`, `stale`: refreshes behind readers, and entries of memory past their freshness.
//! - `invalidate`, `pending`: invalidation across tiers, and what could not be reached.
//! - `close`: finishing or aborting what runs, flushing, refusing.

mod across;
mod atomics;
mod backend;
mod behind;
mod bind;
mod binding;
mod builder;
mod close;
mod guard;
mod invalidate;
mod order;
mod pending;
#[cfg(feature = "metrics")]
mod publish;
mod registered;
mod registry;
mod shared;
mod stale;
mod storage_options;
mod whole;

pub(crate) use across::AcrossLeases;
pub use backend::Backend;
pub(crate) use behind::RETRY;
pub(crate) use binding::{Binding, InMemory, MemoryFill, StorageTier, typed};
pub use builder::CacheBuilder;
pub use close::CloseError;
pub(crate) use guard::within;
pub use invalidate::{Invalidation, PendingInvalidation};
pub(crate) use invalidate::{
    KeyTest, Reached, forget_in_process, heard_in_process, invalidate, invalidate_announced,
    invalidate_storages, leave_pending, leave_to_replay,
};
pub(crate) use registered::Registered;
pub(crate) use registry::Registry;
pub(crate) use shared::Shared;
pub(crate) use stale::StaleTimes;
pub use storage_options::StorageOptions;
pub use whole::Cache;
