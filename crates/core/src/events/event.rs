use std::sync::Arc;

use crate::key::Key;
use crate::memory::EvictionCause;
use crate::policy::breaker::BreakerState;
use crate::storage::{InvalidationMode, Selector};

/// Something that has happened in a cache. `node` is the name of a node type, `tier` the name of a
/// memory or storage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheEvent {
    /// A tier had an entry that answers.
    Hit {
        /// The node type.
        node: Arc<str>,
        /// The tier.
        tier: Arc<str>,
        /// The key.
        key: Key,
        /// It is past its freshness; memory's only, for a storage's are asked about first.
        stale: bool,
    },
    /// No tier had an entry that answers, and the source is asked.
    Miss {
        /// The node type.
        node: Arc<str>,
        /// The key.
        key: Key,
    },
    /// An entry was stored: loaded, copied or set.
    Fill {
        /// The node type.
        node: Arc<str>,
        /// The tier.
        tier: Arc<str>,
        /// The key.
        key: Key,
    },
    /// An entry was not stored.
    Refusal {
        /// The node type.
        node: Arc<str>,
        /// The tier.
        tier: Arc<str>,
        /// The key.
        key: Key,
        /// Why not.
        refused: Refused,
    },
    /// An entry left a memory. Storages tell how many left them in their figures.
    Eviction {
        /// The memory.
        tier: Arc<str>,
        /// The key.
        key: Key,
        /// Why.
        cause: EvictionCause,
    },
    /// Entries were invalidated by name, tag or pattern.
    Invalidation {
        /// What was named.
        selector: Selector,
        /// Removed or expired.
        mode: InvalidationMode,
        /// The storages that could not be reached yet.
        pending: Vec<String>,
    },
    /// Invalidations that had waited for a storage have landed there and in every nearer tier.
    Landed {
        /// The storage.
        tier: Arc<str>,
        /// How many wait still.
        left: usize,
    },
    /// The breaker of a storage opened, let calls try, or closed.
    Breaker {
        /// The storage.
        tier: Arc<str>,
        /// Where it stands now.
        state: BreakerState,
    },
    /// A storage has begun to fail, or works again.
    Health {
        /// The storage.
        tier: Arc<str>,
        /// Whether its last call was answered.
        is_well: bool,
    },
    /// A value that was accepted to be written later will not be.
    WriteLost {
        /// The node type.
        node: Arc<str>,
        /// The key.
        key: Key,
        /// Why.
        why: WriteLost,
    },
    /// The subscriber was too slow for so many events, which it would have had before this one.
    Lost {
        /// How many.
        count: u64,
    },
}

/// Why an entry was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// By the fence or a newer entry: something was invalidated or changed since its load began.
    Fenced,
    /// Larger than the tier takes.
    TooLarge,
}

/// Why a queued value was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteLost {
    /// By the fence of the storage, or something newer there, or for its size.
    Refused,
    /// It failed until its time was over.
    GivenUp,
    /// The cache was closed, and the time for that was over; if it was on its way, it may have been
    /// written.
    Closed,
}

/// Kinds of events, to subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum EventKind {
    /// [`CacheEvent::Hit`].
    Hit,
    /// [`CacheEvent::Miss`].
    Miss,
    /// [`CacheEvent::Fill`].
    Fill,
    /// [`CacheEvent::Refusal`].
    Refusal,
    /// [`CacheEvent::Eviction`].
    Eviction,
    /// [`CacheEvent::Invalidation`] and [`CacheEvent::Landed`].
    Invalidation,
    /// [`CacheEvent::Breaker`].
    Breaker,
    /// [`CacheEvent::Health`].
    Health,
    /// [`CacheEvent::WriteLost`].
    WriteLost,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Hit,
        Self::Miss,
        Self::Fill,
        Self::Refusal,
        Self::Eviction,
        Self::Invalidation,
        Self::Breaker,
        Self::Health,
        Self::WriteLost,
    ];

    pub(super) const fn bit(self) -> u32 {
        1 << self as u8
    }
}
