//! The service between a market that is scripted, or that speaks on loopback, and a file.
//!
//! What the stock system before it did wrong, and where that is tried:
//!
//! | | what it did | test |
//! |---|---|---|
//! | 1 | every read wrote twice | `storage::stock_bug_1_..` |
//! | 2 | every change counted all rows | `cache-sqlite`, `schema::statements::..stock_bugs_2_and_3..` |
//! | 3 | tags were searched through, no index helped | the same |
//! | 4 | invalidating a stock hit whatever contains its code | `service::stock_bug_4_..` |
//! | 5 | histories of 30 and of 60 days shared nothing | `service::stock_bug_5_..` |
//! | 6 | lifetimes did not know when the market is open | `service::stock_bug_6_..` |

mod faults;
mod host_limiter;
mod month;
mod service;
mod storage;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_twse::calendar::MarketCalendar;
use cache_twse::daily::{DayPrices, DayTrade, MonthHistory};
use cache_twse::quote::{Quote, QuoteUnit};
use cache_twse::text::{Day, Month};
use cache_twse::{Stock, TwseError, TwseErrorKind};
use parking_lot::Mutex;
use tiers::clock::{Clock, ManualClock, Timestamp};
use tiers::prelude::*;

use crate::{StockMarket, StockService, StockServiceOptions};

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
    folder: tempfile::TempDir,
}

/// At a time of Taipei's clock, through memory and a file.
async fn world(at: &str) -> World {
    let clock = ManualClock::new();
    let calendar = MarketCalendar::taiwan_with(HOLIDAYS).unwrap();
    let market = Arc::new(Scripted {
        clock: clock.clone(),
        calendar,
        listed: Mutex::default(),
        months: Mutex::default(),
        quotes: Mutex::default(),
        away: Mutex::default(),
        broken: Mutex::default(),
        listings: Mutex::default(),
    });
    let folder = tempfile::tempdir().unwrap();
    let service = service_over(folder.path(), &clock, market.clone(), &["memory", "sqlite"]).await;
    let world = World { clock, market, service, folder };
    world.at(at);
    world
}

/// A service as a process has it that has just begun: with nothing in memory, over a file that may
/// be there.
async fn service_over(
    folder: &Path,
    clock: &ManualClock,
    market: Arc<dyn StockMarket>,
    tiers: &[&str],
) -> StockService {
    // It would write at the beginning, at a time of its own.
    let sqlite = tiers::sqlite::SqliteOptions::new(folder.join("stocks.db"))
        .cleanup_interval(None)
        .clock(Arc::new(clock.clone()));
    let cache = Cache::builder()
        .clock(Arc::new(clock.clone()))
        .storage("memory", Memory::builder().build().unwrap())
        .storage("sqlite", sqlite.open().await.unwrap())
        .build()
        .unwrap();
    let options = StockServiceOptions::new(tiers.iter().copied())
        .with_calendar(MarketCalendar::taiwan_with(HOLIDAYS).unwrap())
        .with_stale_max(72 * HOUR)
        .with_clock(Arc::new(clock.clone()));
    StockService::new(cache, market, options).unwrap()
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

    /// Ends the process and begins another one, which has the file and nothing in memory.
    async fn restart(&mut self, tiers: &[&str]) {
        self.service.cache().close().await.unwrap();
        let market = self.market.clone();
        self.service = service_over(self.folder.path(), &self.clock, market, tiers).await;
    }
}
