//! Histories out of months.

use std::time::Duration;

use cache_twse::daily::DayTrade;
use cache_twse::text::{Day, Month};
use cache_twse::{Stock, TwseError, TwseErrorKind};
use tiers::clock::Timestamp;
use tiers::error::Error;
use tiers::handle::Handle;

use crate::answer::Answer;
use crate::error::StockServiceError;
use crate::node::MonthNode;
use crate::sources::Shared;

/// The first of so many days up to today.
fn first_day(shared: &Shared, days: u32) -> Day {
    let back = Duration::from_secs(24 * 3600 * u64::from(days.saturating_sub(1)));
    Day::at(shared.now().before(back))
}

/// The months that so many days up to today lie in, as far as anything of them is published.
pub(crate) fn months(shared: &Shared, days: u32) -> Vec<Month> {
    let Some(published) = shared.calendar.last_published(shared.now()) else { return Vec::new() };
    let (first, last) = (first_day(shared, days).month(), published.month());
    std::iter::successors(Some(first), |month| Some(month.next()))
        .take_while(|month| *month <= last)
        .collect()
}

/// The last so many days of each stock, ascending; every month that is missing is asked for once.
pub(crate) async fn of(
    shared: &Shared,
    handle: &Handle<MonthNode>,
    stocks: &[Stock],
    days: u32,
) -> Vec<Result<Answer<Vec<DayTrade>>, StockServiceError>> {
    let (months, first) = (months(shared, days), first_day(shared, days));
    let nodes: Vec<MonthNode> = stocks
        .iter()
        .flat_map(|stock| {
            months.iter().map(|month| MonthNode { stock: stock.clone(), month: *month })
        })
        .collect();
    let mut answers = handle.get_many(&nodes).await.into_iter();
    let now = shared.wall();
    let mut histories = Vec::with_capacity(stocks.len());
    for stock in stocks {
        let mut rows = Vec::new();
        let (mut loaded, mut stale, mut failure) = (Timestamp::NEVER, false, None);
        for answer in answers.by_ref().take(months.len()) {
            match answer {
                Ok(month) => {
                    rows.extend(month.value.days.iter().filter(|row| row.day >= first).copied());
                    loaded = loaded.min(Timestamp::from_unix_ms(month.loaded_unix_ms));
                    stale |= month.is_stale(now);
                }
                // Before the listing, or a month without a trade.
                Err(Error::Absent { .. }) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        histories.push(match failure {
            // A history with a hole is none.
            Some(error) => Err(StockServiceError::of(stock, error, TwseErrorKind::NoData)),
            None if rows.is_empty() => Err(no_data(shared, stock, first)),
            None => Ok(Answer { value: rows, loaded, stale }),
        });
    }
    histories
}

/// Nothing of any month: why, where it is known.
fn no_data(shared: &Shared, stock: &Stock, first: Day) -> StockServiceError {
    let known = shared.market.check(stock, first.month()).err();
    let unsaid = || {
        let said = format!("nothing was traded since {first}, or there is no such stock");
        TwseError::new(TwseErrorKind::NoData, said)
    };
    StockServiceError::Market { stock: stock.clone(), source: known.unwrap_or_else(unsaid) }
}
