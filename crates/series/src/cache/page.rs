use std::sync::Arc;
use std::time::Duration;

use super::error::SeriesError;
use super::flights::{Flight, Joined, Mark};
use super::gate::{Obstacle, Trial};
use super::shared::{Connection, Shared};
use super::state::{Epoch, State};
use super::stats::{add, count};
use crate::admit::{Answer, admit};
use crate::plan::{Paging, plan};
use crate::row::Row;
use crate::store::StoreError;
use crate::time::{Slots, Time};
use crate::venue::{VenueError, VenueErrorKind};

/// By what calls for one page meet: the length of pages, and which of them.
pub(super) type PageKey = (u32, i64);

/// What became of a page that was wanted.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    /// The slots that the venue spoke of; empty if others had asked for them meanwhile.
    pub(super) answered: Slots,
    /// The slots that another process had asked for, as the database says.
    pub(super) found: Slots,
    /// Whether there were rows.
    pub(super) has_rows: bool,
    /// Why it could not be stored. It is in memory.
    pub(super) unsaved: Option<StoreError>,
}

/// A page that is asked for, by a task of its own.
pub(super) struct PageCall<R: Row> {
    pub(super) shared: Arc<Shared<R>>,
    pub(super) state: Arc<State<R>>,
    pub(super) connection: Connection<R>,
    pub(super) paging: Paging,
    pub(super) index: i64,
}

/// The first slot of which the venue answers at all, if it does not of all.
pub(super) fn first_in_reach<R: Row>(
    connection: &Connection<R>,
    state: &State<R>,
    now: Time,
) -> Option<i64> {
    let depth = connection.venue.depth(&state.key)?;
    let closed_end = state.rules.closed_end(state.grid, now);
    Some(closed_end.saturating_sub(i64::try_from(depth).unwrap_or(i64::MAX)))
}

type PageFlight = Flight<PageKey, Result<Fetched, SeriesError>>;

/// The call for a page that was joined.
pub(super) struct JoinedPage<R: Row> {
    state: Arc<State<R>>,
    flight: Joined<Result<Fetched, SeriesError>>,
}

impl<R: Row> JoinedPage<R> {
    /// Set once its failure is counted, or its answer kept.
    pub(super) fn mark(&self) -> &Arc<Mark> {
        self.flight.mark()
    }

    /// What became of it.
    pub(super) async fn landed(self) -> Result<Fetched, SeriesError> {
        let Self { state, flight } = self;
        flight.landed().await.unwrap_or_else(|| Err(SeriesError::stopped(&state.key)))
    }
}

impl<R: Row> PageCall<R> {
    /// Joins the call for this page, or makes it.
    pub(super) fn join(self) -> JoinedPage<R> {
        let state = Arc::clone(&self.state);
        let key = self.key();
        let begin = |flight: Arc<PageFlight>| async move { self.fly(&flight).await };
        let flight = state.pages.join(key, begin);
        if !flight.is_begun() {
            count(&state.counters.page_joins);
        }
        JoinedPage { state, flight }
    }

    pub(super) fn key(&self) -> PageKey {
        (self.paging.slots(), self.index)
    }

