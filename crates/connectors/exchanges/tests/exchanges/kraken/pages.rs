//! The connector alone.

use cache_exchanges::kraken::{Kraken, SystemStatus};
use cache_series::admit::Reach;
use cache_series::key::{Environment, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time, Timeframe};
use cache_series::venue::{Listing, Venue, VenueErrorKind};
use tiers_local_venue::{Asked, Fault, History, Interval, LocalVenue};

use super::setup::{KRAKEN, kraken};
use crate::suite::{MINUTE_MS, START_MS};

const FIRST: i64 = START_MS / MINUTE_MS;
/// So many minutes are over, and the one after them is half so.
const OVER: i64 = 2_000;

async fn venue() -> (LocalVenue, Kraken, History) {
    let venue = LocalVenue::start(START_MS + OVER * MINUTE_MS + 30_000).await.unwrap();
    let history = History::generated(Interval::MINUTE, START_MS, 4_000, 11);
    venue.list("XBTUSD", history.clone());
    let kraken = kraken(&venue);
    (venue, kraken, history)
}

fn key() -> SeriesKey {
    KRAKEN.key(Timeframe::Minute1)
}

fn minutes(from: i64, to: i64) -> Slots {
    Slots::new(FIRST + from, FIRST + to)
}

#[tokio::test]
async fn a_call_asks_from_a_moment_on_and_keeps_what_was_wanted() {
    let (venue, kraken, history) = venue().await;
    let answer = kraken.page(&key(), minutes(1_500, 1_505)).await.unwrap();
    let asked = Asked {
        symbol: "XBTUSD".to_owned(),
        interval: "1".to_owned(),
        from_ms: Some(START_MS + 1_499 * MINUTE_MS),
        to_ms: None,
        limit: None,
    };
    assert_eq!(venue.asked(), [asked]);
    let times: Vec<i64> = answer.rows.iter().map(|(time, _)| time.unix_ms()).collect();
    let expected: Vec<i64> = (1_500..1_505).map(|minute| START_MS + minute * MINUTE_MS).collect();
    assert_eq!((times, answer.reach), (expected, Reach::Whole));
    for (time, row) in &answer.rows {
        let known = history.candles()[&time.unix_ms()];
        assert_eq!((row.close, row.volume), (known.close, known.volume));
    }
    for symbol in ["btcusd", "XBTUSD", "XXBTZUSD", "btc-usd"] {
        let other = SeriesKey::new("kraken", symbol, Timeframe::Minute1).unwrap();
        let other = other.with_environment(Environment::Replay);
        assert_eq!(kraken.page(&other, minutes(1_500, 1_505)).await.unwrap(), answer, "{symbol}");
    }
}

#[tokio::test]
async fn the_newest_720_are_answered_and_none_before_them() {
    let (_venue, kraken, _) = venue().await;
    let cut = kraken.page(&key(), minutes(1_000, 1_440)).await.unwrap();
    let told_from = Reach::Since(Time::from_unix_ms(START_MS + 1_280 * MINUTE_MS));
    assert_eq!((cut.rows.len(), cut.reach), (160, told_from));
    assert_eq!(cut.rows[0].0.unix_ms(), START_MS + 1_280 * MINUTE_MS);
    let whole = kraken.page(&key(), minutes(1_280, 2_000)).await.unwrap();
    assert_eq!((whole.rows.len(), whole.reach), (720, Reach::Whole));
    for (from, to) in [(0, 720), (700, 1_280), (1_279, 1_280)] {
        let error = kraken.page(&key(), minutes(from, to)).await.unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{error}");
        assert!(!error.is_transient() && error.retry_after().is_none());
    }
}

