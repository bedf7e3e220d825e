use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, watch};

use super::error::SeriesError;
use super::feed::Following;
use super::known::{Gap, Span, gaps, spans};
use super::options::over_end;
use super::progress::{Fetch, Progress, Told};
use super::read::Read;
use super::reading::Reading;
use super::resampled::{ResampledReading, read_resampled};
use super::shared::{Connection, Shared};
use super::state::State;
use super::stats::SeriesStats;
use super::subscription::Subscription;
use crate::coverage::State as Known;
use crate::key::SeriesKey;
use crate::live::Update;
use crate::request::{Request, RequestError};
use crate::resample::ResampleRow;
use crate::row::Row;
use crate::time::{Grid, Slots, Time, Timeframe};
use crate::transfer::{ImportError, Imported, OnDifference};
use crate::venue::{VenueError, VenueErrorKind};
use crate::view::Directory;

/// One series of a [`SeriesCache`](super::SeriesCache); cheap to clone.
#[derive(Debug)]
pub struct Series<R: Row> {
    shared: Arc<Shared<R>>,
    state: Arc<State<R>>,
    connection: Option<Connection<R>>,
}

impl<R: Row> Clone for Series<R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            state: Arc::clone(&self.state),
            connection: self.connection.clone(),
        }
    }
}

impl<R: Row> Series<R> {
    pub(super) fn new(
        shared: Arc<Shared<R>>,
        state: Arc<State<R>>,
        connection: Option<Connection<R>>,
    ) -> Self {
        Self { shared, state, connection }
    }

    /// What the series is.
    pub fn key(&self) -> &SeriesKey {
        &self.state.key
    }

    /// Which time is in which slot.
    pub fn grid(&self) -> Grid {
        self.state.grid
    }

    /// The time by the venue's clock, as far as it is known.
    pub fn now(&self) -> Time {
        self.shared.now(self.connection.as_ref())
    }

    /// Answers a request: from memory, then from the database, and for what is missing there from
    /// the venue. Where everything is in memory it costs the same whatever the length.
    ///
    /// Dropping the future stops it. What was asked for by then is kept.
    ///
    /// # Errors
    /// [`SeriesError::Incomplete`] if more is missing than the request tolerates, with what is
    /// known and why; [`SeriesError`] otherwise if the database fails or the request cannot be
    /// answered. A failure is never an empty answer.
    pub async fn read(&self, request: Request) -> Result<Reading<R>, SeriesError> {
        self.read_telling(request, Told::default()).await
    }

    async fn read_telling(&self, request: Request, told: Told) -> Result<Reading<R>, SeriesError> {
        Read::new(&self.shared, &self.state, self.connection.as_ref(), request, told).run().await
    }

    /// The same as a task of its own, which shows how far it has come and can be cancelled. Must be
    /// called within a Tokio runtime.
    pub fn fetch(&self, request: Request) -> Fetch<R> {
        let (to, progress) = watch::channel(Progress::default());
        let told = Told { now: Progress::default(), to: Some(to) };
        let series = self.clone();
        let task = tokio::spawn(async move { series.read_telling(request, told).await });
        Fetch { task, progress, series: self.key().to_string() }
    }

    /// Rows of a longer timeframe, made of this series' rows. The request is for those: a count is
    /// one of longer rows. They are made anew each time and not stored.
    ///
    /// # Errors
    /// [`SeriesError::Resample`] if the longer slots do not begin where these do;
    /// [`SeriesError`] as [`read`](Self::read).
    pub async fn read_resampled(
        &self,
        timeframe: Timeframe,
        request: Request,
    ) -> Result<ResampledReading<R>, SeriesError>
    where
        R: ResampleRow,
    {
        read_resampled(self, timeframe, request).await
    }

    /// The history, and then what happens, with no gap and no repeat between them.
    ///
    /// # Errors
    /// [`SeriesError::Venue`] if the venue has no feed; [`SeriesError`] as [`read`](Self::read)
    /// for the history. A feed that cannot be reached now is not an error: it is tried again.
    pub async fn subscribe(&self, request: Request) -> Result<Subscription<R>, SeriesError> {
        Subscription::begin(self.clone(), request).await
    }

    /// What is known of `from..to` in memory and database, as far as it is over: spans of one kind
    /// each, in order. Nobody is asked for anything. What is read from the database for it is the first
    /// to go from memory.
    ///
    /// # Errors
    /// [`RequestError::TooLong`] for more than [`Request::SLOTS_MAX`] slots;
    /// [`SeriesError::Store`] if the database could not be asked.
    pub async fn known(&self, from: Time, to: Time) -> Result<Vec<Span>, SeriesError> {
        let (directory, slots) = self.stored(from, to).await?;
        Ok(spans(&directory, slots))
    }

    /// The spans of `from..to`, as far as it is over, that have no row although the symbol was traded
    /// and the market open, and why. Nobody is asked for anything.
    ///
    /// # Errors
    /// As [`known`](Self::known).
    pub async fn gaps(&self, from: Time, to: Time) -> Result<Vec<Gap>, SeriesError> {
        let (directory, slots) = self.stored(from, to).await?;
        Ok(gaps(&directory, slots))
    }

