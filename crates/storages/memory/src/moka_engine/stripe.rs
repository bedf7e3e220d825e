use crate::sync::{Mutex, MutexGuard};

/// Locks by hash: what must be one step for a key is done under its stripe.
///
/// The map has no lock of its own that could be held around "check the fence and insert". While a
/// stripe is held the map may evict other entries, whose listener takes the index's locks; so the
/// listener takes no stripe, and whoever holds a lock of the index takes none either.
#[derive(Default)]
pub(crate) struct Stripes {
    stripes: Sharded<Mutex<()>>,
}

impl Stripes {
    pub(crate) fn lock(&self, hash: u64) -> MutexGuard<'_, ()> {
        self.stripes.of(hash).lock()
    }

    /// Waits until every step that has begun before is done.
    pub(crate) fn pass_barrier(&self) {
        for stripe in self.stripes.iter() {
            drop(stripe.lock());
        }
    }
}

/// A power of two of equal parts, of which a hash has one.
pub(crate) struct Sharded<T> {
    shards: Box<[T]>,
}

#[cfg(not(shuttle))]
const SHARDS: usize = 128;
/// Fewer under the checker, which makes them thousands of times.
#[cfg(shuttle)]
const SHARDS: usize = 2;

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| T::default()).collect() }
    }
}

impl<T> Sharded<T> {
    /// The upper bits of a product choose, so that tables within a shard may use any bits of the
    /// hash itself.
    pub(crate) fn of(&self, hash: u64) -> &T {
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.shards[(mixed >> (u64::BITS - SHARDS.ilog2())) as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter()
    }
}
