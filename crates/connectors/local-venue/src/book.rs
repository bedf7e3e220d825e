use std::collections::BTreeMap;

use crate::{Candle, History, Interval};

/// What of which symbol is seen at a moment.
#[derive(Debug, Default)]
pub(crate) struct Book {
    histories: BTreeMap<String, History>,
    /// Futures that were delivered, and when.
    delivered: BTreeMap<String, i64>,
}

/// Which candles are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) from_ms: Option<i64>,
    pub(crate) to_ms: Option<i64>,
    pub(crate) limit: usize,
    /// Whether the newest are answered of too many, even where a begin is named.
    pub(crate) newest: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Symbol,
    Interval,
}

impl Book {
    pub(crate) fn list(&mut self, symbol: &str, history: History) {
        self.histories.insert(symbol.to_owned(), history);
    }

    pub(crate) fn revise(&mut self, symbol: &str, at: i64, candle: Candle) {
        if let Some(history) = self.histories.get_mut(symbol) {
            history.revise(at, candle);
        }
    }

    pub(crate) fn deliver(&mut self, symbol: &str, at: i64) {
        self.delivered.insert(symbol.to_owned(), at);
    }

    pub(crate) fn delivered(&self, symbol: &str) -> Option<i64> {
        self.delivered.get(symbol).copied()
    }

    pub(crate) fn first(&self, symbol: &str) -> Option<i64> {
        self.histories.get(symbol)?.candles().keys().next().copied()
    }

    pub(crate) fn lists(&self, symbol: &str) -> bool {
        self.histories.contains_key(symbol)
    }

    pub(crate) fn symbols(&self) -> impl Iterator<Item = &str> {
        self.histories.keys().map(String::as_str)
    }

    /// The candles that have begun by `now_ms`, the last of them as far as it has grown.
    pub(crate) fn candles(
        &self,
        symbol: &str,
        interval: Interval,
        query: Query,
        now_ms: i64,
    ) -> Result<Vec<(i64, Candle)>, Unknown> {
        let history = self.histories.get(symbol).ok_or(Unknown::Symbol)?;
        let own = history.interval();
        // Shorter candles cannot be made of longer ones.
        if interval.next_after(0) - interval.start_of(0) < own.next_after(0) - own.start_of(0) {
            return Err(Unknown::Interval);
        }
        let from = query.from_ms.unwrap_or(i64::MIN / 2);
        let to = query.to_ms.unwrap_or(now_ms).min(now_ms);
        if from > to {
            return Ok(Vec::new());
        }
        // Of the first candle all that is in it, though it begins before `from`.
        let first = if from < -62_000_000_000_000 { from } else { interval.start_of(from) };
        let end = interval.next_after(to).min(now_ms.saturating_add(1));
        let mut found: BTreeMap<i64, Vec<Candle>> = BTreeMap::new();
        let forward = query.from_ms.is_some() && !query.newest;
        let parts = history.candles().range(first..end);
        let parts: Box<dyn Iterator<Item = (&i64, &Candle)>> =
            if forward { Box::new(parts) } else { Box::new(parts.rev()) };
        for (at, candle) in parts {
            let start = interval.start_of(*at);
            if start < from || start > to {
                continue;
            }
            if !found.contains_key(&start) && found.len() == query.limit {
                break;
            }
            found.entry(start).or_default().push(grown(own, *at, *candle, now_ms));
        }
        // Forward in any case: the last digit of a sum of volumes depends on the order.
        let joined = found.into_iter().filter_map(|(start, mut parts)| {
            if !forward {
                parts.reverse();
            }
            Some((start, parts.into_iter().reduce(Candle::joined)?))
        });
        Ok(joined.collect())
    }

    /// The candle that begins exactly then, as it is at `now_ms`.
    pub(crate) fn candle(
        &self,
        symbol: &str,
        interval: Interval,
        start: i64,
        now_ms: i64,
    ) -> Option<Candle> {
        let query = Query { from_ms: Some(start), to_ms: Some(start), limit: 1, newest: false };
        let candles = self.candles(symbol, interval, query, now_ms).ok()?;
        candles.first().filter(|(at, _)| *at == start).map(|(_, candle)| *candle)
    }
}

fn grown(interval: Interval, at: i64, candle: Candle, now_ms: i64) -> Candle {
    let end = interval.next_after(at);
    if now_ms >= end {
        return candle;
    }
    candle.grown((now_ms - at) as f64 / (end - at) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Book {
        let candle =
            |price: f64| Candle { open: price, high: price, low: price, close: price, volume: 1.0 };
        let candles = (0..100i64).filter(|slot| slot % 10 != 3);
        let candles = candles.map(|slot| (slot * 60_000, candle(slot as f64)));
        let mut book = Book::default();
        book.list("A", History::recorded(Interval::MINUTE, candles));
        book
    }

    fn slots(found: Result<Vec<(i64, Candle)>, Unknown>) -> Vec<i64> {
        found.unwrap().into_iter().map(|(at, _)| at / 60_000).collect()
    }

    #[test]
    fn a_begin_gives_the_oldest_and_an_end_alone_the_newest() {
        let book = book();
        let now = 50 * 60_000 + 30_000;
        let ask = |from_ms, to_ms, limit, newest| {
            let query = Query { from_ms, to_ms, limit, newest };
            slots(book.candles("A", Interval::MINUTE, query, now))
        };
        assert_eq!(ask(Some(0), None, 4, false), [0, 1, 2, 4]);
        assert_eq!(ask(None, Some(5 * 60_000), 2, false), [4, 5]);
        assert_eq!(ask(None, None, 2, false), [49, 50], "that which grows is seen");
        assert_eq!(ask(Some(0), Some(5 * 60_000), 2, true), [4, 5]);
        assert_eq!(ask(Some(1), Some(5 * 60_000), 9, false), [1, 2, 4, 5]);
        assert_eq!(ask(Some(60 * 60_000), None, 9, false), [] as [i64; 0], "not begun");
    }

    #[test]
    fn longer_candles_are_made_of_shorter_ones() {
        let book = book();
        let five = Interval::named("5m").unwrap();
        let query = Query { from_ms: Some(0), to_ms: Some(600_000), limit: 9, newest: false };
        let candles = book.candles("A", five, query, 100 * 60_000).unwrap();
        let first = Candle { open: 0.0, high: 4.0, low: 0.0, close: 4.0, volume: 4.0 };
        assert_eq!(candles[0], (0, first));
        let backward = Query { from_ms: None, to_ms: Some(0), limit: 1, newest: false };
        assert_eq!(book.candles("A", five, backward, 100 * 60_000).unwrap(), [(0, first)]);
        let second = Interval::named("1s").unwrap();
        assert_eq!(book.candles("A", second, query, 0), Err(Unknown::Interval));
        assert_eq!(book.candles("B", five, query, 0), Err(Unknown::Symbol));
    }
}
