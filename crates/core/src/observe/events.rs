//! Spans and events, where feature `tracing` is on; nothing at all where it is off.
//!
//! All have the target `tiers`. Values are never in them; keys are in events only.

use std::fmt::Display;
use std::future::Future;

use crate::key::Key;
use crate::policy::breaker::BreakerState;

/// A span of feature `tracing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// Its name.
    pub name: &'static str,
    /// Its level.
    pub level: &'static str,
    /// Its fields.
    pub fields: &'static [&'static str],
    /// What it holds, in a sentence.
    pub description: &'static str,
}

/// An event of feature `tracing`, of level `warn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// Its fields, beside the message.
    pub fields: &'static [&'static str],
    /// What has happened, in a sentence.
    pub description: &'static str,
}

const LOAD: Span = Span {
    name: "tiers.load",
    level: "info",
    fields: &["node"],
    description: "A flight: the reads of the storages, the call of the source, the fills. Its parent is the span of the request that began it.",
};
const TIER: Span = Span {
    name: "tiers.tier",
    level: "debug",
    fields: &["tier", "operation"],
    description: "One call of a storage: `get`, `get_many`, `write` or `invalidate`.",
};
const TIER_FAILED: Event = Event {
    name: "tiers.tier.failed",
    fields: &["tier", "error"],
    description: "A tier could not be read or written; the request goes on without it.",
};
const ENTRY_DAMAGED: Event = Event {
    name: "tiers.entry.damaged",
    fields: &["tier", "key", "error"],
    description: "An entry was torn, foreign or not decodable, and is missed.",
};
const ENCODE_FAILED: Event = Event {
    name: "tiers.encode.failed",
    fields: &["key", "error"],
    description: "A loaded value could not be encoded and reaches no storage.",
};
const LOAD_FAILED: Event = Event {
    name: "tiers.load.failed",
    fields: &["key", "error"],
    description: "The source failed, panicked or took too long.",
};
const INVALIDATION_PENDING: Event = Event {
    name: "tiers.invalidation.pending",
    fields: &["tier", "error"],
    description: "An invalidation has not reached a storage, and is tried again.",
};
const BREAKER_CHANGED: Event = Event {
    name: "tiers.breaker.changed",
    fields: &["tier", "state"],
    description: "The breaker of a storage opened, let calls try, or closed.",
};

/// Every span.
pub const SPANS: &[Span] = &[LOAD, TIER];
/// Every event.
pub const EVENTS: &[Event] = &[
    TIER_FAILED,
    ENTRY_DAMAGED,
    ENCODE_FAILED,
    LOAD_FAILED,
    INVALIDATION_PENDING,
    BREAKER_CHANGED,
];

/// An event at level `warn`; nothing where the feature is off.
macro_rules! event {
    ($event:ident, $message:literal, $($field:ident),+) => {
        #[cfg(feature = "tracing")]
        tracing::warn!(name: $event.name, target: "tiers", $(%$field),+, $message);
        #[cfg(not(feature = "tracing"))]
        let _ = ($(&$field),+);
    };
}

/// Runs a load in a span of its own, whose parent is the caller's.
#[cfg(feature = "tracing")]
pub(crate) fn in_load_span<F: Future>(
    node: &str,
    load: F,
) -> impl Future<Output = F::Output> + use<F> {
    use tracing::Instrument;
    load.instrument(tracing::info_span!(target: "tiers", LOAD.name, node))
}

/// Runs a load; spans are switched off.
#[cfg(not(feature = "tracing"))]
pub(crate) fn in_load_span<F: Future>(
    _node: &str,
    load: F,
) -> impl Future<Output = F::Output> + use<F> {
    load
}

/// Runs a call of a storage in a span of its own.
#[cfg(feature = "tracing")]
pub(crate) fn in_tier_span<F: Future>(
    tier: &str,
    operation: &'static str,
    call: F,
) -> impl Future<Output = F::Output> + use<F> {
    use tracing::Instrument;
    call.instrument(tracing::debug_span!(target: "tiers", TIER.name, tier, operation))
}

/// Runs a call of a storage; spans are switched off.
#[cfg(not(feature = "tracing"))]
pub(crate) fn in_tier_span<F: Future>(
    _tier: &str,
    _operation: &'static str,
    call: F,
) -> impl Future<Output = F::Output> + use<F> {
    call
}

pub(crate) fn tier_failed(tier: &str, error: &dyn Display) {
    event!(TIER_FAILED, "tier failed", tier, error);
}

pub(crate) fn entry_damaged(tier: &str, key: &Key, error: &dyn Display) {
    event!(ENTRY_DAMAGED, "entry is damaged", tier, key, error);
}

pub(crate) fn encode_failed(key: &Key, error: &dyn Display) {
    event!(ENCODE_FAILED, "value could not be encoded", key, error);
}

pub(crate) fn load_failed(key: &Key, error: &dyn Display) {
    event!(LOAD_FAILED, "load failed", key, error);
}

pub(crate) fn invalidation_pending(tier: &str, error: &dyn Display) {
    event!(INVALIDATION_PENDING, "invalidation is pending", tier, error);
}

pub(crate) fn breaker_changed(tier: &str, state: BreakerState) {
    let state = state.name();
    event!(BREAKER_CHANGED, "breaker changed", tier, state);
}