    /// Brings in rows that come from elsewhere, such as a file: they are stored as if the venue had
    /// answered with them, and nobody is asked for them. Of slots between them nothing is said.
    ///
    /// Rows may come in any order; all are looked at before the first is stored. Each chunk is
    /// stored as a whole. A future that is dropped leaves some chunks out; the same import again
    /// does no harm.
    ///
    /// # Errors
    /// [`ImportError::Row`] if a row is at no slot's start, cannot be, or contradicts another one of
    /// the same slot: nothing was stored. [`ImportError::Series`] if the database failed; some chunks
    /// may be stored.
    pub async fn import(
        &self,
        rows: impl IntoIterator<Item = (Time, R)>,
        on_difference: OnDifference,
    ) -> Result<Imported, ImportError> {
        let rows = super::import::placed(self.grid(), rows)?;
        let imported = self.shared.import(&self.state, rows, self.now(), on_difference).await;
        self.shared.sweep_if_over();
        Ok(imported?)
    }

    /// What is in memory and database of those slots of `from..to` that count as over, and which
    /// they are.
    async fn stored(
        &self,
        from: Time,
        to: Time,
    ) -> Result<(Arc<Directory<R>>, Slots), SeriesError> {
        let (shared, state, now) = (&self.shared, &self.state, self.now());
        let over = Slots::new(i64::MIN, self.grid().closed_end(now));
        let slots = self.grid().slots_in(from, to).intersection(over);
        let (length, slots_max) = (slots.len(), Request::SLOTS_MAX);
        if length > slots_max {
            let error = RequestError::TooLong { slots: length, slots_max };
            return Err(SeriesError::request(self.key(), error));
        }
        let directory = loop {
            let epoch = state.epoch();
            shared.open(state).await?;
            let _pin = state.pin(slots);
            shared.load(state, slots).await?;
            let directory = state.directory();
            // What was forgotten meanwhile is not in it.
            if state.epoch() == epoch {
                break directory;
            }
        };
        shared.sweep_if_over();
        // The last of them may not be final yet, unless a feed has told of it.
        let end = over_end(&directory, &state.rules, now);
        Ok((directory, slots.intersection(Slots::new(i64::MIN, end))))
    }

    /// Since when the symbol is traded and until when it was, as far as is known here.
    ///
    /// # Errors
    /// [`SeriesError::Store`] if the database could not be asked.
    pub async fn listing(&self) -> Result<crate::venue::Listing, SeriesError> {
        let directory = self.shared.open(&self.state).await?;
        let head = directory.head();
        Ok(crate::venue::Listing { first: head.listing(), last: head.last() })
    }

    /// What was counted for this series, and what of it is in memory.
    pub fn stats(&self) -> SeriesStats {
        self.state.stats()
    }

    pub(super) fn follow(&self) -> Result<Arc<Following>, SeriesError> {
        let Some(connection) = &self.connection else {
            let (venue, kind) = (self.key().venue(), VenueErrorKind::Unsupported);
            let error = VenueError::new(venue, kind, "only what is stored is read here");
            return Err(SeriesError::venue(self.key(), error));
        };
        Ok(self.shared.follow(&self.state, connection))
    }

    pub(super) fn updates(&self) -> broadcast::Receiver<Update<R>> {
        self.state.updates.subscribe()
    }

    /// Where the longer slots of this venue are.
    pub(super) fn grid_of(&self, timeframe: Timeframe) -> Grid {
        let alignment = match &self.connection {
            Some(connection) => {
                let key = self.key().clone().with_timeframe(timeframe);
                connection.venue.alignment(&key)
            }
            None => self.grid().alignment(),
        };
        Grid::new(timeframe, alignment)
    }

    pub(super) fn closed_end(&self, grid: Grid) -> i64 {
        self.state.rules.closed_end(grid, self.now())
    }

    pub(super) fn traded(&self, grid: Grid) -> Slots {
        self.state.directory().head().traded(grid)
    }

    /// Waits until a time by the venue's clock.
    pub(super) async fn wait_until(&self, time: Time) {
        loop {
            let left = time.since(self.now());
            if left.is_zero() {
                return;
            }
            self.shared.clock.sleep(left).await;
        }
    }

    /// When something of `slots`, which could not be read, may be asked for again: the earliest of
    /// what failed there, or after the first pause of what fails.
    pub(super) fn retry_at(&self, slots: Slots) -> Time {
        let coverage = self.state.directory().coverage(slots);
        let failed = coverage.iter().filter_map(|(_, state)| match state {
            Known::Failed { retry_at, .. } => Some(retry_at),
            _ => None,
        });
        let first = || self.now().after(self.shared.options.failed.delay(1));
        failed.min().unwrap_or_else(first)
    }

    /// Waits until all slots before `end` are over, be it that the feed says so.
    pub(super) async fn wait_until_over(&self, end: i64) {
        loop {
            let now = self.now();
            if over_end(&self.state.directory(), &self.state.rules, now) >= end {
                return;
            }
            let until = self.grid().start_of(end).after(self.state.rules.patience);
            let wait = until.since(now).max(Duration::from_millis(1));
            self.shared.clock.sleep(wait).await;
        }
    }
}
