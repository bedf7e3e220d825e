//! Calls beside those that the cache counts, held back here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache_core::clock::{Clock, Tick};
use cache_series::venue::VenueError;
use tokio::sync::Semaphore;

/// The calls that an exchange's connector makes of its own, of which the cache knows nothing: each
/// begins no sooner than a pause after the one before, whoever makes it, and none does while the
/// exchange wants to be left alone. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pause: Duration,
    clock: Arc<dyn Clock>,
    /// Whoever has it is the next, in the order of asking.
    turn: Semaphore,
    went: Mutex<Went>,
}

/// How it went until now.
#[derive(Debug, Default)]
struct Went {
    /// When the last call began.
    began: Option<Tick>,
    /// Until when the exchange wants to be left alone, and how it said so.
    left_alone: Option<(Tick, VenueError)>,
}

impl Pace {
    /// Calls that begin so long after one another at least.
    pub(crate) fn new(pause: Duration, clock: Arc<dyn Clock>) -> Self {
        let (turn, went) = (Semaphore::new(1), Mutex::default());
        Self { shared: Arc::new(Shared { pause, clock, turn, went }) }
    }

    /// Makes a call when it is its turn.
    ///
    /// # Errors
    /// That of the call; or, without a call, that by which the exchange has said that it wants to be
    /// left alone.
    pub(crate) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, VenueError>>,
    ) -> Result<T, VenueError> {
        self.turn().await?;
        let result = call.await;
        if let Err(error) = &result
            && let Some(wait) = error.retry_after().filter(|_| error.kind().concerns_venue())
        {
            let until = self.shared.clock.monotonic().after(wait);
            self.went(|went| went.left_alone = Some((until, error.clone())));
        }
        result
    }

    async fn turn(&self) -> Result<(), VenueError> {
        let Shared { pause, clock, turn, .. } = &*self.shared;
        // Closed by nobody.
        let _turn = turn.acquire().await.ok();
        loop {
            let now = clock.monotonic();
            match self.went(|went| went.wait(*pause, now))? {
                Duration::ZERO => return Ok(()),
                wait => clock.sleep(wait).await,
            }
        }
    }

    fn went<T>(&self, look: impl FnOnce(&mut Went) -> T) -> T {
        look(&mut self.shared.went.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Went {
    /// How long the next call has to wait; if it has not, it begins now.
    fn wait(&mut self, pause: Duration, now: Tick) -> Result<Duration, VenueError> {
        if let Some((until, error)) = &self.left_alone {
            let left = until.since(now);
            if !left.is_zero() {
                return Err(error.clone().with_retry_after(left));
            }
            self.left_alone = None;
        }
        let wait =
            self.began.map_or(Duration::ZERO, |began| pause.saturating_sub(now.since(began)));
        if wait.is_zero() {
            self.began = Some(now);
        }
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use cache_core::clock::ManualClock;
    use cache_series::venue::VenueErrorKind;
    use tokio::task::yield_now;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(350);

    /// Lets every task go as far as it can.
    async fn settle() {
        for _ in 0..50 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn calls_of_all_clones_are_a_pause_apart() {
        let clock = ManualClock::new();
        let pace = Pace::new(PAUSE, Arc::new(clock.clone()));
        let began = Arc::new(Mutex::new(Vec::new()));
        let callers: Vec<_> = (0..5)
            .map(|caller| {
                let (pace, clock, began) = (pace.clone(), clock.clone(), Arc::clone(&began));
                tokio::spawn(async move {
                    pace.call(async {
                        began.lock().unwrap().push((caller, clock.monotonic()));
                        Ok(())
                    })
                    .await
                })
            })
            .collect();
        settle().await;
        let start = clock.monotonic();
        // Whoever goes away while it waits holds nobody up.
        callers[2].abort();
        for _ in 0..200 {
            clock.advance(Duration::from_millis(10));
            settle().await;
        }
        let began: Vec<_> = began.lock().unwrap().clone();
        let at = |pauses: u32| start.after(PAUSE * pauses);
        assert_eq!(began, [(0, at(0)), (1, at(1)), (3, at(2)), (4, at(3))]);
    }

    #[tokio::test]
    async fn nobody_calls_while_the_exchange_wants_to_be_left_alone() {
        let clock = ManualClock::new();
        let pace = Pace::new(Duration::ZERO, Arc::new(clock.clone()));
        let refusal = |kind, seconds| {
            let error = VenueError::new("v", kind, "no");
            error.with_retry_after(Duration::from_secs(seconds))
        };
        let failing = |error: VenueError| async move { Err::<(), _>(error) };
        // Of other failures nobody else hears.
        let error = refusal(VenueErrorKind::Unavailable, 9);
        assert!(pace.call(failing(error)).await.is_err());
        assert!(pace.call(async { Ok(()) }).await.is_ok());

        let error = refusal(VenueErrorKind::Banned, 60);
        assert!(pace.call(failing(error)).await.is_err());
        clock.advance(Duration::from_secs(20));
        let called = std::cell::Cell::new(false);
        let call = async {
            called.set(true);
            Ok(())
        };
        let error = pace.call(call).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_after()),
            (VenueErrorKind::Banned, Some(Duration::from_secs(40)))
        );
        assert!(!called.get());
        clock.advance(Duration::from_secs(40));
        assert!(pace.call(async { Ok(()) }).await.is_ok());
    }
}
