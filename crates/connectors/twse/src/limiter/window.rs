use std::collections::VecDeque;
use std::time::Duration;

use cache_core::clock::Tick;

/// Lets at most so many calls go in any span of a length, its ends included.
///
/// ```
/// use std::time::Duration;
///
/// use cache_core::clock::Tick;
/// use cache_twse::limiter::{SlidingWindow, Turn};
///
/// let mut window = SlidingWindow::new(1, Duration::from_secs(5));
/// assert_eq!(window.take(Tick::from_ms(0)), Turn::Go);
/// assert_eq!(window.take(Tick::from_ms(5_000)), Turn::Wait(Duration::from_millis(1)));
/// assert_eq!(window.take(Tick::from_ms(5_001)), Turn::Go);
/// ```
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    calls_max: usize,
    per: Duration,
    /// When the last calls went, the oldest first; at most `calls_max`.
    gone: VecDeque<Tick>,
    held_until: Option<Tick>,
}

/// What a window decides on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It goes now, and is counted.
    Go,
    /// It is worth another try after so long, and is not counted.
    Wait(Duration),
}

impl SlidingWindow {
    /// At most `calls_max`, one at least, in any span of length `per`.
    pub fn new(calls_max: usize, per: Duration) -> Self {
        Self { calls_max: calls_max.max(1), per, gone: VecDeque::new(), held_until: None }
    }

    /// Asks for one call to go now.
    pub fn take(&mut self, now: Tick) -> Turn {
        let turn = self.look(now);
        if turn == Turn::Go {
            self.gone.push_back(now);
        }
        turn
    }

    /// What [`take`](Self::take) would decide; nothing is counted.
    pub fn look(&mut self, now: Tick) -> Turn {
        if let Some(rest) = self.held(now) {
            return Turn::Wait(rest);
        }
        // Ticks are rounded down, so that what seems to be a whole span may be less by one.
        let one = Duration::from_millis(1);
        while self.gone.front().is_some_and(|oldest| oldest.after(self.per).after(one) <= now) {
            self.gone.pop_front();
        }
        match self.gone.front() {
            Some(oldest) if self.gone.len() >= self.calls_max => {
                Turn::Wait(oldest.after(self.per).after(one).since(now))
            }
            _ => Turn::Go,
        }
    }

    /// Lets nothing go before that time; an earlier one changes nothing.
    pub fn hold(&mut self, until: Tick) {
        self.held_until = self.held_until.max(Some(until));
    }

    /// For how much longer nothing goes at all.
    pub fn held(&self, now: Tick) -> Option<Duration> {
        self.held_until.filter(|until| *until > now).map(|until| until.since(now))
    }
}
