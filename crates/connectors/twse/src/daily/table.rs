//! Rows of texts under named columns.

use super::history::{DayPrices, DayTrade};
use crate::error::TwseError;
use crate::text::{Day, change, price_or_none, republic_day, whole};

/// One row as the markets send it.
pub(super) type Row = Vec<String>;

/// Checks that the columns are those that are known, in their order; further ones may follow.
/// Spaces within names do not count.
pub(super) fn check_columns(columns: &[String], known: &[&str]) -> Result<(), TwseError> {
    let plain = |name: &str| name.split_whitespace().collect::<String>();
    let same = columns.len() >= known.len()
        && columns.iter().zip(known).all(|(column, name)| plain(column) == plain(name));
    if same {
        return Ok(());
    }
    let shown: Vec<String> =
        columns.iter().take(20).map(|name| name.chars().take(20).collect()).collect();
    Err(TwseError::malformed(format!("other columns than known: {}", shown.join(", "))))
}

/// Checks that a count that is told is the count of rows that came.
pub(super) fn check_count(told: Option<u64>, rows: usize) -> Result<(), TwseError> {
    match told {
        Some(told) if told != rows as u64 => {
            Err(TwseError::malformed(format!("{rows} rows came of {told} that were told")))
        }
        _ => Ok(()),
    }
}

pub(super) fn unreadable(what: &str, text: &str) -> TwseError {
    let text: String = text.chars().take(40).collect();
    TwseError::malformed(format!("{text:?} cannot be read as {what}"))
}

/// The cell of a row; a row that is too short is another shape.
pub(super) fn cell(row: &[String], at: usize) -> Result<&str, TwseError> {
    let refused = || TwseError::malformed(format!("a row has {} cells", row.len()));
    row.get(at).map(String::as_str).ok_or_else(refused)
}

pub(super) fn whole_at(row: &[String], at: usize, what: &str) -> Result<u64, TwseError> {
    let text = cell(row, at)?;
    whole(text).ok_or_else(|| unreadable(what, text))
}

/// Thousands, as whole ones.
pub(super) fn thousands_at(row: &[String], at: usize, what: &str) -> Result<u64, TwseError> {
    whole_at(row, at, what)?.checked_mul(1000).ok_or_else(|| unreadable(what, "too much"))
}

/// The four prices of a row, open, high, low, close, by their places: all or none of them.
pub(super) fn prices_at(
    row: &[String],
    places: [usize; 4],
) -> Result<Option<DayPrices>, TwseError> {
    let mut found = [None; 4];
    for (price, at) in found.iter_mut().zip(places) {
        let text = cell(row, at)?;
        *price = price_or_none(text).ok_or_else(|| unreadable("a price", text))?;
    }
    match found {
        [None, None, None, None] => Ok(None),
        [Some(open), Some(high), Some(low), Some(close)] => {
            let prices = DayPrices::checked(open, high, low, close);
            let refused = || {
                TwseError::malformed(format!(
                    "prices that contradict each other: open {open}, high {high}, low {low}, close {close}"
                ))
            };
            prices.map(Some).ok_or_else(refused)
        }
        _ => Err(TwseError::malformed("some prices of a day without others")),
    }
}

/// What the columns of a month have in common: day, shares, value, four prices, change, trades.
pub(super) fn day_trade(row: &[String], thousands: bool) -> Result<DayTrade, TwseError> {
    let text = cell(row, 0)?;
    let day: Day = republic_day(text).ok_or_else(|| unreadable("a day", text))?;
    let amount = if thousands { thousands_at } else { whole_at };
    let text = cell(row, 7)?;
    let prices = prices_at(row, [3, 4, 5, 6])?;
    let change = change(text).ok_or_else(|| unreadable("a change", text))?;
    Ok(DayTrade {
        day,
        shares: amount(row, 1, "a number of shares")?,
        value: amount(row, 2, "a value")?,
        trades: whole_at(row, 8, "a number of trades")?,
        prices,
        // Without a close there is nothing to compare.
        change: change.filter(|_| prices.is_some()),
    })
}