    /// Makes the call, again if it fails in passing; one that only checks what is known is made once,
    /// and waits for no venue that wants to be left alone. Until it is sent, it ends when nobody waits
    /// for it any more; what was sent is paid for, and its answer is kept.
    async fn fly(&self, flight: &PageFlight) -> Result<Fetched, SeriesError> {
        let retry = self.shared.options.retry;
        let counters = &self.state.counters;
        let mut attempt: u8 = 0;
        let mut found = self.wanted();
        if !self.unless_abandoned(flight, self.shared.look_again(&self.state, found)).await?? {
            found = Slots::default();
        }
        loop {
            attempt = attempt.saturating_add(1);
            let place = self.unless_abandoned(flight, self.connection.gate.place()).await?;
            // Memory may have forgotten since.
            self.unless_abandoned(flight, self.shared.open(&self.state)).await??;
            // Before that nobody knows which slots are over.
            let timed = self.unless_abandoned(flight, self.check_clock()).await?;
            let is_timed = timed.is_ok();
            let (slots, trial) = match &timed {
                Ok(()) => match self.unless_abandoned(flight, self.pass()).await? {
                    Ok(passed) => passed,
                    Err(error) => return Err(self.failed(flight, self.wanted(), error)),
                },
                Err(_) => (self.wanted(), None),
            };
            if slots.is_empty() {
                let nothing = Slots::default();
                return Ok(Fetched { answered: nothing, found, has_rows: false, unsaved: None });
            }
            let (epoch, now) = (self.state.epoch(), self.now());
            let began = self.shared.clock.monotonic();
            let answer = match timed {
                Ok(()) => self.call(slots).await,
                Err(error) => Err(error),
            };
            // What follows needs no place, and may need another call.
            drop(place);
            let error = match answer {
                Ok(answer) => {
                    self.connection.gate.answered();
                    drop(trial);
                    return self.take(flight, answer, slots, epoch, now).await;
                }
                Err(error) => error,
            };
            count(&counters.page_failures);
            let pause = error.retry_after().unwrap_or_else(|| retry.pause.delay(attempt));
            let (gate, ended) = (&self.connection.gate, self.shared.clock.monotonic());
            if is_timed {
                // Otherwise that was done where the clock was looked at.
                gate.failed(&error, pause, began, ended);
            }
            drop(trial);
            let attempts_max = if self.state.is_known(slots) { 1 } else { retry.attempts_max };
            let may_again = error.is_transient() && pause <= retry.wait_max && !gate.is_out(ended);
            if !may_again || u32::from(attempt) >= attempts_max {
                // A check of what is known is put off in any case, or it would be found due again.
                if !is_timed && !self.state.is_known(slots) {
                    // Nobody knows the time by which it is to be asked for again; the look at the
                    // clock has a pause of its own.
                    return Err(SeriesError::venue(&self.state.key, error));
                }
                return Err(self.failed(flight, slots, error));
            }
            self.unless_abandoned(flight, self.shared.clock.sleep(pause)).await?;
            count(&counters.page_retries);
        }
    }

    async fn unless_abandoned<T>(
        &self,
        flight: &PageFlight,
        future: impl Future<Output = T>,
    ) -> Result<T, SeriesError> {
        tokio::select! {
            biased;
            value = future => Ok(value),
            () = flight.abandoned() => Err(SeriesError::stopped(&self.state.key)),
        }
    }

    async fn check_clock(&self) -> Result<(), VenueError> {
        let Connection { venue, gate } = &self.connection;
        let Shared { clock, options, .. } = &*self.shared;
        gate.check_clock(venue, clock, options.clock_interval).await
    }

    /// Waits until a call may go; answers for what, and whether it tries a venue that was out. Others
    /// may have asked for it meanwhile.
    async fn pass(&self) -> Result<(Slots, Option<Trial<'_>>), VenueError> {
        loop {
            let slots = self.wanted();
            if slots.is_empty() {
                return Ok((slots, None));
            }
            if let Some(error) = self.beyond(slots) {
                return Err(error);
            }
            let wait_max = match self.state.is_known(slots) {
                true => Duration::ZERO,
                false => self.shared.options.retry.wait_max,
            };
            let weight = self.connection.venue.weight(&self.state.key, slots);
            let now = self.shared.clock.monotonic();
            match self.connection.gate.pass(weight, now, wait_max) {
                Ok(trial) => return Ok((slots, trial)),
                Err(Obstacle::Held(error)) => return Err(error),
                Err(Obstacle::Wait(wait)) => {
                    let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    add(&self.state.counters.held_ms, ms);
                    self.shared.clock.sleep(wait).await;
                }
            }
        }
    }

    /// Why the venue is not asked for slots that lie before all of which it answers.
    fn beyond(&self, slots: Slots) -> Option<VenueError> {
        let first = first_in_reach(&self.connection, &self.state, self.now())?;
        if slots.end > first {
            return None;
        }
        let (name, first) = (self.connection.venue.name(), self.state.grid.start_of(first));
        let message = format!("it answers its newest rows alone, and none before {first}");
        Some(VenueError::new(name, VenueErrorKind::Unsupported, message))
    }

