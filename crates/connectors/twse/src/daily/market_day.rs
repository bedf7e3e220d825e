use std::collections::BTreeMap;

use serde::Deserialize;

use super::DayTrade;
use super::table::{Row, cell, check_columns, check_count, prices_at, unreadable, whole_at};
use crate::error::{TwseError, TwseErrorKind};
use crate::reply;
use crate::text::{Day, amount, change, republic_day};

/// What was traded of every stock of a market on one day; never without one.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketDay {
    /// The day.
    pub day: Day,
    /// By code.
    pub stocks: BTreeMap<String, StockOfDay>,
}

/// One stock of such a day.
#[derive(Clone, Debug, PartialEq)]
pub struct StockOfDay {
    /// Its name.
    pub name: String,
    /// What was traded of it.
    pub trade: DayTrade,
}

/// Of TWSE's table, up to what is read.
const LISTED: [&str; 11] = [
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
const OVER_THE_COUNTER: [&str; 11] = [
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

#[derive(Deserialize)]
struct Reply {
    stat: String,
    date: Option<String>,
    tables: Option<Vec<Table>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    // Some tables of the exchange are empty objects.
    date: Option<String>,
    fields: Option<Vec<String>>,
    data: Option<Vec<Row>>,
    total_count: Option<u64>,
}

fn tables(body: &[u8], day: Day) -> Result<Vec<Table>, TwseError> {
    let reply: Reply = reply::read(body)?;
    reply::check_stat(&reply.stat)?;
    let date = reply.date.as_deref().and_then(Day::from_compact);
    if date != Some(day) {
        let told: String = reply.date.unwrap_or_default().chars().take(20).collect();
        return Err(TwseError::malformed(format!("{told:?} is not {day}, which was asked for")));
    }
    reply.tables.ok_or_else(|| TwseError::malformed("a reply without tables"))
}

fn collect(
    day: Day,
    rows: &[Row],
    read: impl Fn(&Row) -> Result<(String, StockOfDay), TwseError>,
) -> Result<MarketDay, TwseError> {
    if rows.is_empty() {
        return Err(TwseError::new(TwseErrorKind::NoData, format!("nothing was traded on {day}")));
    }
    let mut stocks = BTreeMap::new();
    for row in rows {
        let (code, stock) = read(row)?;
        if stocks.contains_key(&code) {
            return Err(TwseError::malformed(format!("{code} stands twice")));
        }
        stocks.insert(code, stock);
    }
    Ok(MarketDay { day, stocks })
}

fn code_and_name(row: &Row) -> Result<(String, String), TwseError> {
    let (code, name) = (cell(row, 0)?.trim(), cell(row, 1)?.trim());
    let valid = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if valid { Ok((code.to_owned(), name.to_owned())) } else { Err(unreadable("a code", code)) }
}

/// Reads TWSE's reply to `MI_INDEX` for all listed stocks of a day.
///
/// # Errors
/// [`TwseError`]; [`TwseErrorKind::NoData`] for a day without a session.
pub fn twse_market_day(body: &[u8], day: Day) -> Result<MarketDay, TwseError> {
    let tables = tables(body, day)?;
    let of_stocks = |table: &&Table| {
        table
            .fields
            .as_ref()
            .is_some_and(|fields| fields.first().is_some_and(|name| name == LISTED[0]))
    };
    let table = tables.iter().find(of_stocks);
    let table = table.ok_or_else(|| TwseError::malformed("a reply without a table of stocks"))?;
    check_columns(table.fields.as_deref().unwrap_or_default(), &LISTED)?;
    collect(day, table.data.as_deref().unwrap_or_default(), |row| {
        let (code, name) = code_and_name(row)?;
        let prices = prices_at(row, [5, 6, 7, 8])?;
        let change = signed_change(cell(row, 9)?, cell(row, 10)?)?;
        let trade = DayTrade {
            day,
            shares: whole_at(row, 2, "a number of shares")?,
            value: whole_at(row, 4, "a value")?,
            trades: whole_at(row, 3, "a number of trades")?,
            prices,
            change: change.filter(|_| prices.is_some()),
        };
        Ok((code, StockOfDay { name, trade }))
    })
}

/// A change whose sign stands in a cell of its own, in a paragraph of HTML: `<p style=..>+</p>`.
fn signed_change(sign: &str, size: &str) -> Result<Option<f64>, TwseError> {
    let size = amount(size).ok_or_else(|| unreadable("a change", size))?;
    let mut inside = false;
    let plain = sign.chars().filter(|it| match it {
        '<' => {
            inside = true;
            false
        }
        '>' => {
            inside = false;
            false
        }
        _ => !inside,
    });
    match plain.collect::<String>().trim() {
        "+" => Ok(Some(size)),
        "-" => Ok(Some(-size)),
        "" if size == 0.0 => Ok(Some(0.0)),
        "X" => Ok(None),
        _ => Err(unreadable("the sign of a change", sign)),
    }
}

/// Reads TPEx's reply to `dailyQuotes` for all its stocks of a day.
///
/// # Errors
/// [`TwseError`]; [`TwseErrorKind::NoData`] for a day without a session.
pub fn tpex_market_day(body: &[u8], day: Day) -> Result<MarketDay, TwseError> {
    let tables = tables(body, day)?;
    let absent = |what: &str| TwseError::malformed(format!("a reply without {what}"));
    let table = tables.first().ok_or_else(|| absent("tables"))?;
    let told = table.date.as_deref().and_then(republic_day);
    if told.is_some_and(|told| told != day) {
        return Err(TwseError::malformed(format!("a table that is not of {day}")));
    }
    let columns = table.fields.as_deref().ok_or_else(|| absent("columns"))?;
    let rows = table.data.as_deref().ok_or_else(|| absent("rows"))?;
    check_columns(columns, &OVER_THE_COUNTER)?;
    check_count(table.total_count, rows.len())?;
    collect(day, rows, |row| {
        let (code, name) = code_and_name(row)?;
        let prices = prices_at(row, [4, 5, 6, 2])?;
        let text = cell(row, 3)?;
        let change = change(text).ok_or_else(|| unreadable("a change", text))?;
        let trade = DayTrade {
            day,
            shares: whole_at(row, 8, "a number of shares")?,
            value: whole_at(row, 9, "a value")?,
            trades: whole_at(row, 10, "a number of trades")?,
            prices,
            change: change.filter(|_| prices.is_some()),
        };
        Ok((code, StockOfDay { name, trade }))
    })
}
