use std::sync::Arc;

use cache_core::clock::Clock;

use super::error::SeriesError;
use super::handle::Series;
use super::options::SeriesOptions;
use super::shared::Shared;
use super::state::{Reset, State};
use super::stats::SeriesStats;
use crate::key::SeriesKey;
use crate::row::Row;
use crate::session::SessionCalendar;
use crate::store::{Cleared, Scope, Store};
use crate::time::Alignment;
use crate::venue::{Venue, Venues};

/// Histories in memory, in a database and at venues, as one: a request is answered from memory, what
/// is missing there from the database, and a venue is asked for the rest alone.
///
/// History is paid for by calls. So give it a storage of its own, with a bound of its own
/// (for SQLite another table of the same file will do): what a cache beside it evicts or clears does
/// not touch it, and it goes by [`clear`](Self::clear) alone.
///
/// Cheap to clone; clones are the same cache. A series that was read once takes a few kilobytes of
/// memory for as long as the cache is there; its rows come and go within
/// [`MemoryBounds`](super::MemoryBounds).
///
/// ```
/// # use async_trait::async_trait;
/// # use cache_core::clock::SystemClock;
/// # use cache_core::testing::TestStorage;
/// # use cache_series::admit::{Answer, Reach};
/// # use cache_series::plan::Paging;
/// # use cache_series::time::{Alignment, Grid, Slots};
/// # use cache_series::venue::{Venue, VenueError};
/// # #[derive(Debug)]
/// # struct Binance;
/// # #[async_trait]
/// # impl Venue<Candle> for Binance {
/// #     fn name(&self) -> &str { "binance" }
/// #     fn paging(&self, _: &SeriesKey) -> Result<Paging, VenueError> { Ok(Paging::new(1_000)) }
/// #     async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
/// #         let grid = Grid::new(key.timeframe(), Alignment::UTC);
/// #         let rows = slots.iter().map(|slot| (grid.start_of(slot), Candle::flat(1.0, 1.0)));
/// #         Ok(Answer { rows: rows.collect(), reach: Reach::Whole })
/// #     }
/// # }
/// use std::sync::Arc;
///
/// use cache_series::cache::{SeriesCache, Source};
/// use cache_series::key::SeriesKey;
/// use cache_series::request::Request;
/// use cache_series::row::Candle;
/// use cache_series::store::Store;
/// use cache_series::time::Timeframe;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let storage = Arc::new(TestStorage::new());
/// let store = Store::new(storage, Arc::new(SystemClock), "history")?;
/// let cache = SeriesCache::builder(store).venue(Arc::new(Binance)).build();
/// let minutes = cache.series(&SeriesKey::new("Binance", "BTCUSDT", Timeframe::Minute1)?)?;
///
/// let cold = minutes.read(Request::last(500)).await?;
/// assert_eq!((cold.len(), cold.rows_from(Source::Venue)), (500, 500));
/// let warm = minutes.read(Request::last(500)).await?;
/// assert_eq!(warm.rows_from(Source::Memory), 500);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SeriesCache<R: Row> {
    shared: Arc<Shared<R>>,
}

/// Makes a [`SeriesCache`].
#[derive(Debug)]
pub struct SeriesCacheBuilder<R: Row> {
    store: Store,
    venues: Venues<R>,
    clock: Arc<dyn Clock>,
    options: SeriesOptions,
    calendars: Vec<(Scope, Arc<SessionCalendar>)>,
}

impl<R: Row> Clone for SeriesCache<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<R: Row> SeriesCacheBuilder<R> {
    /// Adds a venue, in place of one of the same name and environment.
    pub fn venue(mut self, venue: Arc<dyn Venue<R>>) -> Self {
        self.venues.add(venue);
        self
    }

    /// These venues, in place of those that were added before.
    pub fn venues(mut self, venues: Venues<R>) -> Self {
        self.venues = venues;
        self
    }

    /// When the markets of these series are open. The first that means a series is its calendar; one
    /// without is always open.
    pub fn calendar(mut self, scope: Scope, calendar: Arc<SessionCalendar>) -> Self {
        self.calendars.push((scope, calendar));
        self
    }

    /// Another clock than the store's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How it reads, believes and keeps.
    pub fn options(mut self, options: SeriesOptions) -> Self {
        self.options = options;
        self
    }

    /// The cache. Nothing is read or asked for yet.
    pub fn build(self) -> SeriesCache<R> {
        let Self { store, venues, clock, options, calendars } = self;
        SeriesCache { shared: Arc::new(Shared::new(store, venues, clock, options, calendars)) }
    }
}

