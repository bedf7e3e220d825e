//! Single flight: however many callers want a node at once, one load answers them all.
//!
//! - [`map`]: who flies; joining, leaving, landing under one lock.
//! - [`wait`]: a caller's part: waiting, and being counted while it does.
//! - [`cycle`]: who waits for whom, so that a load which waits for itself is an error, not a hang.
//! - [`lead`]: the task that carries a batch of flights through the tiers and the source.
//! - [`read`], [`load`], [`fill`]: its three parts.
//! - [`behind`]: flights behind readers, who have been answered already.
//! - [`lease`]: loads under leases, of which one process has one at a time.
//! - [`prefetch`]: flights for what may be wanted next.
//! - [`stale`]: copies past their freshness: when they answer, and what is checked before.

mod answer;
mod batch;
mod behind;
mod cycle;
mod decode;
mod fill;
mod lead;
mod lease;
mod load;
mod map;
mod prefetch;
mod read;
mod stale;
mod wait;

pub(crate) use answer::{Answer, Origin};
pub(crate) use behind::refresh_behind;
pub(crate) use decode::decode;
pub(crate) use fill::{encode, with_lifetime};
pub(crate) use lead::{LoadBy, start};
pub(crate) use load::LoadOnce;
pub(crate) use map::{Flight, Flights, Led};
pub(crate) use prefetch::prefetch;
pub(crate) use wait::Waited;
