use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use cache_core::clock::Tick;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, broadcast};

use super::error::SeriesError;
use super::feed::Following;
use super::flights::{Flights, Mark};
use super::holding::Holding;
use super::listing::ListingAsked;
use super::page::{Fetched, PageKey};
use super::recency::Recency;
use super::stats::Counters;
use super::uses::Uses;
use crate::admit::Rules;
use crate::chunk::Chunk;
use crate::coverage::{Backoff, State as Known};
use crate::head::Head;
use crate::key::SeriesKey;
use crate::live::{Feed, Update};
use crate::row::Row;
use crate::session::SessionCalendar;
use crate::time::{Grid, Slots, Time};
use crate::venue::VenueError;
use crate::view::Directory;

/// Everything that is known of one series here, and what is under way for it.
#[derive(Debug)]
pub(super) struct State<R: Row> {
    pub(super) key: SeriesKey,
    pub(super) grid: Grid,
    pub(super) rules: Rules,
    /// What is in memory. How often that forgot, by clearings too, is counted there: what was begun
    /// before is not published after.
    holding: Holding<R>,
    /// Counts the times that the history was cleared: what was begun before is not stored after.
    cleared: AtomicU64,
    pub(super) pages: Flights<PageKey, Result<Fetched, SeriesError>>,
    pub(super) listings: Flights<(), Result<(), SeriesError>>,
    /// Chunks are loaded by one request at a time; those that waited find them loaded.
    pub(super) loading: Semaphore,
    /// The head is read and changed by one at a time, so that none that is older is published after one
    /// that is newer.
    pub(super) heading: Semaphore,
    /// Chunks that are being changed: one change of a chunk at a time, so that none that is older
    /// is published after one that is newer.
    writing: Mutex<HashMap<i64, Weak<Semaphore>>>,
    /// When chunks were read from the database or written to it last.
    seen: Mutex<HashMap<i64, Tick>>,
    pub(super) uses: Mutex<Uses>,
    pub(super) feed: Mutex<Feed<R>>,
    pub(super) following: Mutex<Weak<Following>>,
    pub(super) updates: broadcast::Sender<Update<R>>,
    pins: Mutex<Vec<Slots>>,
    pub(super) recency: Mutex<Recency>,
    proven: ArcSwapOption<Proven<R>>,
    pub(super) failure: Mutex<Option<VenueError>>,
    /// How often in a row the venue has failed to answer for a page.
    failures: Mutex<HashMap<PageKey, u8>>,
    pub(super) listing_asked: Mutex<ListingAsked>,
    pub(super) counters: Counters,
    totals: Arc<Totals>,
}

/// When something was begun: how often the history was cleared and memory had forgotten by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    cleared: u64,
    forgotten: u64,
}

/// How much is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// What is in memory: it is read from the database again, and what is under way is stored there.
    Memory,
    /// The history: what is under way is not kept at all.
    History,
}

/// A span of a directory of which everything is known, and until when nothing of it is due to be
/// asked for again: whoever reads a part of it need not look.
#[derive(Debug)]
struct Proven<R> {
    directory: Arc<Directory<R>>,
    slots: Slots,
    until: Time,
}

/// What is in memory of all series together.
#[derive(Debug, Default)]
pub(super) struct Totals {
    rows: AtomicI64,
    bytes: AtomicI64,
}

/// How a published chunk meets one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// The one that is there stays, which may be newer.
    Keeps,
    /// They are put together, the published one as the newer.
    Merges,
}

/// Slots that a request needs in memory until it is answered.
#[derive(Debug)]
pub(super) struct Pin<'state, R: Row> {
    state: &'state State<R>,
    slots: Slots,
}

