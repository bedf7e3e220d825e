//! What is answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::book::Row;
use super::quotes;
use super::text::{change, compact, grouped, price, read_day, republic, taipei};
use super::venue::{Inner, StockCalls};
use crate::wire::Scissors;

type Parameters = Query<HashMap<String, String>>;

pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/rwd/zh/afterTrading/STOCK_DAY", get(stock_day))
        .route("/rwd/zh/afterTrading/MI_INDEX", get(market_index))
        .route("/www/zh-tw/afterTrading/tradingStock", get(trading_stock))
        .route("/www/zh-tw/afterTrading/dailyQuotes", get(daily_quotes))
        .route("/stock/index.jsp", get(session))
        .route("/stock/api/getStockInfo.jsp", get(stock_info))
        .route("/stock/api/getOddInfo.jsp", get(odd_info))
        .with_state(inner)
}

/// Counts a call, and answers it or what goes wrong with it.
fn answer(
    inner: &Inner,
    scissors: &Scissors,
    about: &str,
    count: impl FnOnce(&mut StockCalls),
    reply: impl FnOnce() -> Value,
) -> Response {
    count(&mut inner.calls.lock());
    let fault = inner.faults.lock().take(about);
    let reply = reply().to_string();
    match fault {
        Some(fault) => {
            inner.calls.lock().failed += 1;
            fault.answer(reply, scissors)
        }
        None => ([(header::CONTENT_TYPE, "application/json")], reply).into_response(),
    }
}

fn parameter<'query>(query: &'query Parameters, name: &str) -> &'query str {
    query.0.get(name).map(String::as_str).unwrap_or_default()
}

/// A day and four prices, a change and the trades, around what differs between the markets.
fn cells(day: Date, row: &Row, shares: u64, value: u64) -> Value {
    json!([
        republic(day),
        grouped(shares),
        grouped(value),
        price(row.open),
        price(row.high),
        price(row.low),
        price(row.close),
        change(row.close as i64 - row.before as i64),
        grouped(row.trades)
    ])
}

fn value(row: &Row) -> u64 {
    row.shares * row.close / 100
}

async fn stock_day(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    query: Parameters,
) -> Response {
    let code = parameter(&query, "stockNo");
    let reply = || {
        let said = |sentence: &str| json!({"stat": sentence});
        let Some(first) = read_day(parameter(&query, "date")).map(Date::first_of_month) else {
            return said("參數輸入錯誤");
        };
        if first < jiff::civil::date(2010, 1, 1) {
            return said("查詢日期小於99年1月4日，請重新查詢!");
        }
        if first > taipei(inner.now_ms()).date() {
            return said("查詢日期大於今日，請重新查詢!");
        }
        let book = inner.book.lock();
        let listed = book.stocks.get(&format!("tse_{code}"));
        let rows =
            listed.map(|listed| listed.published(first, first.last_of_month(), inner.now_ms()));
        let (Some(listed), Some(rows)) = (listed, rows.filter(|rows| !rows.is_empty())) else {
            return said("很抱歉，沒有符合條件的資料!");
        };
        let data: Vec<Value> =
            rows.iter().map(|(day, row)| cells(*day, row, row.shares, value(row))).collect();
        let month = format!("{}年{:02}月", first.year() - 1911, first.month());
        json!({
            "stat": "OK", "date": compact(first),
            "title": format!("{month} {code} {}           各日成交資訊", listed.title),
            "fields": ["日期", "成交股數", "成交金額", "開盤價", "最高價", "最低價", "收盤價", "漲跌價差", "成交筆數"],
            "data": data, "notes": [], "total": rows.len(),
        })
    };
    answer(&inner, &scissors, code, |calls| calls.months += 1, reply)
}

async fn trading_stock(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    query: Parameters,
) -> Response {
    let code = parameter(&query, "code");
    let reply = || {
        let book = inner.book.lock();
        let first = read_day(parameter(&query, "date")).unwrap_or(Date::ZERO).first_of_month();
        let listed = book.stocks.get(&format!("otc_{code}"));
        let rows =
            listed.map(|listed| listed.published(first, first.last_of_month(), inner.now_ms()));
        let rows = rows.unwrap_or_default();
        let data: Vec<Value> = rows
            .iter()
            .map(|(day, row)| cells(*day, row, row.shares / 1_000, value(row) / 1_000))
            .collect();
        let title = listed.map(|listed| listed.title.clone()).unwrap_or_default();
        let table = json!({
            "title": "個股日成交資訊", "date": compact(first), "data": data,
            "fields": ["日 期", "成交張數", "成交仟元", "開盤", "最高", "最低", "收盤", "漲跌", "筆數"],
            "totalCount": rows.len(),
        });
        json!({"tables": [table], "date": compact(first), "code": code, "name": title, "stat": "ok"})
    };
    answer(&inner, &scissors, code, |calls| calls.months += 1, reply)
}

