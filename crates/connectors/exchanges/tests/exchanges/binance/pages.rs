use cache_series::admit::Reach;
use cache_series::key::Market;
use cache_series::time::{Alignment, Grid, Slots, Time, Timeframe};
use cache_series::venue::{Listing, Venue, VenueErrorKind};
use tiers_local_venue::{Asked, History, Interval, LocalVenue};

use super::setup::{MINUTE_MS, MINUTES, START_MS, key, options, venue};

const FIRST: i64 = START_MS / MINUTE_MS;

/// Every page of a history, put together, is the history.
#[tokio::test]
async fn pages_put_together_are_the_history() {
    let (venue, binance) = venue().await;
    let key = key(Timeframe::Minute1);
    let paging = binance.paging(&key).unwrap();
    assert_eq!(paging.slots(), 1_000);
    let mut rows = Vec::new();
    let all = Slots::new(FIRST, FIRST + MINUTES);
    for index in paging.index_of(all.start)..=paging.index_of(all.end - 1) {
        let slots = paging.slots_of(index).intersection(all);
        let answer = binance.page(&key, slots).await.unwrap();
        assert_eq!(answer.reach, Reach::Whole);
        rows.extend(answer.rows);
    }
    let expected = History::generated(Interval::MINUTE, START_MS, 2 * MINUTES as usize, 11);
    let expected = expected.quiet(0.1);
    let expected: Vec<_> = expected.candles().range(..START_MS + MINUTES * MINUTE_MS).collect();
    assert_eq!(rows.len(), expected.len());
    for ((time, candle), (at, known)) in rows.iter().zip(&expected) {
        assert_eq!(time.unix_ms(), **at);
        let values = [candle.open, candle.high, candle.low, candle.close, candle.volume];
        assert_eq!(values, [known.open, known.high, known.low, known.close, known.volume]);
    }
    assert_eq!((venue.calls().klines, venue.calls().failed), (6, 0));
}

#[tokio::test]
async fn a_call_asks_for_its_slots_and_nothing_else() {
    let (venue, binance) = venue().await;
    let slots = Slots::new(FIRST + 7, FIRST + 12);
    binance.page(&key(Timeframe::Minute1), slots).await.unwrap();
    let asked = Asked {
        symbol: "BTCUSDT".to_owned(),
        interval: "1m".to_owned(),
        from_ms: Some(START_MS + 7 * MINUTE_MS),
        to_ms: Some(START_MS + 12 * MINUTE_MS - 1),
        limit: Some(5),
    };
    assert_eq!(venue.asked(), [asked]);
    // Before 1970 there is nothing to ask for.
    let before = binance.page(&key(Timeframe::Minute1), Slots::new(-20, -10)).await.unwrap();
    assert!(before.rows.is_empty() && before.reach == Reach::Whole);
    assert_eq!(venue.calls().klines, 1);
}

/// Bug 3 of the model: a month was asked for as a minute.
#[tokio::test]
async fn bug_3_a_month_is_asked_for_as_a_month() {
    let (venue, binance) = venue().await;
    let month = key(Timeframe::Month1);
    let grid = Grid::new(Timeframe::Month1, Alignment::UTC);
    let slot = grid.slot_at(Time::from_unix_ms(START_MS));
    let answer = binance.page(&month, Slots::new(slot, slot + 1)).await.unwrap();
    assert_eq!(venue.asked()[0].interval, "1M");
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(answer.rows[0].0.to_string(), "2023-11-01T00:00:00Z");
}

/// Rows that begin between the slots take the place of others in what a call answers.
#[tokio::test]
async fn rows_between_the_slots_do_not_hide_others() {
    let venue = LocalVenue::start(START_MS + 100 * MINUTE_MS).await.unwrap();
    let even = History::generated(Interval::MINUTE, START_MS, 100, 3);
    let mut rows: Vec<_> = even.candles().iter().map(|(at, row)| (*at, *row)).collect();
    rows.push((START_MS + 5 * MINUTE_MS / 2, rows[2].1));
    venue.list("BTCUSDT", History::recorded(Interval::named("1s").unwrap(), rows));
    let binance = cache_exchanges::binance::Binance::new(options(&venue)).unwrap();
    // Seconds, of which there is one a minute and that one between.
    let seconds = key(Timeframe::Second1);
    let first = START_MS / 1_000;
    let answer = binance.page(&seconds, Slots::new(first, first + 600)).await.unwrap();
    assert_eq!((answer.rows.len(), answer.reach), (11, Reach::Whole));
    let times: Vec<i64> = answer.rows.iter().map(|(time, _)| time.unix_ms()).collect();
    assert!(times.contains(&(START_MS + 5 * MINUTE_MS / 2)));
}

