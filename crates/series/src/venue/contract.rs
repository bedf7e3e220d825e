use std::fmt::Debug;

use async_trait::async_trait;

use super::{FeedStream, Limits, Listing, UsedWeight, VenueError, VenueErrorKind};
use crate::admit::Answer;
use crate::key::{Environment, SeriesKey};
use crate::plan::Paging;
use crate::row::Row;
use crate::time::{Alignment, Slots, Time};

/// A venue, as a connector speaks with it.
///
/// A connector translates and no more: it caches nothing, repeats nothing, waits for nothing and
/// sorts nothing out. When to ask, how often and what to believe is decided here, from what
/// [`limits`](Self::limits), [`weight`](Self::weight) and the errors say.
///
/// A future of a connector is dropped when nobody waits for its answer any more; it must not leave
/// anything half done.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use async_trait::async_trait;
/// use cache_series::admit::{Answer, Reach};
/// use cache_series::key::SeriesKey;
/// use cache_series::plan::Paging;
/// use cache_series::row::Candle;
/// use cache_series::time::{Alignment, Grid, Slots};
/// use cache_series::venue::{Venue, VenueError};
///
/// /// A venue that has all it will ever have.
/// #[derive(Debug)]
/// struct Recording(BTreeMap<i64, Candle>);
///
/// #[async_trait]
/// impl Venue<Candle> for Recording {
///     fn name(&self) -> &str {
///         "recording"
///     }
///
///     fn paging(&self, _: &SeriesKey) -> Result<Paging, VenueError> {
///         Ok(Paging::new(500))
///     }
///
///     async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
///         let grid = Grid::new(key.timeframe(), self.alignment(key));
///         let rows = self.0.range(slots.start..slots.end);
///         let rows = rows.map(|(slot, row)| (grid.start_of(*slot), *row)).collect();
///         Ok(Answer { rows, reach: Reach::Whole })
///     }
/// }
/// ```
#[async_trait]
pub trait Venue<R: Row>: Debug + Send + Sync + 'static {
    /// Its name as it stands in keys, in whatever case: `binance`.
    fn name(&self) -> &str;

    /// Which of the venue's worlds this connector speaks with. What it answers is kept under this
    /// environment and no other, whatever key it was asked with.
    fn environment(&self) -> Environment {
        Environment::Live
    }

    /// Where the venue's days and weeks begin, for this series. It must not change, for it says
    /// which slot a stored row is in.
    fn alignment(&self, _: &SeriesKey) -> Alignment {
        Alignment::UTC
    }

    /// How many slots of this series the venue answers at once. It may differ from one release to
    /// the next: nothing stored depends on it.
    ///
    /// # Errors
    /// [`VenueErrorKind::Unsupported`] if the venue has no such timeframe, market or price;
    /// nothing is asked for then.
    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError>;

    /// How many of the newest slots of this series that are over the venue answers at all; `None` if
    /// all there ever were. It is not asked for slots before them: to want one that is not known yet
    /// is an error of kind [`VenueErrorKind::Unsupported`], and nothing is said of what is there.
    fn depth(&self, _: &SeriesKey) -> Option<u64> {
        None
    }

    /// How fast and how many at once it may be asked.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// What a call for so many slots takes of the allowance in [`limits`](Self::limits).
    fn weight(&self, _: &SeriesKey, _: Slots) -> u32 {
        1
    }

    /// How much of the allowance in [`limits`](Self::limits) is used, as the venue said last with
    /// whichever reply, in the measure of [`weight`](Self::weight); looked at after each call. Other
    /// programs may use the same allowance, which the cache does not see otherwise. A venue that does
    /// not tell is counted by the calls that are made here alone.
    fn used_weight(&self) -> Option<UsedWeight> {
        None
    }

    /// Asks for the rows of `slots`, in one call. They are never more than a
    /// [page](Self::paging) has, and are over by the venue's clock but for its lag.
    ///
    /// The answer says how much of `slots` it speaks of. An answer without rows that speaks of the
    /// whole is believed on a backoff only; an error is never an empty answer.
    ///
    /// # Errors
    /// [`VenueError`], whatever went wrong.
    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<R>, VenueError>;

    /// Since when the symbol is traded, and until when it was. Asked for rarely: where a request
    /// cannot be answered without it, where the venue had nothing before the first row, and where a
    /// request reaches beyond the end that was told.
    ///
    /// # Errors
    /// [`VenueErrorKind::UnknownSymbol`] for a symbol that the venue does not have;
    /// [`VenueError`] otherwise if it could not be asked. A venue that does not tell answers
    /// [`Listing::UNTOLD`].
    async fn listing(&self, _: &SeriesKey) -> Result<Listing, VenueError> {
        Ok(Listing::UNTOLD)
    }

    /// What the venue's clock shows; `None` if it has none to look at. Asked for now and then, to
    /// know which slots are over by its time and not by this machine's.
    ///
    /// # Errors
    /// [`VenueError`] if it could not be asked: this machine's clock is believed then.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        Ok(None)
    }

    /// Connects to what the venue tells of this series as it happens. The stream ends, or has an
    /// error as its last item, once the connection is lost; connecting again is not the
    /// connector's business.
    ///
    /// # Errors
    /// [`VenueErrorKind::Unsupported`] if the venue tells nothing; [`VenueError`] otherwise if it
    /// could not be reached.
    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<R>, VenueError> {
        let message = format!("{} tells nothing of {key} as it happens", self.name());
        Err(VenueError::new(self.name(), VenueErrorKind::Unsupported, message))
    }
}
