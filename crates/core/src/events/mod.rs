//! What happens in a cache, told to whoever has subscribed: bounded, lossy, and saying how many
//! were lost.
//!
//! An event costs what it takes to make only where somebody wants its kind; otherwise it is one
//! relaxed load, also on a hit in memory.

mod event;
mod hub;
mod subscription;

pub use event::{CacheEvent, EventKind, Refused, WriteLost};
pub(crate) use hub::Hub;
pub(crate) use subscription::EventSender;
pub use subscription::{EventOptions, Events};
