use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use cache_core::memory::{Eviction, EvictionCause, MemoryKey, MemoryStats};
use futures_util::stream::{self, Stream};
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};

/// How many evictions wait for a slow subscriber before the oldest are lost to it.
pub const EVICTIONS_BUFFERED: usize = 1024;

/// Counts what leaves a memory, and tells those who have subscribed.
#[derive(Default)]
pub(crate) struct Departures {
    expired: AtomicU64,
    size: AtomicU64,
    replaced: AtomicU64,
    explicit: AtomicU64,
    subscribers: Arc<AtomicUsize>,
    /// Made for the first subscriber.
    channel: OnceLock<broadcast::Sender<Eviction>>,
}

impl Departures {
    pub(crate) fn record(&self, key: &Arc<MemoryKey>, cause: EvictionCause) {
        let counter = match cause {
            EvictionCause::Expired => &self.expired,
            EvictionCause::Size => &self.size,
            EvictionCause::Replaced => &self.replaced,
            _ => &self.explicit,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.tell(key, cause);
    }

    /// Tells those who have subscribed, and counts nothing.
    pub(crate) fn tell(&self, key: &Arc<MemoryKey>, cause: EvictionCause) {
        if self.subscribers.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(channel) = self.channel.get() {
            // An error means that the last subscriber has just gone.
            let _ = channel.send(Eviction { key: Arc::clone(key), cause });
        }
    }

    pub(crate) fn subscribe(&self) -> Evictions {
        let channel = self.channel.get_or_init(|| broadcast::channel(EVICTIONS_BUFFERED).0);
        let receiver = channel.subscribe();
        self.subscribers.fetch_add(1, Ordering::Release);
        Evictions { receiver, missed: 0, subscribers: Arc::clone(&self.subscribers) }
    }

    pub(crate) fn fill_in(&self, stats: &mut MemoryStats) {
        stats.evicted_expired = self.expired.load(Ordering::Relaxed);
        stats.evicted_size = self.size.load(Ordering::Relaxed);
        stats.evicted_replaced = self.replaced.load(Ordering::Relaxed);
        stats.evicted_explicit = self.explicit.load(Ordering::Relaxed);
    }
}

/// Entries as they leave a [`Memory`](crate::Memory), from [`subscribe`](crate::Memory::subscribe).
///
/// Bounded and lossy: a subscriber that falls more than [`EVICTIONS_BUFFERED`] behind misses the
/// oldest, and is told [how many](Self::missed). Up to that many keys are kept alive for it.
pub struct Evictions {
    receiver: broadcast::Receiver<Eviction>,
    missed: u64,
    subscribers: Arc<AtomicUsize>,
}

impl Evictions {
    /// Waits for the next one; `None` once the memory is gone. Nothing is lost when the future is
    /// dropped.
    pub async fn recv(&mut self) -> Option<Eviction> {
        loop {
            match self.receiver.recv().await {
                Ok(eviction) => return Some(eviction),
                Err(RecvError::Lagged(missed)) => self.missed += missed,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The next one, if it has happened already.
    pub fn try_recv(&mut self) -> Option<Eviction> {
        loop {
            match self.receiver.try_recv() {
                Ok(eviction) => return Some(eviction),
                Err(TryRecvError::Lagged(missed)) => self.missed += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    /// The same as a stream, in which an error says how many were lost before the next one.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Eviction, u64>> {
        let state = (self, 0, None);
        stream::unfold(state, |(mut evictions, mut told, held)| async move {
            let next = match held {
                Some(held) => held,
                None => evictions.recv().await?,
            };
            let lost = evictions.missed - told;
            if lost > 0 {
                told = evictions.missed;
                return Some((Err(lost), (evictions, told, Some(next))));
            }
            Some((Ok(next), (evictions, told, None)))
        })
    }

    /// How many were lost to this subscriber because it was too slow, as far as it has read.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl Drop for Evictions {
    fn drop(&mut self) {
        self.subscribers.fetch_sub(1, Ordering::Release);
    }
}

impl fmt::Debug for Evictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evictions")
            .field("waiting", &self.receiver.len())
            .field("missed", &self.missed)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_gone_costs_nothing_any_more() {
        let departures = Departures::default();
        let (one, two) = (departures.subscribe(), departures.subscribe());
        drop(one);
        assert_eq!(departures.subscribers.load(Ordering::Relaxed), 1);
        drop(two);
        assert_eq!(departures.subscribers.load(Ordering::Relaxed), 0);
    }
}
