use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::ManualClock;
use tiers_local_venue::{StockFault, StockVenue};

use super::*;
use crate::limiter::Limiter;
use crate::text::{Day, Month};
use crate::{Market, Retry, Stock, TwseErrorKind};

/// Friday, the second of May 2025, half past three in the afternoon.
const NOW_MS: i64 = 1_746_171_000_000;

async fn venue() -> StockVenue {
    let venue = StockVenue::start(NOW_MS).await.unwrap();
    venue.list("tse_2330", "台積電", "2025-03-10", 1);
    venue.list("otc_6488", "環球晶", "2025-03-10", 2);
    venue
}

/// Calls are not held back by how often they come, but by what the market says.
fn client(venue: &StockVenue) -> Twse {
    let clock = Arc::new(ManualClock::new());
    let limiter = Limiter::new(clock).with_window(10_000, Duration::from_secs(1));
    let options = TwseOptions::new()
        .with_address(venue.url())
        .with_timeout(Duration::from_secs(20))
        .with_limiter(limiter.with_wait_max(Duration::ZERO));
    Twse::new(options).unwrap()
}

fn stock(text: &str) -> Stock {
    text.parse().unwrap()
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

#[tokio::test]
async fn both_markets_months_and_days_are_read() {
    let (venue, april) = (venue().await, month("2025-04"));
    let client = client(&venue);
    for name in ["tse_2330", "otc_6488"] {
        let history = client.month(&stock(name), april).await.unwrap();
        assert_eq!((history.days.len(), history.month), (22, april), "{name}");
        assert!(history.days.iter().all(|row| row.shares > 0 && row.shares % 1_000 == 0));
        let march = client.month(&stock(name), month("2025-03")).await.unwrap();
        assert_eq!(march.days[0].day.to_string(), "2025-03-10");
        // A day's change is what its close differs by from the one before.
        let (last, first) = (march.days.last().unwrap(), history.days[0]);
        let moved = first.prices.unwrap().close - last.prices.unwrap().close;
        assert!((first.change.unwrap() - moved).abs() < 1e-9);
        let error = client.month(&stock(name), month("2025-02")).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (TwseErrorKind::NoData, Retry::Never));
    }
    let day: Day = "2025-05-02".parse().unwrap();
    for (market, code) in [(Market::Listed, "2330"), (Market::OverTheCounter, "6488")] {
        let traded = client.market_day(market, day).await.unwrap();
        assert_eq!(traded.stocks.keys().collect::<Vec<_>>(), [code]);
        let stock = Stock::new(market, code).unwrap();
        let may = client.month(&stock, month("2025-05")).await.unwrap();
        let last = may.days.last().unwrap();
        assert_eq!(traded.stocks[code].trade.prices, last.prices);
        let error = client.market_day(market, day.tomorrow()).await.unwrap_err();
        assert_eq!(error.kind(), TwseErrorKind::NoData);
    }
    let early = client.month(&stock("tse_2330"), month("2009-12")).await.unwrap_err();
    assert_eq!(early.kind(), TwseErrorKind::BeforeArchive);
    let late = client.month(&stock("tse_2330"), month("2025-06")).await.unwrap_err();
    assert_eq!(late.kind(), TwseErrorKind::NotYet);
}

#[tokio::test]
async fn a_session_is_begun_before_quotes_and_again_when_it_has_ended() {
    let venue = venue().await;
    let client = client(&venue);
    let stocks = ["otc_6488", "tse_9999", "tse_2330"].map(stock);
    let answers = client.quotes(&stocks).await;
    assert_eq!(answers[0].as_ref().unwrap().stock, stocks[0]);
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), TwseErrorKind::UnknownSymbol);
    let closed = answers[2].as_ref().unwrap();
    let may = client.month(&stocks[2], month("2025-05")).await.unwrap();
    assert_eq!(closed.last, may.days.last().unwrap().prices.map(|prices| prices.close));
    assert_eq!((venue.calls().sessions, venue.calls().quotes), (1, 1));
    let odd = client.odd_lot_quotes(&stocks[2..]).await.remove(0).unwrap();
    assert_eq!(odd.volume, closed.volume.map(|lots| lots * 1_000));
    assert_eq!((venue.calls().sessions, venue.calls().quotes), (1, 2));
    venue.end_sessions();
    assert!(client.quotes(&stocks[2..]).await[0].is_ok());
    assert_eq!((venue.calls().sessions, venue.calls().quotes), (2, 4));
    // During a session, between two trades.
    venue.set_now(NOW_MS - 5 * 3_600_000 + 60_000);
    let open = client.quotes(&stocks[2..]).await.remove(0).unwrap();
    assert!(open.last.is_none() && open.value().is_some() && open.bids.len() == 5);
}

