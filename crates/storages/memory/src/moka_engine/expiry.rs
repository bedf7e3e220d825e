use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::memory::MemoryKey;
use moka::Expiry;

use super::slot::Slot;

/// Frees entries that nobody asks for once the end that no use can move has passed.
///
/// Readers judge freshness themselves; this goes by `kept_until`, so that an entry whose freshness
/// was renewed, or has ended but may still be served in bad times, is not taken from them.
pub(crate) struct KeptUntil;

impl KeptUntil {
    fn remaining(slot: &Slot) -> Option<Duration> {
        (slot.remaining_ms != u64::MAX).then(|| Duration::from_millis(slot.remaining_ms))
    }
}

impl Expiry<Arc<MemoryKey>, Slot> for KeptUntil {
    fn expire_after_create(&self, _: &Arc<MemoryKey>, slot: &Slot, _: Instant) -> Option<Duration> {
        Self::remaining(slot)
    }

    fn expire_after_update(
        &self,
        _: &Arc<MemoryKey>,
        slot: &Slot,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Self::remaining(slot)
    }
}
