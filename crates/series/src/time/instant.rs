use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cache_core::clock::Timestamp;

/// A moment in whole milliseconds since 1970 (UTC), between the years 1 and 9999.
///
/// Times outside of those years become the nearest one inside, so that no arithmetic overflows.
///
/// ```
/// use cache_series::time::Time;
///
/// let time: Time = "2024-02-29T12:00:00Z".parse()?;
/// assert_eq!(time.unix_ms(), 1_709_208_000_000);
/// assert_eq!(time.to_string(), "2024-02-29T12:00:00Z");
/// # Ok::<(), cache_series::time::TimeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time such as 2024-02-29T12:00:00Z")]
pub struct TimeError {
    /// The text as given.
    pub text: String,
}

impl Time {
    /// The first moment of the year 1.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// The first moment of the year 9999.
    pub const MAX: Self = Self(253_370_764_800_000);
    /// The first moment of the year 1970.
    pub const EPOCH: Self = Self(0);

    /// The moment so many milliseconds after 1970 began.
    pub const fn from_unix_ms(ms: i64) -> Self {
        if ms < Self::MIN.0 {
            Self::MIN
        } else if ms > Self::MAX.0 {
            Self::MAX
        } else {
            Self(ms)
        }
    }

    /// Milliseconds since 1970 began.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// The moment so much later.
    pub fn after(self, duration: Duration) -> Self {
        Self::from_unix_ms(self.0.saturating_add(milliseconds(duration)))
    }

    /// The moment so much earlier.
    pub fn before(self, duration: Duration) -> Self {
        Self::from_unix_ms(self.0.saturating_sub(milliseconds(duration)))
    }

    /// How long after `earlier` this is; zero if it is before it.
    pub fn since(self, earlier: Self) -> Duration {
        // Both lie within ten thousand years, so neither step can overflow.
        Duration::from_millis((self.0 - earlier.0).max(0) as u64)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self::from_unix_ms(i64::try_from(timestamp.unix_ms()).unwrap_or(i64::MAX))
    }
}

impl FromStr for Time {
    type Err = TimeError;

    /// Reads RFC 3339, or milliseconds since 1970 as a number.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        if let Ok(ms) = text.parse::<i64>() {
            return Ok(Self::from_unix_ms(ms));
        }
        let timestamp: jiff::Timestamp =
            text.parse().map_err(|_| TimeError { text: text.to_owned() })?;
        Ok(Self::from_unix_ms(timestamp.as_millisecond()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => timestamp.fmt(formatter),
            Err(_) => write!(formatter, "{}", self.0),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_outside_of_the_years_becomes_the_nearest_inside() {
        assert_eq!(Time::from_unix_ms(i64::MAX), Time::MAX);
        assert_eq!(Time::from_unix_ms(i64::MIN), Time::MIN);
        assert_eq!(Time::MAX.after(Duration::MAX), Time::MAX);
        assert_eq!(Time::MIN.before(Duration::MAX), Time::MIN);
        assert_eq!(Time::MIN.since(Time::MAX), Duration::ZERO);
    }

    #[test]
    fn the_first_and_the_last_moment_print_and_read() {
        assert_eq!(Time::MIN.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(Time::MAX.to_string(), "9999-01-01T00:00:00Z");
        for time in [Time::MIN, Time::MAX, Time::from_unix_ms(1_709_208_000_123)] {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        assert_eq!("1709208000123".parse(), Ok(Time::from_unix_ms(1_709_208_000_123)));
        assert!("yesterday".parse::<Time>().is_err());
    }
}
