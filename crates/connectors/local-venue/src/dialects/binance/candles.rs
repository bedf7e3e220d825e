use serde_json::{Value, json};

use crate::book::{Book, Query};
use crate::dialects::{Candles, Found, Parameters, Refusal, Reply, Wanted};
use crate::{Asked, Candle, Interval};

const DAY_MS: i64 = 86_400_000;

/// How a market answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Market {
    rows_max: usize,
    /// Whether spans are bounded and the newest are answered of too many.
    coin_margined: bool,
}

impl Market {
    pub(super) const SPOT: Self = Self { rows_max: 1_000, coin_margined: false };
    pub(super) const LINEAR: Self = Self { rows_max: 1_500, coin_margined: false };
    pub(super) const INVERSE: Self = Self { rows_max: 1_500, coin_margined: true };
}

impl Candles for Market {
    const NAME: &'static str = "binance";
    const WEIGHT: u64 = 2;
    const WINDOW_MS: i64 = 60_000;

    fn asked(&self, parameters: &Parameters) -> Result<Asked, Refusal> {
        let symbol = parameters.text("symbol").or_else(|| parameters.text("pair"));
        Ok(Asked {
            symbol: symbol.unwrap_or_default().to_owned(),
            interval: parameters.text_or_empty("interval").to_owned(),
            from_ms: parameters.number("startTime")?,
            to_ms: parameters.number("endTime")?,
            limit: parameters.count("limit")?,
        })
    }

    fn wanted(&self, asked: &Asked, _: &Parameters, _: &Book) -> Result<Wanted, Refusal> {
        let Asked { symbol, interval, from_ms, to_ms, limit } = asked;
        for (name, text) in [("symbol", symbol), ("interval", interval)] {
            if text.is_empty() {
                return Err(Refusal::Missing(name));
            }
        }
        let interval = Interval::named(interval).ok_or(Refusal::UnknownInterval)?;
        if self.coin_margined
            && let (Some(from), Some(to)) = (from_ms, to_ms)
            && to - from > 200 * DAY_MS
        {
            let message = "More than 4800 hours between startTime and endTime.".to_owned();
            return Err(Refusal::Own { status: 400, code: -1127, message, retry_after: None });
        }
        let limit = limit.unwrap_or(500) as usize;
        let query = Query {
            from_ms: *from_ms,
            to_ms: *to_ms,
            limit: limit.clamp(1, self.rows_max),
            newest: self.coin_margined,
        };
        Ok(Wanted { symbol: symbol.clone(), interval, query })
    }

    fn answer(&self, found: &Found<'_>) -> Reply {
        let interval = found.wanted.interval;
        let rows = found.rows.iter().map(|(at, candle)| row(*at, interval, *candle));
        Reply::answer(rows.collect()).with_header("x-mbx-used-weight-1m", found.weight_used)
    }

    fn refused(&self, refusal: &Refusal, _: i64) -> Reply {
        let (status, code, message, retry_after) = match refusal {
            Refusal::RateLimited { retry_after } => {
                let message = "Too much request weight used; current limit is per 1 MINUTE.";
                (429, -1003, message.to_owned(), Some(*retry_after))
            }
            Refusal::Banned { retry_after } => {
                let message = "Way too much request weight used; IP banned.".to_owned();
                (418, -1003, message, Some(*retry_after))
            }
            Refusal::Unavailable => {
                (503, -1008, "Server is currently overloaded.".to_owned(), None)
            }
            Refusal::UnknownSymbol => (400, -1121, "Invalid symbol.".to_owned(), None),
            Refusal::UnknownInterval => (400, -1120, "Invalid interval.".to_owned(), None),
            Refusal::Missing(name) => {
                let message = format!(
                    "Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
                );
                (400, -1102, message, None)
            }
            Refusal::Malformed(name) => {
                (400, -1100, format!("Illegal characters found in parameter '{name}'."), None)
            }
            Refusal::Own { status, code, message, retry_after } => {
                (*status, *code, message.clone(), *retry_after)
            }
        };
        Reply::status(status, json!({"code": code, "msg": message})).with_retry_after(retry_after)
    }
}

fn row(at: i64, interval: Interval, candle: Candle) -> Value {
    let Candle { open, high, low, close, volume } = candle;
    let end = interval.next_after(at) - 1;
    let quoted = (volume * close).to_string();
    json!([
        at,
        open.to_string(),
        high.to_string(),
        low.to_string(),
        close.to_string(),
        volume.to_string(),
        end,
        quoted,
        1,
        "0",
        "0",
        "0"
    ])
}
