use std::collections::BTreeMap;
use std::sync::Arc;

use super::Venue;
use crate::key::{Environment, SeriesKey};
use crate::row::Row;

/// Venues by name, in whatever case, and environment.
///
/// ```
/// # use async_trait::async_trait;
/// # use cache_series::{admit::{Answer, Reach}, plan::Paging, row::Candle, time::Slots};
/// # use cache_series::venue::{Venue, VenueError};
/// # #[derive(Debug)]
/// # struct Binance;
/// # #[async_trait]
/// # impl Venue<Candle> for Binance {
/// #     fn name(&self) -> &str { "Binance" }
/// #     fn paging(&self, _: &SeriesKey) -> Result<Paging, VenueError> { Ok(Paging::new(1)) }
/// #     async fn page(&self, _: &SeriesKey, _: Slots) -> Result<Answer<Candle>, VenueError> {
/// #         Ok(Answer { rows: Vec::new(), reach: Reach::Whole })
/// #     }
/// # }
/// use std::sync::Arc;
///
/// use cache_series::key::{Environment, SeriesKey};
/// use cache_series::time::Timeframe;
/// use cache_series::venue::Venues;
///
/// let venues = Venues::new().with(Arc::new(Binance));
/// let minutes = SeriesKey::new("BINANCE", "BTCUSDT", Timeframe::Minute1)?;
/// assert!(venues.of(&minutes).is_ok());
/// let error = venues.of(&minutes.with_environment(Environment::Testnet)).unwrap_err();
/// assert_eq!(error.to_string(), "no venue binance (testnet); there are: binance (live)");
/// # Ok::<(), cache_series::key::SeriesKeyError>(())
/// ```
#[derive(Debug)]
pub struct Venues<R: Row> {
    venues: BTreeMap<(String, Environment), Arc<dyn Venue<R>>>,
}

/// There is no connector for what a key names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no venue {venue} ({environment}); there are: {}", .known.join(", "))]
pub struct UnknownVenue {
    /// The venue's name.
    pub venue: String,
    /// Which of its worlds.
    pub environment: Environment,
    /// Those that there are, with their environments.
    pub known: Vec<String>,
}

impl<R: Row> Venues<R> {
    /// None.
    pub fn new() -> Self {
        Self { venues: BTreeMap::new() }
    }

    /// These and another, in place of one of the same name and environment.
    pub fn with(mut self, venue: Arc<dyn Venue<R>>) -> Self {
        self.add(venue);
        self
    }

    /// Adds another; the one of the same name and environment that it replaces is answered.
    pub fn add(&mut self, venue: Arc<dyn Venue<R>>) -> Option<Arc<dyn Venue<R>>> {
        let name = venue.name().to_ascii_lowercase();
        self.venues.insert((name, venue.environment()), venue)
    }

    /// The one of this name, in whatever case, and environment.
    pub fn get(&self, name: &str, environment: Environment) -> Option<&Arc<dyn Venue<R>>> {
        self.venues.get(&(name.to_ascii_lowercase(), environment))
    }

    /// The one that a key names.
    ///
    /// # Errors
    /// [`UnknownVenue`] if there is none.
    pub fn of(&self, key: &SeriesKey) -> Result<&Arc<dyn Venue<R>>, UnknownVenue> {
        self.get(key.venue(), key.environment()).ok_or_else(|| UnknownVenue {
            venue: key.venue().to_owned(),
            environment: key.environment(),
            known: self.names().map(|(name, world)| format!("{name} ({world})")).collect(),
        })
    }

    /// Names and environments of those that there are.
    pub fn names(&self) -> impl ExactSizeIterator<Item = (&str, Environment)> + '_ {
        self.venues.keys().map(|(name, environment)| (name.as_str(), *environment))
    }
}

impl<R: Row> Default for Venues<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Row> Clone for Venues<R> {
    fn clone(&self) -> Self {
        Self { venues: self.venues.clone() }
    }
}
