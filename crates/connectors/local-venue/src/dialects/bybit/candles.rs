use serde_json::{Value, json};

use super::{INTERVALS, category, envelope, unknown_category};
use crate::book::{Book, Query};
use crate::dialects::words::interval;
use crate::dialects::{Candles, Found, Parameters, Refusal, Reply, Wanted};
use crate::{Asked, Candle};

const ROWS_MAX: usize = 1_000;

/// Of which prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Price {
    /// At which was traded, with volume and turnover.
    Traded,
    /// Of mark, index or premium, at which nobody trades.
    Other,
}

impl Candles for Price {
    const NAME: &'static str = "bybit";
    const WEIGHT: u64 = 1;
    const WINDOW_MS: i64 = 5_000;

    fn asked(&self, parameters: &Parameters) -> Result<Asked, Refusal> {
        Ok(Asked {
            symbol: parameters.text_or_empty("symbol").to_owned(),
            interval: parameters.text_or_empty("interval").to_owned(),
            from_ms: parameters.number("start")?,
            to_ms: parameters.number("end")?,
            limit: parameters.count("limit")?,
        })
    }

    fn wanted(&self, asked: &Asked, parameters: &Parameters, _: &Book) -> Result<Wanted, Refusal> {
        let Asked { symbol, interval: word, from_ms, to_ms, limit } = asked;
        let category = category(parameters.text("category")).ok_or_else(unknown_category)?;
        if *self == Price::Other && category == "spot" {
            return Err(unknown_category());
        }
        if symbol.is_empty() {
            return Err(Refusal::Missing("symbol"));
        }
        let interval = interval(INTERVALS, word).ok_or(Refusal::UnknownInterval)?;
        let query = Query {
            from_ms: *from_ms,
            to_ms: *to_ms,
            limit: (limit.unwrap_or(200) as usize).clamp(1, ROWS_MAX),
            // From a begin alone it goes on; of a span that is too long it answers the end.
            newest: to_ms.is_some(),
        };
        Ok(Wanted { symbol: symbol.clone(), interval, query })
    }

    /// The newest first.
    fn answer(&self, found: &Found<'_>) -> Reply {
        let category = category(found.parameters.text("category")).unwrap_or_default();
        let rows = found.rows.iter().rev();
        let list: Vec<Value> = rows.map(|(at, candle)| self.row(*at, *candle, category)).collect();
        let result = json!({"symbol": found.asked.symbol, "category": category, "list": list});
        Reply::answer(envelope(0, "OK", result, found.now_ms))
    }

    fn refused(&self, refusal: &Refusal, now_ms: i64) -> Reply {
        refused(refusal, now_ms)
    }
}

impl Price {
    fn row(self, at: i64, candle: Candle, category: &str) -> Value {
        let Candle { open, high, low, close, .. } = candle;
        let mut row: Vec<String> = vec![at.to_string()];
        row.extend([open, high, low, close].map(|price| price.to_string()));
        if self == Self::Traded {
            row.extend(amounts(candle, category).map(|amount| amount.to_string()));
        }
        json!(row)
    }
}

/// Volume and turnover: an inverse contract counts dollars, and turns over what they buy.
pub(super) fn amounts(candle: Candle, category: &str) -> [f64; 2] {
    let (base, quoted) = (candle.volume, candle.volume * candle.close);
    if category == "inverse" { [quoted, base] } else { [base, quoted] }
}

/// A refusal; it has no word of how long to wait.
pub(super) fn refused(refusal: &Refusal, now_ms: i64) -> Reply {
    let (status, code, message) = match refusal {
        Refusal::RateLimited { .. } => (200, 10_006, "Too many visits!".to_owned()),
        // Shut out before anything that knows of codes is reached.
        Refusal::Banned { .. } => {
            let message = "access too frequent".to_owned();
            return Reply::status(403, json!({"message": message}));
        }
        Refusal::Unavailable => (200, 10_016, "Server error.".to_owned()),
        Refusal::UnknownSymbol => (200, 10_001, "Not supported symbols".to_owned()),
        Refusal::UnknownInterval => (200, 10_001, "Invalid period!".to_owned()),
        Refusal::Missing(name) | Refusal::Malformed(name) => {
            (200, 10_001, format!("params error: {name} invalid"))
        }
        Refusal::Own { status, code, message, retry_after } => {
            let body = envelope(*code, message, json!({}), now_ms);
            return Reply::status(*status, body).with_retry_after(*retry_after);
        }
    };
    Reply::status(status, envelope(code, &message, json!({}), now_ms))
}
