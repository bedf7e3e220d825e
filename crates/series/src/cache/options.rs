use std::time::Duration;

use crate::admit::Rules;
use crate::chunk::Chunk;
use crate::coverage::{Backoff, State};
use crate::row::Row;
use crate::time::{Grid, Time};
use crate::view::Directory;

/// How a [`SeriesCache`](super::SeriesCache) reads, believes and keeps.
///
/// ```
/// use std::time::Duration;
/// use cache_series::cache::{MemoryBounds, SeriesOptions};
///
/// let options = SeriesOptions::default()
///     .with_revised_last(5)
///     .with_memory(MemoryBounds::rows(2_000_000).with_idle(Duration::from_secs(600)));
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SeriesOptions {
    /// When an answer is believed.
    pub rules: Rules,
    /// So many of the rows that closed last are asked for once more when their slots lie further
    /// back than that; at least for as long as [`Rules::settle`] says.
    pub revised_last: u32,
    /// How often and after which pauses a call is made again that failed. One that only checks what
    /// is known is not.
    pub retry: Retry,
    /// When a page that failed in spite of that is asked for again by later requests, be it to be
    /// checked only.
    pub failed: Backoff,
    /// After so many calls in a row that a venue did not answer ([`Unavailable`] or [`Timeout`]), for
    /// whichever series, it is left alone for the pauses of [`failed`](Self::failed); one call tries it
    /// after each, and the others go on once that is answered. Whoever needs it meanwhile gets the error
    /// at once. Calls that were under way together count once.
    ///
    /// [`Unavailable`]: crate::venue::VenueErrorKind::Unavailable
    /// [`Timeout`]: crate::venue::VenueErrorKind::Timeout
    pub outage_after: u32,
    /// A call that takes longer has failed.
    pub call_timeout: Duration,
    /// A request waits so long in all for what it can be answered without, and then answers with what is
    /// known: pages that are only due to be checked, a look at the venue's clock, and since when or
    /// whether still the symbol is traded. What the venue answers later is kept; while it is asked,
    /// nobody else waits for a check that was waited for in vain.
    pub check_wait: Duration,
    /// A venue is asked for a symbol's listing once in so long at most.
    pub listing_interval: Duration,
    /// A request that counts rows asks for so many pages in a row that have none, and then counts as
    /// incomplete: a venue that does not tell when a symbol was listed would be asked back to the
    /// beginning of time. Made again, it goes on from there.
    pub pages_without_rows_max: u32,
    /// What was read from the database longer ago is read once more before a venue is asked for what
    /// is missing there: another process may have asked by then.
    pub look_again: Duration,
    /// A venue's clock is looked at once in so long.
    pub clock_interval: Duration,
    /// What may be in memory of all series together.
    pub memory: MemoryBounds,
    /// Once in so long the database is told which chunks were read from memory, for it sees nothing of
    /// that, and a bound of its own is to take what nobody reads first. It is told by reading them,
    /// beside the requests.
    pub tell_uses: Duration,
    /// A subscriber that is behind by more updates reads what it has missed.
    pub updates_max: usize,
}

/// How often and after which pauses a call is made again that failed in passing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// So many calls, the first among them.
    pub attempts_max: u32,
    /// The pauses between them, where the venue does not say for how long it is to be left alone.
    pub pause: Backoff,
    /// Whoever would have to wait longer gets the error instead.
    pub wait_max: Duration,
}

/// What may be in memory. Beyond it what was not read for longest goes; it is read from the
/// database again when it is asked for.
///
/// What a read needs stays until it is answered, so that a read of more than all this goes over it
/// for as long as it takes. Answers hold what they show of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryBounds {
    /// So many rows.
    pub rows_max: Option<u64>,
    /// So many bytes, about.
    pub bytes_max: Option<u64>,
    /// What was not read for so long goes.
    pub idle: Option<Duration>,
}

impl SeriesOptions {
    /// When an answer is believed.
    pub const fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// How many of the rows that closed last are asked for once more.
    pub const fn with_revised_last(mut self, rows: u32) -> Self {
        self.revised_last = rows;
        self
    }

    /// How calls are made again.
    pub const fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// When a page that failed is asked for again.
    pub const fn with_failed(mut self, failed: Backoff) -> Self {
        self.failed = failed;
        self
    }

    /// How long a call may take.
    pub const fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// How many calls without an answer make an outage.
    pub const fn with_outage_after(mut self, calls: u32) -> Self {
        self.outage_after = calls;
        self
    }

    /// How long a request waits for a check of what is known.
    pub const fn with_check_wait(mut self, wait: Duration) -> Self {
        self.check_wait = wait;
        self
    }

    /// How often a listing is asked for.
    pub const fn with_listing_interval(mut self, interval: Duration) -> Self {
        self.listing_interval = interval;
        self
    }

    /// How many pages in a row may have no row where rows are counted.
    pub const fn with_pages_without_rows_max(mut self, pages: u32) -> Self {
        self.pages_without_rows_max = pages;
        self
    }

    /// After how long the database is looked at again before a venue is asked.
    pub const fn with_look_again(mut self, after: Duration) -> Self {
        self.look_again = after;
        self
    }

    /// How often a venue's clock is looked at.
    pub const fn with_clock_interval(mut self, interval: Duration) -> Self {
        self.clock_interval = interval;
        self
    }

    /// What may be in memory.
    pub const fn with_memory(mut self, memory: MemoryBounds) -> Self {
        self.memory = memory;
        self
    }

    /// How often the database is told what is read from memory.
    pub const fn with_tell_uses(mut self, every: Duration) -> Self {
        self.tell_uses = every;
        self
    }

