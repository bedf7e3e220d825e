use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cache_core::clock::{Clock, SystemClock, Tick};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::Allowance;
use super::window::{SlidingWindow, Turn};
use crate::error::{Retry, TwseError, TwseErrorKind};

const CALLS_MAX: usize = 3;
/// A fifth of a second more than the market's five: replies take their time, and the market counts
/// when calls arrive.
const PER: Duration = Duration::from_millis(5_200);
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Lets calls go at the market's pace, in the order in which they came. Clones share one window.
#[derive(Clone)]
pub struct Limiter {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Whose turn it is; fair, so that nobody starves.
    turn: Semaphore,
    clock: Arc<dyn Clock>,
    wait_max: Duration,
    host: Option<Arc<dyn Allowance>>,
}

struct State {
    window: SlidingWindow,
    /// Why nothing goes while the window is held.
    held_by: TwseErrorKind,
}

impl Limiter {
    /// Three calls in five seconds.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::of(SlidingWindow::new(CALLS_MAX, PER), clock, WAIT_MAX, None)
    }

    /// The one of this process, which clients share unless they are given another: a market counts
    /// by address.
    pub fn of_process() -> Self {
        static PROCESS: OnceLock<Limiter> = OnceLock::new();
        PROCESS.get_or_init(|| Self::new(Arc::new(SystemClock))).clone()
    }

    fn of(
        window: SlidingWindow,
        clock: Arc<dyn Clock>,
        wait_max: Duration,
        host: Option<Arc<dyn Allowance>>,
    ) -> Self {
        let state = Mutex::new(State { window, held_by: TwseErrorKind::RateLimited });
        Self { inner: Arc::new(Inner { state, turn: Semaphore::new(1), clock, wait_max, host }) }
    }

    fn rebuilt(
        &self,
        window: Option<SlidingWindow>,
        wait_max: Duration,
        host: Option<Arc<dyn Allowance>>,
    ) -> Self {
        let window = window.unwrap_or_else(|| self.inner.state.lock().window.clone());
        Self::of(window, Arc::clone(&self.inner.clock), wait_max, host)
    }

    /// Another window: another market's pace, or a venue's on this machine.
    #[must_use]
    pub fn with_window(self, calls_max: usize, per: Duration) -> Self {
        let window = SlidingWindow::new(calls_max, per);
        self.rebuilt(Some(window), self.inner.wait_max, self.inner.host.clone())
    }

    /// A call that would have to wait for longer is an error at once; two minutes unless said
    /// otherwise.
    #[must_use]
    pub fn with_wait_max(self, wait_max: Duration) -> Self {
        self.rebuilt(None, wait_max, self.inner.host.clone())
    }

    /// Asks what other processes share as well, before each call.
    #[must_use]
    pub fn with_allowance(self, allowance: Arc<dyn Allowance>) -> Self {
        self.rebuilt(None, self.inner.wait_max, Some(allowance))
    }

    /// Waits until a call may go, and counts it. A caller that goes away meanwhile takes nothing
    /// from those behind it.
    ///
    /// # Errors
    /// [`TwseErrorKind::RateLimited`] where it would wait for too long, or [`TwseErrorKind::Banned`]
    /// while a ban lasts, with what is left of it.
    pub async fn acquire(&self) -> Result<(), TwseError> {
        let Inner { turn, clock, host, .. } = &*self.inner;
        let end = clock.monotonic().after(self.inner.wait_max);
        // While nothing goes at all nobody stands in line for it.
        self.check_held(end)?;
        let Ok(_turn) = turn.acquire().await else {
            return Err(TwseError::new(TwseErrorKind::Unavailable, "the limiter is closed"));
        };
        loop {
            // What the host shares is taken once the process' own window has a place, and used at
            // once: whoever took it and waited would go together with others that did.
            let own = self.inner.state.lock().window.look(clock.monotonic());
            if let Turn::Wait(pause) = own {
                self.wait(pause, end).await?;
                continue;
            }
            // Where nobody knows, the process goes by its own window.
            if let Some(host) = host
                && let Ok(Some(pause)) = host.take().await
            {
                self.wait(pause, end).await?;
                continue;
            }
            let turn = self.inner.state.lock().window.take(clock.monotonic());
            match turn {
                Turn::Go => return Ok(()),
                // The market has just said to somebody else that it is asked too often.
                Turn::Wait(pause) => self.wait(pause, end).await?,
            }
        }
    }

    async fn wait(&self, pause: Duration, end: Tick) -> Result<(), TwseError> {
        self.check_held(end)?;
        let clock = &self.inner.clock;
        if clock.monotonic().after(pause) > end {
            return Err(too_long(TwseErrorKind::RateLimited, pause));
        }
        clock.sleep(pause).await;
        Ok(())
    }

    fn check_held(&self, end: Tick) -> Result<(), TwseError> {
        let now = self.inner.clock.monotonic();
        let state = self.inner.state.lock();
        match state.window.held(now) {
            Some(rest) if now.after(rest) > end => Err(too_long(state.held_by, rest)),
            _ => Ok(()),
        }
    }

    /// Lets nothing go for so long, because the market said so by this kind of error.
    pub fn hold(&self, kind: TwseErrorKind, pause: Duration) {
        let until = self.inner.clock.monotonic().after(pause);
        let mut state = self.inner.state.lock();
        state.window.hold(until);
        state.held_by = kind;
    }
}

fn too_long(kind: TwseErrorKind, pause: Duration) -> TwseError {
    let message = match kind {
        TwseErrorKind::Banned => "not asked: the market does not listen for now",
        _ => "not asked: too many calls are waiting",
    };
    TwseError::new(kind, message).with_retry(Retry::After(pause))
}

impl fmt::Debug for Limiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.inner.state.lock();
        formatter.debug_struct("Limiter").field("window", &state.window).finish_non_exhaustive()
    }
}
