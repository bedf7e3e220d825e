use std::sync::Arc;
use std::time::Duration;

use cache_twse::calendar::{Lifetimes, MarketCalendar};
use tiers::clock::{Clock, SystemClock};

/// How a [`StockService`](crate::StockService) keeps what it has.
#[derive(Clone, Debug)]
pub struct StockServiceOptions {
    pub(crate) tiers: Vec<String>,
    pub(crate) calendar: MarketCalendar,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) stale_max: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl StockServiceOptions {
    /// Through these tiers, by the names under which they are registered, the nearest first. The
    /// calendar is Taiwan's without the holidays of the lunar year; what was known is served for a day
    /// while a market is away.
    pub fn new<Name: Into<String>>(tiers: impl IntoIterator<Item = Name>) -> Self {
        Self {
            tiers: tiers.into_iter().map(Into::into).collect(),
            calendar: MarketCalendar::taiwan(),
            lifetimes: Lifetimes::USUAL,
            stale_max: Duration::from_secs(24 * 3600),
            clock: Arc::new(SystemClock),
        }
    }

    /// Another calendar, with the holidays of the year.
    pub fn with_calendar(mut self, calendar: MarketCalendar) -> Self {
        self.calendar = calendar;
        self
    }

    /// Other lifetimes.
    pub fn with_lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// For how long past its time an answer is served while the market cannot be asked.
    pub fn with_stale_max(mut self, stale_max: Duration) -> Self {
        self.stale_max = stale_max;
        self
    }

    /// Another clock; the one that the cache was given.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
