//! What was traded of which stock on which day.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};

use super::text::minute_ms;

/// Nine o'clock, and half past one.
pub(super) const OPEN_MINUTE: i64 = 9 * 60;
pub(super) const CLOSE_MINUTE: i64 = 13 * 60 + 30;
/// An hour after the close a day's row is published.
const PUBLISHED_MINUTE: i64 = CLOSE_MINUTE + 60;
/// For so many days from a listing rows are made.
const DAYS: usize = 1_500;

/// A day of a stock; prices in cents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) shares: u64,
    pub(super) trades: u64,
    pub(super) open: u64,
    pub(super) high: u64,
    pub(super) low: u64,
    pub(super) close: u64,
    pub(super) before: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) title: String,
    seed: u64,
    first: Date,
    last: Option<Date>,
    rows: BTreeMap<Date, Row>,
}

/// Stocks by `tse_2330`.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) stocks: BTreeMap<String, Listed>,
    holidays: BTreeSet<Date>,
}

impl Book {
    pub(super) fn is_session(&self, day: Date) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        !weekend && !self.holidays.contains(&day)
    }

    pub(super) fn holiday(&mut self, day: Date) {
        self.holidays.insert(day);
        let names: Vec<String> = self.stocks.keys().cloned().collect();
        for name in names {
            if let Some(Listed { title, seed, first, last, .. }) = self.stocks.remove(&name) {
                self.list(&name, &title, first, seed);
                if let Some(last) = last {
                    self.delist(&name, last);
                }
            }
        }
    }

    pub(super) fn list(&mut self, name: &str, title: &str, first: Date, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut before = random.u64(40..2_000) * 50;
        let mut rows = BTreeMap::new();
        let sessions: Vec<Date> = first
            .series(jiff::Span::new().days(1))
            .take(DAYS)
            .filter(|day| self.is_session(*day))
            .collect();
        for day in sessions {
            // Within a tenth, as the market's limits are, by steps of half a dollar.
            let mut next = || {
                let step = (before / 11 / 50).max(1) * 50;
                let moved = before.saturating_sub(step) + random.u64(0..=step / 25) * 50;
                moved.max(50)
            };
            let (open, close, one, other) = (next(), next(), next(), next());
            let shares = random.u64(100..90_000) * 1_000;
            let row = Row {
                shares,
                trades: shares / 700 + 1,
                open,
                high: open.max(close).max(one),
                low: open.min(close).min(other),
                close,
                before,
            };
            before = close;
            rows.insert(day, row);
        }
        let title = title.to_owned();
        self.stocks.insert(name.to_owned(), Listed { title, seed, first, last: None, rows });
    }

    pub(super) fn delist(&mut self, name: &str, last: Date) {
        if let Some(listed) = self.stocks.get_mut(name) {
            listed.rows.retain(|day, _| *day <= last);
            listed.last = Some(last);
        }
    }
}

impl Listed {
    /// The rows of a span of days that are published.
    pub(super) fn published(&self, from: Date, to: Date, now_ms: i64) -> Vec<(Date, Row)> {
        let rows = self.rows.range(from..=to);
        let rows = rows.filter(|(day, _)| minute_ms(**day, PUBLISHED_MINUTE) <= now_ms);
        rows.map(|(day, row)| (*day, *row)).collect()
    }

    /// The day that is traded, or was last.
    pub(super) fn newest(&self, now_ms: i64) -> Option<(Date, Row)> {
        let begun = self.rows.iter().rev().find(|(day, _)| minute_ms(**day, OPEN_MINUTE) <= now_ms);
        begun.map(|(day, row)| (*day, *row))
    }

    /// Whether it is traded no more.
    pub(super) fn is_gone(&self, today: Date) -> bool {
        self.last.is_some_and(|last| last < today)
    }
}
