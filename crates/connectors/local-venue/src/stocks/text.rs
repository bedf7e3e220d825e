//! Days and numbers as the markets write them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

/// Taipei's clock.
pub(super) fn taipei(ms: i64) -> jiff::civil::DateTime {
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or_default();
    timestamp.to_zoned(TimeZone::fixed(Offset::constant(8))).datetime()
}

/// When a minute of a day is, in milliseconds since 1970.
pub(super) fn minute_ms(day: Date, minute: i64) -> i64 {
    let midnight = day.to_zoned(TimeZone::fixed(Offset::constant(8)));
    let midnight = midnight.map(|zoned| zoned.timestamp().as_millisecond()).unwrap_or_default();
    midnight + minute * 60_000
}

/// `114/05/02`.
pub(super) fn republic(day: Date) -> String {
    format!("{}/{:02}/{:02}", day.year() - 1911, day.month(), day.day())
}

/// `20250502`.
pub(super) fn compact(day: Date) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

/// Reads `20250502` and `2025/05/02`.
pub(super) fn read_day(text: &str) -> Option<Date> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize, to: usize| digits.get(from..to);
    Date::new(part(0, 4)?.parse().ok()?, part(4, 6)?.parse().ok()?, part(6, 8)?.parse().ok()?).ok()
}

/// `30,868,640`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Cents as `1,000.00`.
pub(super) fn price(cents: u64) -> String {
    format!("{}.{:02}", grouped(cents / 100), cents % 100)
}

/// Cents as realtime quotes write them: `1000.0000`.
pub(super) fn quoted(cents: u64) -> String {
    format!("{}.{:02}00", cents / 100, cents % 100)
}

/// A change with its sign: `+0.50`.
pub(super) fn change(cents: i64) -> String {
    let sign = match cents {
        0 => " ",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", price(cents.unsigned_abs()))
}
