use std::fmt;
use std::str::FromStr;

/// How much time one row of a series covers, from a second to a quarter.
///
/// A minute and a month differ by the case of one letter where venues write them (`1m`, `1M`), so
/// that text is never lower-cased here, and stored keys have a form that no change of case
/// confuses ([`key_text`](Self::key_text)).
///
/// ```
/// use cache_series::time::Timeframe;
///
/// assert_eq!("1m".parse(), Ok(Timeframe::Minute1));
/// assert_eq!("1M".parse(), Ok(Timeframe::Month1));
/// assert_eq!(Timeframe::Month1.key_text(), "1mo");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // Each says all there is to say.
pub enum Timeframe {
    Second1,
    Second5,
    Second10,
    Second15,
    Second30,
    Minute1,
    Minute3,
    Minute5,
    Minute10,
    Minute15,
    Minute30,
    Hour1,
    Hour2,
    Hour3,
    Hour4,
    Hour6,
    Hour8,
    Hour12,
    Day1,
    Day2,
    Day3,
    Day5,
    Week1,
    Day15,
    Month1,
    Month3,
}

/// What a timeframe is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Length {
    /// So many milliseconds, always.
    Fixed {
        /// How many.
        ms: i64,
    },
    /// A week from a weekday that the venue says.
    Week,
    /// So many months of the calendar.
    Months {
        /// How many.
        count: i64,
    },
}

/// A text that is no timeframe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a timeframe such as 1m, 4h, 1d, 1w or 1M (a month)")]
pub struct TimeframeError {
    /// The text as given.
    pub text: String,
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
pub(super) const WEEK: i64 = 7 * DAY;

struct Row(Timeframe, &'static str, &'static str, Length);

const fn fixed(ms: i64) -> Length {
    Length::Fixed { ms }
}

/// All there are, by length: the text of venues, the text in stored keys, the length.
const TABLE: [Row; 26] = [
    Row(Timeframe::Second1, "1s", "1s", fixed(SECOND)),
    Row(Timeframe::Second5, "5s", "5s", fixed(5 * SECOND)),
    Row(Timeframe::Second10, "10s", "10s", fixed(10 * SECOND)),
    Row(Timeframe::Second15, "15s", "15s", fixed(15 * SECOND)),
    Row(Timeframe::Second30, "30s", "30s", fixed(30 * SECOND)),
    Row(Timeframe::Minute1, "1m", "1m", fixed(MINUTE)),
    Row(Timeframe::Minute3, "3m", "3m", fixed(3 * MINUTE)),
    Row(Timeframe::Minute5, "5m", "5m", fixed(5 * MINUTE)),
    Row(Timeframe::Minute10, "10m", "10m", fixed(10 * MINUTE)),
    Row(Timeframe::Minute15, "15m", "15m", fixed(15 * MINUTE)),
    Row(Timeframe::Minute30, "30m", "30m", fixed(30 * MINUTE)),
    Row(Timeframe::Hour1, "1h", "1h", fixed(HOUR)),
    Row(Timeframe::Hour2, "2h", "2h", fixed(2 * HOUR)),
    Row(Timeframe::Hour3, "3h", "3h", fixed(3 * HOUR)),
    Row(Timeframe::Hour4, "4h", "4h", fixed(4 * HOUR)),
    Row(Timeframe::Hour6, "6h", "6h", fixed(6 * HOUR)),
    Row(Timeframe::Hour8, "8h", "8h", fixed(8 * HOUR)),
    Row(Timeframe::Hour12, "12h", "12h", fixed(12 * HOUR)),
    Row(Timeframe::Day1, "1d", "1d", fixed(DAY)),
    Row(Timeframe::Day2, "2d", "2d", fixed(2 * DAY)),
    Row(Timeframe::Day3, "3d", "3d", fixed(3 * DAY)),
    Row(Timeframe::Day5, "5d", "5d", fixed(5 * DAY)),
    Row(Timeframe::Week1, "1w", "1w", Length::Week),
    Row(Timeframe::Day15, "15d", "15d", fixed(15 * DAY)),
    Row(Timeframe::Month1, "1M", "1mo", Length::Months { count: 1 }),
    Row(Timeframe::Month3, "3M", "3mo", Length::Months { count: 3 }),
];

impl Timeframe {
    /// All there are, from the shortest to the longest.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        // The table stands in the order of the variants; a test compares them.
        &TABLE[self as usize]
    }

    /// As most venues write it: `1m` is a minute, `1M` a month.
    pub fn text(self) -> &'static str {
        self.row().1
    }

    /// As stored keys have it: two of them differ by more than case (`1m`, `1mo`).
    pub fn key_text(self) -> &'static str {
        self.row().2
    }

    /// What it is measured in.
    pub fn length(self) -> Length {
        self.row().3
    }

    /// Its length in milliseconds, a month counted as 30 days: for estimates.
    pub fn nominal_ms(self) -> i64 {
        match self.length() {
            Length::Fixed { ms } => ms,
            Length::Week => WEEK,
            Length::Months { count } => count * 30 * DAY,
        }
    }
}

impl FromStr for Timeframe {
    type Err = TimeframeError;

    /// Reads either form, and minds the case.
    fn from_str(text: &str) -> Result<Self, TimeframeError> {
        TABLE
            .iter()
            .find(|row| row.1 == text || row.2 == text)
            .map(|row| row.0)
            .ok_or_else(|| TimeframeError { text: text.to_owned() })
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_stands_in_its_place_and_prints_as_it_is_read() {
        let mut before = 0;
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, index);
            assert!(row.0.nominal_ms() > before, "{} is out of order", row.0);
            before = row.0.nominal_ms();
            assert_eq!(row.0.text().parse(), Ok(row.0));
            assert_eq!(row.0.key_text().parse(), Ok(row.0));
        }
    }

    /// Bug 3 of the model: its keys were lower-cased, and months were read as minutes.
    #[test]
    fn bug_3_a_minute_and_a_month_never_meet() {
        assert_ne!("1m".parse::<Timeframe>(), "1M".parse::<Timeframe>());
        assert!("1MO".parse::<Timeframe>().is_err() && "1H".parse::<Timeframe>().is_err());
        let lower: BTreeSet<String> =
            Timeframe::all().map(|timeframe| timeframe.key_text().to_lowercase()).collect();
        assert_eq!(lower.len(), Timeframe::all().len());
    }
}
