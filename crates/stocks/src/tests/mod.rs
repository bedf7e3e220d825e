//! What the service asks the markets for, and what it tells.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_twse::calendar::MarketCalendar;
use cache_twse::daily::{DayPrices, DayTrade, MonthHistory};
use cache_twse::quote::{Quote, QuoteUnit};
use cache_twse::text::{Day, Month};
use cache_twse::{Retry, Stock, TwseError, TwseErrorKind};
use parking_lot::Mutex;
use tiers::clock::{Clock, ManualClock, Timestamp};
use tiers::prelude::*;

use crate::{StockMarket, StockService, StockServiceError, StockServiceOptions};

const HOUR: Duration = Duration::from_secs(3600);
/// A session on every weekday but one.
const HOLIDAYS: &str = "2025-04-04 closed\n";

/// A market that trades all it lists, publishes an hour after the close, and counts.
#[derive(Debug)]
struct Scripted {
    clock: ManualClock,
    calendar: MarketCalendar,
    listed: Mutex<Vec<(Stock, Day)>>,
    months: Mutex<Vec<(Stock, Month)>>,
    quotes: Mutex<Vec<Vec<Stock>>>,
    away: Mutex<Option<TwseErrorKind>>,
    broken: Mutex<Option<Stock>>,
    listings: Mutex<cache_twse::Listings>,
}

impl Scripted {
    fn fails(&self, stock: &Stock) -> Result<(), TwseError> {
        let broken = self.broken.lock().as_ref() == Some(stock);
        let away = self.away.lock().or(broken.then_some(TwseErrorKind::Malformed));
        away.map_or(Ok(()), |kind| Err(TwseError::new(kind, "on demand")))
    }

    fn first(&self, stock: &Stock) -> Option<Day> {
        self.listed.lock().iter().find(|(listed, _)| listed == stock).map(|(_, first)| *first)
    }
}

/// Closes rise by one a day from a price that the stock's code tells.
fn trade(stock: &Stock, day: Day, number: u32) -> DayTrade {
    let base = f64::from(stock.code().bytes().map(u32::from).sum::<u32>());
    let close = base + f64::from(number);
    let prices = DayPrices::checked(close - 1.0, close, close - 1.0, close);
    DayTrade { day, shares: 1_000, value: 1_000_000, trades: 10, prices, change: Some(1.0) }
}

#[async_trait]
impl StockMarket for Scripted {
    async fn month(&self, stock: &Stock, month: Month) -> Result<MonthHistory, TwseError> {
        self.months.lock().push((stock.clone(), month));
        self.fails(stock)?;
        let nothing = || TwseError::new(TwseErrorKind::NoData, "nothing");
        let first = self.first(stock).ok_or_else(nothing)?;
        let published = self.clock.wall().unix_ms() - 3_600_000;
        let sessions = self
            .calendar
            .sessions()
            .sessions_in(month.first_day().start(), month.next().first_day().start());
        let days = sessions
            .into_iter()
            .filter(|(_, close)| close.unix_ms() <= i64::try_from(published).unwrap())
            .map(|(open, _)| Day::at(open))
            .filter(|day| *day >= first);
        let days: Vec<DayTrade> =
            (1..).zip(days).map(|(number, day)| trade(stock, day, number)).collect();
        if days.is_empty() {
            return Err(nothing());
        }
        Ok(MonthHistory { stock: stock.clone(), month, name: None, days })
    }

    fn check(&self, stock: &Stock, month: Month) -> Result<(), TwseError> {
        self.listings.lock().check(stock, month)
    }

    async fn quotes(&self, stocks: &[Stock], unit: QuoteUnit) -> Vec<Result<Quote, TwseError>> {
        self.quotes.lock().push(stocks.to_vec());
        let answers = stocks.iter().map(|stock| {
            self.fails(stock)?;
            let unknown = || TwseError::new(TwseErrorKind::UnknownSymbol, "unknown");
            self.first(stock).ok_or_else(unknown)?;
            Ok(Quote {
                stock: stock.clone(),
                name: format!("name of {stock}"),
                full_name: None,
                day: Day::at(self.clock.wall().into()),
                at_unix_ms: self.clock.wall().unix_ms(),
                unit,
                last: Some(10.0),
                last_size: Some(1),
                volume: Some(2),
                open: None,
                high: None,
                low: None,
                reference: None,
                limit_up: None,
                limit_down: None,
                bids: Vec::new(),
                asks: Vec::new(),
            })
        });
        answers.collect()
    }
}

struct World {
    clock: ManualClock,
    market: Arc<Scripted>,
    service: StockService,
    _folder: tempfile::TempDir,
}

