use std::time::Duration;

use cache_series::key::{Environment, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::Timeframe;
use cache_series::venue::{FeedMessage, Venue, VenueErrorKind};
use futures_util::StreamExt;
use tiers_local_venue::{History, Interval, LocalVenue};
use tokio::time::timeout;

use super::setup::{KRAKEN, kraken};
use crate::suite::{MINUTE_MS, START_MS};

async fn venue() -> LocalVenue {
    let venue = LocalVenue::start(START_MS + 100 * MINUTE_MS).await.unwrap();
    venue.list("XBTUSD", History::generated(Interval::MINUTE, START_MS, 1_000, 11));
    venue
}

/// The minute of a message, and whether it is over.
fn minute(message: &FeedMessage<Candle>) -> (i64, bool) {
    ((message.time.unix_ms() - START_MS) / MINUTE_MS, message.closed)
}

#[tokio::test]
async fn a_feed_begins_with_the_last_rows_and_goes_on() {
    let venue = venue().await;
    let kraken = kraken(&venue);
    let mut feed = Venue::<Candle>::feed(&kraken, &KRAKEN.key(Timeframe::Minute1)).await.unwrap();
    assert_eq!((venue.feeds(), venue.calls().feeds), (1, 1));
    let mut next = async || {
        let message = timeout(Duration::from_secs(30), feed.next()).await.unwrap();
        message.map(|message| message.map(|message| minute(&message)).map_err(|it| it.kind()))
    };
    // Ten rows, of which the last is growing.
    for row in 91..100 {
        assert_eq!(next().await, Some(Ok((row, false))));
        assert_eq!(next().await, Some(Ok((row, true))));
    }
    assert_eq!(next().await, Some(Ok((100, false))));
    venue.ping_feeds();
    venue.advance("XBTUSD", Interval::MINUTE, venue.now_ms() + 2 * MINUTE_MS);
    // As it was last, and then once more as over.
    let expected = [(100, false), (100, true), (101, false), (101, true), (102, false)];
    for message in expected {
        assert_eq!(next().await, Some(Ok(message)));
    }
    venue.say(r#"{"channel":"status","type":"update","data":[{"system":"maintenance"}]}"#);
    assert_eq!(next().await, Some(Err(VenueErrorKind::Unavailable)));
    assert_eq!(next().await, None, "an error is the last there is");
}

#[tokio::test]
async fn a_name_in_one_piece_is_asked_about_first() {
    let venue = venue().await;
    let kraken = kraken(&venue);
    let key = |symbol| {
        let key = SeriesKey::new("kraken", symbol, Timeframe::Minute1).unwrap();
        key.with_environment(Environment::Replay)
    };
    let feed = Venue::<Candle>::feed(&kraken, &key("btcusd")).await.unwrap();
    assert_eq!((venue.feeds(), venue.calls().others), (1, 1));
    drop(feed);
    let feed = Venue::<Candle>::feed(&kraken, &key("XXBTZUSD")).await.unwrap();
    assert_eq!(venue.calls().others, 1, "it says it itself");
    drop(feed);
    let feed = Venue::<Candle>::feed(&kraken, &key("XBTUSD")).await.unwrap();
    assert_eq!(venue.calls().others, 1, "it is known by now");
    drop(feed);
    for symbol in ["NOSUCHUSD", "NOSUCH/USD"] {
        let Err(error) = Venue::<Candle>::feed(&kraken, &key(symbol)).await else {
            panic!("{symbol} is no feed")
        };
        assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol, "{symbol}");
    }
    assert_eq!(venue.calls().feeds, 3);
    venue.refuse_feeds(Some(429));
    let Err(error) = Venue::<Candle>::feed(&kraken, &key("BTC/USD")).await else {
        panic!("no feed")
    };
    assert_eq!(error.kind(), VenueErrorKind::RateLimited);
}
