//! Calls and what they answer, without a cache between.

use cache_series::key::{Market, PriceType};
use cache_series::row::Candle;
use cache_series::time::{Alignment, Grid, Slots, Timeframe};
use cache_series::venue::{Listing, Venue, VenueErrorKind};
use tiers_local_venue::History;
use tiers_local_venue::Interval;

use super::setup::{MINUTES, SPOT, key_of, okx, okx_at};
use crate::suite::{MINUTE_MS, START_MS, World, at};

const FIRST: i64 = START_MS / MINUTE_MS;

/// Contracts count contracts in their first column, of which a hundred are a bitcoin here.
#[tokio::test]
async fn volumes_are_in_the_base_currency_everywhere() {
    let world = World::start(&SPOT, |history| history).await;
    world.venue.list("BTC-USDT-SWAP", world.history.clone());
    world.venue.list("BTC-USD-231229", world.history.clone());
    let expected = world.expected(300, 320);
    for key in [
        key_of(Market::Spot, "BTC-USDT"),
        key_of(Market::Linear, "BTC-USDT"),
        key_of(Market::Inverse, "BTC/USD:BTC-231229"),
    ] {
        let slots = Slots::new(FIRST + 300, FIRST + 320);
        let mut answer = world.connector.page(&key, slots).await.unwrap();
        // They come newest first.
        answer.rows.reverse();
        let found: Vec<_> =
            answer.rows.iter().map(|(time, row)| crate::suite::row_of(*time, row)).collect();
        assert_eq!(found, expected, "{key}");
    }
    let mark = key_of(Market::Linear, "BTC-USDT").with_price(PriceType::Mark);
    for first in [FIRST, FIRST + MINUTES - 200] {
        let answer = world.connector.page(&mark, Slots::new(first, first + 100)).await.unwrap();
        assert_eq!(answer.rows.len(), 100);
        assert!(answer.rows.iter().all(|(_, row)| row.volume.is_nan() && row.close > 0.0));
    }
    assert_eq!(world.venue.asked().last().unwrap().limit, Some(100));
}

#[tokio::test]
async fn longer_candles_are_those_of_utc() {
    let world = World::start(&SPOT, |history| history).await;
    for (timeframe, bar, minutes) in [
        (Timeframe::Hour1, "1H", 60),
        (Timeframe::Hour12, "12Hutc", 720),
        (Timeframe::Day1, "1Dutc", 1_440),
    ] {
        let key = key_of(Market::Spot, "BTC-USDT").with_timeframe(timeframe);
        let grid = Grid::new(timeframe, Alignment::UTC);
        let first = grid.slot_at(at(0));
        let slots = Slots::new(first, first + 2_880 / minutes);
        let answer = world.connector.page(&key, slots).await.unwrap();
        assert_eq!(answer.rows.len() as i64, 2_880 / minutes, "{timeframe}");
        assert_eq!(world.venue.asked().last().unwrap().interval, bar);
        let (time, oldest) = answer.rows.last().unwrap();
        assert_eq!((*time, oldest.open), (at(0), world.expected(0, 1)[0].1[0]));
    }
}

/// The venue has a candle that it does not say to be over; the cache's clock may be ahead of it.
#[tokio::test]
async fn bug_5_a_candle_that_grows_is_not_answered() {
    let world = World::start(&SPOT, |history| history).await;
    let key = key_of(Market::Spot, "BTC-USDT");
    world.venue.set_now(at(MINUTES).unix_ms() + 30_000);
    let growing = FIRST + MINUTES;
    let answer = world.connector.page(&key, Slots::new(growing - 5, growing + 1)).await.unwrap();
    assert_eq!(answer.rows.len(), 5);
    let error = world.connector.page(&key, Slots::one(growing)).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unavailable);
    world.venue.set_now(at(MINUTES + 1).unix_ms());
    let answer = world.connector.page(&key, Slots::one(growing)).await.unwrap();
    assert_eq!(answer.rows.len(), 1);
}

#[tokio::test]
async fn what_was_delivered_is_traded_no_more() {
    let world = World::start(&SPOT, |history| history).await;
    let venue = &world.venue;
    venue.list("BTC-USDT-231117", world.history.clone());
    let key = key_of(Market::Linear, "BTC-USDT-231117");
    let told = async |later: i64| {
        let okx = okx_at(venue, at(MINUTES + later).unix_ms());
        Venue::<Candle>::listing(&okx, &key).await.unwrap()
    };
    // The first of November: nothing is older than the first month.
    let since = Listing::since(cache_series::time::Time::from_unix_ms(1_698_796_800_000));
    assert_eq!(told(0).await, since);
    // Its end is known before it comes, and is none until then.
    let end = at(MINUTES + 60);
    venue.deliver("BTC-USDT-231117", end.unix_ms());
    assert_eq!(told(59).await, since);
    assert_eq!(told(60).await, since.until(end));
    // It is left out of the list once it is over; its candles stay.
    venue.set_now(at(MINUTES + 120).unix_ms());
    assert_eq!(told(120).await, since);
    let unknown = key_of(Market::Linear, "BTC-USDT-231118");
    let error = Venue::<Candle>::listing(&okx(venue), &unknown).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
}

#[tokio::test]
async fn what_the_exchange_does_not_have_is_told_apart() {
    let world = World::start(&SPOT, |history| history).await;
    let slots = Slots::new(FIRST, FIRST + 3);
    let eight = key_of(Market::Spot, "BTC-USDT").with_timeframe(Timeframe::Hour8);
    let error = world.connector.page(&eight, slots).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unsupported);
    for symbol in ["BTC USDT", "BTC-USDT-SWAP", "BTCXYZ"] {
        let key = key_of(Market::Spot, symbol);
        let error = world.connector.page(&key, slots).await.unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol, "{symbol}");
    }
    assert_eq!(world.venue.calls().klines, 0, "nobody was asked");
    // The venue has days of it; what is shorter is refused with status 400.
    let days = History::generated(Interval::named("1d").unwrap(), START_MS, 3, 1);
    world.venue.list("ETH-USDT", days);
    let coarse = key_of(Market::Spot, "ETH-USDT");
    let error = world.connector.page(&coarse, slots).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{error}");
}
