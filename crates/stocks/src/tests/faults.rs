//! Bad input, from the market's reply to what is told and kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cache_twse::client::{Twse, TwseOptions};
use cache_twse::limiter::Limiter;
use cache_twse::{Listings, Retry, Stock, TwseErrorKind};
use tiers::clock::{ManualClock, Timestamp};
use tiers_local_venue::{StockFault, StockVenue};

use super::service_over;
use crate::{StockService, StockServiceError};

/// Friday, the second of May 2025, half past three in the afternoon.
const NOW_MS: u64 = 1_746_171_000_000;

async fn venue() -> StockVenue {
    let venue = StockVenue::start(i64::try_from(NOW_MS).unwrap()).await.unwrap();
    venue.list("tse_2330", "台積電", "2025-03-10", 1);
    venue.list("otc_6488", "環球晶", "2025-03-10", 2);
    venue
}

/// A process that has just begun, with a client of the venue.
async fn process(folder: &Path, venue: &StockVenue, listings: Listings) -> StockService {
    let clock = ManualClock::new();
    clock.step_wall(Timestamp::from_unix_ms(NOW_MS));
    let limiter = Limiter::new(Arc::new(clock.clone())).with_window(10_000, Duration::from_secs(1));
    let options = TwseOptions::new()
        .with_address(venue.url())
        .with_timeout(Duration::from_secs(20))
        .with_listings(listings)
        .with_limiter(limiter.with_wait_max(Duration::ZERO))
        .with_clock(Arc::new(clock.clone()));
    let market = Arc::new(Twse::new(options).unwrap());
    service_over(folder, &clock, market, &["memory", "sqlite"]).await
}

fn stock(text: &str) -> Stock {
    text.parse().unwrap()
}

/// Of one stock: the errors of its history and of its quote.
async fn errors(service: &StockService, stock: &Stock) -> [StockServiceError; 2] {
    let one = std::slice::from_ref(stock);
    let history = service.histories(one, 30).await.remove(0).unwrap_err();
    [history, service.quotes(one).await.remove(0).unwrap_err()]
}

/// Another shape, half a reply, HTML, and every way in which the markets say that they do not want
/// to be asked: told by its kind, with when to ask again, and forgotten.
#[tokio::test]
async fn bug_8_bad_replies_are_typed_errors_and_nothing_of_them_is_stored() {
    use TwseErrorKind::*;
    let venue = venue().await;
    let sentence = |text: &str| StockFault::Sentence(text.to_owned());
    for (fault, kind) in [
        (StockFault::OtherShape, Malformed),
        (StockFault::OtherColumns, Malformed),
        (StockFault::HalfText, Truncated),
        (StockFault::Html, NotJson),
        (StockFault::status(429), RateLimited),
        (StockFault::status(418), Banned),
        (StockFault::status(403), Banned),
        (sentence("您的查詢過於頻繁，請稍後再試"), RateLimited),
        (sentence("因為安全性考量，您所執行的頁面無法呈現"), Banned),
        (sentence("今天天氣很好"), Refused),
        (StockFault::status(503), Unavailable),
        (StockFault::Disconnect, Unavailable),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tse_2330", "otc_6488"] {
            // A client of its own each time: after a ban nothing is asked at all.
            let service = process(folder.path(), &venue, Listings::default()).await;
            venue.fail_all(fault.clone());
            for error in errors(&service, &stock(name)).await {
                assert_eq!(error.kind(), Some(kind), "{fault:?}: {error}");
                assert!(matches!(error.retry(), Retry::After(_)), "{fault:?}: {error}");
                assert_eq!(error.stock(), &stock(name));
            }
            venue.clear_faults();
            service.cache().close().await.unwrap();

            // Nobody answers: whatever had been kept would be served, or be known to be nothing.
            let service = process(folder.path(), &venue, Listings::default()).await;
            venue.fail_all(StockFault::Disconnect);
            for error in errors(&service, &stock(name)).await {
                assert_eq!(error.kind(), Some(Unavailable), "after {fault:?}: {error}");
            }
            venue.clear_faults();
            service.cache().close().await.unwrap();
        }
        let service = process(folder.path(), &venue, Listings::default()).await;
        let both = [stock("tse_2330"), stock("otc_6488")];
        let histories = service.histories(&both, 30).await;
        assert!(histories.iter().all(|it| it.as_ref().is_ok_and(|it| it.value.len() >= 19)));
        assert!(service.quotes(&both).await.iter().all(Result::is_ok), "after {fault:?}");
        service.cache().close().await.unwrap();
    }
}

/// What there is not: told as exactly as it is known, never an empty list, and asked for once.
#[tokio::test]
async fn bug_8_what_there_is_not_is_told_and_known() {
    use TwseErrorKind::*;
    let venue = venue().await;
    venue.list("tse_1111", "舊股", "2025-03-10", 3);
    venue.delist("tse_1111", "2025-03-20");
    let folder = tempfile::tempdir().unwrap();
    let service = process(folder.path(), &venue, Listings::default()).await;
    // The markets themselves do not tell an unknown stock from one that is not traded.
    for name in ["tse_9999", "otc_9999", "tse_1111"] {
        let [history, quote] = errors(&service, &stock(name)).await;
        assert_eq!((history.kind(), quote.kind()), (Some(NoData), Some(UnknownSymbol)), "{name}");
        assert_eq!((history.retry(), quote.retry()), (Retry::Never, Retry::Never), "{name}");
    }
    let asked = venue.calls().all();
    for name in ["tse_9999", "otc_9999", "tse_1111"] {
        errors(&service, &stock(name)).await;
    }
    assert_eq!(venue.calls().all(), asked, "it is known");
    // A month before the listing is no hole in a history.
    let history = service.histories(&[stock("tse_2330")], 365).await.remove(0).unwrap();
    assert_eq!(history.value[0].day.to_string(), "2025-03-10");
    service.cache().close().await.unwrap();

    // Where it is told what is listed, it is told exactly, and nothing is asked.
    let folder = tempfile::tempdir().unwrap();
    let listings = "tse_2330 2025-05-05\ntse_1111 - 2025-03-20\n";
    let listings = Listings::parse(listings).unwrap().with_whole(cache_twse::Market::Listed);
    let service = process(folder.path(), &venue, listings).await;
    venue.reset_calls();
    for (name, kind) in [("tse_1111", Delisted), ("tse_9999", UnknownSymbol)] {
        let error = service.histories(&[stock(name)], 30).await.remove(0).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Some(kind), Retry::Never), "{name}");
    }
    assert_eq!(venue.calls().months, 0);
    service.cache().close().await.unwrap();
}
