use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use super::error::SeriesError;
use super::options::over_time;
use super::page::{PageCall, first_in_reach};
use super::patience::Patience;
use super::progress::Told;
use super::reading::{Parts, Reading};
use super::shared::{Connection, Shared};
use super::sources::Source;
use super::state::State;
use super::stats::{add, count};
use crate::chunk::Chunk;
use crate::coverage::State as Known;
use crate::fill::Fill;
use crate::plan::{Page, Paging, plan};
use crate::request::{Completeness, Report, Request, RequestError, Selection, Window};
use crate::row::Row;
use crate::store::StoreError;
use crate::time::{Slots, Time};
use crate::venue::VenueError;
use crate::view::{Directory, Seed};

/// One request on its way.
pub(super) struct Read<'all, R: Row> {
    pub(super) shared: &'all Arc<Shared<R>>,
    pub(super) state: &'all Arc<State<R>>,
    /// The venue; none if nobody is to be asked.
    pub(super) connection: Option<&'all Connection<R>>,
    pub(super) request: Request,
    pub(super) told: Told,
    patience: Patience,
    trace: Vec<(Slots, Source)>,
    /// Pages that failed: not asked for again by this request.
    failed: BTreeSet<i64>,
    failure: Option<VenueError>,
    unsaved: Option<StoreError>,
    has_asked_listing: bool,
    has_asked_seed: bool,
    /// So many pages in a row had nothing.
    pages_without_rows: u32,
    /// What has failed makes the answer incomplete, so nothing more is asked for.
    gave_up: bool,
}

/// A request for more pages at once asks for the listing first, so that it asks for none before it.
const PAGES_WITHOUT_LISTING: usize = 8;

