use std::sync::Arc;

use super::erased_key::MemoryKey;

/// An entry that left a memory.
#[derive(Clone, Debug)]
pub struct Eviction {
    /// Which one.
    pub key: Arc<MemoryKey>,
    /// Why.
    pub cause: EvictionCause,
}

/// Why an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictionCause {
    /// Its time had passed.
    Expired,
    /// The bound was reached.
    Size,
    /// A newer value took its place.
    Replaced,
    /// It was removed by name, tag, pattern or all at once.
    Explicit,
}
