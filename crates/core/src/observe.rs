//! Spans and events, where feature `tracing` is on; nothing at all where it is off.

use std::fmt::Display;
use std::future::Future;

use crate::key::Key;

/// Runs a load in a span of its own, whose parent is the caller's.
#[cfg(feature = "tracing")]
pub(crate) fn in_load_span<F: Future>(
    node: &str,
    load: F,
) -> impl Future<Output = F::Output> + use<F> {
    use tracing::Instrument;
    load.instrument(tracing::info_span!("tiers.load", node))
}

/// Runs a load; spans are switched off.
#[cfg(not(feature = "tracing"))]
pub(crate) fn in_load_span<F: Future>(
    _node: &str,
    load: F,
) -> impl Future<Output = F::Output> + use<F> {
    load
}

/// A tier could not be read or written; the read goes on without it.
pub(crate) fn tier_failed(storage: &str, error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(storage, %error, "tier failed");
    #[cfg(not(feature = "tracing"))]
    let _ = (storage, error);
}

/// An entry was torn, foreign or not decodable, and is missed.
pub(crate) fn entry_damaged(storage: &str, key: &Key, error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(storage, %key, %error, "entry is damaged");
    #[cfg(not(feature = "tracing"))]
    let _ = (storage, key, error);
}

/// A loaded value could not be encoded and reaches no storage.
pub(crate) fn encode_failed(key: &Key, error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%key, %error, "value could not be encoded");
    #[cfg(not(feature = "tracing"))]
    let _ = (key, error);
}

/// An invalidation has not reached a storage, and is tried again.
pub(crate) fn invalidation_pending(storage: &str, error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(storage, %error, "invalidation is pending");
    #[cfg(not(feature = "tracing"))]
    let _ = (storage, error);
}
