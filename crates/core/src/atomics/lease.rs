use std::time::Duration;

use crate::clock::Tick;

/// What the holder of a lock knows of it, by its own monotonic clock: a pure machine, time passed
/// in.
///
/// The server counts a TTL from when it carries a call out, the holder from before it sent it. So
/// the holder never thinks that it holds longer than it does, as long as the two clocks run at the
/// same pace.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    ttl: Duration,
    /// By how much readings of the clock may lag.
    resolution: Duration,
    ends: Tick,
    extend_at: Tick,
    is_lost: bool,
}

/// What the holder is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, for so long.
    Wait(Duration),
    /// Ask for an extension, and wait for the answer no longer than this.
    Extend(Duration),
    /// Nothing more: it is lost.
    Lost,
}

/// A failed extension is tried again after this share of what is left.
const RETRIES: u32 = 4;
const RETRY_MIN: Duration = Duration::from_millis(5);

impl Lease {
    /// Taken by a call that was sent at `asked`.
    pub(crate) fn new(asked: Tick, ttl: Duration, resolution: Duration) -> Self {
        let mut lease = Self { ttl, resolution, ends: asked, extend_at: asked, is_lost: false };
        lease.begin(asked);
        lease
    }

    fn begin(&mut self, asked: Tick) {
        self.ends = asked.after(self.ttl).before(self.resolution);
        self.extend_at = asked.after(self.ttl / 3);
    }

    /// The server has set its end anew, by a call that was sent at `asked`. An answer that comes
    /// after the end does not bring it back.
    pub(crate) fn extended(&mut self, asked: Tick, now: Tick) {
        match self.left(now) {
            Some(_) => self.begin(asked),
            None => self.is_lost = true,
        }
    }

    /// The server says that it is another's, or nobody's.
    pub(crate) fn refused(&mut self) {
        self.is_lost = true;
    }

    /// The server could not be asked.
    pub(crate) fn failed(&mut self, now: Tick) {
        let pause = self.left(now).unwrap_or_default() / RETRIES;
        self.extend_at = now.after(pause.max(RETRY_MIN));
    }

    /// How long it is certainly held; `None` once it is not.
    pub(crate) fn left(&self, now: Tick) -> Option<Duration> {
        let left = self.ends.since(now);
        (!self.is_lost && !left.is_zero()).then_some(left)
    }

    /// What is to be done now. What has once been lost stays so.
    pub(crate) fn step(&mut self, now: Tick) -> Step {
        let Some(left) = self.left(now) else {
            self.is_lost = true;
            return Step::Lost;
        };
        let pause = self.extend_at.since(now);
        if pause.is_zero() { Step::Extend(left) } else { Step::Wait(pause.min(left)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TTL: Duration = Duration::from_millis(300);

    #[test]
    fn it_is_extended_in_time_and_lost_at_its_end() {
        let start = Tick::from_ms(1000);
        let mut lease = Lease::new(start, TTL, Duration::ZERO);
        assert_eq!(lease.step(start), Step::Wait(Duration::from_millis(100)));
        let due = start.after(Duration::from_millis(100));
        assert_eq!(lease.step(due), Step::Extend(Duration::from_millis(200)));
        lease.failed(due);
        assert_eq!(lease.step(due), Step::Wait(Duration::from_millis(50)));
        lease.extended(due, due);
        assert_eq!(lease.left(due), Some(TTL));
        let late = due.after(TTL);
        lease.extended(due.after(TTL / 2), late);
        assert_eq!((lease.left(late), lease.step(late)), (None, Step::Lost));
    }

    #[test]
    fn a_refusal_is_a_loss() {
        let start = Tick::from_ms(1000);
        let mut lease = Lease::new(start, TTL, Duration::ZERO);
        lease.refused();
        assert_eq!((lease.left(start), lease.step(start)), (None, Step::Lost));
    }

    /// How a call of an extension goes.
    #[derive(Clone, Copy, Debug)]
    enum Call {
        Answered,
        /// Carried out, and the answer lost.
        Unanswered,
        /// Not carried out.
        Failed,
    }

    fn call() -> impl Strategy<Value = Call> {
        prop_oneof![Just(Call::Answered), Just(Call::Unanswered), Just(Call::Failed)]
    }

    proptest! {
        /// A plain model of the server: an end, which a call moves when it arrives. Whenever the
        /// holder thinks that it holds, it does.
        #[test]
        fn the_holder_never_holds_longer_than_the_server_says(
            lag in 0_u64..20,
            calls in prop::collection::vec((call(), 0_u64..200, 0_u64..200, 0_u64..120), 1..60),
        ) {
            let ttl = 300_u64;
            let at = |ms: u64| Tick::from_ms(10_000 + ms);
            let seen = |ms: u64| at(ms.saturating_sub(lag));
            let (mut now, mut taken) = (0, lag);
            let mut ends = now + taken + ttl;
            let mut lease =
                Lease::new(seen(now), TTL, Duration::from_millis(lag));
            now += taken;
            let mut was_lost = false;
            for (call, sending, answering, idle) in calls {
                let held = lease.left(seen(now)).is_some();
                prop_assert!(!held || now < ends, "held at {now}, ended at {ends}");
                prop_assert!(!(was_lost && held), "came back");
                was_lost |= !held;
                match lease.step(seen(now)) {
                    Step::Lost => prop_assert!(was_lost),
                    Step::Wait(pause) => {
                        let pause = u64::try_from(pause.as_millis()).unwrap();
                        now += pause.max(1) + idle;
                    }
                    Step::Extend(_) => {
                        let asked = seen(now);
                        taken = sending + answering;
                        let arrives = now + sending;
                        let owned = arrives < ends;
                        if owned && !matches!(call, Call::Failed) {
                            ends = arrives + ttl;
                        }
                        now += taken;
                        match call {
                            Call::Answered if owned => lease.extended(asked, seen(now)),
                            Call::Answered => lease.refused(),
                            Call::Unanswered | Call::Failed => lease.failed(seen(now)),
                        }
                    }
                }
            }
        }
    }
}