impl<R: Row> SeriesCache<R> {
    /// Begins a cache over this store.
    pub fn builder(store: Store) -> SeriesCacheBuilder<R> {
        let clock = Arc::clone(store.clock());
        SeriesCacheBuilder {
            store,
            venues: Venues::new(),
            clock,
            options: SeriesOptions::default(),
            calendars: Vec::new(),
        }
    }

    /// A series of a venue that the cache knows.
    ///
    /// # Errors
    /// [`SeriesError::UnknownVenue`] if it does not know one of this name and environment;
    /// [`SeriesError::Alignment`] if another connector of the same has put its days elsewhere.
    pub fn series(&self, key: &SeriesKey) -> Result<Series<R>, SeriesError> {
        let venue = Arc::clone(self.shared.venues.of(key)?);
        self.series_of(venue, key)
    }

    /// The same by another connector than the one that the cache knows, for this handle alone.
    /// Whatever the key says, the series is of the connector's own venue and environment: what a test
    /// venue answers is never kept as the live one's.
    ///
    /// # Errors
    /// [`SeriesError::Alignment`] as [`series`](Self::series); [`SeriesError::Venue`] if the
    /// connector's name can be in no key.
    pub fn series_of(
        &self,
        venue: Arc<dyn Venue<R>>,
        key: &SeriesKey,
    ) -> Result<Series<R>, SeriesError> {
        let key = key.of_venue(venue.name(), venue.environment()).map_err(|error| {
            let kind = crate::venue::VenueErrorKind::Unsupported;
            let error = crate::venue::VenueError::new(venue.name(), kind, error.to_string());
            SeriesError::venue(key, error)
        })?;
        let state = self.shared.state(&key, venue.alignment(&key))?;
        let connection = self.shared.connect(venue);
        Ok(Series::new(Arc::clone(&self.shared), state, Some(connection)))
    }

    /// What is stored of a series, without a connector: every request is answered as if it were
    /// [offline](crate::request::Request::offline). `alignment` is that of the venue when it was
    /// stored.
    ///
    /// # Errors
    /// [`SeriesError::Alignment`] as [`series`](Self::series).
    pub fn stored(&self, key: &SeriesKey, alignment: Alignment) -> Result<Series<R>, SeriesError> {
        let state = self.shared.state(key, alignment)?;
        Ok(Series::new(Arc::clone(&self.shared), state, None))
    }

    /// The venues that it knows.
    pub fn venues(&self) -> &Venues<R> {
        &self.shared.venues
    }

    /// Where the histories are kept.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The series that were read or written here, in the order of their keys.
    pub fn keys(&self) -> Vec<SeriesKey> {
        let mut keys: Vec<SeriesKey> = self.shared.series.lock().keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// Removes the histories that are meant, from memory and database, and no others. What is being
    /// fetched for them meanwhile is not kept.
    ///
    /// # Errors
    /// [`SeriesError::Store`] if it is not certain that they are gone from the database; from memory
    /// they are.
    pub async fn clear(&self, scope: &Scope) -> Result<Cleared, SeriesError> {
        self.reset(scope, Reset::History);
        let cleared = self.shared.store.clear(scope).await;
        // What was read while it was going.
        self.reset(scope, Reset::History);
        cleared.map_err(SeriesError::from)
    }

    /// Takes what is meant out of memory; the database keeps it, and gets what is being fetched.
    pub fn forget(&self, scope: &Scope) {
        self.reset(scope, Reset::Memory);
    }

    fn reset(&self, scope: &Scope, reset: Reset) {
        for state in self.selected(scope) {
            state.reset(&self.shared.calendar(&state.key), reset);
        }
    }

    /// Takes out of memory what was not read for long, and what goes beyond the bounds; answers how
    /// many chunks went. Requests do so by themselves; this is for programs that make none for long.
    pub fn sweep(&self) -> u64 {
        self.shared.sweep()
    }

    /// What was counted for the series that are meant, and what of them is in memory, together.
    pub fn stats(&self, scope: &Scope) -> SeriesStats {
        let mut stats = SeriesStats::default();
        self.selected(scope).iter().for_each(|state| stats += state.stats());
        stats
    }

    fn selected(&self, scope: &Scope) -> Vec<Arc<State<R>>> {
        let series = self.shared.series.lock();
        series
            .iter()
            .filter(|(key, _)| scope.selects(key))
            .map(|(_, state)| Arc::clone(state))
            .collect()
    }
}

impl<R: Row> State<R> {
    pub(super) fn stats(&self) -> SeriesStats {
        let directory = self.directory();
        SeriesStats {
            memory_chunks: directory.chunks().len() as u64,
            memory_rows: directory.rows(),
            memory_bytes: directory.bytes() as u64,
            ..self.counters.snapshot()
        }
    }
}