    /// How far a subscriber may be behind; one update at least.
    pub const fn with_updates_max(mut self, updates: usize) -> Self {
        self.updates_max = updates;
        self
    }

    /// The rules for slots of this length: a row may be revised until so many have closed after it.
    pub(super) fn rules_for(&self, grid: Grid) -> Rules {
        let ms = grid.timeframe().nominal_ms().unsigned_abs();
        let last = Duration::from_millis(ms.saturating_mul(u64::from(self.revised_last)));
        Rules { settle: self.rules.settle.max(last), ..self.rules }
    }
}

impl Default for SeriesOptions {
    /// The last two rows and those of the last minute are looked at once more; two million rows in
    /// memory (about 80 MB of candles), for an hour.
    fn default() -> Self {
        Self {
            rules: Rules::DEFAULT,
            revised_last: 2,
            retry: Retry::default(),
            failed: Backoff::FAILED,
            outage_after: 3,
            call_timeout: Duration::from_secs(30),
            check_wait: Duration::from_secs(2),
            listing_interval: Duration::from_secs(86_400),
            pages_without_rows_max: 64,
            look_again: Duration::from_secs(1),
            clock_interval: Duration::from_secs(3_600),
            memory: MemoryBounds::rows(2_000_000).with_idle(Duration::from_secs(3_600)),
            tell_uses: Duration::from_secs(600),
            updates_max: 1_024,
        }
    }
}

impl Retry {
    /// No call is made again.
    pub const NEVER: Self = Self::times(1);

    /// So many calls, the first among them: half a second between the first two, twice as long each
    /// time, and nobody waits longer than half a minute.
    pub const fn times(attempts_max: u32) -> Self {
        let (first, max) = (Duration::from_millis(500), Duration::from_secs(30));
        Self { attempts_max, pause: Backoff::new(first, 2, max), wait_max: max }
    }

    /// The pauses between calls.
    pub const fn with_pause(mut self, pause: Backoff) -> Self {
        self.pause = pause;
        self
    }

    /// The longest that anybody waits.
    pub const fn with_wait_max(mut self, wait_max: Duration) -> Self {
        self.wait_max = wait_max;
        self
    }
}

impl Default for Retry {
    /// Three calls.
    fn default() -> Self {
        Self::times(3)
    }
}

impl MemoryBounds {
    /// No bounds.
    pub const NONE: Self = Self { rows_max: None, bytes_max: None, idle: None };

    /// So many rows.
    pub const fn rows(rows_max: u64) -> Self {
        Self { rows_max: Some(rows_max), ..Self::NONE }
    }

    /// So many bytes, about.
    pub const fn bytes(bytes_max: u64) -> Self {
        Self { bytes_max: Some(bytes_max), ..Self::NONE }
    }

    /// Besides, so many rows.
    pub const fn with_rows(mut self, rows_max: u64) -> Self {
        self.rows_max = Some(rows_max);
        self
    }

    /// Besides, so many bytes.
    pub const fn with_bytes(mut self, bytes_max: u64) -> Self {
        self.bytes_max = Some(bytes_max);
        self
    }

    /// Besides, not longer than so long without being read.
    pub const fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }
}

/// The end of the slots that count as over for a request made at `now`.
pub(super) fn over_end<R: Row>(directory: &Directory<R>, rules: &Rules, now: Time) -> i64 {
    let grid = directory.grid();
    grid.closed_end(over_time(directory, rules, now))
}

/// Up to which time slots count as over for a request made at `now`.
pub(super) fn over_time<R: Row>(directory: &Directory<R>, rules: &Rules, now: Time) -> Time {
    selection_time(directory.grid(), rules, now, |slot| {
        let chunk = directory.chunk(Chunk::<R>::index_of(slot));
        chunk.and_then(|chunk| chunk.state(slot)).is_some_and(State::has_rows)
    })
}

/// Up to which time slots count as over for a request made at `now`: those that are final, and
/// beyond them those that a feed has told to be closed.
fn selection_time(grid: Grid, rules: &Rules, now: Time, is_told: impl Fn(i64) -> bool) -> Time {
    let (closed, over) = (rules.closed_end(grid, now), grid.closed_end(now));
    let told = (closed..over).take_while(|slot| is_told(*slot)).count() as i64;
    if told == 0 { now.before(rules.patience) } else { grid.start_of(closed + told) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Alignment, Timeframe};

    #[test]
    fn revisions_are_awaited_by_the_length_of_slots() {
        let settle = |timeframe, last| {
            let grid = Grid::new(timeframe, Alignment::UTC);
            SeriesOptions::default().with_revised_last(last).rules_for(grid).settle.as_secs()
        };
        assert_eq!(settle(Timeframe::Second1, 5), 60, "never less than the rules say");
        assert_eq!(settle(Timeframe::Minute1, 0), 60);
        assert_eq!(settle(Timeframe::Minute1, 5), 300);
        assert_eq!(settle(Timeframe::Day1, 2), 172_800);
    }

    #[test]
    fn what_a_feed_has_closed_is_over_before_patience_ends() {
        let grid = Grid::new(Timeframe::Second1, Alignment::UTC);
        let now = Time::from_unix_ms(10_500);
        let end = |told: &[i64]| {
            let time = selection_time(grid, &Rules::DEFAULT, now, |slot| told.contains(&slot));
            grid.closed_end(time)
        };
        assert_eq!(end(&[]), 8);
        assert_eq!(end(&[8, 9, 10]), 10, "what is growing is not over");
        assert_eq!(end(&[9]), 8, "with no hole between");
    }
}