/// All stocks of a market that were traded on a day.
fn of_market(inner: &Inner, market: &str, day: Date) -> Vec<(String, String, Row)> {
    let book = inner.book.lock();
    let stocks = book.stocks.iter().filter_map(|(name, listed)| {
        let code = name.strip_prefix(market)?.strip_prefix('_')?;
        let (_, row) = *listed.published(day, day, inner.now_ms()).first()?;
        Some((code.to_owned(), listed.title.clone(), row))
    });
    stocks.collect()
}

async fn market_index(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    query: Parameters,
) -> Response {
    let reply = || {
        let day = read_day(parameter(&query, "date")).unwrap_or(Date::ZERO);
        let stocks = of_market(&inner, "tse", day);
        if stocks.is_empty() {
            return json!({"stat": "很抱歉，沒有符合條件的資料!"});
        }
        let rows = stocks.iter().map(|(code, title, row)| {
            let change = row.close as i64 - row.before as i64;
            let sign = match change {
                0 => "<p> </p>",
                1.. => "<p style= color:red>+</p>",
                _ => "<p style= color:green>-</p>",
            };
            json!([
                code,
                title,
                grouped(row.shares),
                grouped(row.trades),
                grouped(value(row)),
                price(row.open),
                price(row.high),
                price(row.low),
                price(row.close),
                sign,
                price(change.unsigned_abs())
            ])
        });
        let fields = [
            "證券代號",
            "證券名稱",
            "成交股數",
            "成交筆數",
            "成交金額",
            "開盤價",
            "最高價",
            "最低價",
            "收盤價",
            "漲跌(+/-)",
            "漲跌價差",
        ];
        let table =
            json!({"title": "每日收盤行情", "fields": fields, "data": rows.collect::<Vec<_>>()});
        json!({"tables": [{"fields": ["指數"], "data": []}, table], "stat": "OK", "date": compact(day)})
    };
    answer(&inner, &scissors, "", |calls| calls.market_days += 1, reply)
}

async fn daily_quotes(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    query: Parameters,
) -> Response {
    let reply = || {
        let day = read_day(parameter(&query, "date")).unwrap_or(Date::ZERO);
        let stocks = of_market(&inner, "otc", day);
        let rows = stocks.iter().map(|(code, title, row)| {
            json!([
                code,
                title,
                price(row.close),
                change(row.close as i64 - row.before as i64),
                price(row.open),
                price(row.high),
                price(row.low),
                price(row.close),
                grouped(row.shares),
                grouped(value(row)),
                grouped(row.trades)
            ])
        });
        let fields = [
            "代號",
            "名稱",
            "收盤",
            "漲跌",
            "開盤",
            "最高",
            "最低",
            "均價",
            "成交股數",
            "成交金額(元)",
            "成交筆數",
        ];
        let table = json!({
            "title": "上櫃股票行情", "date": republic(day), "totalCount": stocks.len(),
            "fields": fields, "data": rows.collect::<Vec<_>>(),
        });
        json!({"date": compact(day), "tables": [table], "stat": "ok"})
    };
    answer(&inner, &scissors, "", |calls| calls.market_days += 1, reply)
}

async fn session(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
) -> Response {
    let cookie = format!("JSESSIONID={}; Path=/; HttpOnly", inner.session.load(Ordering::Acquire));
    let page = answer(&inner, &scissors, "", |calls| calls.sessions += 1, || json!("<html>"));
    ([(header::SET_COOKIE, cookie)], page).into_response()
}

async fn stock_info(
    state: State<Arc<Inner>>,
    scissors: ConnectInfo<Scissors>,
    headers: HeaderMap,
    query: Parameters,
) -> Response {
    info(&state, &scissors, &headers, &query, false)
}

async fn odd_info(
    state: State<Arc<Inner>>,
    scissors: ConnectInfo<Scissors>,
    headers: HeaderMap,
    query: Parameters,
) -> Response {
    info(&state, &scissors, &headers, &query, true)
}

fn info(
    inner: &Inner,
    scissors: &Scissors,
    headers: &HeaderMap,
    query: &Parameters,
    odd: bool,
) -> Response {
    let channels = parameter(query, "ex_ch");
    let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
    let expected = format!("JSESSIONID={}", inner.session.load(Ordering::Acquire));
    let known = cookie.is_some_and(|cookie| cookie.split("; ").any(|pair| pair == expected));
    let reply = || {
        if !known {
            return json!({"rtcode": "9999", "rtmessage": "no session"});
        }
        quotes::reply(&inner.book.lock(), channels, odd, inner.now_ms())
    };
    let count = |calls: &mut StockCalls| {
        calls.quotes += 1;
        calls.quoted += channels.split('|').count() as u64;
    };
    answer(inner, scissors, channels, count, reply)
}
