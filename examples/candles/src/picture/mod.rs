//! What is known and the closing prices as a picture: every kind of knowledge in a row of its own, so
//! that none hides another however narrow its spans are.

mod chart;
mod svg;
mod terminal;

use cache_series::cache::Span;
use cache_series::coverage::Kind;
use cache_series::time::Time;

pub(crate) use svg::svg;
pub(crate) use terminal::terminal;

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) from: Time,
    pub(crate) to: Time,
    pub(crate) lanes: Vec<Lane>,
    /// Closing prices of the first lane's series.
    pub(crate) closes: Vec<(Time, f64)>,
}

/// A series.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) spans: Vec<Span>,
}

/// How a kind of knowledge is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) kind: Kind,
    /// Its name, which is also its class in the SVG.
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    pub(crate) fill: &'static str,
    /// Its colour among the 256 of terminals.
    pub(crate) ansi: u8,
}

pub(crate) const STYLES: [Style; 7] = [
    style(Kind::Present, "present", "a candle", "#2f9e44", 34),
    style(Kind::Empty, "empty", "known to be empty", "#74c0fc", 75),
    style(Kind::Closed, "closed", "market closed", "#868e96", 244),
    style(Kind::BeforeListing, "before", "before listing", "#b197fc", 141),
    style(Kind::AfterLast, "after", "after last", "#f783ac", 211),
    style(Kind::Failed, "failed", "the venue failed", "#e03131", 160),
    style(Kind::Unknown, "unknown", "nothing known", "#fab005", 214),
];

const fn style(
    kind: Kind,
    name: &'static str,
    says: &'static str,
    fill: &'static str,
    ansi: u8,
) -> Style {
    Style { kind, name, says, fill, ansi }
}

impl Picture {
    /// The part of each of so many columns that is of this kind, from 0 to 1.
    fn shares(&self, lane: &Lane, kind: Kind, columns: usize) -> Vec<f64> {
        let mut shares = vec![0.0; columns];
        let width_ms = self.width_ms();
        let place = |time: Time| {
            let ms = time.unix_ms().clamp(self.from.unix_ms(), self.to.unix_ms());
            (ms - self.from.unix_ms()) as f64 / width_ms * columns as f64
        };
        for span in lane.spans.iter().filter(|span| span.kind == kind) {
            let (from, to) = (place(span.from), place(span.to));
            let touched = shares.iter_mut().enumerate();
            for (column, share) in touched.take(to.ceil() as usize).skip(from as usize) {
                let (left, right) = (column as f64, column as f64 + 1.0);
                *share += (to.min(right) - from.max(left)).max(0.0);
            }
        }
        shares
    }

    fn width_ms(&self) -> f64 {
        (self.to.unix_ms() - self.from.unix_ms()).max(1) as f64
    }

    /// The lowest and the highest closing price of each of so many columns, where there is one.
    fn bands(&self, columns: usize) -> Vec<Option<(f64, f64)>> {
        let mut bands: Vec<Option<(f64, f64)>> = vec![None; columns];
        for (time, close) in &self.closes {
            let at = (time.unix_ms() - self.from.unix_ms()) as f64 / self.width_ms();
            let Some(band) = bands.get_mut((at * columns as f64).max(0.0) as usize) else {
                continue;
            };
            let (low, high) = band.unwrap_or((*close, *close));
            *band = Some((low.min(*close), high.max(*close)));
        }
        bands
    }

    /// The lowest and the highest closing price of all.
    fn range(&self) -> Option<(f64, f64)> {
        let mut closes = self.closes.iter().map(|(_, close)| *close);
        let first = closes.next()?;
        Some(closes.fold((first, first), |(low, high), close| (low.min(close), high.max(close))))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use cache_series::chunk::Chunk;
    use cache_series::coverage::{Coverage, State};
    use cache_series::row::Candle as Row;

    use super::*;

    /// A picture with every kind: ten minutes of each, one after the other. It is read from a cache,
    /// for spans are made by one only.
    pub(crate) async fn every_kind() -> Picture {
        use std::sync::Arc;

        use cache_core::clock::ManualClock;
        use cache_series::cache::SeriesCache;
        use cache_series::key::SeriesKey;
        use cache_series::store::Store;
        use cache_series::time::{Alignment, Slots, Timeframe};
        use cache_sqlite::SqliteOptions;

        let storage = SqliteOptions::temporary().open().await.unwrap().into_storage();
        let store = Store::new(storage, Arc::new(ManualClock::new()), "test").unwrap();
        let key = SeriesKey::new("a", "B", Timeframe::Minute1).unwrap();
        let retry_at = Time::from_unix_ms(0);
        let states = [
            State::Fetched,
            State::Empty { checks: 1, check_at: None },
            State::Closed,
            State::BeforeListing,
            State::AfterLast,
            State::Failed { attempts: 1, retry_at },
        ];
        let spans = states.iter().zip(0i64..);
        let coverage: Coverage =
            spans.map(|(state, at)| (Slots::new(10 * at, 10 * at + 10), *state)).collect();
        let rows = (0..10).map(|slot| (slot, Row::flat(slot as f64, 1.0)));
        let chunk = Chunk::build(0, rows, coverage).unwrap();
        store.change_chunk(&key, 0, |_| chunk.clone()).await.unwrap();
        let cache: SeriesCache<Row> = SeriesCache::builder(store).build();
        let series = cache.stored(&key, Alignment::UTC).unwrap();
        let to = series.grid().start_of(70);
        let spans = series.known(Time::EPOCH, to).await.unwrap();
        let closes = (0..10).map(|slot| (series.grid().start_of(slot), slot as f64));
        Picture {
            from: Time::EPOCH,
            to,
            lanes: vec![Lane { name: "A <B>".to_owned(), spans }],
            closes: closes.collect(),
        }
    }

    #[tokio::test]
    async fn every_column_is_shared_out_whole() {
        let picture = every_kind().await;
        for columns in [1, 3, 7, 70, 200] {
            let mut sums = vec![0.0; columns];
            for style in STYLES {
                let shares = picture.shares(&picture.lanes[0], style.kind, columns);
                let all: f64 = shares.iter().sum::<f64>() / columns as f64;
                assert!((all - 1.0 / 7.0).abs() < 1e-9, "{} of {columns}: {all}", style.name);
                sums.iter_mut().zip(&shares).for_each(|(sum, share)| *sum += share);
            }
            assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-9), "{sums:?}");
        }
        assert_eq!(picture.range(), Some((0.0, 9.0)));
        assert_eq!(picture.bands(7)[0], Some((0.0, 9.0)));
        assert_eq!(picture.bands(7)[1], None);
    }
}
