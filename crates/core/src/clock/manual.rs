use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Clock, Tick, Timestamp};

/// A clock that moves only when it is told to; clones share one time.
///
/// ```
/// use std::time::Duration;
/// use cache_core::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let before = clock.wall();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.wall().since(before), Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    wall_ms: u64,
    monotonic_ms: u64,
    sleepers: Vec<(u64, oneshot::Sender<()>)>,
}

impl Default for State {
    fn default() -> Self {
        // An arbitrary Monday; far enough from zero that steps back in time stay positive.
        Self { wall_ms: 1_700_000_000_000, monotonic_ms: 1_000_000, sleepers: Vec::new() }
    }
}

impl ManualClock {
    /// A clock that stands still at an arbitrary moment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves both readings forward and wakes every sleeper whose time has come.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state.lock();
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        state.wall_ms = state.wall_ms.saturating_add(ms);
        state.monotonic_ms = state.monotonic_ms.saturating_add(ms);
        let now = state.monotonic_ms;
        let (due, waiting) =
            std::mem::take(&mut state.sleepers).into_iter().partition(|(at, _)| *at <= now);
        state.sleepers = waiting;
        drop(state);
        let due: Vec<(u64, oneshot::Sender<()>)> = due;
        for (_, wake) in due {
            // A sleeper that has gone away needs no waking.
            let _ = wake.send(());
        }
    }

    /// Steps the wall clock to `wall`, as an administrator or a restore might; the monotonic
    /// reading does not move.
    pub fn step_wall(&self, wall: Timestamp) {
        self.state.lock().wall_ms = wall.unix_ms();
    }

    /// How many sleeps wait for this clock to move.
    pub fn sleepers(&self) -> usize {
        let mut state = self.state.lock();
        state.sleepers.retain(|(_, wake)| !wake.is_closed());
        state.sleepers.len()
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.state.lock().wall_ms)
    }

    fn monotonic(&self) -> Tick {
        Tick::from_ms(self.state.lock().monotonic_ms)
    }

    fn resolution(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.state.lock();
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (wake, woken) = oneshot::channel();
        let due = state.monotonic_ms.saturating_add(ms);
        state.sleepers.push((due, wake));
        drop(state);
        Box::pin(async move {
            if ms > 0 {
                // An error means that the clock itself is gone: nobody will move it any more.
                if woken.await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_ends_when_the_clock_has_moved_far_enough() {
        let clock = ManualClock::new();
        let sleep = tokio::spawn(clock.sleep(Duration::from_secs(2)));
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
        assert!(!sleep.is_finished());
        assert_eq!(clock.sleepers(), 1);
        clock.advance(Duration::from_secs(1));
        sleep.await.expect("the sleep ends");
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    fn a_step_of_the_wall_leaves_the_monotonic_reading_alone() {
        let clock = ManualClock::new();
        let tick = clock.monotonic();
        clock.step_wall(Timestamp::from_unix_ms(5));
        assert_eq!(clock.wall(), Timestamp::from_unix_ms(5));
        assert_eq!(clock.monotonic(), tick);
    }
}