#[tokio::test]
async fn what_grows_is_no_answer() {
    let (venue, kraken, history) = venue().await;
    let lags = kraken.page(&key(), minutes(1_990, OVER + 1)).await.unwrap();
    assert_eq!((lags.rows.len(), lags.reach), (10, Reach::UpToLast));
    let error = kraken.page(&key(), minutes(OVER, OVER + 1)).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unavailable, "{error}");
    venue.set_now(venue.now_ms() + MINUTE_MS);
    let over = kraken.page(&key(), minutes(OVER, OVER + 1)).await.unwrap();
    let known = history.candles()[&(START_MS + OVER * MINUTE_MS)];
    assert_eq!((over.rows.len(), over.rows[0].1.close), (1, known.close));
}

#[tokio::test]
async fn clock_listing_and_status_are_told() {
    let (venue, kraken, _) = venue().await;
    let time = Venue::<Candle>::server_time(&kraken).await.unwrap().unwrap();
    assert_eq!(time.unix_ms(), venue.now_ms());
    assert_eq!(kraken.system_status().await.unwrap(), SystemStatus::Online);
    // The begin of the fifteen days in which the first candle lies, counted from 1970.
    let length_ms = 15 * 86_400_000;
    let begin = Time::from_unix_ms(START_MS - START_MS % length_ms);
    assert_eq!(kraken.listing(&key()).await.unwrap(), Listing::since(begin));
    let unknown = SeriesKey::new("kraken", "NOSUCH/USD", Timeframe::Minute1).unwrap();
    let error = kraken.listing(&unknown).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
}

/// Weeks are the exchange's, from Thursday, and what is made of days is what they are.
#[tokio::test]
async fn weeks_begin_on_thursday() {
    let day = Interval::named("1d").unwrap();
    let venue = LocalVenue::start(START_MS + 100 * 86_400_000).await.unwrap();
    let history = History::generated(day, START_MS, 200, 5);
    venue.list("XBTUSD", history.clone());
    let kraken = kraken(&venue);
    let key = KRAKEN.key(Timeframe::Week1);
    let grid = Grid::new(Timeframe::Week1, Venue::<Candle>::alignment(&kraken, &key));
    let thursday: Time = "2023-11-16T00:00:00Z".parse().unwrap();
    let slot = grid.exact_slot(thursday).unwrap();
    let answer = kraken.page(&key, Slots::new(slot, slot + 3)).await.unwrap();
    assert_eq!((answer.rows.len(), answer.reach), (3, Reach::Whole));
    let (time, week) = answer.rows[0];
    let days = history.candles().range(time.unix_ms()..).take(7).map(|(_, candle)| candle);
    let days: Vec<_> = days.collect();
    let volume: f64 = days.iter().map(|day| day.volume).sum();
    assert_eq!((time, week.open, week.close), (thursday, days[0].open, days[6].close));
    assert!((week.volume - volume).abs() < 1e-6);
}

#[tokio::test]
async fn refusals_are_words() {
    let (venue, kraken, _) = venue().await;
    for (message, kind) in [
        ("EService:Busy", VenueErrorKind::Unavailable),
        ("EService:Market in cancel_only mode", VenueErrorKind::Unavailable),
        ("EGeneral:Too many requests", VenueErrorKind::RateLimited),
        ("EGeneral:Permission denied", VenueErrorKind::Refused),
    ] {
        let message = message.to_owned();
        let fault = Fault::Refusal { status: 200, code: 0, message, retry_after: None };
        venue.fail_next(fault);
        let error = kraken.page(&key(), minutes(1_500, 1_503)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    // An empty list is no answer: the growing row is always there.
    venue.fail_next(Fault::EmptyList);
    let error = kraken.page(&key(), minutes(1_500, 1_503)).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Malformed);
    // The venue has days alone.
    let days = History::generated(Interval::named("1d").unwrap(), START_MS, 3, 1);
    venue.list("ETHUSD", days);
    let coarse = SeriesKey::new("kraken", "ETH/USD", Timeframe::Minute1).unwrap();
    let coarse = coarse.with_environment(Environment::Replay);
    let error = kraken.page(&coarse, minutes(0, 3)).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{error}");
}
