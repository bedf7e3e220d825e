use std::time::Duration;

use cache_twse::Stock;
use serde::{Deserialize, Serialize};
use tiers::clock::Timestamp;

/// An answer with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// When it was loaded; of what is made of several, the oldest of them.
    pub loaded: Timestamp,
    /// Whether it is past the time for which it holds: the market could not be asked.
    pub stale: bool,
}

/// What a stock is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockInfo {
    /// The stock.
    pub stock: Stock,
    /// Its short name.
    pub name: String,
    /// Its full name, where it is told.
    pub full_name: Option<String>,
}

/// What is kept: a value that knows by itself for how long it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held<T> {
    pub(crate) value: T,
    pub(crate) loaded_unix_ms: u64,
    pub(crate) fresh_until_unix_ms: u64,
}

impl<T> Held<T> {
    pub(crate) fn new(value: T, now: Timestamp, holds: Duration) -> Self {
        let fresh_until_unix_ms = now.after(holds).unix_ms();
        Self { value, loaded_unix_ms: now.unix_ms(), fresh_until_unix_ms }
    }

    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        now.unix_ms() >= self.fresh_until_unix_ms
    }

    pub(crate) fn answer<U>(&self, now: Timestamp, of: impl FnOnce(&T) -> U) -> Answer<U> {
        let loaded = Timestamp::from_unix_ms(self.loaded_unix_ms);
        Answer { value: of(&self.value), loaded, stale: self.is_stale(now) }
    }
}
