use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cache_core::clock::{Clock, Tick};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::error::SeriesError;
use super::gate::Gate;
use super::options::SeriesOptions;
use super::outage::Outage;
use super::state::{Meeting, State, Totals};
use super::stats::{add, count};
use crate::chunk::Chunk;
use crate::key::{Environment, SeriesKey};
use crate::row::Row;
use crate::session::SessionCalendar;
use crate::store::{Scope, Store};
use crate::time::{Alignment, Grid, Slots, Time};
use crate::venue::{Venue, Venues};
use crate::view::Directory;

/// What all handles of a cache share.
#[derive(Debug)]
pub(super) struct Shared<R: Row> {
    pub(super) store: Store,
    pub(super) venues: Venues<R>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: SeriesOptions,
    calendars: Vec<(Scope, Arc<SessionCalendar>)>,
    pub(super) series: Mutex<HashMap<SeriesKey, Arc<State<R>>>>,
    gates: Mutex<HashMap<(String, Environment), Arc<Gate>>>,
    pub(super) totals: Arc<Totals>,
    pub(super) swept: Mutex<Option<Tick>>,
    /// From when on the database is told what is read from memory, in the clock's milliseconds; zero
    /// before the first read.
    pub(super) uses_due: AtomicU64,
}

/// A venue and the way to it.
#[derive(Debug)]
pub(super) struct Connection<R: Row> {
    pub(super) venue: Arc<dyn Venue<R>>,
    pub(super) gate: Arc<Gate>,
}

/// So many chunks are read from the database at once, so that requests for little need not wait for
/// those for much, and what they decode holds up nothing else.
const LOADED_AT_ONCE: usize = 64;

impl<R: Row> Clone for Connection<R> {
    fn clone(&self) -> Self {
        Self { venue: Arc::clone(&self.venue), gate: Arc::clone(&self.gate) }
    }
}

impl<R: Row> Shared<R> {
    pub(super) fn new(
        store: Store,
        venues: Venues<R>,
        clock: Arc<dyn Clock>,
        options: SeriesOptions,
        calendars: Vec<(Scope, Arc<SessionCalendar>)>,
    ) -> Self {
        Self {
            store,
            venues,
            clock,
            options,
            calendars,
            series: Mutex::default(),
            gates: Mutex::default(),
            totals: Arc::default(),
            swept: Mutex::default(),
            uses_due: AtomicU64::new(0),
        }
    }

    /// The way to a venue; all connectors of one name and environment go through the same.
    pub(super) fn connect(&self, venue: Arc<dyn Venue<R>>) -> Connection<R> {
        let place = (venue.name().to_ascii_lowercase(), venue.environment());
        let mut gates = self.gates.lock();
        let gate = gates.entry(place).or_insert_with(|| {
            let outage = Outage::new(self.options.outage_after, self.options.failed);
            Arc::new(Gate::new(venue.limits(), outage))
        });
        Connection { gate: Arc::clone(gate), venue }
    }

    /// The calendar of a series: of the first scope that means it.
    pub(super) fn calendar(&self, key: &SeriesKey) -> Arc<SessionCalendar> {
        let own = self.calendars.iter().find(|(scope, _)| scope.selects(key));
        own.map_or_else(|| Arc::new(SessionCalendar::ALWAYS), |(_, calendar)| Arc::clone(calendar))
    }

    /// What is known here of a series.
    pub(super) fn state(
        &self,
        key: &SeriesKey,
        alignment: Alignment,
    ) -> Result<Arc<State<R>>, SeriesError> {
        let grid = Grid::new(key.timeframe(), alignment);
        let mut series = self.series.lock();
        if let Some(state) = series.get(key) {
            if state.grid != grid {
                return Err(SeriesError::Alignment { series: key.to_string() });
            }
            return Ok(Arc::clone(state));
        }
        let state = Arc::new(State::new(
            key.clone(),
            grid,
            self.options.rules_for(grid),
            self.calendar(key),
            self.options.updates_max,
            Arc::clone(&self.totals),
        ));
        series.insert(key.clone(), Arc::clone(&state));
        Ok(state)
    }

