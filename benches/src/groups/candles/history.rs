//! Candles to measure with, and caches that hold them.

use std::sync::Arc;

use anyhow::ensure;
use cache_series::cache::{MemoryBounds, Series, SeriesCache, SeriesOptions};
use cache_series::key::SeriesKey;
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::store::Store;
use cache_series::time::{Alignment, Grid, Slots, Time, Timeframe};
use cache_series::transfer::OnDifference;
use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;
use tiers::clock::SystemClock;
use tiers::storage::Storage;

pub(super) const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);

/// The first slot: the minute in which 2020 began.
const FIRST: i64 = 26_297_280;

/// A walk of prices, minute by minute, as an exchange would send it.
pub(super) struct History {
    pub(super) candles: Vec<Candle>,
}

impl History {
    pub(super) fn new(candles: i64) -> Self {
        let mut random = Pcg64Mcg::new(7);
        // In cents; volumes in units of 1e-5.
        let mut close: i64 = 4_000_000;
        let candles = (0..candles).map(|_| {
            let open = close;
            close = (open + random.random_range(-2_000..=2_000)).max(100_000);
            let high = open.max(close) + random.random_range(0..1_000);
            let low = open.min(close) - random.random_range(0..1_000);
            let volume: i64 = random.random_range(0..2_000_000);
            let price = |cents: i64| cents as f64 / 100.0;
            Candle {
                open: price(open),
                high: price(high),
                low: price(low),
                close: price(close),
                volume: volume as f64 / 100_000.0,
            }
        });
        Self { candles: candles.collect() }
    }

    pub(super) fn slots(&self) -> Slots {
        Slots::new(FIRST, FIRST + self.candles.len() as i64)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (Time, Candle)> + '_ {
        let times = self.slots().iter().map(|slot| MINUTES.start_of(slot));
        times.zip(self.candles.iter().copied())
    }

    /// A series over this storage that has all of it.
    pub(super) async fn stored_in(
        &self,
        storage: Arc<dyn Storage>,
    ) -> anyhow::Result<(SeriesCache<Candle>, Series<Candle>)> {
        let store = Store::new(storage, Arc::new(SystemClock), "history")?;
        let options = SeriesOptions::default().with_memory(MemoryBounds::NONE);
        let cache = SeriesCache::builder(store).options(options).build();
        let key = SeriesKey::new("bench", "BTCUSDT", Timeframe::Minute1)?;
        let series = cache.stored(&key, Alignment::UTC)?;
        let imported = series.import(self.rows(), OnDifference::Keep).await?;
        ensure!(imported.added == self.candles.len() as u64, "{imported:?}");
        Ok((cache, series))
    }
}

pub(super) fn range(slots: Slots) -> Request {
    Request::range(MINUTES.start_of(slots.start), MINUTES.start_of(slots.end))
}
