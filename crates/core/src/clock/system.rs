use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;

use super::{Clock, Tick, Timestamp};

/// The machine's clocks: the wall clock, and the kernel's coarse monotonic clock.
///
/// The coarse clock costs a few nanoseconds where a fine one costs ten times as much, and lags by
/// at most [`resolution`](Clock::resolution).
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

/// The longest kernel tick in common use (`CONFIG_HZ=100`).
const KERNEL_TICK: Duration = Duration::from_millis(10);

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_unix_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX - 1))
    }

    fn monotonic(&self) -> Tick {
        Tick::from_ms(coarsetime::Instant::now().as_ticks_ms())
    }

    fn resolution(&self) -> Duration {
        KERNEL_TICK
    }

    fn is_machine_time(&self) -> bool {
        true
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Milliseconds of a coarse reading.
trait TicksMs {
    fn as_ticks_ms(&self) -> u64;
}

impl TicksMs for coarsetime::Instant {
    fn as_ticks_ms(&self) -> u64 {
        self.duration_since(coarsetime::Instant::from_ticks(0)).as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_move_forward_and_stay_within_the_stated_lag() {
        let clock = SystemClock;
        let start = std::time::Instant::now();
        let first = clock.monotonic();
        std::thread::sleep(Duration::from_millis(30));
        let passed = clock.monotonic().since(first);
        assert!(passed + clock.resolution() >= Duration::from_millis(30), "{passed:?}");
        assert!(passed <= start.elapsed() + clock.resolution(), "{passed:?}");
    }
}
