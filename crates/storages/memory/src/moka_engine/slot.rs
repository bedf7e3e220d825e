use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use cache_core::memory::{MemoryEntry, MemoryKey, Probe};
use equivalent::Equivalent;

/// What the map holds for a key; cloned by each hit, so kept small.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) entry: Arc<MemoryEntry>,
    /// Tells this insert from every other one.
    pub(crate) id: u64,
    /// What remained until `kept_until` when it was inserted; `u64::MAX` if there is no end.
    pub(crate) remaining_ms: u64,
}

/// Looks a borrowed node up among owned keys.
pub(crate) struct Lookup<'a>(pub(crate) &'a Probe<'a>);

impl Hash for Lookup<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Arc<MemoryKey>> for Lookup<'_> {
    fn equivalent(&self, key: &Arc<MemoryKey>) -> bool {
        self.0.is(key)
    }
}

/// Takes the hash that probes and keys bring along as it is.
#[derive(Clone, Copy, Default)]
pub(crate) struct HashAsGiven;

#[derive(Default)]
pub(crate) struct GivenHash(u64);

impl BuildHasher for HashAsGiven {
    type Hasher = GivenHash;

    fn build_hasher(&self) -> GivenHash {
        GivenHash::default()
    }
}

impl Hasher for GivenHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Neither a probe nor a key writes bytes; whatever does is told apart all the same.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}
