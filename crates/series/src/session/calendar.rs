use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::time::{Grid, Slots, Time};

/// When a market is open. Pure: it knows no current time and looks nothing up.
///
/// ```
/// use cache_series::session::SessionCalendar;
/// use cache_series::time::{Alignment, Grid, Timeframe};
///
/// // New York, with its summer time, from half past nine to four.
/// let calendar = SessionCalendar::builder("EST5EDT,M3.2.0,M11.1.0")?
///     .weekdays(1..=5, "09:30", "16:00")?
///     .holiday("2024-07-04")?
///     .build();
/// assert!(calendar.is_open("2024-07-03T13:30:00Z".parse()?));
/// assert!(!calendar.is_open("2024-07-04T13:30:00Z".parse()?), "a holiday");
/// assert!(!calendar.is_open("2024-01-02T13:30:00Z".parse()?), "half past eight in winter");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SessionCalendar {
    /// `None` where it never closes.
    rules: Option<Rules>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rules {
    zone: TimeZone,
    /// From Monday.
    week: [Vec<Session>; 7],
    /// Days that differ from the week: none for holidays.
    special: BTreeMap<Date, Vec<Session>>,
    /// How far the longest session reaches over midnight, in days.
    days_over: i64,
}

/// Minutes from the day's midnight; an end past 1,440 lies in the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Session {
    open_minute: i64,
    close_minute: i64,
}

/// Puts a calendar together.
#[derive(Clone, Debug)]
pub struct SessionBuilder {
    rules: Rules,
}

/// What is wrong with a calendar's description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A zone that cannot be read.
    #[error("{text:?} is not a time zone rule such as UTC0, CST-8 or EST5EDT,M3.2.0,M11.1.0")]
    Zone {
        /// The text as given.
        text: String,
    },
    /// A time of day that cannot be read.
    #[error("{text:?} is not a time of day such as 09:30")]
    TimeOfDay {
        /// The text as given.
        text: String,
    },
    /// A date that cannot be read.
    #[error("{text:?} is not a date such as 2024-07-04")]
    Date {
        /// The text as given.
        text: String,
    },
    /// A weekday that does not exist.
    #[error("{day} is not a weekday: 1 is Monday, 7 is Sunday")]
    Weekday {
        /// The number as given.
        day: u8,
    },
}

const MINUTES_A_DAY: i64 = 24 * 60;

impl SessionCalendar {
    /// A market that never closes.
    pub const ALWAYS: Self = Self { rules: None };

    /// A calendar by the clock of a zone, given as a POSIX rule: `UTC0`, `CST-8` for Taipei,
    /// `EST5EDT,M3.2.0,M11.1.0` for New York. Without a word about a day the market is closed on it.
    ///
    /// # Errors
    /// [`SessionError::Zone`] if the rule cannot be read.
    pub fn builder(zone: &str) -> Result<SessionBuilder, SessionError> {
        let refused = || SessionError::Zone { text: zone.to_owned() };
        let zone = TimeZone::posix(zone).map_err(|_| refused())?;
        let week = Default::default();
        let rules = Rules { zone, week, special: BTreeMap::new(), days_over: 1 };
        Ok(SessionBuilder { rules })
    }

    /// Whether it is open at that moment.
    pub fn is_open(&self, time: Time) -> bool {
        let next = Time::from_unix_ms(time.unix_ms().saturating_add(1));
        !self.sessions_in(time, next).is_empty()
    }

