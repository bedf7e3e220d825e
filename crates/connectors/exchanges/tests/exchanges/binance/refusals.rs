use std::time::Duration;

use cache_exchanges::binance::Binance;
use cache_series::key::{Market, PriceType, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Timeframe};
use cache_series::venue::{Venue, VenueError, VenueErrorKind};
use tiers_local_venue::Fault;

use super::setup::{MINUTE_MS, START_MS, key, options, venue};

const FIRST: i64 = START_MS / MINUTE_MS;
const SLOTS: Slots = Slots::new(FIRST, FIRST + 100);

async fn ask(binance: &Binance) -> Result<usize, VenueError> {
    let answer = binance.page(&key(Timeframe::Minute1), SLOTS).await;
    answer.map(|answer| answer.rows.len())
}

/// Bug 8 of the model: whatever went wrong was an empty list.
#[tokio::test]
async fn bug_8_every_fault_is_a_typed_error_and_passes() {
    use VenueErrorKind::*;
    let (venue, binance) = venue().await;
    let rows = ask(&binance).await.unwrap();
    let invalid = Fault::Refusal {
        status: 400,
        code: -1121,
        message: "Invalid symbol.".to_owned(),
        retry_after: None,
    };
    for (fault, kind, wait) in [
        (Fault::rate_limited(7), RateLimited, Some(7)),
        (Fault::banned(120), Banned, Some(120)),
        (Fault::unavailable(), Unavailable, None),
        (invalid, UnknownSymbol, None),
        (Fault::Html { status: 200 }, Malformed, None),
        (Fault::Html { status: 502 }, Unavailable, None),
        (Fault::Html { status: 403 }, Banned, Some(120)),
        (Fault::HalfText, Malformed, None),
        (Fault::HalfReply, Malformed, None),
        (Fault::Disconnect, Unavailable, None),
    ] {
        venue.fail_next(fault.clone());
        let error = ask(&binance).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert_eq!(error.retry_after(), wait.map(Duration::from_secs), "{fault:?}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("127.0.0.1"), "an address is told: {text}");
        assert_eq!(ask(&binance).await.unwrap(), rows, "after {fault:?}");
    }
    assert_eq!(venue.calls().failed, 10);
}

#[tokio::test]
async fn silence_ends() {
    let (venue, _) = venue().await;
    let binance = Binance::new(options(&venue).with_timeout(Duration::from_millis(200))).unwrap();
    venue.fail_next(Fault::Silence);
    assert_eq!(ask(&binance).await.unwrap_err().kind(), VenueErrorKind::Timeout);
    drop(venue);
    let gone = ask(&binance).await.unwrap_err();
    assert!(matches!(gone.kind(), VenueErrorKind::Unavailable | VenueErrorKind::Timeout), "{gone}");
    assert!(gone.is_transient());
}

#[tokio::test]
async fn an_allowance_that_is_used_up_says_how_long() {
    let (venue, binance) = venue().await;
    venue.limit_weight(Some(4));
    assert!(ask(&binance).await.is_ok() && ask(&binance).await.is_ok());
    let error = ask(&binance).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(61)));
    // Whoever goes on is banned.
    let mut kind = error.kind();
    for _ in 0..20 {
        kind = ask(&binance).await.unwrap_err().kind();
    }
    assert_eq!(kind, VenueErrorKind::Banned);
    venue.set_now(venue.now_ms() + 60_000);
    assert!(ask(&binance).await.is_ok());
}

#[tokio::test]
async fn what_all_use_of_the_allowance_is_told() {
    let (venue, binance) = venue().await;
    let used = || Venue::<Candle>::used_weight(&binance).map(|used| used.weight);
    assert_eq!(used(), None);
    ask(&binance).await.unwrap();
    assert_eq!(used(), Some(2));
    // Another program at the same address.
    let other = Binance::new(options(&venue)).unwrap();
    for _ in 0..5 {
        ask(&other).await.unwrap();
    }
    assert_eq!(used(), Some(2), "nothing was said here since");
    ask(&binance.clone()).await.unwrap();
    assert_eq!(used(), Some(14));
}

#[tokio::test]
async fn what_cannot_be_asked_is_not() {
    let (venue, binance) = venue().await;
    let minute = key(Timeframe::Minute1);
    for key in [
        minute.clone().with_timeframe(Timeframe::Minute10),
        minute.clone().with_market(Market::Stock),
        minute.clone().with_price(PriceType::Bid),
    ] {
        let error = binance.paging(&key).unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{key}");
        assert!(binance.page(&key, SLOTS).await.is_err() && binance.feed(&key).await.is_err());
    }
    let odd = SeriesKey::new("binance", "BTC USDT", Timeframe::Minute1).unwrap();
    assert_eq!(binance.paging(&odd).unwrap_err().kind(), VenueErrorKind::UnknownSymbol);
    // A world without addresses.
    let nowhere = cache_exchanges::binance::BinanceOptions::new()
        .with_environment(cache_series::key::Environment::Replay);
    let error = Binance::new(nowhere).unwrap().paging(&minute).unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unsupported);
    assert_eq!((venue.calls().klines, venue.calls().feeds), (0, 0));
}
