use serde_json::{Value, json};

use super::{INTERVALS, row};
use crate::Asked;
use crate::book::{Book, Query};
use crate::dialects::words::interval;
use crate::dialects::{Candles, Found, Parameters, Refusal, Reply, Wanted};

/// A call for so many or more is refused.
const ROWS_END: i64 = 350;

/// Candles of trades.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot;

impl Candles for Spot {
    const NAME: &'static str = "coinbase";
    const WEIGHT: u64 = 1;
    const WINDOW_MS: i64 = 1_000;

    fn asked(&self, parameters: &Parameters) -> Result<Asked, Refusal> {
        let ms = |seconds: Option<i64>| seconds.map(|seconds| seconds.saturating_mul(1_000));
        Ok(Asked {
            symbol: parameters.text_or_empty("product_id").to_owned(),
            interval: parameters.text_or_empty("granularity").to_owned(),
            from_ms: ms(parameters.number("start")?),
            to_ms: ms(parameters.number("end")?),
            limit: parameters.count("limit")?,
        })
    }

    fn wanted(&self, asked: &Asked, _: &Parameters, _: &Book) -> Result<Wanted, Refusal> {
        let Asked { symbol, interval: word, from_ms, to_ms, limit } = asked;
        let from_ms = from_ms.ok_or(Refusal::Missing("start"))?;
        let to_ms = to_ms.ok_or(Refusal::Missing("end"))?;
        let interval = interval(INTERVALS, word).ok_or(Refusal::UnknownInterval)?;
        let length_ms = interval.next_after(0) - interval.start_of(0);
        if to_ms.saturating_sub(from_ms).div_euclid(length_ms) >= ROWS_END {
            let message = format!(
                "INVALID_ARGUMENT: start and end argument is invalid - number of candles \
                 requested should be less than {ROWS_END}"
            );
            return Err(Refusal::Own { status: 400, code: 0, message, retry_after: None });
        }
        let limit = limit.map_or(ROWS_END, i64::from).clamp(1, ROWS_END);
        let query = Query {
            from_ms: Some(from_ms),
            to_ms: Some(to_ms),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            newest: true,
        };
        Ok(Wanted { symbol: symbol.clone(), interval, query })
    }

    /// The newest first.
    fn answer(&self, found: &Found<'_>) -> Reply {
        let rows = found.rows.iter().rev().map(|(at, candle)| Value::Object(row(*at, *candle)));
        Reply::answer(json!({"candles": rows.collect::<Vec<_>>()}))
    }

    fn refused(&self, refusal: &Refusal, _: i64) -> Reply {
        refused(refusal)
    }
}

/// A refusal; it has no word of how long to wait.
pub(super) fn refused(refusal: &Refusal) -> Reply {
    let said = |status, word: &str, text: &str| {
        Reply::status(status, json!({"error": word, "error_details": text, "message": text}))
    };
    match refusal {
        Refusal::RateLimited { .. } => {
            let error = json!({"id": "rate_limit_exceeded", "message": "Too many requests"});
            Reply::status(429, json!({"errors": [error]}))
        }
        // Shut out before anything that has words is reached.
        Refusal::Banned { .. } => Reply::status(403, json!("Forbidden")),
        Refusal::Unavailable => said(503, "UNAVAILABLE", "service unavailable"),
        Refusal::UnknownSymbol => said(404, "NOT_FOUND", "valid product_id is required"),
        Refusal::UnknownInterval => {
            said(400, "INVALID_ARGUMENT", "granularity argument is invalid")
        }
        Refusal::Missing(name) | Refusal::Malformed(name) => {
            said(400, "INVALID_ARGUMENT", &format!("{name} argument is invalid"))
        }
        Refusal::Own { status, message, retry_after, .. } => {
            let (word, text) = message.split_once(": ").unwrap_or(("unknown", message));
            said(*status, word, text).with_retry_after(*retry_after)
        }
    }
}
