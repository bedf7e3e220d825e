use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cache_series::time::Time;
use cache_series::venue::{Listing, VenueError};
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

use super::{klines, listing, request};
use crate::line::Line;
use crate::pace::Pace;

/// What a search finds, for all who wait for it.
type Flight = OnceCell<Result<Listing, VenueError>>;

/// The search for the first days of symbols: many calls, of which the cache counts one. All of them
/// keep to one pace; one symbol is looked for at a time, and once for all who want to know of it
/// meanwhile. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Search {
    line: Line,
    pace: Pace,
    turn: Arc<Semaphore>,
    flights: Arc<Mutex<HashMap<String, Weak<Flight>>>>,
}

impl Search {
    pub(super) fn new(line: Line, pace: Pace) -> Self {
        Self { line, pace, turn: Arc::new(Semaphore::new(1)), flights: Arc::default() }
    }

    /// Since when a symbol is traded. Where whoever leads the search goes away, another of those
    /// that wait begins it anew.
    pub(super) async fn listing(&self, base: &Url, symbol: &str) -> Result<Listing, VenueError> {
        let flight = self.flight(symbol);
        flight.get_or_init(|| self.search(base, symbol)).await.clone()
    }

    fn flight(&self, symbol: &str) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(symbol).and_then(Weak::upgrade) {
            return flight;
        }
        // Those that nobody waits for any more are over.
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::default();
        flights.insert(symbol.to_owned(), Arc::downgrade(&flight));
        flight
    }

    async fn search(&self, base: &Url, symbol: &str) -> Result<Listing, VenueError> {
        // Closed by nobody. Two searches beside each other would both take twice as long.
        let _turn = self.turn.acquire().await.ok();
        let product = request::product(base, symbol);
        self.pace.call(self.line.call(product, |body| listing::product(body, symbol))).await?;
        let clock = self.line.call(request::time(base), listing::server_time);
        let now = self.pace.call(clock).await?;
        let mut empty = Vec::new();
        let mut first = None;
        for span in listing::spans(now) {
            first = self.first_day(base, symbol, span).await?;
            if first.is_some() {
                break;
            }
            empty.push(span);
        }
        // An answer without days may be one that went wrong, and what it would hide would be taken
        // for never traded: it is believed once it was given again, some time after.
        for span in empty {
            let earlier = self.first_day(base, symbol, span).await?;
            if earlier.is_some() {
                first = earlier;
                break;
            }
        }
        Ok(first.map_or(Listing::UNTOLD, Listing::since))
    }

    async fn first_day(
        &self,
        base: &Url,
        symbol: &str,
        span: (Time, Time),
    ) -> Result<Option<Time>, VenueError> {
        let url = request::days(base, symbol, span);
        let read = |body: &[u8]| listing::first(&klines::klines(body)?, span);
        self.pace.call(self.line.call(url, read)).await
    }
}
