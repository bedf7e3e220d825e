//! What a program can be watched by: the names of metrics, spans and events, and their sending.
//!
//! Names and labels are part of what this crate promises to keep. Labels never hold a key, nor
//! anything else of which there could be many.

mod events;
mod metrics;
#[cfg(feature = "metrics")]
mod publish;

pub use events::{EVENTS, Event, SPANS, Span};
pub(crate) use events::{
    backplane_failed, backplane_gap, backplane_order, backplane_silent, breaker_changed,
    encode_failed, entry_damaged, in_load_span, in_tier_span, invalidation_pending, lease_failed,
    load_failed, tier_failed, write_lost,
};
pub use metrics::{Label, METRICS, Metric, MetricKind};
#[cfg(feature = "metrics")]
pub(crate) use publish::Publisher;
