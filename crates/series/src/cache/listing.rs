use std::sync::Arc;

use super::error::SeriesError;
use super::gate::Obstacle;
use super::shared::{Connection, Shared};
use super::state::State;
use super::stats::count;
use crate::head::Head;
use crate::row::Row;
use crate::time::Slots;
use crate::venue::{Listing, VenueError, VenueErrorKind};

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
        let (landed, _) = state.listings.join((), begin).await;
        landed.unwrap_or_else(|| Err(SeriesError::stopped(&state.key)))
    }

    /// Whether the listing is neither known nor was asked for of late.
    pub(super) fn may_ask_listing(&self, state: &State<R>) -> bool {
        let now = self.clock.monotonic();
        let interval = self.options.listing_interval;
        state.directory().head().listing().is_none()
            && state.listing_asked.lock().is_none_or(|asked| now.since(asked) >= interval)
    }

    async fn learn_listing(
        &self,
        state: &State<R>,
        connection: &Connection<R>,
    ) -> Result<(), SeriesError> {
        let interval = self.options.listing_interval;
        let asked = *state.listing_asked.lock();
        if asked.is_some_and(|asked| self.clock.monotonic().since(asked) < interval) {
            return Ok(());
        }
        let epoch = state.epoch();
        let listing = self.call_listing(state, connection).await;
        let listing = listing.map_err(|error| SeriesError::venue(&state.key, error))?;
        *state.listing_asked.lock() = Some(self.clock.monotonic());
        let Some(first) = listing.first else { return Ok(()) };
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
        loop {
            match gate.pass(weight, self.clock.monotonic(), self.options.retry.wait_max) {
                Ok(()) => break,
                Err(Obstacle::Held(error)) => return Err(error),
                Err(Obstacle::Wait(wait)) => self.clock.sleep(wait).await,
            }
        }
        count(&state.counters.listing_calls);
        let timeout = self.options.call_timeout;
        let listing = tokio::select! {
            listing = venue.listing(&state.key) => listing,
            () = self.clock.sleep(timeout) => {
                let message = format!("no answer within {timeout:?}");
                Err(VenueError::new(venue.name(), VenueErrorKind::Timeout, message))
            }
        };
        if let Err(error) = &listing
            && error.kind().concerns_venue()
        {
            let pause = error.retry_after().unwrap_or(self.options.retry.pause.first);
            gate.hold(self.clock.monotonic().after(pause), error.clone());
        }
        listing
    }
}
