//! What is answered by HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::book::{self, Unknown};
use crate::venue::Inner;
use crate::wire::Scissors;
use crate::{Asked, Candle, Fault, Interval, streams};

const DAY_MS: i64 = 86_400_000;

/// What a call for klines says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Klines {
    symbol: Option<String>,
    pair: Option<String>,
    interval: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    limit: Option<String>,
}

/// How a market answers.
#[derive(Clone, Copy, Debug)]
struct Market {
    rows_max: usize,
    /// Whether spans are bounded and the newest are answered of too many.
    coin_margined: bool,
}

const SPOT: Market = Market { rows_max: 1_000, coin_margined: false };
const LINEAR: Market = Market { rows_max: 1_500, coin_margined: false };
const INVERSE: Market = Market { rows_max: 1_500, coin_margined: true };

pub(crate) fn router(inner: Arc<Inner>) -> Router {
    let mut router = Router::new()
        .route("/api/v3/klines", klines_of(SPOT))
        .route("/ws/{name}", get(streams::raw))
        .route("/stream", get(streams::combined));
    for (prefix, market) in [("/fapi/v1", LINEAR), ("/dapi/v1", INVERSE)] {
        for path in ["klines", "markPriceKlines", "indexPriceKlines", "premiumIndexKlines"] {
            router = router.route(&format!("{prefix}/{path}"), klines_of(market));
        }
    }
    for prefix in ["/api/v3", "/fapi/v1", "/dapi/v1"] {
        router = router
            .route(&format!("{prefix}/time"), get(time))
            .route(&format!("{prefix}/ping"), get(ping))
            .route(&format!("{prefix}/exchangeInfo"), get(exchange_info));
    }
    router.with_state(inner)
}

fn klines_of(market: Market) -> axum::routing::MethodRouter<Arc<Inner>> {
    get(move |state, scissors, query| klines(market, state, scissors, query))
}

async fn time(State(inner): State<Arc<Inner>>) -> Json<Value> {
    inner.log.lock().counts.others += 1;
    Json(json!({"serverTime": inner.now_ms()}))
}

async fn ping(State(inner): State<Arc<Inner>>) -> Json<Value> {
    inner.log.lock().counts.others += 1;
    Json(json!({}))
}

async fn exchange_info(State(inner): State<Arc<Inner>>) -> Json<Value> {
    inner.log.lock().counts.others += 1;
    let book = inner.book.lock();
    let symbols = book.symbols().map(|symbol| {
        let delivered = book.delivered(symbol);
        let status = if delivered.is_some() { "DELIVERED" } else { "TRADING" };
        json!({"symbol": symbol, "status": "TRADING", "contractStatus": status,
               "onboardDate": book.first(symbol),
               "deliveryDate": delivered.unwrap_or(4_133_404_800_000i64)})
    });
    let symbols: Vec<Value> = symbols.collect();
    Json(json!({"timezone": "UTC", "serverTime": inner.now_ms(), "symbols": symbols}))
}

fn refusal(status: u16, code: i64, message: &str, retry_after: Option<u32>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Json(json!({"code": code, "msg": message}));
    match retry_after {
        Some(seconds) => {
            (status, [(header::RETRY_AFTER, seconds.to_string())], body).into_response()
        }
        None => (status, body).into_response(),
    }
}

fn kline(at: i64, interval: Interval, candle: Candle) -> Value {
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

/// Reads a parameter that is a number, if it is there.
fn number(name: &str, text: Option<&String>) -> Result<Option<i64>, Box<Response>> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => {
            let message = format!("Illegal characters found in parameter '{name}'.");
            Err(Box::new(refusal(400, -1100, &message, None)))
        }
    }
}

async fn klines(
    market: Market,
    State(inner): State<Arc<Inner>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Query(query): Query<Klines>,
) -> Response {
    let fault = match begin(&inner, &query) {
        Ok(fault) => fault,
        Err(response) => return *response,
    };
    let weight = inner.weight(2);
    let answer = match weight {
        Ok(_) => answer(market, &inner, &query),
        Err((status, retry_after)) => Err(Box::new(refusal(
            status,
            -1003,
            "Too much request weight used; current limit is per 1 MINUTE.",
            Some(retry_after),
        ))),
    };
    let answer = match fault {
        Some(fault) => {
            inner.log.lock().counts.failed += 1;
            match broken(fault, answer, &scissors).await {
                Ok(answer) => answer,
                Err(response) => return *response,
            }
        }
        None => answer,
    };
    match answer {
        Ok(rows) => {
            inner.log.lock().counts.rows += rows.len() as u64;
            let used = weight.unwrap_or_default().to_string();
            ([("x-mbx-used-weight-1m", used)], Json(Value::Array(rows))).into_response()
        }
        Err(response) => {
            inner.log.lock().counts.failed += u64::from(weight.is_err());
            *response
        }
    }
}