    async fn call(&self, slots: Slots) -> Result<Answer<R>, VenueError> {
        count(&self.state.counters.page_calls);
        let venue = &self.connection.venue;
        let timeout = self.shared.options.call_timeout;
        let answer = tokio::select! {
            answer = venue.page(&self.state.key, slots) => answer,
            () = self.shared.clock.sleep(timeout) => {
                let message = format!("no answer within {timeout:?}");
                Err(VenueError::new(venue.name(), VenueErrorKind::Timeout, message))
            }
        };
        self.connection.gate.hear(venue.used_weight(), self.shared.clock.monotonic());
        answer
    }

    /// Keeps what an answer proves.
    async fn take(
        &self,
        flight: &PageFlight,
        answer: Answer<R>,
        slots: Slots,
        epoch: Epoch,
        now: Time,
    ) -> Result<Fetched, SeriesError> {
        let (shared, state) = (&self.shared, &self.state);
        let admitted = admit(state.grid, slots, answer, state.rules, now);
        add(&state.counters.refused_rows, admitted.refused.len() as u64);
        if admitted.is_misaligned() {
            let rows = admitted.refused.len();
            let message = format!("none of its {rows} rows begins where a slot does");
            let (name, kind) = (self.connection.venue.name(), VenueErrorKind::Malformed);
            return Err(self.failed(flight, slots, VenueError::new(name, kind, message)));
        }
        let mut unsaved = None;
        for index in admitted.chunks() {
            let changed = shared.change(state, epoch, index, |known| admitted.apply(known)).await;
            unsaved = unsaved.or(changed.err());
        }
        if let Some((slot, row)) = &admitted.open {
            state.hear(state.grid.start_of(*slot), row.clone());
        }
        let answered = admitted.answered();
        let is_empty = admitted.rows().len() == 0 && admitted.refused.is_empty();
        if is_empty && answered == slots {
            self.learn_listing(slots).await;
        }
        if state.epoch() == epoch && self.wanted() == slots {
            // Nothing was learned, and the same call would be made for ever.
            if let Some(error) = unsaved {
                return Err(error.into());
            }
            let message = format!("its answer says nothing of slots {slots:?}");
            let (name, kind) = (self.connection.venue.name(), VenueErrorKind::Malformed);
            return Err(self.failed(flight, slots, VenueError::new(name, kind, message)));
        }
        state.answered(self.key(), flight.mark());
        let has_rows = admitted.rows().len() > 0;
        Ok(Fetched { answered, found: Slots::default(), has_rows, unsaved })
    }

    /// Where a venue has nothing, the symbol may not have been listed yet, or not be any more.
    async fn learn_listing(&self, slots: Slots) {
        let directory = self.state.directory();
        let nothing_before = directory.rows_before(slots.start) == 0;
        if nothing_before || slots.len() >= u64::from(self.paging.slots()) {
            // The page is known whatever becomes of this.
            let _ = self.shared.ask_listing(&self.state, &self.connection).await;
        }
    }

    fn failed(&self, flight: &PageFlight, slots: Slots, error: VenueError) -> SeriesError {
        let state = &self.state;
        let mut backoff = self.shared.options.failed;
        let pause = error.retry_after().unwrap_or_default();
        (backoff.first, backoff.max) = (backoff.first.max(pause), backoff.max.max(pause));
        let checks = state.count_failure(self.key(), flight.mark());
        state.mark_failed(state.epoch(), slots, self.now(), &backoff, checks);
        *state.failure.lock() = Some(error.clone());
        SeriesError::venue(&state.key, error)
    }

    fn now(&self) -> Time {
        self.shared.now(Some(&self.connection))
    }

    /// What of the page is to be asked for now.
    fn wanted(&self) -> Slots {
        let now = self.now();
        let directory = self.state.directory();
        let closed_end = self.state.rules.closed_end(self.state.grid, now);
        let slots = self.paging.slots_of(self.index);
        let plan = plan(&directory, slots, self.paging, closed_end, now);
        plan.pages.first().map_or_else(Slots::default, |page| page.slots)
    }
}
