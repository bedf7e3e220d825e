use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// How long a candle lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    text: &'static str,
    length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Length {
    Ms(i64),
    Week,
    Month,
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

const ALL: [Interval; 16] = [
    Interval::ms("1s", 1_000),
    Interval::MINUTE,
    Interval::ms("3m", 3 * MINUTE_MS),
    Interval::ms("5m", 5 * MINUTE_MS),
    Interval::ms("15m", 15 * MINUTE_MS),
    Interval::ms("30m", 30 * MINUTE_MS),
    Interval::ms("1h", HOUR_MS),
    Interval::ms("2h", 2 * HOUR_MS),
    Interval::ms("4h", 4 * HOUR_MS),
    Interval::ms("6h", 6 * HOUR_MS),
    Interval::ms("8h", 8 * HOUR_MS),
    Interval::ms("12h", 12 * HOUR_MS),
    Interval::ms("1d", DAY_MS),
    Interval::ms("3d", 3 * DAY_MS),
    Interval { text: "1w", length: Length::Week },
    Interval { text: "1M", length: Length::Month },
];

impl Interval {
    /// A minute.
    pub const MINUTE: Self = Self::ms("1m", MINUTE_MS);

    /// So many milliseconds, under a name; one that Binance does not have is known to dialects alone.
    pub(crate) const fn ms(text: &'static str, ms: i64) -> Self {
        Self { text, length: Length::Ms(ms) }
    }

    /// The interval that Binance writes so: `1m` is a minute, `1M` a month.
    pub fn named(text: &str) -> Option<Self> {
        ALL.into_iter().find(|interval| interval.text == text)
    }

    /// As Binance writes it.
    pub fn text(self) -> &'static str {
        self.text
    }

    /// When the candle that holds a moment begins. Moments are milliseconds since 1970.
    pub fn start_of(self, ms: i64) -> i64 {
        match self.length {
            Length::Ms(length) => ms - ms.rem_euclid(length),
            // 1970 began on a Thursday.
            Length::Week => ms - (ms + 3 * DAY_MS).rem_euclid(7 * DAY_MS),
            Length::Month => month(ms, 0),
        }
    }

    /// When the candle after the one that holds a moment begins.
    pub fn next_after(self, ms: i64) -> i64 {
        match self.length {
            Length::Ms(length) => self.start_of(ms) + length,
            Length::Week => self.start_of(ms) + 7 * DAY_MS,
            Length::Month => month(ms, 1),
        }
    }
}

/// When the month of a moment begins, or one so many months later; the moment itself outside of
/// the calendar.
fn month(ms: i64, later: i64) -> i64 {
    let start = || {
        let zoned = Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC);
        let first = date(zoned.year(), zoned.month(), 1);
        let first = first.checked_add(Span::new().months(later)).ok()?;
        let start = first.to_zoned(TimeZone::UTC).ok()?;
        Some(start.timestamp().as_millisecond())
    };
    start().unwrap_or(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_minute_is_no_month() {
        let at = ms("2024-02-29T12:34:56Z");
        for (text, start, next) in [
            ("1m", "2024-02-29T12:34:00Z", "2024-02-29T12:35:00Z"),
            ("1M", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("1w", "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z"),
            ("1d", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("1s", "2024-02-29T12:34:56Z", "2024-02-29T12:34:57Z"),
        ] {
            let interval = Interval::named(text).unwrap();
            assert_eq!(interval.start_of(at), ms(start), "{text}");
            assert_eq!(interval.next_after(at), ms(next), "{text}");
        }
        assert!(Interval::named("1h").is_some() && Interval::named("1H").is_none());
    }
}
