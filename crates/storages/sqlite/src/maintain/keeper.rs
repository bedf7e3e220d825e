//! The keeper's thread: checkpoints, and maintenance on a schedule.

use std::time::Duration;

use cache_core::clock::Tick;
use cache_core::storage::Budget;
use rusqlite::Connection;

use super::Upkeep;
use super::log::{copy, shorten};
use crate::storage::Shared;
use crate::write::Job;

/// How often it looks at the clock.
const TICK: Duration = Duration::from_secs(1);
/// How long until it tries again where a reader was in the way.
const RETRY: Duration = Duration::from_millis(20);

/// Something to be done at intervals.
struct Due {
    interval: Option<Duration>,
    at: Tick,
}

impl Due {
    fn new(interval: Option<Duration>, now: Tick) -> Self {
        Self { interval, at: interval.map_or(Tick::NEVER, |interval| now.after(interval)) }
    }

    /// Whether it is time; if so, the next time is set.
    fn is_now(&mut self, now: Tick) -> bool {
        let Some(interval) = self.interval.filter(|_| self.at <= now) else { return false };
        self.at = now.after(interval);
        true
    }
}

/// Works until the storage is closed. Intervals begin at `now`, when it was opened.
pub(crate) fn run(shared: &Shared, connection: &Connection, now: Tick) {
    let options = &shared.options;
    let mut cleanup = Due::new(options.cleanup_interval, now);
    let mut accesses = Due::new(Some(options.access_interval), now);
    let mut sample = Due::new(options.stats_interval, now);
    if options.cleanup_interval.is_some() {
        // The bounds may be lower than when the file was last open.
        cleanup.at = now;
    }
    let mut blocked = false;
    while !shared.calls.checkpoints.is_closed() {
        let now = shared.clock.monotonic();
        if sample.is_now(now) {
            ask(shared, Upkeep::of_sample());
        }
        if cleanup.is_now(now) {
            ask(shared, Upkeep::new(Budget::UNLIMITED));
        }
        if accesses.is_now(now) {
            ask(shared, Upkeep::of_accesses());
            if !shared.log.is_empty() {
                report(copy(shared, connection));
            }
        }
        let pause = if blocked { RETRY } else { TICK };
        // Those who ask from here on want what is committed from here on, too.
        let Ok(asked) = shared.calls.checkpoints.take(pause) else { break };
        if shared.log.is_long() || !asked.is_empty() {
            let done = shorten(shared, connection, !asked.is_empty());
            blocked = matches!(done, Ok(false)) && shared.log.is_long();
            let result = done.map(drop);
            for answer in asked {
                // A caller that has gone away is not missed.
                let _ = answer.send(result.clone());
            }
            report(result);
        }
    }
}

/// Queues maintenance; where the queue is closed, there is nothing left to maintain.
fn ask(shared: &Shared, upkeep: Upkeep) {
    let _ = shared.calls.writes.push_own(Job::maintain(upkeep, None));
}

/// Nobody waits for this: it is for the log, and is tried again.
fn report(result: Result<(), cache_core::storage::StorageError>) {
    #[cfg(feature = "tracing")]
    if let Err(error) = &result {
        tracing::warn!(name: "tiers.sqlite.checkpoint_failed", target: "tiers", %error, "checkpoint failed");
    }
    drop(result);
}
