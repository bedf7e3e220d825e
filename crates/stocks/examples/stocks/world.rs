//! A market on this machine, and a cache in front of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cache_series::time::Time;
use cache_twse::Stock;
use cache_twse::client::{Twse, TwseOptions};
use cache_twse::limiter::Limiter;
use tiers::clock::{Clock, ManualClock, Timestamp};
use tiers::prelude::*;
use tiers::sqlite::SqliteOptions;
use tiers_local_venue::{StockFault, StockVenue};
use tiers_stocks::{StockService, StockServiceOptions};

use crate::AnyError;

/// Thursday, the 15th of May 2025, at four in the afternoon: the day's rows are published.
const NOW_MS: u64 = 1_747_296_000_000;

/// Codes and names; those of the second market begin with `otc`.
const STOCKS: [(&str, &str); 20] = [
    ("tse_0050", "元大台灣50"),
    ("tse_0056", "元大高股息"),
    ("tse_1101", "台泥"),
    ("tse_1216", "統一"),
    ("tse_1301", "台塑"),
    ("tse_2002", "中鋼"),
    ("tse_2303", "聯電"),
    ("tse_2308", "台達電"),
    ("tse_2317", "鴻海"),
    ("tse_2330", "台積電"),
    ("tse_2412", "中華電"),
    ("tse_2454", "聯發科"),
    ("tse_2603", "長榮"),
    ("tse_2881", "富邦金"),
    ("tse_2882", "國泰金"),
    ("tse_2891", "中信金"),
    ("otc_3105", "穩懋"),
    ("otc_5347", "世界"),
    ("otc_6488", "環球晶"),
    ("otc_8069", "元太"),
];

pub(crate) struct World {
    pub(crate) service: StockService,
    pub(crate) stocks: Vec<Stock>,
    venue: StockVenue,
    clock: ManualClock,
}

impl World {
    pub(crate) async fn open(database: &Path) -> Result<Self, AnyError> {
        let clock = ManualClock::new();
        clock.step_wall(Timestamp::from_unix_ms(NOW_MS));
        let venue = StockVenue::start(i64::try_from(NOW_MS)?).await?;
        let mut stocks = Vec::new();
        for (seed, (name, title)) in (1..).zip(STOCKS) {
            venue.list(name, title, "2024-01-02", seed);
            stocks.push(name.parse()?);
        }
        // A market of one's own may be asked as often as one likes.
        let limiter = Limiter::new(Arc::new(clock.clone()));
        let limiter = limiter.with_window(100_000, Duration::from_secs(1));
        let options = TwseOptions::new()
            .with_address(venue.url())
            .with_limiter(limiter)
            .with_clock(Arc::new(clock.clone()));
        let cache = Cache::builder()
            .prefix("stocks")
            .clock(Arc::new(clock.clone()))
            .storage("memory", Memory::builder().max_entries(100_000).build()?)
            .storage(
                "sqlite",
                SqliteOptions::new(database).clock(Arc::new(clock.clone())).open().await?,
            )
            .build()?;
        let markets = Arc::new(Twse::new(options)?);
        let options =
            StockServiceOptions::new(["memory", "sqlite"]).with_clock(Arc::new(clock.clone()));
        let service = StockService::new(cache, markets, options)?;
        Ok(Self { service, stocks, venue, clock })
    }

    /// What the clock shows in Taipei.
    pub(crate) fn now(&self) -> String {
        let taipei = Time::from(self.clock.wall()).after(Duration::from_secs(8 * 3600));
        taipei.to_string().replace('T', " ").replace('Z', " in Taipei")
    }

    /// All calls that the market was asked.
    pub(crate) fn calls(&self) -> u64 {
        self.venue.calls().all()
    }

    /// Lets a second pass, and tells when that is.
    pub(crate) fn tick(&self) -> Timestamp {
        self.clock.advance(Duration::from_secs(1));
        self.clock.wall()
    }

    pub(crate) fn next_evening(&self) {
        self.clock.advance(Duration::from_secs(24 * 3600));
        self.venue.set_now(i64::try_from(self.clock.wall().unix_ms()).unwrap_or(i64::MAX));
    }

    pub(crate) fn break_off(&self) {
        self.venue.fail_all(StockFault::Disconnect);
    }

    pub(crate) async fn close(self) -> Result<(), AnyError> {
        self.service.cache().close().await?;
        Ok(())
    }
}
