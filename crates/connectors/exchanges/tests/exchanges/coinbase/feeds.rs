use std::time::Duration;

use cache_exchanges::coinbase::Coinbase;
use cache_series::cache::Retry;
use cache_series::key::{Environment, SeriesKey};
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::time::{Slots, Time, Timeframe};
use cache_series::venue::{FeedMessage, FeedStream, Venue, VenueErrorKind};
use futures_util::StreamExt;
use tiers_local_venue::{History, Interval, LocalVenue};
use tokio::time::timeout;

use super::setup::{COINBASE, coinbase};
use crate::suite::{MINUTE_MS, START_MS, World, rows};

const FIVE_MINUTES_MS: i64 = 5 * MINUTE_MS;

/// Its clock is in the middle of a candle.
async fn venue(symbol: &str) -> (LocalVenue, Coinbase) {
    let venue = LocalVenue::start(START_MS + 102 * MINUTE_MS).await.unwrap();
    venue.list(symbol, History::generated(Interval::MINUTE, START_MS, 1_000, 11));
    let coinbase = coinbase(&venue);
    (venue, coinbase)
}

fn five() -> Interval {
    Interval::named("5m").unwrap()
}

fn key() -> SeriesKey {
    COINBASE.key(Timeframe::Minute5)
}

/// All that is told until the feed ends.
async fn heard(feed: FeedStream<Candle>) -> Vec<FeedMessage<Candle>> {
    let messages = timeout(Duration::from_secs(30), feed.collect::<Vec<_>>()).await.unwrap();
    messages.into_iter().map(|message| message.unwrap()).collect()
}

/// Of the hundred candles before nothing is told, and every other closes once the next begins where
/// it ends.
#[tokio::test]
async fn a_row_closes_once_the_next_begins() {
    let (venue, coinbase) = venue("BTC-USD").await;
    let feed = Venue::<Candle>::feed(&coinbase, &key()).await.unwrap();
    assert_eq!((venue.feeds(), venue.calls().feeds), (1, 1));
    venue.advance("BTC-USD", five(), START_MS + 115 * MINUTE_MS);
    // Nobody trades for a while.
    venue.list(
        "BTC-USD",
        History::generated(Interval::MINUTE, START_MS, 1_000, 11)
            .without(START_MS + 120 * MINUTE_MS, START_MS + 130 * MINUTE_MS),
    );
    venue.advance("BTC-USD", five(), START_MS + 131 * MINUTE_MS);
    // Of other symbols and other timeframes nothing is heard.
    venue.list("ETH-USD", History::generated(Interval::MINUTE, START_MS, 1_000, 3));
    venue.advance("ETH-USD", five(), venue.now_ms() + FIVE_MINUTES_MS);
    venue.advance("BTC-USD", Interval::MINUTE, venue.now_ms() + MINUTE_MS);
    venue.close_feeds();
    let messages = heard(feed).await;
    let minute = |message: &FeedMessage<Candle>| (message.time.unix_ms() - START_MS) / MINUTE_MS;
    assert_eq!((minute(&messages[0]), messages[0].closed), (100, false), "the snapshot's newest");
    let closed = messages.iter().filter(|message| message.closed).collect::<Vec<_>>();
    let minutes: Vec<i64> = closed.iter().map(|message| minute(message)).collect();
    // That before the time without a trade is left to be read.
    assert_eq!(minutes, [100, 105, 110]);
    let last = &messages[messages.len() - 1];
    assert_eq!((minute(last), last.closed), (130, false), "the one that grows");
    // What has closed is what is answered.
    let first = START_MS / FIVE_MINUTES_MS + 20;
    let mut answer = coinbase.page(&key(), Slots::new(first, first + 3)).await.unwrap().rows;
    answer.reverse();
    let told: Vec<_> = closed.iter().map(|message| (message.time, message.row)).collect();
    assert_eq!(told, answer);
}

/// Beneath the cache nothing of it is missing: what no next candle has closed is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_time_is_read_and_the_candle_before_it() {
    let minutes = |minute: i64| START_MS + (COINBASE.minutes + minute) * MINUTE_MS;
    let world = World::start(&COINBASE, |history| history.without(minutes(10), minutes(30))).await;
    let series = world.cache(Retry::NEVER).series(&key()).unwrap();
    // The middle of a candle, so that the one before is final.
    world.pass(Duration::from_secs(150));
    let mut subscription = series.subscribe(Request::last(3)).await.unwrap();
    let listens = async {
        while world.venue.feeds() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(30), listens).await.expect("the feed is there");
    for _ in 0..9 {
        world.go_on(five());
    }
    let mut told = Vec::new();
    while told.len() < 5 {
        let live = timeout(Duration::from_secs(30), subscription.next()).await.expect("a row");
        let live = live.unwrap();
        if live.closed {
            let Candle { open, high, low, close, volume } = live.row;
            told.push((live.time.unix_ms(), [open, high, low, close, volume]));
        }
    }
    let times: Vec<i64> = told.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0, 5, 30, 35, 40].map(minutes));
    let (from, to) = (minutes(0), minutes(45));
    let (from, to) = (Time::from_unix_ms(from), Time::from_unix_ms(to));
    let answer = series.read(Request::range(from, to)).await.unwrap();
    assert_eq!(told, rows(&answer));
}

#[tokio::test]
async fn a_heartbeat_lets_a_quiet_feed_live_and_says_nothing() {
    let (venue, coinbase) = venue("BTC-USD").await;
    let mut feed = Venue::<Candle>::feed(&coinbase, &key()).await.unwrap();
    let growing = timeout(Duration::from_secs(30), feed.next()).await.unwrap().unwrap().unwrap();
    venue.ping_feeds();
    venue.advance("BTC-USD", five(), venue.now_ms() + MINUTE_MS);
    let grown = timeout(Duration::from_secs(30), feed.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((grown.time, grown.closed), (growing.time, false));
    assert!(grown.row.volume > growing.row.volume);
}

/// What is quoted in USDC is told of by the name of the same book in dollars.
#[tokio::test]
async fn a_market_in_usdc_is_heard_under_its_other_name() {
    let (venue, coinbase) = venue("BTC-USDC").await;
    let key = SeriesKey::new("coinbase", "BTC/USDC", Timeframe::Minute5).unwrap();
    let key = key.with_environment(Environment::Replay);
    let feed = Venue::<Candle>::feed(&coinbase, &key).await.unwrap();
    venue.advance("BTC-USDC", five(), venue.now_ms() + 2 * FIVE_MINUTES_MS);
    venue.close_feeds();
    let closed = heard(feed).await.iter().filter(|message| message.closed).count();
    assert_eq!(closed, 2);
}

#[tokio::test]
async fn what_is_refused_is_no_feed() {
    let (venue, coinbase) = venue("BTC-USD").await;
    let unknown = SeriesKey::new("coinbase", "NOSUCH/USD", Timeframe::Minute5).unwrap();
    let unknown = unknown.with_environment(Environment::Replay);
    let minutes = key().with_timeframe(Timeframe::Minute1);
    for (key, kind) in
        [(&unknown, VenueErrorKind::UnknownSymbol), (&minutes, VenueErrorKind::Unsupported)]
    {
        let Err(error) = Venue::<Candle>::feed(&coinbase, key).await else { panic!("no feed") };
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert_eq!((venue.feeds(), venue.calls().feeds), (0, 0));
    venue.refuse_feeds(Some(429));
    let Err(error) = Venue::<Candle>::feed(&coinbase, &key()).await else { panic!("no feed") };
    assert_eq!(error.kind(), VenueErrorKind::RateLimited);
}
