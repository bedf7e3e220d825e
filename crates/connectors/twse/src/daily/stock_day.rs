use serde::Deserialize;

use super::MonthHistory;
use super::history::check_days;
use super::table::{Row, check_columns, check_count, day_trade};
use crate::error::{TwseError, TwseErrorKind};
use crate::reply;
use crate::stock::Stock;
use crate::text::Month;

const COLUMNS: [&str; 9] = [
    "日期",
    "成交股數",
    "成交金額",
    "開盤價",
    "最高價",
    "最低價",
    "收盤價",
    "漲跌價差",
    "成交筆數",
];

#[derive(Deserialize)]
struct Reply {
    stat: String,
    title: Option<String>,
    fields: Option<Vec<String>>,
    data: Option<Vec<Row>>,
    total: Option<u64>,
}

/// Reads TWSE's reply to `STOCK_DAY`: a listed stock's days in one month.
///
/// # Errors
/// [`TwseError`] for what is no such reply, or one for another stock or month.
/// [`TwseErrorKind::NoData`] where the exchange has none: it says the same of a code that it does
/// not have, of a month before the listing, and of one without a trade.
pub fn stock_day(body: &[u8], stock: &Stock, month: Month) -> Result<MonthHistory, TwseError> {
    let reply: Reply = reply::read(body)?;
    reply::check_stat(&reply.stat)?;
    let absent = |what: &str| TwseError::malformed(format!("a reply without {what}"));
    let title = reply.title.ok_or_else(|| absent("a title"))?;
    let columns = reply.fields.ok_or_else(|| absent("columns"))?;
    let rows = reply.data.ok_or_else(|| absent("rows"))?;
    let name = check_title(&title, stock, month)?;
    check_columns(&columns, &COLUMNS)?;
    check_count(reply.total, rows.len())?;
    if rows.is_empty() {
        return Err(TwseError::new(TwseErrorKind::NoData, format!("no day of {stock} in {month}")));
    }
    let days = rows.iter().map(|row| day_trade(row, false));
    let days = days.collect::<Result<Vec<_>, _>>()?;
    check_days(&days, month)?;
    Ok(MonthHistory { stock: stock.clone(), month, name, days })
}

/// Checks that a title is of the stock and month that were asked for, and takes the name out of it:
/// `104年05月 2330 台積電 各日成交資訊`.
fn check_title(title: &str, stock: &Stock, month: Month) -> Result<Option<String>, TwseError> {
    let mut words = title.split_whitespace();
    let expected = format!("{}年{:02}月", month.republic_year(), month.number());
    let same_month = words.next().is_some_and(|word| word.trim_start_matches('0') == expected);
    let same_stock = words.next().is_some_and(|word| word.eq_ignore_ascii_case(stock.code()));
    if !(same_month && same_stock) {
        let title: String = title.chars().take(40).collect();
        return Err(TwseError::malformed(format!(
            "{title:?} is not what was asked for, {stock} in {month}"
        )));
    }
    Ok(words.next().map(str::to_owned))
}