    /// The time by the venue's clock, as far as it is known.
    pub(super) fn now(&self, connection: Option<&Connection<R>>) -> Time {
        match connection {
            Some(connection) => connection.gate.time(&self.clock),
            None => Time::from(self.clock.wall()),
        }
    }

    /// What is known of a series, once what is stored of it as a whole was read.
    pub(super) async fn open(&self, state: &State<R>) -> Result<Arc<Directory<R>>, SeriesError> {
        loop {
            if let Some(directory) = state.opened() {
                return Ok(directory);
            }
            // Closed by nobody.
            let _turn = state.heading.acquire().await.ok();
            if state.opened().is_none() {
                let epoch = state.epoch();
                let head = self.store.head(&state.key).await?;
                state.publish_head(epoch, head);
                state.uses.lock().saw_head(self.clock.monotonic());
            }
        }
    }

    /// Reads those chunks of `slots` from the database once more that were not looked at for long,
    /// and answers whether there were any.
    pub(super) async fn look_again(
        &self,
        state: &State<R>,
        slots: Slots,
    ) -> Result<bool, SeriesError> {
        let since = self.clock.monotonic().before(self.options.look_again);
        let old = state.not_seen_since(slots, since);
        if old.is_empty() {
            return Ok(false);
        }
        // None of them is changed meanwhile, so that nothing older is published than is there.
        let places: Vec<Arc<Semaphore>> = old.iter().map(|index| state.writer_of(*index)).collect();
        let mut turns = Vec::with_capacity(places.len());
        for place in &places {
            // Closed by nobody.
            turns.extend(place.acquire().await.ok());
        }
        let epoch = state.epoch();
        let chunks = self.find(state, &old).await?;
        state.publish(epoch, &chunks, Meeting::Merges);
        Ok(true)
    }

    async fn find(
        &self,
        state: &State<R>,
        indices: &[i64],
    ) -> Result<Vec<Arc<Chunk<R>>>, SeriesError> {
        let now = self.clock.monotonic();
        let found = self.store.chunks::<R>(&state.key, indices).await?;
        count(&state.counters.chunk_loads);
        add(&state.counters.chunks_loaded, found.len() as u64);
        let damaged = found.iter().filter(|stored| stored.damaged).count();
        add(&state.counters.damaged_chunks, damaged as u64);
        state.saw(indices, now);
        Ok(found.into_iter().map(|stored| stored.chunk).collect())
    }

    /// Reads those chunks of `slots` from the database that are not in memory, and answers their
    /// slots. Whoever calls this keeps them there by a pin.
    pub(super) async fn load(
        &self,
        state: &State<R>,
        slots: Slots,
    ) -> Result<Vec<Slots>, SeriesError> {
        let mut loaded = Vec::new();
        loop {
            let epoch = state.epoch();
            // Looked for once, for that costs a look at each chunk.
            let mut absent = state.directory().absent_chunks(slots).into_iter();
            while state.epoch() == epoch && absent.len() > 0 {
                // Others come in between, and whoever comes second finds loaded what both want.
                let _turn = state.loading.acquire().await.ok();
                let directory = state.directory();
                let is_absent = |index: &i64| directory.chunk(*index).is_none();
                let some: Vec<i64> =
                    absent.by_ref().filter(is_absent).take(LOADED_AT_ONCE).collect();
                if some.is_empty() {
                    break;
                }
                let chunks = self.find(state, &some).await?;
                state.publish(epoch, &chunks, Meeting::Keeps);
                loaded.extend(chunks.iter().map(|chunk| chunk.slots().intersection(slots)));
            }
            // What was forgotten meanwhile is not in memory any more.
            if state.epoch() == epoch {
                return Ok(loaded);
            }
        }
    }
}