impl Totals {
    pub(super) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    fn add(&self, rows: i64, bytes: i64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl<R: Row> State<R> {
    pub(super) fn new(
        key: SeriesKey,
        grid: Grid,
        rules: Rules,
        calendar: Arc<SessionCalendar>,
        updates_max: usize,
        totals: Arc<Totals>,
    ) -> Self {
        Self {
            key,
            grid,
            rules,
            holding: Holding::new(Directory::new(grid, calendar)),
            cleared: AtomicU64::new(0),
            pages: Flights::default(),
            listings: Flights::default(),
            loading: Semaphore::new(1),
            heading: Semaphore::new(1),
            writing: Mutex::default(),
            seen: Mutex::default(),
            uses: Mutex::default(),
            feed: Mutex::new(Feed::new(grid, rules)),
            following: Mutex::default(),
            updates: broadcast::Sender::new(updates_max.max(1)),
            pins: Mutex::default(),
            recency: Mutex::default(),
            proven: ArcSwapOption::empty(),
            failure: Mutex::default(),
            failures: Mutex::default(),
            listing_asked: Mutex::default(),
            counters: Counters::default(),
            totals,
        }
    }

    /// What is known now.
    pub(super) fn directory(&self) -> Arc<Directory<R>> {
        self.holding.directory()
    }

    /// What is known now, if what is stored of the series as a whole was read since it was forgotten
    /// last.
    pub(super) fn opened(&self) -> Option<Arc<Directory<R>>> {
        self.holding.opened()
    }

    pub(super) fn epoch(&self) -> Epoch {
        // In this order, and counted in the other: whoever sees that memory has forgotten by a
        // clearing sees the clearing too.
        let forgotten = self.holding.forgotten();
        Epoch { cleared: self.cleared.load(Ordering::Acquire), forgotten }
    }

    /// Whether what was begun then may be stored.
    pub(super) fn keeps(&self, epoch: Epoch) -> bool {
        self.cleared.load(Ordering::Acquire) == epoch.cleared
    }

    /// Puts chunks among those that are here, unless memory has forgotten since `epoch`.
    pub(super) fn publish(&self, epoch: Epoch, chunks: &[Arc<Chunk<R>>], meeting: Meeting) {
        let (mut rows, mut bytes) = (0, 0);
        let is_changed = self.holding.change_since(epoch.forgotten, |directory| {
            (rows, bytes) = (0, 0);
            let mut changed = Vec::with_capacity(chunks.len());
            for chunk in chunks {
                let known = directory.chunk(chunk.index());
                let new = match (known, meeting) {
                    (Some(_), Meeting::Keeps) => continue,
                    (Some(known), Meeting::Merges) => Arc::new(known.merge(chunk)),
                    (None, _) => Arc::clone(chunk),
                };
                if known.is_some_and(|known| **known == *new) {
                    continue;
                }
                rows += new.len() as i64 - known.map_or(0, |known| known.len() as i64);
                bytes += new.bytes() as i64 - known.map_or(0, |known| known.bytes() as i64);
                changed.push(new);
            }
            (!changed.is_empty()).then(|| directory.with_chunks(changed))
        });
        if is_changed {
            self.totals.add(rows, bytes);
        }
    }

    /// Says what is known of the series as a whole, unless memory has forgotten since `epoch`.
    pub(super) fn publish_head(&self, epoch: Epoch, head: Head) {
        self.holding.open_since(epoch.forgotten, &Arc::new(head));
    }

    /// Says that the venue failed to answer for `slots`, where they were only to be checked the
    /// `checks`th time in a row; kept in memory only.
    pub(super) fn mark_failed(
        &self,
        epoch: Epoch,
        slots: Slots,
        now: Time,
        backoff: &Backoff,
        checks: u8,
    ) {
        let directory = self.directory();
        let failed = Chunk::<R>::indices_of(slots).iter().filter_map(|index| {
            // Without the chunk it would look as if it were known.
            let known = directory.chunk(index)?;
            let span = slots.intersection(known.slots());
            let mut coverage = known.coverage().part(span);
            coverage.mark_failed(span, now, backoff, checks);
            Chunk::build(index, [], coverage).ok().map(Arc::new)
        });
        let failed: Vec<Arc<Chunk<R>>> = failed.collect();
        self.publish(epoch, &failed, Meeting::Merges);
    }

    /// Whether something is known of all of `slots`: they can be answered without the venue, which is
    /// only asked to check them.
    pub(super) fn is_known(&self, slots: Slots) -> bool {
        let coverage = self.directory().coverage(slots);
        coverage.select(slots, |state| !state.is_some_and(Known::is_known)).is_empty()
    }

    /// Counts that the call for a page which bears this mark has failed, or was waited for in vain:
    /// once, however many waited for it. Answers how many have in a row.
    pub(super) fn count_failure(&self, page: PageKey, mark: &Mark) -> u8 {
        let mut failures = self.failures.lock();
        // Set where it is counted, so that what is answered meanwhile is not counted after that.
        if mark.set() {
            let count = failures.entry(page).or_default();
            *count = count.saturating_add(1);
        }
        failures.get(&page).copied().unwrap_or(1)
    }

    /// How many calls in a row have failed for a page; one at least.
    pub(super) fn failures_of(&self, page: PageKey) -> u8 {
        self.failures.lock().get(&page).copied().unwrap_or(1)
    }

    /// The venue has answered for a page, by the call that bears this mark.
    pub(super) fn answered(&self, page: PageKey, mark: &Mark) {
        let mut failures = self.failures.lock();
        mark.set();
        failures.remove(&page);
    }

    /// Takes chunks out of memory.
    pub(super) fn evict(&self, indices: &[i64]) {
        let (mut rows, mut bytes) = (0, 0);
        self.holding.change(|directory| {
            (rows, bytes) = (0, 0);
            for index in indices {
                if let Some(chunk) = directory.chunk(*index) {
                    rows -= chunk.len() as i64;
                    bytes -= chunk.bytes() as i64;
                }
            }
            Some(directory.without_chunks(indices))
        });
        // It holds what has gone.
        self.proven.store(None);
        self.totals.add(rows, bytes);
        let mut seen = self.seen.lock();
        for index in indices {
            seen.remove(index);
        }
        drop(seen);
        self.uses.lock().forget(indices);
    }

    /// Chunks were read from the database, or written to it, at `now`.
    pub(super) fn saw(&self, indices: &[i64], now: Tick) {
        self.seen.lock().extend(indices.iter().map(|index| (*index, now)));
        self.uses.lock().saw(indices.iter().copied(), now);
    }

    /// Those chunks of `slots` that were seen in the database before `since` last.
    pub(super) fn not_seen_since(&self, slots: Slots, since: Tick) -> Vec<i64> {
        let seen = self.seen.lock();
        let is_old = |index: &i64| seen.get(index).is_none_or(|at| *at < since);
        Chunk::<R>::indices_of(slots).iter().filter(is_old).collect()
    }

    /// Forgets everything that is in memory, and lets nothing in that was begun before.
    pub(super) fn reset(&self, calendar: &Arc<SessionCalendar>, reset: Reset) {
        if reset == Reset::History {
            self.cleared.fetch_add(1, Ordering::AcqRel);
        }
        let before = self.holding.forget(Directory::new(self.grid, Arc::clone(calendar)));
        self.totals.add(-(before.rows() as i64), -(before.bytes() as i64));
        self.proven.store(None);
        self.seen.lock().clear();
        *self.uses.lock() = Uses::default();
        *self.failure.lock() = None;
        self.failures.lock().clear();
        *self.listing_asked.lock() = ListingAsked::default();
    }

    /// Waits for the others that change a chunk. What is answered is to be kept, and then the place
    /// in it taken.
    pub(super) fn writer_of(&self, index: i64) -> Arc<Semaphore> {
        let mut writing = self.writing.lock();
        if let Some(place) = writing.get(&index).and_then(Weak::upgrade) {
            return place;
        }
        writing.retain(|_, place| place.strong_count() > 0);
        let place = Arc::new(Semaphore::new(1));
        writing.insert(index, Arc::downgrade(&place));
        place
    }

    /// Whether all of `slots` is known in this directory, and none of it due at `now`, as was found
    /// before.
    pub(super) fn is_proven(&self, directory: &Arc<Directory<R>>, slots: Slots, now: Time) -> bool {
        let proven = self.proven.load();
        proven.as_ref().is_some_and(|proven| {
            Arc::ptr_eq(&proven.directory, directory)
                && proven.slots.covers(slots)
                && now < proven.until
        })
    }

    /// Says at `now` that all of `slots` is known in this directory, and none of it due before
    /// `until`. What was proven next to it stays proven.
    pub(super) fn prove(
        &self,
        directory: &Arc<Directory<R>>,
        slots: Slots,
        now: Time,
        until: Time,
    ) {
        let mut proven = Proven { directory: Arc::clone(directory), slots, until };
        if let Some(before) = self.proven.load().as_deref()
            && Arc::ptr_eq(&before.directory, directory)
            && now < before.until
            && before.slots.start <= slots.end
            && slots.start <= before.slots.end
        {
            proven.slots = slots.hull(before.slots);
            proven.until = until.min(before.until);
        }
        self.proven.store(Some(Arc::new(proven)));
        // Of one that is not current any more nothing is asked, and it would hold what has gone. Looked
        // at last: whoever changes it after this forgets what was proven, or proves it anew.
        if !self.holding.is(directory) {
            self.proven.store(None);
        }
    }

    /// Keeps `slots` in memory until the pin is dropped.
    pub(super) fn pin(&self, slots: Slots) -> Pin<'_, R> {
        self.pins.lock().push(slots);
        Pin { state: self, slots }
    }

    /// Whether a request needs a chunk of this index.
    pub(super) fn is_pinned(&self, index: i64) -> bool {
        let slots = Chunk::<R>::slots_of(index);
        self.pins.lock().iter().any(|pinned| !pinned.intersection(slots).is_empty())
    }
}

impl<R: Row> Drop for Pin<'_, R> {
    fn drop(&mut self) {
        let mut pins = self.state.pins.lock();
        if let Some(place) = pins.iter().position(|slots| *slots == self.slots) {
            pins.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::coverage::Coverage;
    use crate::row::Candle;
    use crate::time::{Alignment, Timeframe};

    /// Nothing but its readers holds what was taken out of memory.
    #[test]
    fn what_has_gone_from_memory_is_held_by_no_proof() {
        let key = SeriesKey::new("TEST", "BTC/USDT", Timeframe::Minute1).unwrap();
        let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
        let (calendar, totals) = (Arc::new(SessionCalendar::ALWAYS), Arc::default());
        let state = State::<Candle>::new(key, grid, Rules::DEFAULT, calendar, 1, totals);
        let later = Time::EPOCH.after(Duration::from_secs(1));
        let slots = Slots::new(0, 10);
        let publish = || {
            let coverage = Coverage::from_iter([(slots, Known::Fetched)]);
            let rows = slots.iter().map(|slot| (slot, Candle::flat(1.0, 1.0)));
            let chunk = Arc::new(Chunk::build(0, rows, coverage).unwrap());
            state.publish(state.epoch(), std::slice::from_ref(&chunk), Meeting::Keeps);
            (state.directory(), Arc::downgrade(&chunk))
        };
        let (directory, chunk) = publish();
        state.prove(&directory, slots, Time::EPOCH, later);
        assert!(state.is_proven(&directory, slots, Time::EPOCH));
        drop(directory);
        state.evict(&[0]);
        assert!(chunk.upgrade().is_none(), "proven before it went");
        let (directory, chunk) = publish();
        state.evict(&[0]);
        state.prove(&directory, slots, Time::EPOCH, later);
        drop(directory);
        assert!(chunk.upgrade().is_none(), "proven after it went");
    }

    /// Who reads on from where another stopped need not prove everything anew.
    #[test]
    fn proofs_side_by_side_are_one_until_the_first_of_them_ends() {
        let key = SeriesKey::new("TEST", "BTC/USDT", Timeframe::Minute1).unwrap();
        let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
        let (calendar, totals) = (Arc::new(SessionCalendar::ALWAYS), Arc::default());
        let state = State::<Candle>::new(key, grid, Rules::DEFAULT, calendar, 1, totals);
        let at = |seconds| Time::EPOCH.after(Duration::from_secs(seconds));
        let directory = state.directory();
        let holds = |from, to, now| state.is_proven(&directory, Slots::new(from, to), at(now));
        state.prove(&directory, Slots::new(0, 10), at(0), at(5));
        state.prove(&directory, Slots::new(10, 20), at(1), at(9));
        assert!(holds(0, 20, 4) && !holds(0, 20, 5) && !holds(0, 21, 4));
        // What has ended is nothing to go on from, and neither is what lies elsewhere.
        state.prove(&directory, Slots::new(20, 30), at(6), at(9));
        assert!(holds(20, 30, 8) && !holds(19, 30, 6));
        state.prove(&directory, Slots::new(40, 50), at(7), at(9));
        assert!(holds(40, 50, 8) && !holds(20, 30, 8));
    }
}
