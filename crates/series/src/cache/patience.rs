use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, Tick};
use parking_lot::Mutex;

/// How long a request still waits for what it can be answered without: whether the venue's clock
/// agrees, whether the symbol is still traded, whether what is known was revised. One for all that it
/// waits for; what is waited for at the same time counts once.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
    /// From when to when something was waited for, since it was settled what is left.
    waited: Mutex<Option<(Tick, Tick)>>,
}

impl Patience {
    pub(super) fn new(left: Duration) -> Self {
        Self { left, waited: Mutex::default() }
    }

    /// Settles what is left. What follows is waited for after what was before.
    pub(super) fn settle(&mut self) {
        if let Some((from, to)) = self.waited.get_mut().take() {
            self.left = self.left.saturating_sub(to.since(from));
        }
    }

    /// Whether anything is waited for at `now`.
    pub(super) fn is_left(&self, now: Tick) -> bool {
        !self.left_at(now).is_zero()
    }

    fn left_at(&self, now: Tick) -> Duration {
        let waited = *self.waited.lock();
        waited.map_or(self.left, |(from, _)| self.left.saturating_sub(now.since(from)))
    }

    /// Waits for something as long as there is patience, be it beside others; where none is left it is
    /// looked at once. What runs as a task of its own goes on.
    pub(super) async fn wait<T>(
        &self,
        clock: &Arc<dyn Clock>,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let left = self.left_at(clock.monotonic());
        if left.is_zero() {
            return tokio::select! {
                biased;
                value = future => Some(value),
                () = std::future::ready(()) => None,
            };
        }
        let began = clock.monotonic();
        let from = self.waited.lock().get_or_insert((began, began)).0;
        let value = tokio::select! {
            biased;
            value = future => Some(value),
            () = clock.sleep(left) => None,
        };
        // The clock that tells the time may lag behind the one that wakes.
        let least = if value.is_none() { from.after(self.left) } else { from };
        let ended = clock.monotonic().max(least);
        if let Some((_, to)) = &mut *self.waited.lock() {
            *to = (*to).max(ended);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use cache_core::clock::ManualClock;
    use futures_util::FutureExt;
    use futures_util::future::{join, pending, ready};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn it_is_one_for_all_that_is_waited_for() {
        let manual = ManualClock::new();
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let mut patience = Patience::new(2 * SECOND);
        assert_eq!(patience.wait(&clock, ready(1)).await, Some(1));
        manual.advance(10 * SECOND);
        patience.settle();
        // What takes a second of it.
        let sleeper = clock.sleep(SECOND);
        let (slept, ()) =
            join(patience.wait(&clock, sleeper), async { manual.advance(SECOND) }).await;
        assert_eq!(slept, Some(()));
        // And what it need not wait for takes nothing.
        manual.advance(10 * SECOND);
        patience.settle();
        assert!(patience.is_left(clock.monotonic()));
        let sleeper = clock.sleep(3 * SECOND);
        let both = join(patience.wait(&clock, pending::<()>()), patience.wait(&clock, sleeper));
        let mut both = Box::pin(both);
        assert_eq!((&mut both).now_or_never(), None);
        manual.advance(SECOND);
        assert_eq!((&mut both).now_or_never(), Some((None, None)));
        drop(both);
        for settles in [false, true] {
            if settles {
                patience.settle();
            }
            assert!(!patience.is_left(clock.monotonic()));
            assert_eq!(patience.wait(&clock, pending::<()>()).now_or_never(), Some(None));
            assert_eq!(patience.wait(&clock, ready(2)).await, Some(2), "it is there");
        }
    }

    #[tokio::test]
    async fn none_is_none() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        let patience = Patience::new(Duration::ZERO);
        assert!(!patience.is_left(clock.monotonic()));
        assert_eq!(patience.wait(&clock, pending::<()>()).now_or_never(), Some(None));
    }
}
