use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Tick, Timestamp};
use crate::key::Tags;
use crate::sync::atomic::{AtomicU64, Ordering};

/// A value whose type has been forgotten.
pub type ErasedValue = Arc<dyn Any + Send + Sync>;

/// One entry in memory. Its times can be moved while it is shared.
pub struct MemoryEntry {
    /// The value; `None` where it is known that there is none.
    pub value: Option<ErasedValue>,
    /// When the value was loaded or set, in wall time.
    pub created: Timestamp,
    /// Sliding expiry: each use renews the end of freshness to this long from then.
    pub idle: Option<Duration>,
    /// The end that no use can move.
    pub kept_until: Tick,
    /// The process fence's counter when the load began.
    pub stamp: u64,
    /// Digest of the key text.
    pub digest: u64,
    /// What it weighs in a memory bounded by bytes, its key included.
    pub weight: u32,
    /// The labels by which it can be invalidated.
    pub tags: Tags,
    fresh_until_ms: AtomicU64,
    /// Only where it may be served stale or refreshed early.
    behind: Option<Box<Behind>>,
}

/// When a reader is answered and has the entry loaded again behind him.
#[derive(Debug)]
struct Behind {
    /// Until when it answers at once although its freshness has ended.
    stale_until_ms: AtomicU64,
    /// From when on a reader is to have it loaded again.
    refresh_at_ms: AtomicU64,
}

impl MemoryEntry {
    /// The end of freshness of what is past it when it comes; not the end by name, which is zero.
    pub(crate) const PAST: Tick = Tick::from_ms(1);

    /// An entry that is fresh until `fresh_until`.
    #[expect(clippy::too_many_arguments, reason = "one for each field, made in one place")]
    pub fn new(
        value: Option<ErasedValue>,
        created: Timestamp,
        fresh_until: Tick,
        kept_until: Tick,
        idle: Option<Duration>,
        stamp: u64,
        digest: u64,
        weight: u32,
        tags: Tags,
    ) -> Self {
        let fresh_until_ms = AtomicU64::new(fresh_until.min(kept_until).ms());
        Self {
            value,
            created,
            idle,
            kept_until,
            stamp,
            digest,
            weight,
            tags,
            fresh_until_ms,
            behind: None,
        }
    }

    /// Lets it answer until `stale_until` although it is no longer fresh, and asks a reader from
    /// `refresh_at` on to have it loaded again.
    pub fn with_stale(mut self, stale_until: Tick, refresh_at: Tick) -> Self {
        let stale_until = stale_until.min(self.kept_until);
        self.behind = Some(Box::new(Behind {
            stale_until_ms: AtomicU64::new(stale_until.ms()),
            refresh_at_ms: AtomicU64::new(refresh_at.ms()),
        }));
        self
    }

    /// Until when a reader may take it as current.
    pub fn fresh_until(&self) -> Tick {
        Tick::from_ms(self.fresh_until_ms.load(Ordering::Relaxed))
    }

    /// Whether it never expires by time, so that no clock has to be read for it.
    pub fn is_timeless(&self) -> bool {
        self.idle.is_none() && self.fresh_until().is_never() && self.behind.is_none()
    }

    /// Whether it is fresh at `now` and nobody has to have it loaded again.
    pub fn is_settled(&self, now: Tick) -> bool {
        self.is_fresh(now) && self.behind.as_ref().is_none_or(|behind| now < behind.refresh_at())
    }

    /// Whether it answers at `now` although its freshness has ended: not if it was
    /// [expired](Self::expire).
    pub fn serves_stale(&self, now: Tick) -> bool {
        !self.is_expired() && self.behind.as_ref().is_some_and(|behind| now < behind.stale_until())
    }

    /// Whether what stands in its place is not to give way to it: that was loaded under a later stamp,
    /// or it is the newer one, and this was past its freshness when it came.
    pub fn is_outdated_by(&self, held: &Self) -> bool {
        let came_stale = self.fresh_until() <= Self::PAST;
        held.stamp > self.stamp || (came_stale && held.created > self.created)
    }

    /// Whether its freshness was [ended by name](Self::expire).
    pub fn is_expired(&self) -> bool {
        self.fresh_until_ms.load(Ordering::Relaxed) == 0
    }

    /// Whether anything may still be made of it at `now`. The last moment is excluded.
    pub fn is_kept(&self, now: Tick) -> bool {
        self.kept_until.is_never() || now < self.kept_until
    }

    /// Takes it upon the caller to have it loaded again, if that is due at `now`. Of all who call
    /// this one gets `true`, until the next is [put off](Self::put_off_refresh).
    pub fn claim_refresh(&self, now: Tick) -> bool {
        let is_due = |at: u64| (at <= now.ms()).then_some(Tick::NEVER.ms());
        self.behind.as_ref().is_some_and(|behind| {
            let refresh_at = &behind.refresh_at_ms;
            refresh_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_due).is_ok()
        })
    }

    /// Nobody has to have it loaded again before `refresh_at`.
    pub fn put_off_refresh(&self, refresh_at: Tick) {
        if let Some(behind) = &self.behind {
            behind.refresh_at_ms.store(refresh_at.ms(), Ordering::Relaxed);
        }
    }

    /// Lets it answer until `stale_until` at least, up to the end that cannot be moved.
    pub fn serve_stale_until(&self, stale_until: Tick) {
        let stale_until = stale_until.min(self.kept_until).ms();
        if let Some(behind) = &self.behind {
            behind.stale_until_ms.fetch_max(stale_until, Ordering::Relaxed);
        }
    }

    /// Whether a reader may take it as current at `now`. The last moment is excluded.
    pub fn is_fresh(&self, now: Tick) -> bool {
        let fresh_until = self.fresh_until();
        fresh_until.is_never() || now < fresh_until
    }

    /// Moves the end of freshness, up to the end that cannot be moved. An entry that has been
    /// [expired](Self::expire) stays so.
    pub fn renew(&self, fresh_until: Tick) {
        let fresh_until_ms = fresh_until.min(self.kept_until).ms();
        let moved = |current: u64| (current != 0).then_some(fresh_until_ms);
        // Refused only where it was expired, which stands.
        let _ = self.fresh_until_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }

    /// Ends its freshness for good, but keeps it.
    pub fn expire(&self) {
        self.fresh_until_ms.store(0, Ordering::Relaxed);
    }
}

impl Behind {
    fn stale_until(&self) -> Tick {
        Tick::from_ms(self.stale_until_ms.load(Ordering::Relaxed))
    }

    fn refresh_at(&self) -> Tick {
        Tick::from_ms(self.refresh_at_ms.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for MemoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEntry")
            .field("absent", &self.value.is_none())
            .field("fresh_until", &self.fresh_until())
            .field("behind", &self.behind)
            .field("kept_until", &self.kept_until)
            .field("stamp", &self.stamp)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}
