use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::Tick;

use super::error::SeriesError;
use super::gate::Obstacle;
use super::shared::{Connection, Shared};
use super::state::State;
use super::stats::count;
use crate::coverage::Backoff;
use crate::head::Head;
use crate::row::Row;
use crate::time::Slots;
use crate::venue::{Listing, VenueError, VenueErrorKind};

/// When the listing was asked for.
#[derive(Debug, Default)]
pub(super) struct ListingAsked {
    /// When the venue answered last.
    answered: Option<Tick>,
    /// When it failed, if it has since, and how often in a row.
    failed: Option<(Tick, u8)>,
}

impl ListingAsked {
    fn was_answered(&self, now: Tick, interval: Duration) -> bool {
        self.answered.is_some_and(|answered| now.since(answered) < interval)
    }

    fn is_due(&self, now: Tick, interval: Duration, pauses: &Backoff) -> bool {
        let is_early = |(at, count): (Tick, u8)| now.since(at) < pauses.delay(count);
        !self.was_answered(now, interval) && !self.failed.is_some_and(is_early)
    }
}

impl<R: Row> Shared<R> {
    /// Asks the venue since when the symbol is traded and until when it was, unless that was done
    /// not long ago. All who want to know at once ask once.
    pub(super) async fn ask_listing(
        self: &Arc<Self>,
        state: &Arc<State<R>>,
        connection: &Connection<R>,
    ) -> Result<(), SeriesError> {
        let (shared, asked) = (Arc::clone(self), Arc::clone(state));
        let connection = connection.clone();
        let begin = |_| async move { shared.learn_listing(&asked, &connection).await };
        let landed = state.listings.join((), begin).landed().await;
        landed.unwrap_or_else(|| Err(SeriesError::stopped(&state.key)))
    }

    /// Whether the listing is neither known nor was asked for of late.
    pub(super) fn may_ask_listing(&self, state: &State<R>) -> bool {
        state.directory().head().listing().is_none() && self.is_listing_due(state)
    }

    /// Whether the symbol is said to be traded no more, and that was not asked for of late: some are
    /// traded again.
    pub(super) fn may_ask_end(&self, state: &State<R>) -> bool {
        state.directory().head().last().is_some() && self.is_listing_due(state)
    }

    fn is_listing_due(&self, state: &State<R>) -> bool {
        let (now, options) = (self.clock.monotonic(), &self.options);
        state.listing_asked.lock().is_due(now, options.listing_interval, &options.failed)
    }

    async fn learn_listing(
        &self,
        state: &State<R>,
        connection: &Connection<R>,
    ) -> Result<(), SeriesError> {
        let interval = self.options.listing_interval;
        if state.listing_asked.lock().was_answered(self.clock.monotonic(), interval) {
            return Ok(());
        }
        let epoch = state.epoch();
        let listing = self.call_listing(state, connection).await;
        let now = self.clock.monotonic();
        let listing = listing.map_err(|error| {
            let mut asked = state.listing_asked.lock();
            let count = asked.failed.map_or(0, |(_, count)| count);
            asked.failed = Some((now, count.saturating_add(1)));
            SeriesError::venue(&state.key, error)
        })?;
        if let Some(first) = listing.first {
            let learned = |head: &Head| {
                let mut head = head.clone();
                head.listed(first);
                match listing.last {
                    Some(last) => head.ended(last),
                    None => head.resumed(),
                }
                head
            };
            self.change_head(state, epoch, learned).await?;
        }
        // What was not kept is asked for again.
        if state.epoch() == epoch {
            *state.listing_asked.lock() = ListingAsked { answered: Some(now), failed: None };
        }
        Ok(())
    }

    async fn call_listing(
        &self,
        state: &State<R>,
        connection: &Connection<R>,
    ) -> Result<Listing, VenueError> {
        let Connection { venue, gate } = connection;
        let _place = gate.place().await;
        let weight = venue.weight(&state.key, Slots::one(0));
        let trial = loop {
            match gate.pass(weight, self.clock.monotonic(), self.options.retry.wait_max) {
                Ok(trial) => break trial,
                Err(Obstacle::Held(error)) => return Err(error),
                Err(Obstacle::Wait(wait)) => self.clock.sleep(wait).await,
            }
        };
        count(&state.counters.listing_calls);
        let began = self.clock.monotonic();
        let timeout = self.options.call_timeout;
        let listing = tokio::select! {
            listing = venue.listing(&state.key) => listing,
            () = self.clock.sleep(timeout) => {
                let message = format!("no answer within {timeout:?}");
                Err(VenueError::new(venue.name(), VenueErrorKind::Timeout, message))
            }
        };
        let ended = self.clock.monotonic();
        gate.hear(venue.used_weight(), ended);
        match &listing {
            // One that tells of no listings may not have been called for it.
            Ok(listing) if *listing == Listing::UNTOLD => {}
            Ok(_) => gate.answered(),
            Err(error) => {
                let pause = error.retry_after().unwrap_or(self.options.retry.pause.first);
                gate.failed(error, pause, began, ended);
            }
        }
        drop(trial);
        listing
    }
}
