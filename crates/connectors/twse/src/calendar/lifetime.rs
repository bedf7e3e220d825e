use std::time::Duration;

use cache_series::time::Time;

use super::MarketCalendar;
use crate::text::{Day, Month};

/// For how long an answer holds, by what it is, while the market is open or something is overdue.
/// While nothing can change it holds longer: a closed market's quote until the next opening, a
/// history until its next row is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetimes {
    /// What a stock is: its names. A day.
    pub stock_data: Duration,
    /// A history that lacks a row. Half an hour.
    pub price_data: Duration,
    /// A quote while the market moves. A minute.
    pub realtime: Duration,
    /// What is made of a history that lacks a row. An hour.
    pub best_four_points: Duration,
    /// A month that has all its rows, since markets correct what they published. Thirty days.
    pub finished_month: Duration,
}

/// So that what ends at this moment is not asked for in a circle.
const SHORTEST: Duration = Duration::from_secs(1);

impl Lifetimes {
    /// The usual ones.
    pub const USUAL: Self = Self {
        stock_data: Duration::from_secs(24 * 3600),
        price_data: Duration::from_secs(30 * 60),
        realtime: Duration::from_secs(60),
        best_four_points: Duration::from_secs(3600),
        finished_month: Duration::from_secs(30 * 24 * 3600),
    };

    /// Of a quote that was made now.
    pub fn quote(&self, calendar: &MarketCalendar, now: Time) -> Duration {
        if calendar.is_moving(now) {
            return self.realtime;
        }
        let opening = calendar.next_opening(now);
        opening.map_or(self.realtime, |opening| opening.since(now)).max(SHORTEST)
    }

    /// Of a month's history whose newest row is of this day.
    pub fn month(
        &self,
        calendar: &MarketCalendar,
        month: Month,
        newest: Day,
        now: Time,
    ) -> Duration {
        match calendar.next_publication(newest, Some(month)) {
            None => self.finished_month,
            Some(due) if due > now => due.since(now).max(SHORTEST),
            // Overdue. In a month long past it is a day without a trade, or one that no calendar
            // named.
            Some(_) if self.is_past(calendar, month, now) => self.finished_month,
            Some(_) => self.price_data,
        }
    }

    /// Of the knowledge that there is no row of a month, which is worth asking for again once one
    /// may have been published.
    pub fn empty_month(&self, calendar: &MarketCalendar, month: Month, now: Time) -> Duration {
        if self.is_past(calendar, month, now) {
            return self.finished_month;
        }
        let today = Day::at(now).max(month.first_day());
        let due = [today.yesterday(), today].map(|day| calendar.next_publication(day, Some(month)));
        let due = due.into_iter().flatten().find(|due| *due > now);
        due.map_or(self.price_data, |due| due.since(now).max(SHORTEST))
    }

    /// Of what is made of a history whose newest row is of this day.
    pub fn best_four_points(&self, calendar: &MarketCalendar, newest: Day, now: Time) -> Duration {
        match calendar.next_publication(newest, None) {
            Some(due) if due > now => due.since(now).max(SHORTEST),
            _ => self.best_four_points,
        }
    }

    /// Whether a row of the month after has been published.
    fn is_past(&self, calendar: &MarketCalendar, month: Month, now: Time) -> bool {
        calendar.last_published(now).is_some_and(|day| day.month() > month)
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self::USUAL
    }
}