/// Counts a call, and says what goes wrong with it.
fn begin(inner: &Inner, query: &Klines) -> Result<Option<Fault>, Box<Response>> {
    let from_ms = number("startTime", query.start_time.as_ref())?;
    let to_ms = number("endTime", query.end_time.as_ref())?;
    let limit = number("limit", query.limit.as_ref())?;
    inner.log.lock().asked(Asked {
        symbol: query.symbol.clone().or(query.pair.clone()).unwrap_or_default(),
        interval: query.interval.clone().unwrap_or_default(),
        from_ms,
        to_ms,
        limit: limit.and_then(|limit| u32::try_from(limit).ok()),
    });
    Ok(inner.faults.lock().take(from_ms.unwrap_or(0), to_ms.unwrap_or(i64::MAX)))
}

fn answer(market: Market, inner: &Inner, query: &Klines) -> Result<Vec<Value>, Box<Response>> {
    let refuse = |code, message: &str| Box::new(refusal(400, code, message, None));
    let missing = |name| {
        let message =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        refuse(-1102, &message)
    };
    let symbol = query.symbol.as_ref().or(query.pair.as_ref()).filter(|text| !text.is_empty());
    let symbol = symbol.ok_or_else(|| missing("symbol"))?;
    let interval = query.interval.as_ref().ok_or_else(|| missing("interval"))?;
    let interval = Interval::named(interval).ok_or_else(|| refuse(-1120, "Invalid interval."))?;
    let from_ms = number("startTime", query.start_time.as_ref())?;
    let to_ms = number("endTime", query.end_time.as_ref())?;
    let limit = number("limit", query.limit.as_ref())?.unwrap_or(500);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).clamp(1, market.rows_max);
    if market.coin_margined
        && let (Some(from), Some(to)) = (from_ms, to_ms)
        && to - from > 200 * DAY_MS
    {
        return Err(refuse(-1127, "More than 4800 hours between startTime and endTime."));
    }
    let query = book::Query { from_ms, to_ms, limit, newest: market.coin_margined };
    let candles = inner.book.lock().candles(symbol, interval, query, inner.now_ms());
    match candles {
        Ok(candles) => {
            Ok(candles.into_iter().map(|(at, candle)| kline(at, interval, candle)).collect())
        }
        Err(Unknown::Symbol) => Err(refuse(-1121, "Invalid symbol.")),
        Err(Unknown::Interval) => Err(refuse(-1120, "Invalid interval.")),
    }
}

type Answer = Result<Vec<Value>, Box<Response>>;

/// What becomes of an answer by a fault: another one, or a reply of another kind.
async fn broken(
    fault: Fault,
    answer: Answer,
    scissors: &Scissors,
) -> Result<Answer, Box<Response>> {
    let whole = |answer: &Answer| match answer {
        Ok(rows) => Value::Array(rows.clone()).to_string(),
        Err(_) => "[]".to_owned(),
    };
    let response = match fault {
        Fault::Refusal { status, code, message, retry_after } => {
            refusal(status, code, &message, retry_after)
        }
        Fault::Html { status } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let page = "<html><body><h1>Bad Gateway</h1></body></html>";
            (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        Fault::HalfText => {
            let mut text = whole(&answer);
            text.truncate(text.len() / 2);
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Fault::HalfReply => {
            let text = whole(&answer);
            let half = Bytes::from(text.as_bytes()[..text.len() / 2].to_vec());
            let rest = async {
                // What was sent before is on its way by the time that nothing follows at once.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Err(std::io::Error::other("broken on demand"))
            };
            let parts = stream::iter([Ok(half)]).chain(stream::once(rest));
            let length = [(header::CONTENT_LENGTH, text.len().to_string())];
            (length, Body::from_stream(parts)).into_response()
        }
        Fault::Disconnect => {
            scissors.cut();
            StatusCode::OK.into_response()
        }
        Fault::Delay(delay) => {
            tokio::time::sleep(delay).await;
            return Ok(answer);
        }
        Fault::Silence => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            StatusCode::OK.into_response()
        }
        Fault::EmptyList => return Ok(Ok(Vec::new())),
    };
    Err(Box::new(response))
}
