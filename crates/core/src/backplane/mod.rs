//! The backplane: other processes' memory, and their storages on their own hosts, hear of
//! invalidations.
//!
//! Each cache appends what it invalidates to a log that all of them read: an *intent* with the
//! farthest shared storage, the *final* event after the nearest one. Who reads a final event raises
//! its fence and removes, like an invalidation of its own. An intent whose end is not told in time is
//! finished by whoever reads it. Where events may have been missed, everything is forgotten; where
//! the log cannot be read for too long, memory is not asked.
//!
//! - `log`: the seam to logs. `in_process`: a log for several caches in one program.
//! - `event`: the byte form. `follower`: what is to be done about what is read, pure.
//! - `announce`: appending. `run`: the tasks. `apply`: doing it. `bookmark`: what a storage on this
//!   host has been told.

mod announce;
mod apply;
mod bookmark;
mod event;
mod follower;
mod in_process;
mod log;
mod options;
mod run;
mod stats;

pub(crate) use announce::{Announcement, Announcer, Log};
pub use event::{Cause, EVENT_VERSION, Event, EventError, Message, Operation, Told};
pub use in_process::InProcessLog;
pub use log::{EVENT_BYTES_MAX, EventLog, NumberedEvent, Page, Position};
pub(crate) use options::LogChoice;
pub use options::{Backplane, Silence};
pub(crate) use run::start;
pub use stats::BackplaneStats;
