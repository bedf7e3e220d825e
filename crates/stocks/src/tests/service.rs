//! What the service asks the markets for, and what it tells.

use cache_twse::{Retry, Stock, TwseErrorKind};

use super::world;
use crate::StockServiceError;

/// Bug 5 of the stock system: histories of 30 and of 60 days shared nothing.
#[tokio::test]
async fn stock_bug_5_histories_of_30_and_60_days_share_what_they_have() {
    let world = world("2025-05-16T16:00:00Z").await;
    let stocks = world.list(&["tse_2330", "otc_6488"], "2020-01-02");
    let month = world.service.histories(&stocks, 30).await;
    assert_eq!(world.asked(), (4, 0), "April and May of two");
    let days = &month[0].as_ref().unwrap().value;
    // The 17th of April is a Thursday; May begins with a holiday.
    assert_eq!(days.len(), 10 + 11);
    assert_eq!(days[0].day.to_string(), "2025-04-17");
    let two = world.service.histories(&stocks, 60).await;
    assert_eq!(world.asked(), (2, 0), "March alone");
    let longer = &two[0].as_ref().unwrap().value;
    assert!(longer.ends_with(days) && longer[0].day.to_string() == "2025-03-18");
    assert!(!two[1].as_ref().unwrap().stale);
    world.service.histories(&stocks, 45).await;
    assert_eq!(world.asked(), (0, 0));
}

/// Bug 4 of the stock system: invalidating `%2330%` also hit other keys that contain it.
#[tokio::test]
async fn stock_bug_4_invalidating_a_stock_is_exact() {
    let world = world("2025-05-16T16:00:00Z").await;
    let names = ["tse_2330", "otc_2330", "tse_23300", "tse_12330"];
    let stocks = world.list(&names, "2020-01-02");
    world.service.histories(&stocks, 2_330).await;
    world.service.quotes(&stocks).await;
    world.asked();
    let done = world.service.invalidate(&stocks[0]).await.unwrap();
    assert!(done.is_done());
    world.service.quotes(&stocks).await;
    assert_eq!(*world.market.quotes.lock(), [vec![stocks[0].clone()]]);
    world.service.histories(&stocks, 30).await;
    let months = world.market.months.lock().clone();
    assert_eq!(months.len(), 2);
    assert!(months.iter().all(|(stock, _)| *stock == stocks[0]));
}

#[tokio::test]
async fn quotes_of_many_are_one_call_for_what_is_missing() {
    let world = world("2025-05-16T10:00:00Z").await;
    let stocks = world.list(&["tse_2330", "tse_2317", "otc_6488"], "2020-01-02");
    world.service.quotes(&stocks[..1]).await;
    world.asked();
    let twice = [&stocks[..], &stocks[..1]].concat();
    let quotes = world.service.quotes(&twice).await;
    assert_eq!(quotes.len(), 4);
    assert!(
        quotes
            .iter()
            .zip(&twice)
            .all(|(quote, stock)| quote.as_ref().unwrap().value.stock == *stock)
    );
    assert_eq!(*world.market.quotes.lock(), [stocks[1..].to_vec()]);
    world.asked();
    // Odd lots are quoted apart.
    world.service.odd_lot_quotes(&stocks).await;
    assert_eq!(world.asked(), (0, 1));
}

/// Bug 6 of the stock system: lifetimes did not know when the market is open.
#[tokio::test]
async fn stock_bug_6_a_quote_holds_for_a_minute_or_until_the_next_opening() {
    let world = world("2025-05-16T10:00:00Z").await;
    let stocks = world.list(&["tse_2330"], "2020-01-02");
    for (time, calls) in [
        ("2025-05-16T10:00:00Z", 1),
        ("2025-05-16T10:00:59Z", 0),
        ("2025-05-16T10:01:00Z", 1),
        ("2025-05-16T13:40:00Z", 1),
        ("2025-05-16T20:00:00Z", 0),
        ("2025-05-18T20:00:00Z", 0),
        ("2025-05-19T08:59:59Z", 0),
        ("2025-05-19T09:00:00Z", 1),
    ] {
        world.at(time);
        let quote = world.service.quotes(&stocks).await.remove(0).unwrap();
        assert!(!quote.stale);
        assert_eq!(world.asked(), (0, calls), "{time}");
    }
}

/// Bug 8 of the model, in the stock system too: whatever went wrong became an empty list.
#[tokio::test]
async fn bug_8_what_fails_is_told_of_its_stock_alone() {
    let world = world("2025-05-16T16:00:00Z").await;
    let stocks = world.list(&["tse_2330", "tse_2317", "tse_2454"], "2020-01-02");
    let new = world.list(&["tse_7777"], "2025-05-14");
    let unknown: Stock = "tse_9999".parse().unwrap();
    *world.market.broken.lock() = Some(stocks[1].clone());
    let all = [&stocks[..], &new, &[unknown]].concat();
    let kinds = |error: Option<&StockServiceError>| error.and_then(StockServiceError::kind);
    let histories = world.service.histories(&all, 30).await;
    let found: Vec<_> = histories.iter().map(|answer| kinds(answer.as_ref().err())).collect();
    use TwseErrorKind::{Malformed, NoData, UnknownSymbol};
    assert_eq!(found, [None, Some(Malformed), None, None, Some(NoData)]);
    assert_eq!(histories[3].as_ref().unwrap().value.len(), 3, "from its listing on");
    assert!(matches!(histories[1].as_ref().unwrap_err().retry(), Retry::After(_)));
    assert_eq!(histories[4].as_ref().unwrap_err().retry(), Retry::Never);
    let quotes = world.service.quotes(&all).await;
    let found: Vec<_> = quotes.iter().map(|answer| kinds(answer.as_ref().err())).collect();
    assert_eq!(found, [None, Some(Malformed), None, None, Some(UnknownSymbol)]);
    let points = world.service.best_four_points(&all).await;
    assert!(matches!(points[3], Err(StockServiceError::TooFewDays { .. })), "{:?}", points[3]);
    assert_eq!(kinds(points[1].as_ref().err()), Some(Malformed));
    assert!(points[0].is_ok() && points[2].is_ok());
    world.asked();
    // What is known not to be there is not asked for again; what failed is.
    world.service.histories(&all, 30).await;
    assert_eq!(world.asked(), (2, 0));
}

