//! Counters, registers, locks and rate limiters, on the storages that can.
//!
//! - What programs call: [`Counter`], [`Register`], [`Lock`] with its [`LockGuard`],
//!   [`RateLimiter`], all made by [`Cache`](crate::cache::Cache).
//! - The seam: [`Atomics`], one atomic step ([`Operation`]) on one name ([`AtomicName`]). What each
//!   step means is [`Operation::apply`], a pure function over a [`Slot`].
//! - [`Rate`] is the generic cell rate algorithm, pure as well.
//!
//! Names stand beside the entries of a cache, not among them: they take no part in its tiers, and
//! no invalidation, [`clear`](crate::cache::Cache::clear) and eviction of entries included, takes
//! them along.

mod counter;
mod guard;
mod in_process;
mod lease;
mod limiter;
mod lock;
mod name;
mod operation;
mod rate;
mod register;
mod slot;
mod store;

pub use counter::Counter;
pub(crate) use guard::Held;
pub use guard::LockGuard;
pub use in_process::InProcessAtomics;
pub use limiter::RateLimiter;
pub use lock::Lock;
pub(crate) use lock::{Pauses, Taken, take_to_the_end};
pub use name::{AtomicKind, AtomicName};
pub use operation::{Answer, Operation, Owner, Version, Versioned};
pub use rate::{Rate, RateDecision};
pub use register::{Register, Swapped};
pub use slot::{Change, NEVER_US, Slot};
pub(crate) use store::AtomicStore;

use std::fmt::Debug;

use async_trait::async_trait;

use crate::storage::StorageError;

/// What a storage offers beside its entries: atomic steps on names.
///
/// Rules that hold for every implementation, each with a case in the suite:
///
/// - A step is read, decided as [`Operation::apply`] says, and written in one; however many
///   callers, it is as if each had come alone.
/// - Time is that of the server where it has a clock, otherwise of the clock that the storage was
///   opened with.
/// - An error of a step that is not [idempotent](Operation::is_idempotent) is given to the caller,
///   never tried again by the storage, unless it is certain that nothing was changed.
/// - What is past its end is forgotten in time, by [`maintain`](crate::storage::Storage::maintain)
///   or the server itself.
/// - No invalidation of entries touches a name.
#[async_trait]
pub trait Atomics: Debug + Send + Sync {
    /// Carries out one step on one name.
    ///
    /// # Errors
    /// [`StorageError`] if it is not certain that it was carried out.
    async fn apply(&self, name: &AtomicName, operation: &Operation)
    -> Result<Answer, StorageError>;
}

#[cfg(all(test, feature = "testing", not(shuttle)))]
mod tests;
