//! Spans and events, where feature `tracing` is on; nothing at all where it is off.
//!
//! All have the target `tiers`. Values are never in them; keys are in events only.

use std::fmt::Display;
use std::future::Future;

use crate::events::WriteLost;
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
const LEASE_FAILED: Event = Event {
    name: "tiers.lease.failed",
    fields: &["key", "error"],
    description: "The lease of a load could not be asked for; the node is loaded without it.",
};
const INVALIDATION_PENDING: Event = Event {
    name: "tiers.invalidation.pending",
    fields: &["tier", "error"],
    description: "An invalidation has not reached a storage, and is tried again.",
};
const BACKPLANE_FAILED: Event = Event {
    name: "tiers.backplane.failed",
    fields: &["operation", "error"],
    description: "The log of the backplane could not be read, or has begun not to take events; it is tried again.",
};
const BACKPLANE_SILENT: Event = Event {
    name: "tiers.backplane.silent",
    fields: &["cache"],
    description: "The log of the backplane could not be read for too long: memory is not asked until it can.",
};
const BACKPLANE_GAP: Event = Event {
    name: "tiers.backplane.gap",
    fields: &["cache"],
    description: "Events of the backplane were missed: memory is forgotten.",
};
const BACKPLANE_ORDER: Event = Event {
    name: "tiers.backplane.order",
    fields: &["near", "far"],
    description: "Another process goes through two shared storages the other way round.",
};
const BREAKER_CHANGED: Event = Event {
    name: "tiers.breaker.changed",
    fields: &["tier", "state"],
    description: "The breaker of a storage opened, let calls try, or closed.",
};
const WRITE_LOST: Event = Event {
    name: "tiers.write.lost",
    fields: &["node", "key", "reason"],
    description: "A value that was accepted to be written later was refused or given up.",
};

/// Every span.
pub const SPANS: &[Span] = &[LOAD, TIER];
/// Every event.
pub const EVENTS: &[Event] = &[
    TIER_FAILED,
    ENTRY_DAMAGED,
    ENCODE_FAILED,
    LOAD_FAILED,
    LEASE_FAILED,
    INVALIDATION_PENDING,
    BACKPLANE_FAILED,
    BACKPLANE_SILENT,
    BACKPLANE_GAP,
    BACKPLANE_ORDER,
    BREAKER_CHANGED,
    WRITE_LOST,
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

pub(crate) fn lease_failed(key: &Key, error: &dyn Display) {
    event!(LEASE_FAILED, "lease could not be asked for", key, error);
}

pub(crate) fn invalidation_pending(tier: &str, error: &dyn Display) {
    event!(INVALIDATION_PENDING, "invalidation is pending", tier, error);
}

pub(crate) fn backplane_failed(operation: &'static str, error: &dyn Display) {
    event!(BACKPLANE_FAILED, "backplane failed", operation, error);
}

pub(crate) fn backplane_silent(cache: &str) {
    event!(BACKPLANE_SILENT, "backplane is silent", cache);
}

pub(crate) fn backplane_gap(cache: &str) {
    event!(BACKPLANE_GAP, "backplane has a gap", cache);
}

pub(crate) fn backplane_order(near: &str, far: &str) {
    event!(BACKPLANE_ORDER, "storages in another order", near, far);
}

pub(crate) fn write_lost(node: &str, key: &Key, why: WriteLost) {
    let reason = match why {
        WriteLost::Refused => "refused",
        WriteLost::GivenUp => "given up",
        WriteLost::Closed => "closed",
    };
    event!(WRITE_LOST, "queued write is lost", node, key, reason);
}

pub(crate) fn breaker_changed(tier: &str, state: BreakerState) {
    let state = state.name();
    event!(BREAKER_CHANGED, "breaker changed", tier, state);
}