#[tokio::test]
async fn why_there_is_nothing_is_told_where_it_is_known() {
    let world = world("2025-05-16T16:00:00Z").await;
    let stock: Stock = "tse_1111".parse().unwrap();
    let kind = async || {
        world.service.histories(std::slice::from_ref(&stock), 30).await[0]
            .as_ref()
            .unwrap_err()
            .kind()
    };
    assert_eq!(kind().await, Some(TwseErrorKind::NoData));
    *world.market.listings.lock() = cache_twse::Listings::parse("tse_1111 - 2020-06-30").unwrap();
    assert_eq!(kind().await, Some(TwseErrorKind::Delisted));
}

#[tokio::test]
async fn an_outage_is_survived_stale_within_the_limit() {
    let world = world("2025-05-16T16:00:00Z").await;
    let stocks = world.list(&["tse_2330"], "2020-01-02");
    world.service.histories(&stocks, 30).await;
    world.service.quotes(&stocks).await;
    *world.market.away.lock() = Some(TwseErrorKind::Unavailable);
    // Monday evening's row is missing, and Monday's quote.
    world.at("2025-05-19T16:00:00Z");
    let history = world.service.histories(&stocks, 30).await.remove(0).unwrap();
    assert!(history.stale && history.value.last().unwrap().day.to_string() == "2025-05-16");
    assert!(world.service.quotes(&stocks).await.remove(0).unwrap().stale);
    // A new stock has nothing to be served.
    let other: Stock = "tse_2317".parse().unwrap();
    let error = world.service.quotes(&[other]).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), Some(TwseErrorKind::Unavailable));
    // Three days after its end the copy is none any more.
    world.at("2025-05-22T16:00:00Z");
    let error = world.service.histories(&stocks, 30).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), Some(TwseErrorKind::Unavailable));
    *world.market.away.lock() = None;
    let history = world.service.histories(&stocks, 30).await.remove(0).unwrap();
    assert!(!history.stale && history.value.last().unwrap().day.to_string() == "2025-05-22");
}

#[tokio::test]
async fn warming_tells_how_far_it_has_come_and_leaves_nothing_to_ask() {
    let world = world("2025-05-16T16:00:00Z").await;
    let names: Vec<String> = (0..12).map(|number| format!("tse_{}", 2_000 + number)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stocks = world.list(&names, "2020-01-02");
    *world.market.broken.lock() = Some(stocks[6].clone());
    let mut seen = Vec::new();
    let report = world
        .service
        .warm(&stocks, 30, |progress| seen.push((progress.warmed, progress.failed)))
        .await;
    assert_eq!(seen, [(5, 0), (9, 1), (11, 1)]);
    assert_eq!((report.warmed, report.failures.len()), (11, 1));
    assert_eq!(report.failures[0].stock(), &stocks[6]);
    *world.market.broken.lock() = None;
    world.asked();
    let mut others = stocks.clone();
    others.remove(6);
    world.service.histories(&others, 30).await;
    world.service.best_four_points(&others).await;
    world.service.quotes(&others).await;
    let infos = world.service.infos(&others).await;
    assert_eq!(infos[0].as_ref().unwrap().value.name, "name of tse_2000");
    assert_eq!(world.asked(), (0, 0));
    let stats = world.service.stats();
    assert!(stats.hit_rate() > 0.3 && stats.months.hits >= 22 && stats.quotes.misses >= 12);
}

#[tokio::test]
async fn a_refresh_asks_whatever_is_known_and_readers_see_it() {
    let world = world("2025-05-16T16:00:00Z").await;
    let stocks = world.list(&["tse_2330", "tse_2317"], "2020-01-02");
    world.service.warm(&stocks, 30, |_| ()).await;
    world.asked();
    world.service.refresh(&stocks[0]).await.unwrap();
    assert_eq!(world.asked(), (1, 1), "its newest month and its quote");
    *world.market.away.lock() = Some(TwseErrorKind::Banned);
    let error = world.service.refresh(&stocks[0]).await.unwrap_err();
    assert_eq!((error.kind(), error.stock()), (Some(TwseErrorKind::Banned), &stocks[0]));
    assert!(!world.service.histories(&stocks, 30).await[0].as_ref().unwrap().stale);
}

#[tokio::test]
async fn a_hundred_readers_at_once_are_one_call() {
    let world = world("2025-05-16T10:00:00Z").await;
    let stocks = world.list(&["tse_2330"], "2020-01-02");
    let readers = (0..100).map(|_| world.service.quotes(&stocks));
    let answers = futures_util::future::join_all(readers).await;
    assert!(answers.iter().all(|answer| answer[0].is_ok()));
    assert_eq!(world.asked(), (0, 1));
}
