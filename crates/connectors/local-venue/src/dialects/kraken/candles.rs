use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names::Names;
use super::{answer, interval, length_ms};
use crate::book::{Book, Query};
use crate::dialects::{Candles, Found, Parameters, Refusal, Reply, Wanted};
use crate::{Asked, Candle};

/// So many candles that are over are answered at most, and the growing one.
const ROWS_MAX: i64 = 720;

/// The call for candles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ohlc;

impl Candles for Ohlc {
    const NAME: &'static str = "kraken";
    const WEIGHT: u64 = 1;
    const WINDOW_MS: i64 = 1_000;

    fn asked(&self, parameters: &Parameters) -> Result<Asked, Refusal> {
        let since = parameters.number("since")?;
        Ok(Asked {
            symbol: parameters.text_or_empty("pair").to_owned(),
            interval: parameters.text("interval").unwrap_or("1").to_owned(),
            from_ms: since.map(|seconds| seconds.saturating_mul(1_000)),
            to_ms: None,
            limit: None,
        })
    }

    fn wanted(&self, asked: &Asked, _: &Parameters, book: &Book) -> Result<Wanted, Refusal> {
        if asked.symbol.is_empty() {
            return Err(Refusal::Missing("pair"));
        }
        let interval = interval(&asked.interval).ok_or(Refusal::UnknownInterval)?;
        let listed = book.symbols().find(|symbol| Names::of(symbol).answers_to(&asked.symbol));
        let symbol = listed.ok_or(Refusal::UnknownSymbol)?.to_owned();
        // Whatever is asked for; what comes before `since` is needed to know where it stood.
        let limit = ROWS_MAX as usize + 1;
        let query = Query { from_ms: None, to_ms: None, limit, newest: true };
        Ok(Wanted { symbol, interval, query })
    }

    /// The newest candles after `since`, without a hole: where nothing was traded they are flat. The
    /// growing one is always there.
    fn answer(&self, found: &Found<'_>) -> Reply {
        let length = length_ms(found.wanted.interval);
        let growing = found.wanted.interval.start_of(found.now_ms);
        let traded: BTreeMap<i64, Candle> = found.rows.iter().copied().collect();
        let since = found.asked.from_ms.unwrap_or(0).max(growing - (ROWS_MAX + 1) * length);
        let (mut rows, mut last) = (Vec::new(), 0);
        if let Some((first, candle)) = traded.first_key_value() {
            let (mut at, mut close) = (*first, candle.open);
            while at <= growing {
                let flat = Candle { open: close, high: close, low: close, close, volume: 0.0 };
                let candle = traded.get(&at).copied().unwrap_or(flat);
                if at > since {
                    rows.push(row(at, candle));
                }
                if at < growing {
                    last = at.div_euclid(1_000);
                }
                close = candle.close;
                at += length;
            }
        }
        answer(json!({(Names::of(&found.wanted.symbol).own): rows, "last": last}))
    }

    fn refused(&self, refusal: &Refusal, _: i64) -> Reply {
        refused(refusal)
    }
}

fn row(at_ms: i64, candle: Candle) -> Value {
    let Candle { open, high, low, close, volume } = candle;
    let [open, high, low, close, volume] =
        [open, high, low, close, volume].map(|number| number.to_string());
    let trades = i64::from(candle.volume > 0.0);
    json!([at_ms.div_euclid(1_000), open, high, low, close, "0.0", volume, trades])
}

/// A refusal; it has no word of how long to wait.
pub(super) fn refused(refusal: &Refusal) -> Reply {
    let said = match refusal {
        Refusal::RateLimited { .. } => "EAPI:Rate limit exceeded".to_owned(),
        Refusal::Banned { .. } => "EGeneral:Temporary lockout".to_owned(),
        Refusal::Unavailable => "EService:Unavailable".to_owned(),
        Refusal::UnknownSymbol => "EQuery:Unknown asset pair".to_owned(),
        Refusal::UnknownInterval => "EGeneral:Invalid arguments:interval".to_owned(),
        Refusal::Missing(name) | Refusal::Malformed(name) => {
            format!("EGeneral:Invalid arguments:{name}")
        }
        Refusal::Own { status, message, retry_after, .. } => {
            let reply = Reply::status(*status, json!({"error": [message]}));
            return reply.with_retry_after(*retry_after);
        }
    };
    Reply::answer(json!({"error": [said]}))
}
