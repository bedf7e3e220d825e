use std::time::Duration;

use cache_series::time::Time;
use proptest::prelude::*;

use super::*;
use crate::text::{Day, Month};

fn at(text: &str) -> Time {
    // Taipei is eight hours ahead.
    text.parse::<Time>().unwrap().before(Duration::from_secs(8 * 3600))
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

const LUNAR_2025: &str = "\
# Lunar New Year
2025-01-23 closed
2025-01-24 closed
2025-01-27 closed
2025-01-28 closed
2025-01-29 closed
2025-01-30 closed
2025-01-31 closed

2025-02-08 09:00-13:30 # a Saturday
";

fn calendar() -> MarketCalendar {
    MarketCalendar::taiwan_with(LUNAR_2025).unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

#[test]
fn sessions_are_half_past_one_long_but_on_days_that_differ() {
    let calendar = calendar();
    for (time, open) in [
        ("2025-05-02T08:59:59Z", false),
        ("2025-05-02T09:00:00Z", true),
        ("2025-05-02T13:29:59Z", true),
        ("2025-05-02T13:30:00Z", false),
        ("2025-05-03T10:00:00Z", false),
        ("2025-05-01T10:00:00Z", false),
        ("2025-01-29T10:00:00Z", false),
        ("2025-02-08T10:00:00Z", true),
    ] {
        assert_eq!(calendar.is_open(at(time)), open, "{time}");
    }
    assert!(calendar.is_moving(at("2025-05-02T13:34:59Z")));
    assert!(!calendar.is_moving(at("2025-05-02T13:35:00Z")));
    assert_eq!(calendar.next_opening(at("2025-01-22T13:30:00Z")), Some(at("2025-02-03T09:00:00Z")));
    assert_eq!(calendar.last_published(at("2025-02-03T15:29:59Z")), Some(day("2025-01-22")));
    assert_eq!(calendar.last_published(at("2025-02-03T15:30:00Z")), Some(day("2025-02-03")));
}

#[test]
fn data_that_cannot_be_read_names_its_line() {
    for (data, line) in [
        ("2025-01-27", 1),
        ("\n2025-01-32 closed", 2),
        ("# x\n2025-01-27 maybe", 2),
        ("2025-01-27 9-13", 1),
        ("2025-01-27 closed today", 1),
        ("today closed", 1),
    ] {
        assert_eq!(MarketCalendar::taiwan_with(data).unwrap_err().line, line, "{data:?}");
    }
}

/// Of the stock system: lifetimes did not know when the market is open.
#[test]
fn a_closed_markets_quote_lives_until_the_next_opening() {
    let (calendar, lifetimes) = (calendar(), Lifetimes::USUAL);
    let quote = |time: &str| lifetimes.quote(&calendar, at(time));
    assert_eq!(quote("2025-05-02T09:00:00Z"), Duration::from_secs(60));
    assert_eq!(quote("2025-05-02T13:34:59Z"), Duration::from_secs(60));
    assert_eq!(quote("2025-05-02T21:00:00Z"), hours(60), "from Friday evening to Monday");
    assert_eq!(quote("2025-01-22T21:00:00Z"), hours(12 * 24 - 12), "over the holidays");
    assert_eq!(quote("2025-05-02T08:59:59Z"), Duration::from_secs(1));
}

#[test]
fn a_history_lives_until_its_next_row_is_expected() {
    let (calendar, lifetimes) = (calendar(), Lifetimes::USUAL);
    let may: Month = "2025-05".parse().unwrap();
    let month = |newest: &str, time: &str| lifetimes.month(&calendar, may, day(newest), at(time));
    assert_eq!(month("2025-05-02", "2025-05-03T15:30:00Z"), hours(48), "Monday's row");
    assert_eq!(month("2025-05-02", "2025-05-05T15:30:00Z"), lifetimes.price_data, "overdue");
    assert_eq!(month("2025-05-05", "2025-05-05T14:30:00Z"), hours(25), "it came early");
    assert_eq!(month("2025-05-30", "2025-05-30T16:00:00Z"), lifetimes.finished_month);
    // The last days without a trade: known once June has begun to be published.
    assert_eq!(month("2025-05-28", "2025-06-02T15:00:00Z"), lifetimes.price_data);
    assert_eq!(month("2025-05-28", "2025-06-02T15:30:00Z"), lifetimes.finished_month);
    let points =
        |newest: &str, time: &str| lifetimes.best_four_points(&calendar, day(newest), at(time));
    assert_eq!(points("2025-05-30", "2025-05-30T15:30:00Z"), hours(72));
    assert_eq!(points("2025-05-29", "2025-05-30T15:30:00Z"), lifetimes.best_four_points);
}

proptest! {
    #[test]
    fn whenever_it_is_asked_a_lifetime_ends_when_something_can_change(
        minute in 28_900_000i64..29_400_000,
    ) {
        let (calendar, lifetimes) = (calendar(), Lifetimes::USUAL);
        let now = Time::from_unix_ms(minute * 60_000 + 17);
        let quote = lifetimes.quote(&calendar, now);
        prop_assert!(quote > Duration::ZERO && quote < hours(40 * 24));
        if !calendar.is_moving(now) {
            // It is closed until then, and open then.
            prop_assert!(calendar.is_open(now.after(quote)));
            prop_assert!(!calendar.is_open(now.after(quote / 2)));
        }
        if let Some(newest) = calendar.last_published(now) {
            let month = lifetimes.month(&calendar, newest.month(), newest, now);
            prop_assert!(month > lifetimes.price_data || now.after(month) == calendar.next_publication(newest, None).unwrap());
            let later = now.after(lifetimes.best_four_points(&calendar, newest, now));
            prop_assert_eq!(calendar.last_published(later).map(|day| day > newest), Some(true));
        }
    }
}