impl<'all, R: Row> Read<'all, R> {
    pub(super) fn new(
        shared: &'all Arc<Shared<R>>,
        state: &'all Arc<State<R>>,
        connection: Option<&'all Connection<R>>,
        request: Request,
        told: Told,
    ) -> Self {
        let connection = connection.filter(|_| !request.offline);
        let request = if connection.is_none() { request.offline() } else { request };
        Self {
            shared,
            state,
            connection,
            request,
            told,
            patience: Patience::new(shared.options.check_wait),
            trace: Vec::new(),
            failed: BTreeSet::new(),
            failure: None,
            unsaved: None,
            has_asked_listing: false,
            has_asked_seed: false,
            pages_without_rows: 0,
            gave_up: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<Reading<R>, SeriesError> {
        let counters = &self.state.counters;
        let result = self.answer().await;
        match &result {
            Ok(reading) => {
                count(&counters.reads);
                add(&counters.rows_from_memory, reading.rows_from(Source::Memory));
                add(&counters.rows_from_database, reading.rows_from(Source::Database));
                add(&counters.rows_from_venue, reading.rows_from(Source::Venue));
            }
            Err(_) => count(&counters.read_errors),
        }
        self.shared.sweep_if_over();
        self.shared.tell_uses_if_due();
        result
    }

    async fn answer(&mut self) -> Result<Reading<R>, SeriesError> {
        let (shared, state) = (self.shared, self.state);
        let Some(connection) = self.connection else { return self.answer_offline().await };
        if !self.is_past() {
            let every = shared.options.clock_interval;
            let look = connection.gate.check_clock(&connection.venue, &shared.clock, every);
            // What is stored can be told without it, and no page is asked for before it is known.
            let _ = self.patience.wait(&shared.clock, look).await;
        }
        let paging = connection.venue.paging(&state.key);
        let paging = paging.map_err(|error| SeriesError::venue(&state.key, error))?;
        // Each pin is held until the next one is, so that nothing goes in between.
        let mut _pin;
        loop {
            self.patience.settle();
            // What was forgotten meanwhile is read again.
            let directory = shared.open(state).await?;
            let now = shared.now(Some(connection));
            if self.may_ask_end(&directory, now) {
                self.has_asked_listing = true;
                // What is known of it holds otherwise.
                let listing = shared.ask_listing(state, connection);
                if matches!(self.patience.wait(&shared.clock, listing).await, Some(Ok(()))) {
                    continue;
                }
            }
            let selection = match self.select(&directory, now) {
                Err(RequestError::ListingUnknown) if !self.has_asked_listing => {
                    self.has_asked_listing = true;
                    shared.ask_listing(state, connection).await?;
                    continue;
                }
                selection => self.typed(selection)?,
            };
            let (slots, is_settled) = match selection {
                Selection::Slots(slots) => (slots, true),
                Selection::Ask(slots) => (slots, false),
            };
            self.touch(slots);
            let seed = if is_settled { self.seed(&directory, slots, paging) } else { None };
            if is_settled && seed.is_none() && state.is_proven(&directory, slots, now) {
                return Ok(self.finish(&directory, slots, now, None));
            }
            let around = paging.around(slots);
            _pin = state.pin(around.hull(seed.unwrap_or_default()));
            let loads_seed = seed.is_some() && self.load(seed.unwrap_or_default()).await?;
            if self.load(around).await? || loads_seed {
                continue;
            }
            let mut pages = self.pages(&directory, slots, paging, now);
            if self.asks_listing_first(&directory, slots, pages.len()) {
                self.has_asked_listing = true;
                // Without it more pages are asked for than need be, and nothing else.
                let listing = shared.ask_listing(state, connection);
                let told = match pages.iter().all(|page| is_check(state, page, slots)) {
                    true => self.patience.wait(&shared.clock, listing).await,
                    false => Some(listing.await),
                };
                if matches!(told, Some(Ok(()))) {
                    continue;
                }
            }
            if let Some(seed) = seed {
                // What it is carried from is asked for once.
                self.has_asked_seed = true;
                let mut before = self.pages(&directory, seed, paging, now);
                before.retain(|page| pages.iter().all(|other| other.index != page.index));
                pages.extend(before);
            }
            if pages.is_empty() || self.gave_up {
                let slots = if is_settled { slots } else { self.reach(&directory, slots, now) };
                return self.judge(&directory, slots, now);
            }
            self.fetch(connection, paging, pages, slots).await?;
            // Where rows are counted, nobody knows how far it is to the next one.
            let max = shared.options.pages_without_rows_max;
            self.gave_up |= !is_settled && self.pages_without_rows >= max;
        }
    }

    fn typed<T>(&self, result: Result<T, RequestError>) -> Result<T, SeriesError> {
        result.map_err(|error| SeriesError::request(&self.state.key, error))
    }

    /// Up to when slots count as over for this request.
    fn time(&self, directory: &Directory<R>, now: Time) -> Time {
        over_time(directory, &self.state.rules, now)
    }

    /// Whether all that is meant is over as far as this machine knows, so that it need not be known
    /// exactly what time it is: before a page is asked for it will be.
    fn is_past(&self) -> bool {
        let grid = self.state.grid;
        match self.request.window {
            Window::Range { to, .. } | Window::Until { to, .. } => {
                grid.slot_from(to) <= self.state.rules.closed_end(grid, self.now())
            }
            Window::Last { .. } | Window::Since { .. } => false,
        }
    }

    fn select(&self, directory: &Directory<R>, now: Time) -> Result<Selection, RequestError> {
        self.request.select(directory, self.time(directory, now))
    }

    /// The slots of an answer that could not be counted to its end.
    fn reach(&self, directory: &Directory<R>, asked: Slots, now: Time) -> Slots {
        let grid = self.state.grid;
        let closed = grid.closed_end(self.time(directory, now));
        let traded = directory.head().traded(grid);
        match self.request.window {
            Window::Since { from, .. } => {
                Slots::new(grid.slot_from(from).max(traded.start), asked.end)
            }
            Window::Until { to, .. } | Window::Range { to, .. } => {
                Slots::new(asked.start, closed.min(traded.end).min(grid.slot_from(to)))
            }
            Window::Last { .. } => Slots::new(asked.start, closed.min(traded.end)),
        }
    }

    pub(super) fn touch(&self, slots: Slots) {
        let indices = Chunk::<R>::indices_of(slots);
        self.state.recency.lock().read(indices, self.shared.clock.monotonic());
    }

    /// What is to be looked up or asked for to know which row a fill carries into `slots`.
    fn seed(&self, directory: &Directory<R>, slots: Slots, paging: Paging) -> Option<Slots> {
        let carries = matches!(self.request.fill, Fill::PreviousClose(_) | Fill::Linear);
        if !carries || self.has_asked_seed || slots.is_empty() {
            return None;
        }
        match directory.seed_before(slots.start) {
            Seed::Unknown(span) => {
                let page = paging.slots_of(paging.index_of(span.end - 1));
                // Of the chunk that is looked at no more is unknown than this.
                Some(page.intersection(Slots::new(i64::MIN, span.end)))
            }
            Seed::Row(..) | Seed::Nothing => None,
        }
    }

    /// Reads from the database what is not in memory, and tells whether there was anything.
    pub(super) async fn load(&mut self, slots: Slots) -> Result<bool, SeriesError> {
        let loaded = self.shared.load(self.state, slots).await?;
        let chunks = loaded.len() as u64;
        self.trace.extend(loaded.into_iter().map(|span| (span, Source::Database)));
        if chunks > 0 {
            self.told.change(|progress| progress.chunks_loaded += chunks);
        }
        Ok(chunks > 0)
    }

    /// The pages that are to be asked for, without those that have failed.
    fn pages(
        &self,
        directory: &Directory<R>,
        slots: Slots,
        paging: Paging,
        now: Time,
    ) -> Vec<Page> {
        let closed_end = self.state.rules.closed_end(self.state.grid, now);
        let mut pages = plan(directory, slots, paging, closed_end, now).pages;
        pages.retain(|page| !self.failed.contains(&page.index));
        pages
    }

    fn asks_listing_first(&self, directory: &Directory<R>, slots: Slots, pages: usize) -> bool {
        // What the venue does not answer is missing only where the symbol was traded.
        let first = self.connection.and_then(|venue| first_in_reach(venue, self.state, self.now()));
        let reaches_beyond = first.is_some_and(|first| pages > 0 && slots.start < first);
        !self.has_asked_listing
            && (pages > PAGES_WITHOUT_LISTING || reaches_beyond)
            && directory.rows_before(slots.start) == 0
            && self.shared.may_ask_listing(self.state)
    }

    /// Whether the request reaches beyond the symbol's end, so that it matters whether it still is.
    fn may_ask_end(&self, directory: &Directory<R>, now: Time) -> bool {
        if self.has_asked_listing || directory.head().last().is_none() {
            return false;
        }
        let grid = self.state.grid;
        let closed = grid.closed_end(self.time(directory, now));
        let end = match self.request.window {
            Window::Range { to, .. } | Window::Until { to, .. } => closed.min(grid.slot_from(to)),
            Window::Last { .. } | Window::Since { .. } => closed,
        };
        end > directory.head().traded(grid).end && self.shared.may_ask_end(self.state)
    }

    /// Asks for pages, a few at once. Of what has failed no page of this request is asked for again;
    /// a request that wants everything ends with the first.
    async fn fetch(
        &mut self,
        connection: &Connection<R>,
        paging: Paging,
        pages: Vec<Page>,
        slots: Slots,
    ) -> Result<(), SeriesError> {
        let total = pages.len() as u64;
        self.told.change(|progress| progress.pages = progress.pages_done + total);
        let at_once = connection.gate.calls_max().saturating_mul(2).clamp(1, 64);
        self.patience.settle();
        let (shared, state, patience) = (self.shared, self.state, &self.patience);
        let calls = pages.into_iter().map(|page| {
            let is_check = is_check(state, &page, slots);
            let call = PageCall {
                shared: Arc::clone(shared),
                state: Arc::clone(state),
                connection: connection.clone(),
                paging,
                index: page.index,
            };
            async move {
                let wanted = page.slots.intersection(slots);
                let result = match is_check {
                    true => call.check(wanted, patience).await.transpose(),
                    false => call.join().landed().await.map(Some),
                };
                (page, is_check, result)
            }
        });
        let mut calls = std::pin::pin!(stream::iter(calls).buffer_unordered(at_once));
        while let Some((page, is_check, result)) = calls.next().await {
            match result {
                // What is known will do.
                Ok(None) => drop(self.failed.insert(page.index)),
                Ok(Some(fetched)) => {
                    if !fetched.found.is_empty() {
                        self.trace.push((fetched.found, Source::Database));
                    }
                    if !fetched.answered.is_empty() {
                        self.trace.push((fetched.answered, Source::Venue));
                        self.pages_without_rows =
                            if fetched.has_rows { 0 } else { self.pages_without_rows + 1 };
                    }
                    self.unsaved = self.unsaved.take().or(fetched.unsaved);
                    self.told.change(|progress| progress.pages_done += 1);
                }
                Err(SeriesError::Venue { source, .. }) => {
                    self.failed.insert(page.index);
                    self.failure = Some(source);
                    let is_wanted = !is_check && !page.slots.intersection(slots).is_empty();
                    if is_wanted && self.request.completeness == Completeness::Strict {
                        self.gave_up = true;
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The answer, if it is as complete as was asked.
    pub(super) fn judge(
        &mut self,
        directory: &Arc<Directory<R>>,
        slots: Slots,
        now: Time,
    ) -> Result<Reading<R>, SeriesError> {
        // Once more: what was loaded meanwhile is read now.
        self.touch(slots);
        let report = Report::new(directory, slots, self.request.completeness);
        if report.failed > 0 && self.failure.is_none() {
            self.failure = self.state.failure.lock().clone();
        }
        if !report.verdict.is_satisfied() {
            return Err(SeriesError::Incomplete {
                series: self.state.key.to_string(),
                report: Box::new(report),
                cause: self.failure.take(),
            });
        }
        if report.missing_slots() == 0 {
            self.state.prove(directory, slots, now, next_due(directory, slots));
        }
        Ok(self.finish(directory, slots, now, Some(report)))
    }

    pub(super) fn finish(
        &mut self,
        directory: &Arc<Directory<R>>,
        slots: Slots,
        now: Time,
        report: Option<Report>,
    ) -> Reading<R> {
        // Only the row that grows now and right behind the answer belongs to it.
        let grows = |slot: i64| slot == slots.end && slot == self.state.grid.slot_at(now);
        let open = self.state.feed.lock().open().map(|(slot, row)| (slot, row.clone()));
        Reading::new(Parts {
            directory: Arc::clone(directory),
            slots,
            request: self.request,
            report,
            trace: std::mem::take(&mut self.trace),
            open: open.filter(|(slot, _)| grows(*slot)),
            failure: self.failure.take(),
            unsaved: self.unsaved.take(),
        })
    }

    pub(super) fn now(&self) -> Time {
        self.shared.now(self.connection)
    }

    pub(super) fn closed(&self, directory: &Directory<R>) -> i64 {
        self.state.grid.closed_end(self.time(directory, self.now()))
    }

    pub(super) fn select_within(
        &self,
        directory: &Directory<R>,
        slots_max: u64,
    ) -> Result<Selection, RequestError> {
        let request = self.request.with_slots_max(slots_max);
        request.select(directory, self.time(directory, self.now()))
    }
}

/// Whether what is wanted of a page is known, and only to be checked; the page may have more.
fn is_check<R: Row>(state: &State<R>, page: &Page, slots: Slots) -> bool {
    let wanted = page.slots.intersection(slots);
    !wanted.is_empty() && state.is_known(wanted)
}

/// From when on something of `slots` is to be asked for again.
fn next_due<R: Row>(directory: &Directory<R>, slots: Slots) -> Time {
    let known = directory.coverage(slots);
    let due = known.iter().filter_map(|(_, state)| match state {
        Known::Settling { check_at } => Some(check_at),
        Known::Empty { check_at, .. } => check_at,
        Known::Failed { retry_at, .. } => Some(retry_at),
        _ => None,
    });
    due.min().unwrap_or(Time::MAX)
}
