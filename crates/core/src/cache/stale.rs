//! Entries of the memory tier that are due to be loaded again, or past their freshness.

use std::sync::Arc;
use std::time::Duration;

use super::binding::{Binding, InMemory, MemoryFill, MemoryHit, MemoryTier, typed};
use crate::clock::Tick;
use crate::memory::{MemoryEntry, Probe};
use crate::node::Node;
use crate::policy::early::EarlyRefresh;
use crate::policy::lifetime::Lifetime;

/// The times that an entry has in memory.
pub(super) struct MemoryTimes {
    pub(super) fresh_until: Tick,
    pub(super) kept_until: Tick,
    pub(super) stale_until: Tick,
    pub(super) refresh_at: Tick,
    pub(super) idle: Option<Duration>,
}

/// For how long a copy past its freshness is of use in memory, from now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StaleTimes {
    /// It answers at once for so long.
    pub(crate) served: Duration,
    /// It is kept for bad times for so long; `None`: without end.
    pub(crate) kept: Option<Duration>,
    /// Readers have it loaded again after so long; `None`: somebody does already.
    pub(crate) refresh_after: Option<Duration>,
}

impl<N: Node> Binding<N> {
    /// What becomes of a read that found an entry past its freshness, or one that is due to be
    /// loaded again.
    #[cold]
    pub(super) fn memory_get_unsettled(
        &self,
        memory: &MemoryTier,
        probe: &Probe<'_>,
        entry: Arc<MemoryEntry>,
        now: Tick,
    ) -> Option<MemoryHit> {
        if entry.is_fresh(now) {
            if let Some(idle) = entry.idle {
                entry.renew(self.deadline(now, idle));
            }
            memory.recorder.hits(1);
            let refresh = self.is_due_in_memory(&entry, now) && entry.claim_refresh(now);
            return Some(MemoryHit { entry, stale: false, refresh });
        }
        if entry.serves_stale(now) {
            memory.recorder.stale_answers(1);
            let refresh = entry.claim_refresh(now);
            return Some(MemoryHit { entry, stale: true, refresh });
        }
        memory.recorder.stale(1);
        if !self.is_of_use(&entry, now) {
            memory.engine.remove_expired(probe, &entry);
        }
        memory.recorder.misses(1);
        None
    }

    /// Whether an entry that is no longer fresh may still answer in bad times.
    fn is_of_use(&self, entry: &MemoryEntry, now: Tick) -> bool {
        self.definition.stale.if_error.is_some() && entry.value.is_some() && entry.is_kept(now)
    }

    fn is_due_in_memory(&self, entry: &MemoryEntry, now: Tick) -> bool {
        match self.definition.early_refresh {
            Some(early @ EarlyRefresh::XFetch { .. }) => {
                let remaining = entry.fresh_until().remaining(now).unwrap_or(Duration::MAX);
                early.is_due(Duration::MAX, remaining, self.behind.load_time(), random())
            }
            // Its moment stands in the entry.
            _ => true,
        }
    }

    /// Whether a fresh entry that lives for `ttl` is to be loaded again before its end.
    pub(crate) fn is_due(&self, ttl: Option<Duration>, remaining: Option<Duration>) -> bool {
        let (Some(early), Some(ttl), Some(remaining)) =
            (self.definition.early_refresh, ttl, remaining)
        else {
            return false;
        };
        early.is_due(ttl, remaining, self.behind.load_time(), random())
    }

    /// The times of an entry that is filled now.
    pub(super) fn times_in_memory(&self, lifetime: Lifetime, is_value: bool) -> MemoryTimes {
        let spans = lifetime.spans(fastrand::f64());
        let is_endless = spans.fresh.is_none() && spans.kept.is_none();
        let now = if is_endless { Tick::NEVER } else { self.cache.clock.monotonic() };
        let until = |span: Option<Duration>| match span {
            Some(span) => self.deadline(now, span),
            None => Tick::NEVER,
        };
        let mut times = MemoryTimes {
            fresh_until: until(spans.fresh),
            kept_until: until(spans.kept),
            stale_until: Tick::from_ms(0),
            refresh_at: Tick::NEVER,
            idle: lifetime.idle,
        };
        // What slides has no end that one could be early for.
        let Some(fresh) = spans.fresh.filter(|_| lifetime.idle.is_none()) else { return times };
        if let Some(window) = self.definition.stale.while_revalidate.filter(|_| is_value) {
            times.stale_until = until(Some(fresh.saturating_add(window)));
            times.refresh_at = times.fresh_until;
        }
        if let Some(early) = self.definition.early_refresh {
            let lead = early.lead(fresh, self.behind.load_time());
            times.refresh_at = until(Some(fresh.saturating_sub(lead)));
        }
        times
    }

    /// Puts a value into the memory tier that is past its freshness already.
    pub(crate) fn fill_memory_stale(&self, fill: &MemoryFill<'_, N>, stale: StaleTimes) {
        let Some(memory) = &self.memory else { return };
        if self.memory_peek(fill.node).is_some() {
            // Somebody has loaded it meanwhile.
            return;
        }
        let weight = fill.value.map_or(0, |value| N::weight(value));
        if !memory.size.takes(fill.encoded_bytes.unwrap_or(weight)) {
            return;
        }
        let now = self.cache.clock.monotonic();
        let after = |span: Option<Duration>| span.map_or(Tick::NEVER, |span| now.after(span));
        let times = MemoryTimes {
            fresh_until: MemoryEntry::PAST,
            kept_until: stale.kept.map_or(Tick::NEVER, |kept| self.deadline(now, kept)),
            stale_until: self.deadline(now, stale.served),
            refresh_at: after(stale.refresh_after),
            idle: None,
        };
        self.insert_into_memory(memory, fill, weight, times);
    }

    /// A refresh of an entry in memory was not begun, or has failed: it is left to a reader after
    /// `pause`. What is kept for bad times answers until then.
    pub(crate) fn put_off_in_memory(&self, node: &N, pause: Duration, has_failed: bool) {
        let Some(memory) = &self.memory else { return };
        let Some(entry) = memory.engine.peek(&self.probe(node)) else { return };
        let now = self.cache.clock.monotonic();
        if has_failed && self.is_of_use(&entry, now) {
            entry.serve_stale_until(now.after(pause));
        }
        entry.put_off_refresh(now.after(pause));
    }

    /// What memory holds of a node, fresh or not.
    pub(crate) fn memory_peek_kept(&self, node: &N) -> Option<InMemory<N::Value>> {
        let memory = self.memory.as_ref()?;
        let entry = memory.engine.peek(&self.probe(node))?;
        entry.is_kept(self.cache.clock.monotonic()).then(|| InMemory::of(&entry))
    }

    /// What memory holds of a value past its freshness, for bad times.
    pub(crate) fn memory_peek_stale(&self, node: &N) -> Option<InMemory<N::Value>> {
        let memory = self.memory.as_ref()?;
        let entry = memory.engine.peek(&self.probe(node))?;
        self.is_of_use(&entry, self.cache.clock.monotonic()).then(|| InMemory::of(&entry))
    }
}

impl<V: Send + Sync + 'static> InMemory<V> {
    pub(super) fn of(entry: &MemoryEntry) -> Self {
        let fresh_until = entry.fresh_until();
        Self {
            value: typed(entry),
            tags: entry.tags.clone(),
            created: entry.created,
            fresh_until,
            ends: if entry.idle.is_some() { entry.kept_until } else { fresh_until },
            kept_until: entry.kept_until,
        }
    }
}

/// Above 0, and 1 at most.
fn random() -> f64 {
    1.0 - fastrand::f64()
}
