use std::time::Duration;

use cache_series::session::{SessionCalendar, SessionError};
use cache_series::time::Time;

use crate::text::{Day, Month};

/// How far a session is looked for: longer than any holidays are.
const LOOK: Duration = Duration::from_secs(40 * 24 * 3600);
/// Holidays that stand in every year's calendar, month and day.
const FIXED: [(i8, i8); 4] = [(1, 1), (2, 28), (5, 1), (10, 10)];
const FIXED_YEARS: std::ops::RangeInclusive<i16> = 2000..=2100;

/// When both markets are open, and when they publish what was traded.
///
/// A holiday that the calendar does not know costs calls and nothing else: what the day before
/// brought is asked for again at the pace of an open market.
///
/// ```
/// use cache_twse::calendar::MarketCalendar;
///
/// let calendar = MarketCalendar::taiwan_with(
///     "2025-01-27 closed # Lunar New Year\n2025-02-08 09:00-13:30 # in place of another day\n",
/// )?;
/// assert!(!calendar.is_open("2025-01-27T02:00:00Z".parse()?));
/// assert!(calendar.is_open("2025-02-08T02:00:00Z".parse()?), "a Saturday");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MarketCalendar {
    sessions: SessionCalendar,
    settling: Duration,
    publication: Duration,
}

/// A line of a calendar's data that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {text:?} is not a day such as `2025-01-27 closed` or `2025-02-08 09:00-13:30`"
)]
pub struct CalendarError {
    /// The line's number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What the session calendar says, where it was asked.
    #[source]
    pub source: Option<SessionError>,
}

impl MarketCalendar {
    /// Monday to Friday from 09:00 to 13:30, without the holidays whose date is the same in every
    /// year. Those of the lunar calendar are data: [`taiwan_with`](Self::taiwan_with).
    pub fn taiwan() -> Self {
        Self::taiwan_with("").unwrap_or_else(|_| Self::of(SessionCalendar::ALWAYS))
    }

    /// The same with days that differ, a line each: `2025-01-27 closed`, or
    /// `2025-02-08 09:00-13:30` for a session in place of what the day would have. Behind `#`
    /// stands a remark.
    ///
    /// # Errors
    /// [`CalendarError`] for the first line that cannot be read.
    pub fn taiwan_with(data: &str) -> Result<Self, CalendarError> {
        let refused = |line: usize, text: &str, source| CalendarError {
            line,
            text: text.chars().take(80).collect(),
            source,
        };
        let own = |error: SessionError| refused(0, "", Some(error));
        let mut builder = SessionCalendar::builder("CST-8").map_err(own)?;
        builder = builder.weekdays(1..=5, "09:00", "13:30").map_err(own)?;
        let fixed = FIXED_YEARS.flat_map(|year| FIXED.map(|(month, day)| (year, month, day)));
        let fixed = fixed.filter_map(|(year, month, day)| Day::new(year, month, day));
        for day in fixed {
            builder = builder.holiday(&day.to_string()).map_err(own)?;
        }
        for (number, line) in (1..).zip(data.lines()) {
            let text = line.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let mut words = text.split_whitespace();
            let (Some(day), Some(hours), None) = (words.next(), words.next(), words.next()) else {
                return Err(refused(number, line, None));
            };
            if day.parse::<Day>().is_err() {
                return Err(refused(number, line, None));
            }
            let closed =
                builder.clone().holiday(day).map_err(|error| refused(number, line, Some(error)))?;
            builder = match hours.split_once('-') {
                None if hours == "closed" => closed,
                Some((open, close)) => closed
                    .special_day(day, open, close)
                    .map_err(|error| refused(number, line, Some(error)))?,
                None => return Err(refused(number, line, None)),
            };
        }
        Ok(Self::of(builder.build()))
    }

    /// Other sessions altogether, one a day, in whatever zone.
    pub fn of(sessions: SessionCalendar) -> Self {
        let (settling, publication) = (Duration::from_secs(5 * 60), Duration::from_secs(2 * 3600));
        Self { sessions, settling, publication }
    }

    /// So long after a close quotes still move: five minutes unless said otherwise.
    pub fn with_settling(mut self, settling: Duration) -> Self {
        self.settling = settling;
        self
    }

    /// So long after a close a day's row is expected in its history: two hours unless said
    /// otherwise.
    pub fn with_publication(mut self, publication: Duration) -> Self {
        self.publication = publication;
        self
    }

    /// The sessions.
    pub fn sessions(&self) -> &SessionCalendar {
        &self.sessions
    }

    /// Whether there is a session at that moment.
    pub fn is_open(&self, time: Time) -> bool {
        self.sessions.is_open(time)
    }

    /// Whether quotes move: from an opening until they have settled after the close.
    pub fn is_moving(&self, now: Time) -> bool {
        let since = now.before(self.settling);
        let sessions = self.sessions.sessions_in(since, after(now));
        sessions.iter().any(|(open, close)| *open <= now && now < close.after(self.settling))
    }

    /// The next opening after a moment; `None` if there is none for forty days.
    pub fn next_opening(&self, now: Time) -> Option<Time> {
        let sessions = self.sessions.sessions_in(now, now.after(LOOK));
        sessions.into_iter().map(|(open, _)| open).find(|open| *open > now)
    }

    /// When the row of the next session after a day is expected: in a month alone, or in any.
    pub fn next_publication(&self, day: Day, within: Option<Month>) -> Option<Time> {
        let from = day.tomorrow().start();
        let to = match within {
            Some(month) => month.next().first_day().start(),
            None => from.after(LOOK),
        };
        let (_, close) = *self.sessions.sessions_in(from, to).first()?;
        Some(close.after(self.publication))
    }

    /// The last day whose row is expected to be there; `None` if there was no session for forty
    /// days.
    pub fn last_published(&self, now: Time) -> Option<Day> {
        let closed = now.before(self.publication);
        let sessions = self.sessions.sessions_in(closed.before(LOOK), after(closed));
        let published = sessions.into_iter().rev().find(|(_, close)| *close <= closed);
        published.map(|(open, _)| Day::at(open))
    }
}

/// The moment after, for spans that include one.
fn after(time: Time) -> Time {
    time.after(Duration::from_millis(1))
}