/// At a time of Taipei's clock, through memory and a file.
async fn world(at: &str) -> World {
    let clock = ManualClock::new();
    let calendar = MarketCalendar::taiwan_with(HOLIDAYS).unwrap();
    let market = Arc::new(Scripted {
        clock: clock.clone(),
        calendar: calendar.clone(),
        listed: Mutex::default(),
        months: Mutex::default(),
        quotes: Mutex::default(),
        away: Mutex::default(),
        broken: Mutex::default(),
        listings: Mutex::default(),
    });
    let folder = tempfile::tempdir().unwrap();
    let sqlite = tiers::sqlite::SqliteOptions::new(folder.path().join("stocks.db"))
        .clock(Arc::new(clock.clone()));
    let cache = Cache::builder()
        .clock(Arc::new(clock.clone()))
        .storage("memory", Memory::builder().build().unwrap())
        .storage("sqlite", sqlite.open().await.unwrap())
        .build()
        .unwrap();
    let options = StockServiceOptions::new(["memory", "sqlite"])
        .with_calendar(calendar)
        .with_stale_max(72 * HOUR)
        .with_clock(Arc::new(clock.clone()));
    let service = StockService::new(cache, market.clone(), options).unwrap();
    let world = World { clock, market, service, _folder: folder };
    world.at(at);
    world
}

impl World {
    /// Sets the clock, which does not go back.
    fn at(&self, text: &str) {
        let time: cache_series::time::Time = text.parse().unwrap();
        let ms = u64::try_from(time.before(8 * HOUR).unix_ms()).unwrap();
        let now = self.clock.wall();
        if now > Timestamp::from_unix_ms(1_735_689_600_000) {
            self.clock.advance(Timestamp::from_unix_ms(ms).since(now));
        } else {
            self.clock.step_wall(Timestamp::from_unix_ms(ms));
        }
    }

    fn list(&self, names: &[&str], first: &str) -> Vec<Stock> {
        let stocks: Vec<Stock> = names.iter().map(|name| name.parse().unwrap()).collect();
        let first: Day = first.parse().unwrap();
        self.market.listed.lock().extend(stocks.iter().map(|stock| (stock.clone(), first)));
        stocks
    }

    /// What was asked since this was asked last: months, calls for quotes.
    fn asked(&self) -> (usize, usize) {
        let months = std::mem::take(&mut *self.market.months.lock()).len();
        let quotes = std::mem::take(&mut *self.market.quotes.lock()).len();
        (months, quotes)
    }
}

/// Of the stock system: histories of 30 and of 60 days shared nothing.
#[tokio::test]
async fn histories_of_30_and_60_days_share_what_they_have() {
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

/// Of the stock system: invalidating `%2330%` also hit other keys that contain it.
#[tokio::test]
async fn invalidating_a_stock_is_exact() {
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

/// Of the stock system: lifetimes did not know when the market is open.
#[tokio::test]
async fn a_quote_holds_for_a_minute_or_until_the_next_opening() {
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

/// Nothing that is known is asked for again: one call for each session's row, and the new month's.
#[tokio::test]
async fn a_month_of_market_days_asks_once_for_each() {
    let world = world("2025-03-31T12:00:00Z").await;
    let stocks = world.list(&["tse_2330"], "2020-01-02");
    world.service.histories(&stocks, 60).await;
    world.service.best_four_points(&stocks).await;
    world.asked();
    let mut calls = 0;
    for day in 1..=30 {
        let mut of_day = 0;
        for hour in [1, 9, 11, 13, 15, 16, 19, 23] {
            world.at(&format!("2025-04-{day:02}T{hour:02}:45:00Z"));
            let history = world.service.histories(&stocks, 40).await.remove(0).unwrap();
            let points = world.service.best_four_points(&stocks).await.remove(0).unwrap();
            assert!(!history.stale && !points.stale);
            // The newest row that is there by the calendar.
            let newest = history.value.last().unwrap().day;
            let expected = world.market.calendar.last_published(world.clock.wall().into()).unwrap();
            assert!(newest >= expected, "{newest} on {day} at {hour}");
            of_day += world.asked().0;
        }
        let day: Day = format!("2025-04-{day:02}").parse().unwrap();
        let session = !day.is_weekend() && day.to_string() != "2025-04-04";
        assert!(
            of_day <= usize::from(session) + usize::from(day.to_string() == "2025-04-01"),
            "{of_day} calls on {day}"
        );
        calls += of_day;
    }
    // Twenty-one sessions, and the last row of March on the evening of which nobody asked.
    assert_eq!(calls, 21 + 1);
}

/// Of the stock system: whatever went wrong became an empty list.
#[tokio::test]
async fn what_fails_is_told_of_its_stock_alone() {
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
