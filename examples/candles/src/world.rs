use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::clock::{Clock, ManualClock, Timestamp};
use cache_core::storage::Storage;
use cache_exchanges::binance::{Binance, BinanceOptions};
use cache_series::cache::{MemoryBounds, Reading, Retry, Series, SeriesCache, SeriesOptions};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::session::SessionCalendar;
use cache_series::store::{Scope, Store};
use cache_series::time::Timeframe;
use cache_series::venue::Limits;
use cache_sqlite::SqliteOptions;
use tiers_local_venue::LocalVenue;

use crate::AnyError;
use crate::step::Step;

/// A venue, a database file and the cache between them.
///
/// All of them have one clock, which moves when it is told to: the same candles are asked for in
/// every run, and nobody waits for a minute to pass.
pub(crate) struct World {
    pub(crate) venue: LocalVenue,
    clock: ManualClock,
    storage: Arc<dyn Storage>,
    pub(crate) cache: SeriesCache<Candle>,
    database: std::path::PathBuf,
    calendar: Option<(Scope, Arc<SessionCalendar>)>,
}

/// More bytes of history than any replay has; what a program is given is for it to say.
const HISTORY_BYTES_MAX: u64 = 16 << 30;

impl World {
    /// A venue at a moment, and a cache over a database file that may exist.
    pub(crate) async fn start(
        database: &Path,
        now_ms: i64,
        calendar: Option<(Scope, SessionCalendar)>,
    ) -> Result<Self, AnyError> {
        let venue = LocalVenue::start(now_ms).await?;
        let clock = ManualClock::new();
        clock.step_wall(Timestamp::from_unix_ms(now_ms.unsigned_abs()));
        let calendar = calendar.map(|(scope, calendar)| (scope, Arc::new(calendar)));
        let (storage, cache) = open(&venue, &clock, database, calendar.as_ref()).await?;
        Ok(Self { venue, clock, storage, cache, database: database.to_owned(), calendar })
    }

    /// Closes the database and opens it anew, with nothing in memory, as another process would.
    pub(crate) async fn restart(&mut self) -> Result<(), AnyError> {
        self.storage.close().await?;
        let Self { venue, clock, database, calendar, .. } = self;
        (self.storage, self.cache) = open(venue, clock, database, calendar.as_ref()).await?;
        Ok(())
    }

    /// Lets time pass for all, without a word of the venue.
    pub(crate) fn pass(&self, duration: Duration) {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(0);
        self.venue.set_now(self.venue.now_ms() + ms);
        self.clock.advance(duration);
    }

    /// Lets time pass for whoever waits; the venue has moved already.
    pub(crate) fn follow_venue(&self) {
        let here = i64::try_from(self.clock.wall().unix_ms()).unwrap_or(i64::MAX);
        let behind = self.venue.now_ms().saturating_sub(here).max(0);
        self.clock.advance(Duration::from_millis(behind.unsigned_abs()));
    }

    pub(crate) fn series(&self, key: &SeriesKey) -> Result<Series<Candle>, AnyError> {
        Ok(self.cache.series(key)?)
    }

    /// Reads, and says what that took.
    pub(crate) async fn read(
        &self,
        name: &'static str,
        what: impl Into<String>,
        key: &SeriesKey,
        request: Request,
    ) -> Result<(Step, Reading<Candle>), AnyError> {
        let series = self.series(key)?;
        let before = self.venue.calls().klines;
        let began = Instant::now();
        let reading = series.read(request).await?;
        let elapsed = began.elapsed();
        let calls = self.venue.calls().klines - before;
        Ok((Step::new(name, what, calls, &reading, elapsed), reading))
    }

    pub(crate) async fn close(self) -> Result<(), AnyError> {
        self.storage.close().await?;
        Ok(())
    }
}

async fn open(
    venue: &LocalVenue,
    clock: &ManualClock,
    database: &Path,
    calendar: Option<&(Scope, Arc<SessionCalendar>)>,
) -> Result<(Arc<dyn Storage>, SeriesCache<Candle>), AnyError> {
    // Replayed: what a venue on loopback says is never kept as the exchange's own.
    let mut options = BinanceOptions::new()
        .with_environment(Environment::Replay)
        // It counts no weights unless it is told to.
        .with_limits(Limits::calls(8));
    for market in [Market::Spot, Market::Inverse] {
        options =
            options.with_address(market, venue.url()).with_feed_address(market, venue.feed_url());
    }
    let binance = Binance::new(options)?;
    // A table of its own, which no cache beside it clears.
    let options = SqliteOptions::new(database).table("history").max_bytes(HISTORY_BYTES_MAX);
    let storage = options.open().await?.into_storage();
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let store = Store::new(Arc::clone(&storage), clock, "history")?;
    // A clock that stands still would wait for ever before a call is made again.
    let options = SeriesOptions::default()
        .with_memory(MemoryBounds::rows(5_000_000))
        .with_retry(Retry::NEVER);
    let mut builder = SeriesCache::builder(store).venue(Arc::new(binance)).options(options);
    if let Some((scope, calendar)) = calendar {
        builder = builder.calendar(scope.clone(), Arc::clone(calendar));
    }
    Ok((storage, builder.build()))
}

/// A series of the venue.
pub(crate) fn key(
    symbol: &str,
    market: Market,
    timeframe: Timeframe,
) -> Result<SeriesKey, AnyError> {
    let key = SeriesKey::new("binance", symbol, timeframe)?;
    Ok(key.with_environment(Environment::Replay).with_market(market))
}
