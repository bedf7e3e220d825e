//! Binance: spot, USD-M and COIN-M futures.

mod candles;
mod feed;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use super::call::{candles, other};
use super::{Parameters, Reply};
use crate::venue::Inner;

use candles::Market;

pub(super) fn router() -> Router<Arc<Inner>> {
    let mut router = Router::new()
        .route("/api/v3/klines", candles(Market::SPOT))
        .route("/ws/{name}", get(feed::raw))
        .route("/stream", get(feed::combined));
    for (prefix, market) in [("/fapi/v1", Market::LINEAR), ("/dapi/v1", Market::INVERSE)] {
        for path in ["klines", "markPriceKlines", "indexPriceKlines", "premiumIndexKlines"] {
            router = router.route(&format!("{prefix}/{path}"), candles(market));
        }
    }
    for prefix in ["/api/v3", "/fapi/v1", "/dapi/v1"] {
        router = router
            .route(&format!("{prefix}/time"), other(time))
            .route(&format!("{prefix}/ping"), other(|_, _| Reply::answer(json!({}))))
            .route(&format!("{prefix}/exchangeInfo"), other(exchange_info));
    }
    router
}

fn time(inner: &Inner, _: &Parameters) -> Reply {
    Reply::answer(json!({"serverTime": inner.now_ms()}))
}

fn exchange_info(inner: &Inner, _: &Parameters) -> Reply {
    let book = inner.book.lock();
    let symbols = book.symbols().map(|symbol| {
        let delivered = book.delivered(symbol);
        let status = if delivered.is_some() { "DELIVERED" } else { "TRADING" };
        json!({"symbol": symbol, "status": "TRADING", "contractStatus": status,
               "onboardDate": book.first(symbol),
               "deliveryDate": delivered.unwrap_or(4_133_404_800_000i64)})
    });
    let symbols: Vec<Value> = symbols.collect();
    Reply::answer(json!({"timezone": "UTC", "serverTime": inner.now_ms(), "symbols": symbols}))
}
