use std::time::Duration;

use cache_series::admit::Reach;
use cache_series::key::{Market, PriceType, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Time, Timeframe};
use cache_series::venue::{Listing, Venue, VenueErrorKind};
use tiers_local_venue::{Asked, History, Interval, LocalVenue};

use super::setup::{BYBIT, bybit};
use crate::suite::{MINUTE_MS, START_MS};

const FIRST: i64 = START_MS / MINUTE_MS;

async fn venue() -> (LocalVenue, cache_exchanges::bybit::Bybit, History) {
    let venue = LocalVenue::start(START_MS + 2_000 * MINUTE_MS + 30_000).await.unwrap();
    let history = History::generated(Interval::MINUTE, START_MS, 4_000, 11);
    venue.list("BTCUSDT", history.clone());
    let bybit = bybit(&venue);
    (venue, bybit, history)
}

fn key() -> SeriesKey {
    BYBIT.key(Timeframe::Minute1)
}

#[tokio::test]
async fn a_call_asks_for_its_slots_and_is_answered_newest_first() {
    let (venue, bybit, history) = venue().await;
    let answer = bybit.page(&key(), Slots::new(FIRST + 7, FIRST + 12)).await.unwrap();
    let asked = Asked {
        symbol: "BTCUSDT".to_owned(),
        interval: "1".to_owned(),
        from_ms: Some(START_MS + 7 * MINUTE_MS),
        to_ms: Some(START_MS + 12 * MINUTE_MS - 1),
        limit: Some(5),
    };
    assert_eq!(venue.asked(), [asked]);
    let times: Vec<i64> = answer.rows.iter().map(|(time, _)| time.unix_ms()).collect();
    let expected: Vec<i64> = (7..12).rev().map(|minute| START_MS + minute * MINUTE_MS).collect();
    assert_eq!((times, answer.reach), (expected, Reach::Whole));
    for (time, row) in &answer.rows {
        let known = history.candles()[&time.unix_ms()];
        assert_eq!((row.close, row.volume), (known.close, known.volume));
    }
}

#[tokio::test]
async fn the_row_that_grows_is_among_them() {
    let (_venue, bybit, history) = venue().await;
    let growing = bybit.page(&key(), Slots::new(FIRST + 1_990, FIRST + 2_010)).await.unwrap();
    assert_eq!(growing.rows.len(), 11);
    let (newest, row) = &growing.rows[0];
    assert_eq!(newest.unix_ms(), START_MS + 2_000 * MINUTE_MS);
    assert_ne!(row.close, history.candles()[&newest.unix_ms()].close);
}

/// Contracts that count dollars turn over what they buy, and prices at which nobody trades have no
/// volume.
#[tokio::test]
async fn volumes_are_in_the_base_currency() {
    let (venue, bybit, history) = venue().await;
    venue.list("BTCUSD", history.clone());
    let slots = Slots::new(FIRST, FIRST + 3);
    let inverse = SeriesKey::new("bybit", "BTC/USD", Timeframe::Minute1).unwrap();
    let inverse = inverse
        .with_market(Market::Inverse)
        .with_environment(cache_series::key::Environment::Replay);
    let answer = bybit.page(&inverse, slots).await.unwrap();
    let known = history.candles()[&START_MS];
    assert_eq!(answer.rows[2].1.volume, known.volume);
    let mark = bybit.page(&inverse.with_price(PriceType::Mark), slots).await.unwrap();
    assert!(mark.rows.len() == 3 && mark.rows.iter().all(|(_, row)| row.volume.is_nan()));
    assert_eq!(mark.rows[2].1.close, known.close);
}

#[tokio::test]
async fn contracts_tell_when_they_began_and_ended() {
    let (venue, bybit, _) = venue().await;
    let began = Time::from_unix_ms(START_MS);
    assert_eq!(bybit.listing(&key()).await.unwrap(), Listing::since(began));
    let spot = key().with_market(Market::Spot);
    assert_eq!(bybit.listing(&spot).await.unwrap(), Listing::UNTOLD);
    let end = START_MS + 1_000 * MINUTE_MS;
    venue.deliver("BTCUSDT", end);
    let over = Listing::since(began).until(Time::from_unix_ms(end));
    assert_eq!(bybit.listing(&key()).await.unwrap(), over);
    let time = Venue::<Candle>::server_time(&bybit).await.unwrap().unwrap();
    assert_eq!(time.unix_ms(), venue.now_ms());
    assert_eq!((venue.calls().others, venue.calls().klines), (3, 0));
}

#[tokio::test]
async fn an_allowance_that_is_used_up_says_how_long() {
    let (venue, bybit, _) = venue().await;
    venue.limit_weight(Some(2));
    let slots = Slots::new(FIRST, FIRST + 3);
    assert!(bybit.page(&key(), slots).await.is_ok() && bybit.page(&key(), slots).await.is_ok());
    let error = bybit.page(&key(), slots).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    // Whoever goes on is shut out.
    for _ in 0..10 {
        assert!(bybit.page(&key(), slots).await.is_err());
    }
    let error = bybit.page(&key(), slots).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Banned);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
    venue.set_now(venue.now_ms() + 5_000);
    assert!(bybit.page(&key(), slots).await.is_ok());
}

#[tokio::test]
async fn what_the_exchange_does_not_have_is_told_apart() {
    let (venue, bybit, _) = venue().await;
    let slots = Slots::new(FIRST, FIRST + 3);
    // The venue has minutes; what is shorter cannot be asked for at all.
    let second = key().with_timeframe(Timeframe::Second1);
    assert_eq!(bybit.page(&second, slots).await.unwrap_err().kind(), VenueErrorKind::Unsupported);
    assert_eq!(venue.calls().klines, 0);
    venue.list("ETHUSDT", History::generated(Interval::named("1d").unwrap(), START_MS, 3, 1));
    let coarse = SeriesKey::new("bybit", "ETH/USDT", Timeframe::Minute1).unwrap();
    let coarse =
        coarse.with_market(Market::Linear).with_environment(cache_series::key::Environment::Replay);
    let error = bybit.page(&coarse, slots).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{error}");
}
