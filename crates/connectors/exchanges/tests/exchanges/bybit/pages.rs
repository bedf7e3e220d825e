use cache_series::key::{Market, PriceType, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Time, Timeframe};
use cache_series::venue::{Listing, Venue, VenueErrorKind};
use tiers_local_venue::{History, Interval, LocalVenue};

use super::setup::{BYBIT, bybit};
use crate::suite::{self, MINUTE_MS, START_MS};

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
    suite::a_call_asks_for_its_slots_and_is_answered_newest_first(&BYBIT, "1", 1).await;
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
