//! Time, injected: every policy takes it as an argument and every engine reads it from a [`Clock`].

mod manual;
mod system;
mod timestamp;

pub use manual::ManualClock;
pub use system::SystemClock;
pub use timestamp::{Tick, Timestamp};

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::BoxFuture;

/// Where the cache takes the time from.
///
/// Two readings are told apart: [`wall`](Clock::wall) is comparable between processes and goes
/// into stored entries, [`monotonic`](Clock::monotonic) never steps back and times entries in
/// memory. Implementations are cheap enough to be read on a hit.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn wall(&self) -> Timestamp;

    /// Milliseconds since an arbitrary start; never decreases.
    fn monotonic(&self) -> Tick;

    /// By how much a reading of [`monotonic`](Clock::monotonic) may lag behind the truth.
    ///
    /// Deadlines in memory are set earlier by this much, so that nothing is served late.
    fn resolution(&self) -> Duration;

    /// Whether a span on this clock is the same span on the machine's. Memories free what has
    /// ended by the machine's time then; under another clock, once it is asked for or evicted.
    fn is_machine_time(&self) -> bool {
        false
    }

    /// Completes once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
