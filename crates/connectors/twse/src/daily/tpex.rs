use serde::Deserialize;

use super::MonthHistory;
use super::history::check_days;
use super::table::{Row, check_columns, check_count, day_trade};
use crate::error::{TwseError, TwseErrorKind};
use crate::reply;
use crate::stock::Stock;
use crate::text::{Day, Month};

const COLUMNS: [&str; 9] =
    ["日期", "成交張數", "成交仟元", "開盤", "最高", "最低", "收盤", "漲跌", "筆數"];
/// How the second column is named in replies that count by shares of a thousand.
const COLUMNS_OTHERWISE: [&str; 9] =
    ["日期", "成交仟股", "成交仟元", "開盤", "最高", "最低", "收盤", "漲跌", "筆數"];

#[derive(Deserialize)]
struct Reply {
    stat: String,
    code: Option<String>,
    name: Option<String>,
    date: Option<String>,
    tables: Option<Vec<Table>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    fields: Vec<String>,
    data: Vec<Row>,
    total_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Legacy {
    stk_no: String,
    stk_name: Option<String>,
    report_date: String,
    i_total_records: u64,
    aa_data: Vec<Row>,
}

fn no_data(stock: &Stock, month: Month) -> TwseError {
    TwseError::new(TwseErrorKind::NoData, format!("no day of {stock} in {month}"))
}

fn of_another(stock: &Stock, month: Month, told: &str) -> TwseError {
    let told: String = told.chars().take(40).collect();
    TwseError::malformed(format!("{told:?} is not what was asked for, {stock} in {month}"))
}

fn history(
    stock: &Stock,
    month: Month,
    name: Option<String>,
    rows: &[Row],
) -> Result<MonthHistory, TwseError> {
    let days = rows.iter().map(|row| day_trade(row, true)).collect::<Result<Vec<_>, _>>()?;
    check_days(&days, month)?;
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    Ok(MonthHistory { stock: stock.clone(), month, name, days })
}

/// Reads TPEx's reply to `tradingStock`: a stock's days in one month. Lots and thousands of dollars
/// become shares and dollars.
///
/// # Errors
/// [`TwseError`] for what is no such reply, or one for another stock or month;
/// [`TwseErrorKind::NoData`] for a table without rows, which is how this market answers for a code
/// that it does not have, too.
pub fn tpex_month(body: &[u8], stock: &Stock, month: Month) -> Result<MonthHistory, TwseError> {
    let reply: Reply = reply::read(body)?;
    reply::check_stat(&reply.stat)?;
    let absent = |what: &str| TwseError::malformed(format!("a reply without {what}"));
    let tables = reply.tables.ok_or_else(|| absent("tables"))?;
    let table = tables.first().ok_or_else(|| absent("tables"))?;
    check_count(table.total_count, table.data.len())?;
    if table.data.is_empty() {
        return Err(no_data(stock, month));
    }
    let named = [&COLUMNS, &COLUMNS_OTHERWISE].map(|known| check_columns(&table.fields, known));
    let [columns, otherwise] = named;
    columns.or(otherwise)?;
    let code = reply.code.ok_or_else(|| absent("a code"))?;
    if !code.trim().eq_ignore_ascii_case(stock.code()) {
        return Err(of_another(stock, month, &code));
    }
    let date = reply.date.ok_or_else(|| absent("a date"))?;
    if Day::from_compact(&date).map(Day::month) != Some(month) {
        return Err(of_another(stock, month, &date));
    }
    history(stock, month, reply.name, &table.data)
}

/// Reads the reply that TPEx gave before (`st43_result.php`): the same without names of columns.
///
/// # Errors
/// As [`tpex_month`].
pub fn tpex_month_legacy(
    body: &[u8],
    stock: &Stock,
    month: Month,
) -> Result<MonthHistory, TwseError> {
    let reply: Legacy = reply::read(body)?;
    check_count(Some(reply.i_total_records), reply.aa_data.len())?;
    if reply.aa_data.is_empty() {
        return Err(no_data(stock, month));
    }
    if !reply.stk_no.trim().eq_ignore_ascii_case(stock.code()) {
        return Err(of_another(stock, month, &reply.stk_no));
    }
    let expected = (month.republic_year(), month.number());
    let told = reply.report_date.split_once('/');
    let told = told.and_then(|(year, number)| year.trim().parse().ok().zip(number.parse().ok()));
    if told != Some(expected) {
        return Err(of_another(stock, month, &reply.report_date));
    }
    if let Some(row) = reply.aa_data.iter().find(|row| row.len() != COLUMNS.len()) {
        return Err(TwseError::malformed(format!("a row has {} cells", row.len())));
    }
    history(stock, month, reply.stk_name, &reply.aa_data)
}