#[tokio::test]
async fn coin_margined_pages_keep_to_two_hundred_days() {
    let day_ms = 86_400_000i64;
    let venue = LocalVenue::start(START_MS + 600 * day_ms).await.unwrap();
    let days = Interval::named("1d").unwrap();
    venue.list("BTCUSD_PERP", History::generated(days, START_MS, 600, 3));
    let binance = cache_exchanges::binance::Binance::new(options(&venue)).unwrap();
    let key = cache_series::key::SeriesKey::new("binance", "BTCUSD_PERP", Timeframe::Day1)
        .unwrap()
        .with_market(Market::Inverse);
    let paging = binance.paging(&key).unwrap();
    assert_eq!(paging.slots(), 200);
    let index = paging.index_of(START_MS / day_ms) + 1;
    let answer = binance.page(&key, paging.slots_of(index)).await.unwrap();
    assert_eq!((answer.rows.len(), answer.reach), (200, Reach::Whole));
    // The venue would refuse a day more.
    let more = Slots::new(paging.slots_of(index).start, paging.slots_of(index).end + 1);
    let error = binance.page(&key, more).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Refused);
    let listing = binance.listing(&key).await.unwrap();
    assert_eq!(listing, Listing::since(Time::from_unix_ms(START_MS)));
    let end = START_MS + 500 * day_ms;
    venue.deliver("BTCUSD_PERP", end);
    let listing = binance.listing(&key).await.unwrap();
    assert_eq!(listing.last, Some(Time::from_unix_ms(end)));
}

#[tokio::test]
async fn the_listing_is_that_of_the_first_row() {
    let (venue, binance) = venue().await;
    let listing = binance.listing(&key(Timeframe::Minute1)).await.unwrap();
    let first = listing.first.unwrap().unix_ms();
    assert!((START_MS..START_MS + 10 * MINUTE_MS).contains(&first));
    assert_eq!(listing.last, None);
    // Its first row and its newest.
    assert_eq!((venue.calls().klines, venue.calls().rows), (2, 2));
    let unknown = cache_series::key::SeriesKey::new("binance", "NOSUCH", Timeframe::Minute1);
    let error = binance.listing(&unknown.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
}

/// The venue's clock says how long ago its last row is, and this machine's does not.
#[tokio::test]
async fn a_symbol_without_a_row_for_long_has_ended() {
    let (venue, binance) = venue().await;
    let rows = History::generated(Interval::MINUTE, START_MS, 2 * MINUTES as usize, 11).quiet(0.1);
    let last = rows.candles().keys().next_back().copied().map(Time::from_unix_ms);
    let end_ms = START_MS + 2 * MINUTES * MINUTE_MS;
    for (days, ended) in [(0, None), (13, None), (15, last)] {
        venue.set_now(end_ms + days * 86_400_000);
        let listing = binance.listing(&key(Timeframe::Minute1)).await.unwrap();
        assert_eq!(listing.last, ended, "after {days} days");
        assert!(listing.first.is_some());
    }
    // By a timeframe in which only a few slots have passed it is not over.
    let month = binance.listing(&key(Timeframe::Month1)).await.unwrap();
    assert_eq!(month.last, None);
}

#[tokio::test]
async fn the_venues_clock_is_told() {
    let (venue, binance) = venue().await;
    let time = Venue::<cache_series::row::Candle>::server_time(&binance).await.unwrap().unwrap();
    assert_eq!(time.unix_ms(), venue.now_ms());
    assert_eq!(venue.calls().others, 1);
}
