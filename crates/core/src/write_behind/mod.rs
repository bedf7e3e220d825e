//! Changes that are accepted now and written later: the task that stands around
//! [`WriteQueue`](crate::policy::write_behind::WriteQueue).
//!
//! - `accept`: room, stamp, and the step by which a value is queued and in memory.
//! - `queue`: what the parts share, and what an invalidation does to what is queued.
//! - `drain`: the task that writes, batch by batch. `storages`, `source`: where to.
//! - `unsettled`: what is left pending where closing gives up the task that settles it.
//! - `filling`: loads that fill the storages, for which a batch waits.
//! - `flush`: waiting until it has been written. `queues`: those of a whole cache.

mod accept;
mod drain;
mod filling;
mod flush;
mod queue;
mod queues;
mod source;
mod storages;
mod unsettled;

pub(crate) use accept::accept;
pub(crate) use drain::tell_lost;
pub use flush::Flushed;
pub(crate) use queue::Queue;
pub(crate) use queues::{ErasedQueue, Queues};
