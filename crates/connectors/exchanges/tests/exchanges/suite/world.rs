use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, ManualClock, Timestamp};
use cache_core::testing::TestStorage;
use cache_series::cache::{Reading, Retry, Series, SeriesCache, SeriesOptions};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::store::Store;
use cache_series::time::{Time, Timeframe};
use cache_series::venue::Venue;
use serde_json::Value;
use tiers_local_venue::{History, Interval, LocalVenue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A Monday at midnight, where a minute, an hour, a day and a week begin.
pub(crate) const START_MS: i64 = 1_699_833_600_000;
pub(crate) const MINUTE_MS: i64 = 60_000;

/// By a clock that goes on in leaps no call is given up; by the machine's own the connectors do it.
const CALL_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);

/// What the suite has to know of an exchange.
pub(crate) struct Exchange {
    /// Its name in keys.
    pub(crate) name: &'static str,
    pub(crate) market: Market,
    /// A symbol as it is written in keys, and as the venue lists it.
    pub(crate) symbol: &'static str,
    pub(crate) listed: &'static str,
    /// So many rows a call answers.
    pub(crate) page_rows: i64,
    /// So many minutes are over; where an exchange answers the newest rows alone, no more than those.
    pub(crate) minutes: i64,
    /// The candles of its feed.
    pub(crate) feed: (Timeframe, &'static str),
    /// How long its connector waits after a refusal that says seven seconds.
    pub(crate) left_alone: Duration,
    /// How long it waits where it is shut out and nobody says for how long.
    pub(crate) shut_out: Duration,
    pub(crate) connect: fn(&LocalVenue) -> Arc<dyn Venue<Candle>>,
}

impl Exchange {
    pub(crate) fn key(&self, timeframe: Timeframe) -> SeriesKey {
        let key = SeriesKey::new(self.name, self.symbol, timeframe).unwrap();
        key.with_market(self.market).with_environment(Environment::Replay)
    }
}

/// A venue with a history, a connector to it, and what is between it and the readers.
pub(crate) struct World {
    pub(crate) exchange: &'static Exchange,
    pub(crate) venue: LocalVenue,
    pub(crate) connector: Arc<dyn Venue<Candle>>,
    pub(crate) history: History,
    storage: Arc<TestStorage>,
    pub(crate) clock: ManualClock,
}

/// A moment, and the prices and the volume of the candle that begins then.
pub(crate) type Row = (i64, [f64; 5]);

pub(crate) fn at(minute: i64) -> Time {
    Time::from_unix_ms(START_MS + minute * MINUTE_MS)
}

pub(crate) fn range(from: i64, to: i64) -> Request {
    Request::range(at(from), at(to))
}

/// The rows of an answer, as the venue's history has them.
pub(crate) fn rows(reading: &Reading<Candle>) -> Vec<Row> {
    let view = reading.view();
    let rows = view.times().zip(view.iter()).map(|(time, (_, row))| row_of(time, &row));
    rows.collect()
}

pub(crate) fn row_of(time: Time, row: &Candle) -> Row {
    (time.unix_ms(), [row.open, row.high, row.low, row.close, row.volume])
}

impl World {
    /// Twice as many minutes as are over, without those that `change` takes away.
    pub(crate) async fn start(
        exchange: &'static Exchange,
        change: impl Fn(History) -> History,
    ) -> Self {
        let venue = LocalVenue::start(START_MS + exchange.minutes * MINUTE_MS).await.unwrap();
        let minutes = usize::try_from(2 * exchange.minutes).unwrap();
        let history = change(History::generated(Interval::MINUTE, START_MS, minutes, 11));
        venue.list(exchange.listed, history.clone());
        let clock = ManualClock::new();
        clock.step_wall(Timestamp::from_unix_ms(venue.now_ms().unsigned_abs()));
        let connector = (exchange.connect)(&venue);
        let storage = Arc::new(TestStorage::new());
        Self { exchange, venue, connector, history, storage, clock }
    }

    /// A cache with nothing in memory over what is stored, as another process has it.
    pub(crate) fn cache(&self, retry: Retry) -> SeriesCache<Candle> {
        let storage: Arc<TestStorage> = Arc::clone(&self.storage);
        let store = Store::new(storage, Arc::new(self.clock.clone()), "history").unwrap();
        SeriesCache::builder(store)
            .venue(Arc::clone(&self.connector))
            .options(SeriesOptions::default().with_retry(retry).with_call_timeout(CALL_TIMEOUT))
            .build()
    }

    /// Minutes, beneath a cache of its own.
    pub(crate) fn minutes(&self, retry: Retry) -> Series<Candle> {
        self.cache(retry).series(&self.exchange.key(Timeframe::Minute1)).unwrap()
    }

    /// What the history has in a span of minutes.
    pub(crate) fn expected(&self, from: i64, to: i64) -> Vec<Row> {
        let candles = self.history.candles().range(at(from).unix_ms()..at(to).unix_ms());
        let rows = candles.map(|(at, candle)| {
            (*at, [candle.open, candle.high, candle.low, candle.close, candle.volume])
        });
        rows.collect()
    }

    /// In how many of the exchange's pages a span of minutes lies.
    pub(crate) fn pages(&self, from: i64, to: i64) -> u64 {
        let page =
            |minute: i64| (START_MS / MINUTE_MS + minute).div_euclid(self.exchange.page_rows);
        (page(to - 1) - page(from) + 1).unsigned_abs()
    }

    /// Lets time pass for all, without a word of the venue.
    pub(crate) fn pass(&self, duration: Duration) {
        let ms = i64::try_from(duration.as_millis()).unwrap();
        self.venue.set_now(self.venue.now_ms() + ms);
        self.clock.advance(duration);
    }

    /// The venue goes on for an interval and tells of it.
    pub(crate) fn go_on(&self, interval: Interval) {
        let to_ms = interval.next_after(self.venue.now_ms());
        self.venue.advance(self.exchange.listed, interval, to_ms);
        let here = i64::try_from(self.clock.wall().unix_ms()).unwrap();
        self.clock.advance(Duration::from_millis((to_ms - here).unsigned_abs()));
    }
}

/// Waits until something is so, and does something meanwhile.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "waited in vain for {what}");
}

/// What the venue answers to a call that no connector makes: the status, and the body.
pub(crate) async fn call(venue: &LocalVenue, path: &str) -> (u16, Value) {
    let address = venue.url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap())
}
