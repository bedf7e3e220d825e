use cache_core::memory::{EvictionCause, MemoryStats};

/// An entry that left a shard, on its way to whoever hears of it, and then to its end: both outside
/// of all locks.
#[derive(Debug)]
pub(crate) struct Departed<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    /// Bits of the hash of its key.
    pub(crate) hash: u32,
    pub(crate) cause: EvictionCause,
}

/// What left within one call; mostly one at most, which takes no allocation.
#[derive(Debug)]
pub(crate) struct Departures<K, V> {
    first: Option<Departed<K, V>>,
    more: Vec<Departed<K, V>>,
}

impl<K, V> Default for Departures<K, V> {
    fn default() -> Self {
        Self { first: None, more: Vec::new() }
    }
}

impl<K, V> Departures<K, V> {
    pub(crate) fn push(&mut self, departed: Departed<K, V>) {
        if self.first.is_none() {
            self.first = Some(departed);
        } else {
            self.more.push(departed);
        }
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Departed<K, V>> {
        self.first.iter().chain(&self.more)
    }

    /// The value that left first.
    pub(crate) fn into_first(self) -> Option<Departed<K, V>> {
        self.first
    }
}

/// How many left, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) expired: u64,
    pub(crate) size: u64,
    pub(crate) replaced: u64,
    pub(crate) explicit: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, cause: EvictionCause) {
        match cause {
            EvictionCause::Expired => self.expired += 1,
            EvictionCause::Size => self.size += 1,
            EvictionCause::Replaced => self.replaced += 1,
            _ => self.explicit += 1,
        }
    }

    pub(crate) fn fill_in(self, stats: &mut MemoryStats) {
        stats.evicted_expired = self.expired;
        stats.evicted_size = self.size;
        stats.evicted_replaced = self.replaced;
        stats.evicted_explicit = self.explicit;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.expired += other.expired;
        self.size += other.size;
        self.replaced += other.replaced;
        self.explicit += other.explicit;
    }
}
