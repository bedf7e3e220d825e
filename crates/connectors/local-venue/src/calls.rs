use std::collections::VecDeque;

/// What was asked, since the venue was started or since it was last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls for candles, with those that failed on demand.
    pub klines: u64,
    /// Those of them that were answered with a fault or refused.
    pub failed: u64,
    /// Calls for anything else.
    pub others: u64,
    /// Rows that were answered.
    pub rows: u64,
    /// Feeds that were opened: connections that began to listen for something.
    pub feeds: u64,
    /// Pings of text that came.
    pub pings: u64,
    /// Pongs that came back for pings.
    pub pongs: u64,
}

/// A call for candles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Of which symbol.
    pub symbol: String,
    /// In which interval, as the exchange writes it.
    pub interval: String,
    /// From which moment on.
    pub from_ms: Option<i64>,
    /// Up to which moment, included.
    pub to_ms: Option<i64>,
    /// How many rows at most.
    pub limit: Option<u32>,
}

/// So many of the last calls are remembered.
const ASKED_MAX: usize = 10_000;

/// Counts, and the calls themselves.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) counts: Calls,
    asked: VecDeque<Asked>,
}

impl Log {
    pub(crate) fn asked(&mut self, asked: Asked) {
        self.counts.klines += 1;
        if self.asked.len() == ASKED_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back(asked);
    }

    pub(crate) fn all(&self) -> Vec<Asked> {
        self.asked.iter().cloned().collect()
    }
}
