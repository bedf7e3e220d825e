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
    /// Of searches that were given up: no more than the exchange has products, for others have none.
    begun: Arc<Mutex<HashMap<String, Begun>>>,
}

/// How far a search has come. Whoever waits for it gives it up after a while, of which it may have
/// spent most behind others: were it begun anew each time, some would never end.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    /// In so many spans, from the oldest on, there seem to be no days.
    empty: usize,
    /// The first day of the span after them.
    first: Option<Time>,
    /// In so many of the empty ones there were none once more.
    confirmed: usize,
}

impl Search {
    pub(super) fn new(line: Line, pace: Pace) -> Self {
        Self {
            line,
            pace,
            turn: Arc::new(Semaphore::new(1)),
            flights: Arc::default(),
            begun: Arc::default(),
        }
    }

    /// Since when a symbol is traded. Where whoever leads the search goes away, another of those
    /// that wait goes on with it.
    pub(super) async fn listing(&self, base: &Url, symbol: &str) -> Result<Listing, VenueError> {
        let flight = self.flight(symbol);
        flight.get_or_init(|| self.search(base, symbol)).await.clone()
    }

    fn flight(&self, symbol: &str) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = flights.get(symbol).and_then(Weak::upgrade);
        // One that is over may be held still by who has not looked yet.
        if let Some(flight) = under_way.filter(|flight| !flight.initialized()) {
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
        let spans: Vec<_> = listing::spans(now).collect();
        let mut begun = self.begun(|all| all.get(symbol).copied()).unwrap_or_default();
        while begun.first.is_none()
            && let Some(span) = spans.get(begun.empty)
        {
            begun.first = self.first_day(base, symbol, *span).await?;
            begun.empty += usize::from(begun.first.is_none());
            self.begun(|all| all.insert(symbol.to_owned(), begun));
        }
        // An answer without days may be one that went wrong, and what it would hide would be taken
        // for never traded: it is believed once it was given again, some time after.
        for span in spans.iter().take(begun.empty).skip(begun.confirmed) {
            let earlier = self.first_day(base, symbol, *span).await?;
            if earlier.is_some() {
                begun.first = earlier;
                break;
            }
            begun.confirmed += 1;
            self.begun(|all| all.insert(symbol.to_owned(), begun));
        }
        self.begun(|all| all.remove(symbol));
        Ok(begun.first.map_or(Listing::UNTOLD, Listing::since))
    }

    fn begun<T>(&self, look: impl FnOnce(&mut HashMap<String, Begun>) -> T) -> T {
        look(&mut self.begun.lock().unwrap_or_else(PoisonError::into_inner))
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
