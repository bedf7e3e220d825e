use std::collections::BTreeMap;

use crate::Interval;

/// A candle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candle {
    /// The price of the first trade.
    pub open: f64,
    /// The highest price.
    pub high: f64,
    /// The lowest price.
    pub low: f64,
    /// The price of the last trade.
    pub close: f64,
    /// How much was traded.
    pub volume: f64,
}

/// Candles of a symbol, with their times in milliseconds since 1970. Where there is none, nothing
/// was traded or the venue was closed.
#[derive(Clone, Debug)]
pub struct History {
    interval: Interval,
    candles: BTreeMap<i64, Candle>,
    seed: u64,
}

impl Candle {
    /// Two candles, the other one the later, as one of both spans.
    pub(crate) fn joined(self, later: Self) -> Self {
        Self {
            open: self.open,
            high: self.high.max(later.high),
            low: self.low.min(later.low),
            close: later.close,
            volume: self.volume + later.volume,
        }
    }

    /// What it was when so much of its time was over, from 0 to 1.
    pub(crate) fn grown(self, part: f64) -> Self {
        let close = cents(self.open + (self.close - self.open) * part);
        Self {
            open: self.open,
            high: self.open.max(close),
            low: self.open.min(close),
            close,
            volume: cents(self.volume * part),
        }
    }
}

fn cents(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

impl History {
    /// A walk of prices in cents, one candle after the other: `count` of them from `from_ms` on. The
    /// same seed gives the same.
    pub fn generated(interval: Interval, from_ms: i64, count: usize, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut step = |cents_max: i64| random.i64(-cents_max..=cents_max);
        let (mut candles, mut at, mut price) =
            (BTreeMap::new(), interval.start_of(from_ms), 5_000_000i64);
        for _ in 0..count {
            let open = price;
            let close = (open + step(2_000)).max(10_000);
            let high = open.max(close) + step(800).abs();
            let low = open.min(close) - step(800).abs();
            let volume = 1 + step(10_000).abs();
            let [open_, high, low, close_, volume] =
                [open, high, low, close, volume].map(|cents| cents as f64 / 100.0);
            let candle = Candle { open: open_, high, low, close: close_, volume };
            candles.insert(at, candle);
            price = close;
            at = interval.next_after(at);
        }
        Self { interval, candles, seed }
    }

    /// Candles as they were recorded, each with its time.
    pub fn recorded(interval: Interval, candles: impl IntoIterator<Item = (i64, Candle)>) -> Self {
        Self { interval, candles: candles.into_iter().collect(), seed: 0 }
    }

    /// The same with about so large a part of the candles left out, where nothing was traded.
    pub fn quiet(mut self, part: f64) -> Self {
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(1));
        self.candles.retain(|_, _| random.f64() >= part);
        self
    }

    /// The same without candles that begin in `from_ms..to_ms`, when the venue was out of order.
    pub fn without(mut self, from_ms: i64, to_ms: i64) -> Self {
        self.candles.retain(|at, _| !(from_ms..to_ms).contains(at));
        self
    }

    /// How long its candles last.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// Its candles by their times.
    pub fn candles(&self) -> &BTreeMap<i64, Candle> {
        &self.candles
    }

    pub(crate) fn revise(&mut self, at: i64, candle: Candle) {
        self.candles.insert(at, candle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_can_be() {
        let history = History::generated(Interval::MINUTE, 30_000, 2_000, 5);
        assert_eq!(history.candles().len(), 2_000);
        assert_eq!(history.candles().first_key_value().unwrap().0, &0);
        for candle in history.candles().values() {
            let Candle { open, high, low, close, volume } = *candle;
            assert!(high >= open.max(close) && low <= open.min(close) && low > 0.0 && volume > 0.0);
            let half = candle.grown(0.5);
            assert!(half.high <= high && half.low >= low && half.volume <= volume);
        }
        let again = History::generated(Interval::MINUTE, 30_000, 2_000, 5);
        assert_eq!(history.candles(), again.candles());
        let quiet = again.quiet(0.25).without(0, 600_000);
        assert!((1_300..1_700).contains(&quiet.candles().len()), "{}", quiet.candles().len());
        assert!(quiet.candles().keys().all(|at| *at >= 600_000));
    }
}
