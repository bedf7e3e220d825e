use std::time::Duration;

use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::Timeframe;
use cache_series::venue::{Venue, VenueErrorKind};
use futures_util::StreamExt;
use tiers_local_venue::{History, Interval, LocalVenue};
use tokio::time::timeout;

use super::setup::{BYBIT, bybit};
use crate::suite::{MINUTE_MS, START_MS};

async fn venue() -> LocalVenue {
    let venue = LocalVenue::start(START_MS + 100 * MINUTE_MS).await.unwrap();
    venue.list("BTCUSDT", History::generated(Interval::MINUTE, START_MS, 1_000, 11));
    venue
}

#[tokio::test]
async fn a_feed_is_one_once_its_subscription_stands() {
    let venue = venue().await;
    let bybit = bybit(&venue);
    let key = BYBIT.key(Timeframe::Minute1);
    let feed = Venue::<Candle>::feed(&bybit, &key).await.unwrap();
    assert_eq!((venue.feeds(), venue.calls().feeds), (1, 1));
    venue.advance("BTCUSDT", Interval::MINUTE, venue.now_ms() + 5 * MINUTE_MS);
    // Of other symbols nothing is heard.
    venue.list("ETHUSDT", History::generated(Interval::MINUTE, START_MS, 1_000, 3));
    venue.advance("ETHUSDT", Interval::MINUTE, venue.now_ms() + MINUTE_MS);
    venue.close_feeds();
    let messages = timeout(Duration::from_secs(30), feed.collect::<Vec<_>>()).await.unwrap();
    let messages: Vec<_> = messages.into_iter().map(|message| message.unwrap()).collect();
    let closed = messages.iter().filter(|message| message.closed).count();
    assert_eq!((closed, messages.len()), (5, 6));
    assert!(!messages[5].closed, "the one that grows");
}

#[tokio::test]
async fn a_symbol_that_there_is_not_is_no_feed() {
    let venue = venue().await;
    let bybit = bybit(&venue);
    let unknown = SeriesKey::new("bybit", "NOSUCH/USDT", Timeframe::Minute1).unwrap();
    let unknown = unknown.with_market(Market::Linear).with_environment(Environment::Replay);
    let Err(error) = Venue::<Candle>::feed(&bybit, &unknown).await else { panic!("no feed") };
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
    assert_eq!((venue.feeds(), venue.calls().feeds), (0, 0));

    venue.refuse_feeds(Some(403));
    let key = BYBIT.key(Timeframe::Minute1);
    let Err(error) = Venue::<Candle>::feed(&bybit, &key).await else { panic!("no feed") };
    assert_eq!(error.kind(), VenueErrorKind::Banned);
}