    /// The sessions that touch `from..to`, each whole, sorted, with those that meet joined; one
    /// session of that span if it never closes. Costs in proportion to the days between.
    pub fn sessions_in(&self, from: Time, to: Time) -> Vec<(Time, Time)> {
        let Some(rules) = &self.rules else {
            return if from < to { vec![(from, to)] } else { Vec::new() };
        };
        let mut found: Vec<(Time, Time)> = Vec::new();
        if to <= from {
            return found;
        }
        let mut day = rules.date_of(from.before(DAY.saturating_mul(rules.days_over as u32)));
        let last = rules.date_of(to);
        while day <= last {
            for session in rules.sessions_on(day) {
                let (open, close) =
                    (rules.at(day, session.open_minute), rules.at(day, session.close_minute));
                match found.last_mut() {
                    Some(before) if open <= before.1 => before.1 = before.1.max(close),
                    _ => found.push((open, close)),
                }
            }
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => break,
            }
        }
        found.retain(|(open, close)| *open < to && from < *close && open < close);
        found
    }

    /// The slots of a span in which it is not open at any moment.
    pub fn closed_slots(&self, grid: Grid, slots: Slots) -> Vec<Slots> {
        if self.rules.is_none() || slots.is_empty() {
            return Vec::new();
        }
        let mut closed = Vec::new();
        let mut next = slots.start;
        for (open, close) in self.sessions_in(grid.start_of(slots.start), grid.start_of(slots.end))
        {
            let first = grid.slot_at(open).clamp(slots.start, slots.end);
            // A session that ends with a slot does not reach into the next.
            let end = grid.slot_from(close).clamp(slots.start, slots.end);
            if next < first {
                closed.push(Slots::new(next, first));
            }
            next = next.max(end);
        }
        if next < slots.end {
            closed.push(Slots::new(next, slots.end));
        }
        closed
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Rules {
    fn date_of(&self, time: Time) -> Date {
        let timestamp = Timestamp::from_millisecond(time.unix_ms()).unwrap_or(Timestamp::MAX);
        timestamp.to_zoned(self.zone.clone()).date()
    }

    fn sessions_on(&self, day: Date) -> &[Session] {
        let week = &self.week[day.weekday().to_monday_zero_offset() as usize];
        self.special.get(&day).unwrap_or(week)
    }

    /// So many minutes by the clock on the wall after a day's midnight.
    fn at(&self, day: Date, minutes: i64) -> Time {
        let later = Span::new().days(minutes / MINUTES_A_DAY);
        let day = day.checked_add(later).unwrap_or(Date::MAX);
        let minutes = minutes % MINUTES_A_DAY;
        // Both are within a day.
        let wall = day.at((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
        // What the change to summer time leaves out is taken as if it had not come.
        match self.zone.to_ambiguous_zoned(wall).compatible() {
            Ok(zoned) => Time::from_unix_ms(zoned.timestamp().as_millisecond()),
            Err(_) => Time::MAX,
        }
    }
}

impl SessionBuilder {
    /// A session on each of these weekdays (1 is Monday, 7 is Sunday), beside those that they
    /// have. One that closes at or before its opening closes on the next day.
    ///
    /// # Errors
    /// [`SessionError`] if a day or a time of day does not exist.
    pub fn weekdays(
        mut self,
        days: impl IntoIterator<Item = u8>,
        open: &str,
        close: &str,
    ) -> Result<Self, SessionError> {
        let session = Session::parse(open, close)?;
        for day in days {
            let weekday = i8::try_from(day).ok().filter(|day| (1..=7).contains(day));
            let weekday = weekday.and_then(|day| Weekday::from_monday_one_offset(day).ok());
            let weekday = weekday.ok_or(SessionError::Weekday { day })?;
            insert(&mut self.rules.week[weekday.to_monday_zero_offset() as usize], session);
        }
        Ok(self)
    }

    /// Closed on this date.
    ///
    /// # Errors
    /// [`SessionError::Date`] if there is no such date.
    pub fn holiday(mut self, date: &str) -> Result<Self, SessionError> {
        self.rules.special.insert(parse_date(date)?, Vec::new());
        Ok(self)
    }

    /// A session on this date in place of those of its weekday; a second call adds another.
    ///
    /// # Errors
    /// [`SessionError`] if there is no such date or time of day.
    pub fn special_day(
        mut self,
        date: &str,
        open: &str,
        close: &str,
    ) -> Result<Self, SessionError> {
        let session = Session::parse(open, close)?;
        insert(self.rules.special.entry(parse_date(date)?).or_default(), session);
        Ok(self)
    }

    /// The calendar.
    pub fn build(self) -> SessionCalendar {
        SessionCalendar { rules: Some(self.rules) }
    }
}

impl Session {
    fn parse(open: &str, close: &str) -> Result<Self, SessionError> {
        let (open_minute, close) = (minute_of_day(open)?, minute_of_day(close)?);
        let close_minute = if close <= open_minute { close + MINUTES_A_DAY } else { close };
        Ok(Self { open_minute, close_minute })
    }
}

fn insert(sessions: &mut Vec<Session>, session: Session) {
    sessions.push(session);
    sessions.sort_unstable();
}

fn minute_of_day(text: &str) -> Result<i64, SessionError> {
    let refused = || SessionError::TimeOfDay { text: text.to_owned() };
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<i64>().ok()).flatten().ok_or_else(refused)
    };
    let (hours, minutes) = text.split_once(':').ok_or_else(refused)?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    // Midnight at the end of a day may be written as such.
    let valid = minutes < 60 && (hours < 24 || (hours == 24 && minutes == 0));
    if valid { Ok(hours * 60 + minutes) } else { Err(refused()) }
}

fn parse_date(text: &str) -> Result<Date, SessionError> {
    text.parse().map_err(|_| SessionError::Date { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{Alignment, Timeframe};

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn new_york() -> SessionCalendar {
        SessionCalendar::builder("EST5EDT,M3.2.0,M11.1.0")
            .unwrap()
            .weekdays(1..=5, "09:30", "16:00")
            .unwrap()
            .holiday("2024-07-04")
            .unwrap()
            .special_day("2024-07-03", "09:30", "13:00")
            .unwrap()
            .build()
    }

    #[test]
    fn hours_follow_summer_time_holidays_and_special_days() {
        let calendar = new_york();
        for (time, open) in [
            ("2024-07-02T13:30:00Z", true),
            ("2024-07-02T20:00:00Z", false),
            ("2024-07-03T16:59:59Z", true),
            ("2024-07-03T17:00:00Z", false),
            ("2024-07-04T15:00:00Z", false),
            ("2024-07-06T15:00:00Z", false),
            ("2024-01-02T14:29:59Z", false),
            ("2024-01-02T14:30:00Z", true),
        ] {
            assert_eq!(calendar.is_open(at(time)), open, "{time}");
        }
        assert!(SessionCalendar::ALWAYS.is_open(Time::EPOCH));
    }

    #[test]
    fn a_session_may_reach_over_midnight() {
        // Futures: from Sunday evening, with a pause of an hour every day.
        let calendar = SessionCalendar::builder("CST6CDT,M3.2.0,M11.1.0")
            .unwrap()
            .weekdays([7, 1, 2, 3, 4], "17:00", "16:00")
            .unwrap()
            .build();
        let week = calendar.sessions_in(at("2024-01-07T12:00:00Z"), at("2024-01-14T12:00:00Z"));
        assert_eq!(week.len(), 5);
        assert_eq!(week[0], (at("2024-01-07T23:00:00Z"), at("2024-01-08T22:00:00Z")));
        assert!(!calendar.is_open(at("2024-01-08T22:30:00Z")));
        assert!(calendar.is_open(at("2024-01-12T03:00:00Z")));
        assert!(!calendar.is_open(at("2024-01-13T03:00:00Z")), "Friday night");
    }

    /// Bug 6 of the model: weekends were asked for again for ever.
    #[test]
    fn bug_6_days_and_minutes_out_of_session_are_known_to_be_closed() {
        let days = Grid::new(Timeframe::Day1, Alignment::UTC);
        let week = days.slots_in(at("2024-07-01T00:00:00Z"), at("2024-07-08T00:00:00Z"));
        let monday = week.start;
        assert_eq!(
            new_york().closed_slots(days, week),
            [Slots::one(monday + 3), Slots::new(monday + 5, monday + 7)]
        );
        let hours = Grid::new(Timeframe::Hour1, Alignment::UTC);
        let day = hours.slots_in(at("2024-07-02T00:00:00Z"), at("2024-07-03T00:00:00Z"));
        let open = Slots::new(day.start + 13, day.start + 20);
        assert_eq!(
            new_york().closed_slots(hours, day),
            [Slots::new(day.start, open.start), Slots::new(open.end, day.end)]
        );
        assert!(SessionCalendar::ALWAYS.closed_slots(days, week).is_empty());
    }

    proptest! {
        #[test]
        fn closed_slots_are_those_without_an_open_minute(
            start in 28_000_000i64..28_600_000,
            minutes in 1i64..20_000,
            frame in proptest::sample::select(vec![
                Timeframe::Minute15, Timeframe::Hour1, Timeframe::Hour4, Timeframe::Day1,
            ]),
        ) {
            let (calendar, grid) = (new_york(), Grid::new(frame, Alignment::UTC));
            let from = Time::from_unix_ms(start * 60_000);
            let to = Time::from_unix_ms((start + minutes) * 60_000);
            let slots = grid.slots_in(from, to);
            let closed = calendar.closed_slots(grid, slots);
            for slot in slots.iter().step_by(7) {
                let minutes = grid.start_of(slot).unix_ms()..grid.end_of(slot).unix_ms();
                let open = minutes.step_by(5 * 60_000).any(|ms| calendar.is_open(Time::from_unix_ms(ms)));
                prop_assert_eq!(closed.iter().any(|span| span.contains(slot)), !open, "slot {}", slot);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(matches!(SessionCalendar::builder("Mars"), Err(SessionError::Zone { .. })));
        let builder = || SessionCalendar::builder("CST-8").unwrap();
        for time in ["9:30", "24:01", "12:60", "noon", "+9:00"] {
            assert!(builder().weekdays([1], time, "13:30").is_err(), "{time}");
        }
        assert!(matches!(
            builder().weekdays([0], "09:00", "13:30"),
            Err(SessionError::Weekday { day: 0 })
        ));
        assert!(builder().holiday("2024-02-30").is_err());
    }
}
