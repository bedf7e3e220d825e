use std::fmt::Debug;
use std::sync::Arc;

use futures_util::stream::BoxStream;

use super::curve::MissRatioCurve;
use super::entry::MemoryEntry;
use super::erased_key::{MemoryKey, Probe};
use super::eviction::Eviction;
use crate::clock::Clock;
use crate::fence::Fence;
use crate::key::Tag;
use crate::storage::InvalidationMode;

/// Entries in the memory of this process. Calls never block for long and run no user code while
/// they hold a lock, except the drop of a value where an engine says so.
pub trait MemoryEngine: Debug + Send + Sync + 'static {
    /// The entry, counted as used. An engine may leave out one that is past `kept_until`; who asks
    /// checks the time.
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>>;

    /// The entry, not counted as used.
    fn peek(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>>;

    /// Stores an entry unless `fence` has passed its stamp, or a newer one stands there. Check and
    /// store are one step against [`invalidate`](Self::invalidate): what is stored before a raise
    /// is found by the removal after it.
    fn insert(
        &self,
        probe: &Probe<'_>,
        entry: MemoryEntry,
        fence: &Fence,
        clock: &dyn Clock,
    ) -> Inserted;

    /// Removes or expires what is named; the fence was raised before. Gives how many there were.
    fn invalidate(&self, what: &MemorySelector<'_>, mode: InvalidationMode) -> u64;

    /// Removes exactly this entry, as expired, if it still stands there.
    fn remove_expired(&self, probe: &Probe<'_>, entry: &Arc<MemoryEntry>);

    /// Shows every entry, in no order; one that comes or goes meanwhile may be left out.
    fn for_each(&self, visit: &mut dyn FnMut(&MemoryKey, &Arc<MemoryEntry>));

    /// Shows the keys of entries whose key text has this digest. As it stands it looks at all.
    fn with_digest(&self, digest: u64, visit: &mut dyn FnMut(&MemoryKey)) {
        self.for_each(&mut |key, entry| {
            if entry.digest == digest {
                visit(key);
            }
        });
    }

    /// Does the work that was put off: evictions, expired entries.
    fn maintain(&self);

    /// How full it is and what has left it.
    fn stats(&self) -> MemoryStats;

    /// What its hit ratio would be with another size or policy; `None` where it is not estimated.
    fn curve(&self) -> Option<MissRatioCurve> {
        None
    }

    /// Entries as they leave from now on; an error says how many were lost to a reader that is too
    /// slow. `None` where it does not tell.
    fn evictions(&self) -> Option<BoxStream<'static, Result<Eviction, u64>>> {
        None
    }

    /// What it can do.
    fn capabilities(&self) -> MemoryCapabilities;
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inserted {
    /// It is stored, as far as the policy keeps it.
    Stored,
    /// Refused by the fence or by a newer entry.
    Fenced,
    /// Heavier than the whole bound.
    TooLarge,
}

/// What a memory is told to remove.
#[derive(Clone, Copy)]
pub enum MemorySelector<'a> {
    /// One node.
    Node(&'a Probe<'a>),
    /// Entries whose key text has this digest.
    Digest(u64),
    /// Entries that bear at least one of these tags.
    AnyTag(&'a [Tag]),
    /// Entries that bear all of these tags; none if there are no tags.
    AllTags(&'a [Tag]),
    /// Entries for which this holds. It may be asked under a lock and must not call the memory.
    Where(&'a (dyn Fn(&MemoryKey, &MemoryEntry) -> bool + Sync)),
    /// Everything.
    All,
}

/// What an engine can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryCapabilities {
    /// The name of its eviction policy.
    pub policy: &'static str,
    /// The bound on entries, if that is what it is bounded by.
    pub entries_max: Option<u64>,
    /// The bound on the sum of weights in bytes, if that is what it is bounded by.
    pub bytes_max: Option<u64>,
    /// Whether the bound holds at every moment, or only soon after.
    pub exact_bound: bool,
}

impl MemoryCapabilities {
    /// An engine with this policy and bound.
    pub const fn new(
        policy: &'static str,
        entries_max: Option<u64>,
        bytes_max: Option<u64>,
        exact_bound: bool,
    ) -> Self {
        Self { policy, entries_max, bytes_max, exact_bound }
    }
}

/// How full a memory is and what has left it since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Entries held.
    pub entries: u64,
    /// The sum of their weights in bytes.
    pub weight_bytes: u64,
    /// Left because their time had passed.
    pub evicted_expired: u64,
    /// Left because the bound was reached.
    pub evicted_size: u64,
    /// Left because a newer value took their place.
    pub evicted_replaced: u64,
    /// Removed by name, tag, pattern or all at once.
    pub evicted_explicit: u64,
}

impl Debug for MemorySelector<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(probe) => write!(f, "Node({probe:?})"),
            Self::Digest(digest) => write!(f, "Digest({digest:016x})"),
            Self::AnyTag(tags) => write!(f, "AnyTag({tags:?})"),
            Self::AllTags(tags) => write!(f, "AllTags({tags:?})"),
            Self::Where(_) => f.write_str("Where(..)"),
            Self::All => f.write_str("All"),
        }
    }
}