#[tokio::test]
async fn many_stocks_are_several_calls() {
    let venue = venue().await;
    let client = client(&venue);
    let stocks: Vec<Stock> =
        (0..QUOTES_MAX + 1).map(|code| stock(&format!("tse_{}", 1_000 + code))).collect();
    let answers = client.quotes(&stocks).await;
    assert_eq!(answers.len(), QUOTES_MAX + 1);
    assert_eq!((venue.calls().quotes, venue.calls().quoted), (2, 101));
    assert!(client.quotes(&[]).await.is_empty());
    assert_eq!(venue.calls().quotes, 2);
}

#[tokio::test]
async fn whatever_goes_wrong_has_a_kind_and_says_when_to_ask_again() {
    use TwseErrorKind::*;
    let venue = venue().await;
    let refused = |seconds| StockFault::Status { status: 429, retry_after: Some(seconds) };
    for (fault, kind) in [
        (StockFault::status(503), Unavailable),
        (StockFault::status(504), Timeout),
        (StockFault::status(404), Refused),
        (StockFault::status(429), RateLimited),
        (StockFault::status(403), Banned),
        (StockFault::status(418), Banned),
        (StockFault::Html, NotJson),
        (StockFault::HalfText, Truncated),
        (StockFault::OtherShape, Malformed),
        (StockFault::OtherColumns, Malformed),
        (StockFault::Sentence("查詢過於頻繁".to_owned()), RateLimited),
        (StockFault::Sentence("今天天氣很好".to_owned()), Refused),
        (StockFault::Disconnect, Unavailable),
        (refused(7), RateLimited),
    ] {
        for name in ["tse_2330", "otc_6488"] {
            let client = client(&venue);
            venue.fail_next(fault.clone());
            let error = client.month(&stock(name), month("2025-04")).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{fault:?}: {error}");
            assert!(matches!(error.retry(), Retry::After(_)), "{fault:?}");
            assert!(!error.to_string().contains("127.0.0.1"), "{error}");
            if fault == refused(7) {
                assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
            }
        }
        let client = client(&venue);
        client.quotes(&[stock("tse_2330")]).await.remove(0).unwrap();
        venue.fail_all(fault.clone());
        let error = client.quotes(&[stock("tse_2330")]).await.remove(0).unwrap_err();
        // Half a quote is known not to be whole; other columns are another shape.
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        venue.clear_faults();
    }
}

#[tokio::test]
async fn a_ban_holds_back_all_that_follow_without_asking() {
    let venue = venue().await;
    let client = client(&venue);
    venue.fail_next(StockFault::status(403));
    let asked = client.month(&stock("tse_2330"), month("2025-04")).await.unwrap_err();
    assert_eq!(asked.kind(), TwseErrorKind::Banned);
    let held = client.month(&stock("otc_6488"), month("2025-04")).await.unwrap_err();
    assert_eq!(
        (held.kind(), held.retry()),
        (TwseErrorKind::Banned, Retry::After(Duration::from_secs(3600)))
    );
    let held = client.quotes(&[stock("otc_6488")]).await.remove(0).unwrap_err();
    assert_eq!(held.kind(), TwseErrorKind::Banned);
    assert_eq!(venue.calls().all(), 1);
}

#[tokio::test]
async fn what_is_known_not_to_be_there_is_not_asked_for() {
    let venue = venue().await;
    let listings = crate::Listings::parse("tse_2330 2025-03-10\ntse_1111 - 2025-03-31\n").unwrap();
    let listings = listings.with_whole(Market::Listed);
    let options = TwseOptions::new().with_address(venue.url()).with_listings(listings);
    let client = Twse::new(options).unwrap();
    for (name, text, kind) in [
        ("tse_2330", "2025-02", TwseErrorKind::BeforeListing),
        ("tse_1111", "2025-04", TwseErrorKind::Delisted),
        ("tse_9999", "2025-04", TwseErrorKind::UnknownSymbol),
    ] {
        let error = client.month(&stock(name), month(text)).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, Retry::Never), "{name}");
    }
    assert_eq!(venue.calls().all(), 0);
}

#[tokio::test]
async fn a_stock_that_was_delisted_has_its_months_and_no_quote() {
    let venue = venue().await;
    venue.delist("tse_2330", "2025-04-15");
    let client = client(&venue);
    let april = client.month(&stock("tse_2330"), month("2025-04")).await.unwrap();
    assert_eq!(april.days.last().unwrap().day.to_string(), "2025-04-15");
    let error = client.month(&stock("tse_2330"), month("2025-05")).await.unwrap_err();
    assert_eq!(error.kind(), TwseErrorKind::NoData);
    let error = client.quotes(&[stock("tse_2330")]).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), TwseErrorKind::UnknownSymbol);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let address = venue().await.url();
    let client = Twse::new(TwseOptions::new().with_address(address)).unwrap();
    let error = client.month(&stock("tse_2330"), month("2025-04")).await.unwrap_err();
    assert_eq!(error.kind(), TwseErrorKind::Unavailable);
}
