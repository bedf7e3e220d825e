use std::fmt;
use std::str::FromStr;

use cache_series::time::Time;
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

/// Year 1 of the Republic's calendar is 1912.
const REPUBLIC_YEARS: i16 = 1911;

/// A day in Taipei, as text `2025-05-02`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Day(Date);

/// A month, as text `2025-05`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Month {
    year: i16,
    month: i8,
}

/// A text that is no day or month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct DayError {
    /// The text as given.
    pub text: String,
    /// What it should be.
    pub expected: &'static str,
}

fn taipei() -> TimeZone {
    // Without summer time since 1980.
    TimeZone::fixed(Offset::constant(8))
}

impl Day {
    /// A day of the Gregorian calendar, between 1912 and 9999; `None` if there is none.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        let year = (year > REPUBLIC_YEARS).then_some(year)?;
        Date::new(year, month, day).ok().map(Self)
    }

    /// Which day it is in Taipei at that time; days outside of the years 1912 to 9998 become the
    /// nearest one inside.
    pub fn at(time: Time) -> Self {
        let timestamp = Timestamp::from_millisecond(time.unix_ms()).unwrap_or(Timestamp::MAX);
        let date = timestamp.to_zoned(taipei()).date();
        Self(date.max(Date::constant(REPUBLIC_YEARS + 1, 1, 1)))
    }

    /// When it begins in Taipei.
    pub fn start(self) -> Time {
        match self.0.to_zoned(taipei()) {
            Ok(zoned) => Time::from_unix_ms(zoned.timestamp().as_millisecond()),
            Err(_) => Time::MAX,
        }
    }

    /// Its month.
    pub fn month(self) -> Month {
        Month { year: self.0.year(), month: self.0.month() }
    }

    /// The day before.
    pub fn yesterday(self) -> Self {
        Self(self.0.yesterday().unwrap_or(self.0))
    }

    /// The day after.
    pub fn tomorrow(self) -> Self {
        Self(self.0.tomorrow().unwrap_or(self.0))
    }

    /// Whether it is a Saturday or a Sunday.
    pub fn is_weekend(self) -> bool {
        matches!(self.0.weekday(), Weekday::Saturday | Weekday::Sunday)
    }

    /// As the markets take it in addresses and write it in realtime quotes: `20250502`.
    pub fn compact(self) -> String {
        format!("{:04}{:02}{:02}", self.0.year(), self.0.month(), self.0.day())
    }

    /// Reads `20250502`.
    pub(crate) fn from_compact(text: &str) -> Option<Self> {
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        let part = |from: usize, to: usize| text.get(from..to);
        if !digits {
            return None;
        }
        let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
        Self::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }
}

impl Month {
    /// A month of the Gregorian calendar, between 1912 and 9998; `None` if there is none.
    pub fn new(year: i16, month: i8) -> Option<Self> {
        let valid = (REPUBLIC_YEARS + 1..9999).contains(&year) && (1..=12).contains(&month);
        valid.then_some(Self { year, month })
    }

    /// Its year.
    pub fn year(self) -> i16 {
        self.year
    }

    /// Its number in the year, from 1.
    pub fn number(self) -> i8 {
        self.month
    }

    /// Its year by the Republic's calendar.
    pub fn republic_year(self) -> i16 {
        self.year - REPUBLIC_YEARS
    }

    /// Its first day.
    pub fn first_day(self) -> Day {
        Day(Date::new(self.year, self.month, 1).unwrap_or(Date::MIN))
    }

    /// Its last day.
    pub fn last_day(self) -> Day {
        Day(self.first_day().0.last_of_month())
    }

    /// The month before.
    pub fn previous(self) -> Self {
        if self.month == 1 {
            Self { year: self.year - 1, month: 12 }
        } else {
            Self { month: self.month - 1, ..self }
        }
    }

    /// The month after.
    pub fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { month: self.month + 1, ..self }
        }
    }
}

/// Reads a day of the Republic's calendar, `114/05/02`, with what the markets put around it: spaces
/// before a year of two digits, a star behind days with a remark.
pub(crate) fn republic_day(text: &str) -> Option<Day> {
    let text = text.trim().trim_end_matches(['*', '＊']);
    let mut parts = text.split('/');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let valid = digits(year, 2..=3) && digits(month, 2..=2) && digits(day, 2..=2);
    if !valid || parts.next().is_some() {
        return None;
    }
    let year: i16 = year.parse().ok()?;
    Day::new(REPUBLIC_YEARS + year, month.parse().ok()?, day.parse().ok()?)
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let refused = || DayError { text: text.to_owned(), expected: "a day such as 2025-05-02" };
        let compact: String = match text.as_bytes() {
            [_, _, _, _, b'-', _, _, b'-', _, _] => text.chars().filter(|it| *it != '-').collect(),
            _ => return Err(refused()),
        };
        Self::from_compact(&compact).ok_or_else(refused)
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

impl TryFrom<String> for Day {
    type Error = DayError;

    fn try_from(text: String) -> Result<Self, DayError> {
        text.parse()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}

impl fmt::Debug for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Month {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let refused = || DayError { text: text.to_owned(), expected: "a month such as 2025-05" };
        let digits = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (year, month) = text.split_once('-').ok_or_else(refused)?;
        if !digits(year, 4) || !digits(month, 2) {
            return Err(refused());
        }
        let numbers = year.parse().ok().zip(month.parse().ok());
        numbers.and_then(|(year, month)| Self::new(year, month)).ok_or_else(refused)
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

impl TryFrom<String> for Month {
    type Error = DayError;

    fn try_from(text: String) -> Result<Self, DayError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_republic_are_1911_years_later() {
        let read = |text| republic_day(text).map(|day| day.to_string());
        assert_eq!(read("104/05/04").as_deref(), Some("2015-05-04"));
        assert_eq!(read(" 99/01/04").as_deref(), Some("2010-01-04"));
        assert_eq!(read("113/02/29＊").as_deref(), Some("2024-02-29"));
        for text in [
            "",
            "2015/05/04",
            "104-05-04",
            "104/5/4",
            "104/13/01",
            "113/02/30",
            "/05/04",
            "104/05/04/01",
            "1o4/05/04",
            "+04/05/04",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_taipeis() {
        let day: Day = "2025-05-02".parse().unwrap();
        assert_eq!(day.start(), "2025-05-01T16:00:00Z".parse().unwrap());
        assert_eq!(Day::at("2025-05-02T15:59:59Z".parse().unwrap()), day);
        assert_eq!(Day::at("2025-05-02T16:00:00Z".parse().unwrap()), day.tomorrow());
        assert_eq!(day.compact(), "20250502");
        assert!(!day.is_weekend() && day.tomorrow().is_weekend());
        for text in ["2025-5-2", "20250502", "2025-02-29", "2025-05-02T", "２０２5-05-02"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn months_follow_each_other() {
        let month: Month = "2024-12".parse().unwrap();
        assert_eq!(month.next().to_string(), "2025-01");
        assert_eq!(month.next().previous(), month);
        assert_eq!(
            (month.first_day().to_string(), month.last_day().to_string()),
            ("2024-12-01".to_owned(), "2024-12-31".to_owned())
        );
        assert_eq!(month.republic_year(), 113);
        for text in ["2024-13", "2024-00", "2024", "24-12", "1911-12", "2024-+1"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
