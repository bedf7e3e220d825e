use serde_json::{Value, json};

use super::{BARS, amounts, envelope, good, row};
use crate::book::{Book, Query};
use crate::dialects::words::interval;
use crate::dialects::{Candles, Found, Parameters, Refusal, Reply, Wanted};
use crate::{Asked, Interval};

/// Of which prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Price {
    /// At which was traded, with volumes.
    Traded,
    /// Of mark or index, at which nobody trades.
    Other,
}

/// The newest candles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest(pub(super) Price);

/// All candles.
#[derive(Clone, Copy, Debug)]
pub(super) struct History(pub(super) Price);

/// So many of the newest candles, with the growing one, are held by the path for them.
const NEWEST_ROWS: usize = 1_440;

impl Candles for Newest {
    const NAME: &'static str = "okx newest";
    const WEIGHT: u64 = 1;
    const WINDOW_MS: i64 = 2_000;

    fn asked(&self, parameters: &Parameters) -> Result<Asked, Refusal> {
        asked(parameters)
    }

    fn wanted(&self, asked: &Asked, _: &Parameters, _: &Book) -> Result<Wanted, Refusal> {
        self.0.wanted(asked)
    }

    /// What is held no more is left out without a word.
    fn answer(&self, found: &Found<'_>) -> Reply {
        let held_ms = held_since(found.wanted.interval, found.now_ms);
        good(self.0.rows(found, held_ms))
    }

    fn refused(&self, refusal: &Refusal, _: i64) -> Reply {
        refused(refusal)
    }
}

impl Candles for History {
    const NAME: &'static str = "okx history";
    const WEIGHT: u64 = 2;
    const WINDOW_MS: i64 = 2_000;

    fn asked(&self, parameters: &Parameters) -> Result<Asked, Refusal> {
        asked(parameters)
    }

    fn wanted(&self, asked: &Asked, _: &Parameters, _: &Book) -> Result<Wanted, Refusal> {
        self.0.wanted(asked)
    }

    fn answer(&self, found: &Found<'_>) -> Reply {
        good(self.0.rows(found, i64::MIN))
    }

    fn refused(&self, refusal: &Refusal, _: i64) -> Reply {
        refused(refusal)
    }
}

/// `before` and `after` are moments that are not asked for themselves; `before` is the earlier one.
fn asked(parameters: &Parameters) -> Result<Asked, Refusal> {
    Ok(Asked {
        symbol: parameters.text_or_empty("instId").to_owned(),
        interval: parameters.text("bar").unwrap_or("1m").to_owned(),
        from_ms: parameters.number("before")?.map(|before_ms| before_ms.saturating_add(1)),
        to_ms: parameters.number("after")?.map(|after_ms| after_ms - 1),
        limit: parameters.count("limit")?,
    })
}

/// When the oldest candle begins that is held as one of the newest.
fn held_since(interval: Interval, now_ms: i64) -> i64 {
    let grows_ms = interval.start_of(now_ms);
    (1..NEWEST_ROWS).fold(grows_ms, |later_ms, _| interval.start_of(later_ms - 1))
}

impl Price {
    fn wanted(self, asked: &Asked) -> Result<Wanted, Refusal> {
        let Asked { symbol, interval: word, from_ms, to_ms, limit } = asked;
        if symbol.is_empty() {
            return Err(Refusal::Missing("instId"));
        }
        let interval = interval(BARS, word).ok_or(Refusal::UnknownInterval)?;
        let rows_max = if self == Self::Traded { 300 } else { 100 };
        let query = Query {
            from_ms: *from_ms,
            to_ms: *to_ms,
            limit: (limit.unwrap_or(100) as usize).clamp(1, rows_max),
            newest: true,
        };
        Ok(Wanted { symbol: symbol.clone(), interval, query })
    }

    /// The newest first, as far as they begin then or later.
    fn rows(self, found: &Found<'_>, since_ms: i64) -> Vec<Value> {
        let Wanted { symbol, interval, .. } = &found.wanted;
        let held = found.rows.iter().rev().take_while(|(at, _)| *at >= since_ms);
        held.map(|(at, candle)| {
            let amounts = (self == Self::Traded).then(|| amounts(symbol, *candle));
            row(*at, *candle, amounts, interval.next_after(*at) <= found.now_ms)
        })
        .collect()
    }
}

/// A refusal; it has no word of how long to wait.
pub(super) fn refused(refusal: &Refusal) -> Reply {
    let (status, code, message) = match refusal {
        Refusal::RateLimited { .. } => (200, "50011".to_owned(), "Too Many Requests".to_owned()),
        // By the firewall, which knows of no codes.
        Refusal::Banned { .. } => return Reply::status(403, json!("error code: 1015")),
        Refusal::Unavailable => {
            (503, "50001".to_owned(), "Service temporarily unavailable".to_owned())
        }
        Refusal::UnknownSymbol => {
            (200, "51001".to_owned(), "Instrument ID doesn't exist.".to_owned())
        }
        Refusal::UnknownInterval => (400, "51000".to_owned(), "Parameter bar error".to_owned()),
        Refusal::Missing(name) => {
            (400, "50014".to_owned(), format!("Parameter {name} can not be empty"))
        }
        Refusal::Malformed(name) => (400, "51000".to_owned(), format!("Parameter {name} error")),
        Refusal::Own { status, code, message, retry_after } => {
            let body = envelope(&code.to_string(), message, Vec::new());
            return Reply::status(*status, body).with_retry_after(*retry_after);
        }
    };
    Reply::status(status, envelope(&code, &message, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_counted_with_the_one_that_grows() {
        let now_ms = 2_000 * 60_000 + 30_000;
        assert_eq!(held_since(Interval::MINUTE, now_ms), (2_000 - 1_439) * 60_000);
        let day = interval(BARS, "1Dutc").unwrap();
        assert_eq!(held_since(day, 86_399_999), -1_439 * 86_400_000);
    }
}
