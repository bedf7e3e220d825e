use jiff::civil::{Date, date};

use super::timeframe::{DAY, WEEK};
use super::{Length, Slots, Time, Timeframe};

/// Where a venue's days and weeks begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alignment {
    /// How far the venue's clock is ahead of UTC, in milliseconds: 28,800,000 for days that begin
    /// at midnight in Taipei. Rows of every length are aligned to that midnight.
    pub offset_ms: i64,
    /// The day on which weeks begin: 0 is Monday, 6 is Sunday.
    pub week_start: u8,
}

/// The slots of a timeframe at a venue: which time is in which slot.
///
/// Slots are counted from the one that holds the first moment of 1970 by the venue's clock (of
/// weeks: the first that begins in that year). A row's time is the start of its slot.
///
/// ```
/// use cache_series::time::{Alignment, Grid, Slots, Time, Timeframe};
///
/// let months = Grid::new(Timeframe::Month1, Alignment::UTC);
/// let leap: Time = "2024-02-29T12:00:00Z".parse()?;
/// let slot = months.slot_at(leap);
/// assert_eq!(months.start_of(slot).to_string(), "2024-02-01T00:00:00Z");
/// assert_eq!(months.end_of(slot).to_string(), "2024-03-01T00:00:00Z");
/// # Ok::<(), cache_series::time::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    timeframe: Timeframe,
    alignment: Alignment,
}

impl Alignment {
    /// Days from midnight UTC, weeks from Monday: what most venues have.
    pub const UTC: Self = Self { offset_ms: 0, week_start: 0 };

    /// Days from midnight of a clock so far ahead of UTC (behind it: negative), weeks from Monday.
    pub const fn offset(offset_ms: i64) -> Self {
        Self { offset_ms, week_start: 0 }
    }

    /// Weeks from another day; 0 is Monday, 6 is Sunday.
    pub const fn with_week_start(mut self, week_start: u8) -> Self {
        self.week_start = week_start % 7;
        self
    }
}

impl Default for Alignment {
    fn default() -> Self {
        Self::UTC
    }
}

/// January of the years 1 and 9999, in months from January 1970.
const MONTHS: Slots = Slots { start: (1 - 1970) * 12, end: (9999 - 1970) * 12 };
/// 1970 began on a Thursday, so its first Monday is three days before the week's end.
const FIRST_MONDAY_MS: i64 = 4 * DAY;

const EPOCH_DATE: Date = date(1970, 1, 1);

impl Grid {
    /// The grid of a timeframe at a venue.
    pub const fn new(timeframe: Timeframe, alignment: Alignment) -> Self {
        Self { timeframe, alignment }
    }

    /// The length of its slots.
    pub const fn timeframe(self) -> Timeframe {
        self.timeframe
    }

    /// Where its days and weeks begin.
    pub const fn alignment(self) -> Alignment {
        self.alignment
    }

    /// The fixed length of a slot and where slot 0 begins by the venue's clock; `None` for months.
    fn fixed(self) -> Option<(i64, i64)> {
        match self.timeframe.length() {
            Length::Fixed { ms } => Some((ms, 0)),
            Length::Week => {
                let from_monday = i64::from(self.alignment.week_start % 7) * DAY;
                Some((WEEK, (FIRST_MONDAY_MS + from_monday) % WEEK))
            }
            Length::Months { .. } => None,
        }
    }

    fn months(self) -> i64 {
        match self.timeframe.length() {
            Length::Months { count } => count,
            Length::Fixed { .. } | Length::Week => 1,
        }
    }

    /// The slot that holds a time.
    pub fn slot_at(self, time: Time) -> i64 {
        let local = time.unix_ms().saturating_add(self.alignment.offset_ms);
        match self.fixed() {
            Some((length, first)) => local.saturating_sub(first).div_euclid(length),
            None => month_at(local).div_euclid(self.months()),
        }
    }

    /// When a slot begins, which is the time of its row.
    pub fn start_of(self, slot: i64) -> Time {
        let local = match self.fixed() {
            Some((length, first)) => slot.saturating_mul(length).saturating_add(first),
            None => start_of_month(slot.saturating_mul(self.months())),
        };
        Time::from_unix_ms(local.saturating_sub(self.alignment.offset_ms))
    }

    /// When a slot ends: the start of the next.
    pub fn end_of(self, slot: i64) -> Time {
        self.start_of(slot.saturating_add(1))
    }

    /// The first slot that begins at `time` or later.
    pub fn slot_from(self, time: Time) -> i64 {
        let slot = self.slot_at(time);
        if self.start_of(slot) < time { slot.saturating_add(1) } else { slot }
    }

    /// The slot that begins exactly then, if one does.
    pub fn exact_slot(self, time: Time) -> Option<i64> {
        let slot = self.slot_at(time);
        (self.start_of(slot) == time).then_some(slot)
    }

    /// The slots that begin in `from..to`. Neither has to be a slot's start.
    pub fn slots_in(self, from: Time, to: Time) -> Slots {
        Slots::new(self.slot_from(from), self.slot_from(to))
    }

    /// The end of the slots that are over at `time`: all before it are closed.
    pub fn closed_end(self, time: Time) -> i64 {
        self.slot_at(time)
    }
}

/// The month, counted from January 1970, of a local time.
fn month_at(local_ms: i64) -> i64 {
    let days = i32::try_from(local_ms.div_euclid(DAY)).unwrap_or(i32::MAX);
    let date = jiff::Span::new()
        .try_days(i64::from(days))
        .and_then(|span| EPOCH_DATE.checked_add(span))
        // Only offsets of thousands of years lead out of the calendar.
        .unwrap_or(if days < 0 { Date::MIN } else { Date::MAX });
    (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1
}

/// When a month, counted from January 1970, begins, by the local clock.
fn start_of_month(month: i64) -> i64 {
    let month = month.clamp(MONTHS.start, MONTHS.end);
    let year = 1970 + month.div_euclid(12);
    // Both fit after the clamp: 1 to 9999, and 1 to 12.
    let date = Date::new(year as i16, (month.rem_euclid(12) + 1) as i8, 1);
    let midnight = date.ok().and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    midnight.map_or(Time::MAX.unix_ms(), |midnight| midnight.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn weeks_begin_on_monday_or_where_the_venue_says() {
        let thursday = at("2024-02-29T12:00:00Z");
        for (alignment, start) in [
            (Alignment::UTC, "2024-02-26T00:00:00Z"),
            (Alignment::UTC.with_week_start(6), "2024-02-25T00:00:00Z"),
            (Alignment::UTC.with_week_start(3), "2024-02-29T00:00:00Z"),
            (Alignment::offset(8 * 3_600_000), "2024-02-25T16:00:00Z"),
        ] {
            let grid = Grid::new(Timeframe::Week1, alignment);
            assert_eq!(grid.start_of(grid.slot_at(thursday)), at(start), "{alignment:?}");
        }
    }

    #[test]
    fn months_and_quarters_follow_the_calendar() {
        let months = Grid::new(Timeframe::Month1, Alignment::UTC);
        assert_eq!(months.slot_at(Time::EPOCH), 0);
        assert_eq!(months.slot_at(at("1969-12-31T23:59:59Z")), -1);
        let quarters = Grid::new(Timeframe::Month3, Alignment::UTC);
        let slot = quarters.slot_at(at("2023-06-30T23:59:59Z"));
        assert_eq!(quarters.start_of(slot), at("2023-04-01T00:00:00Z"));
        let taipei = Grid::new(Timeframe::Month1, Alignment::offset(8 * 3_600_000));
        let slot = taipei.slot_at(at("2024-02-29T16:00:00Z"));
        assert_eq!(taipei.start_of(slot), at("2024-02-29T16:00:00Z"));
    }

    /// Bug 11 of the model: a request whose edges were no slots' starts was never satisfied.
    #[test]
    fn bug_11_edges_need_not_be_aligned() {
        let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
        let asked = grid.slots_in(Time::from_unix_ms(60_001), Time::from_unix_ms(300_500));
        assert_eq!(asked, Slots::new(2, 6));
        assert_eq!(asked, grid.slots_in(Time::from_unix_ms(120_000), Time::from_unix_ms(360_000)));
        assert!(grid.slots_in(Time::from_unix_ms(1), Time::from_unix_ms(2)).is_empty());
        assert_eq!(grid.exact_slot(Time::from_unix_ms(60_001)), None);
        assert_eq!(grid.exact_slot(Time::from_unix_ms(60_000)), Some(1));
    }

    fn grid() -> impl Strategy<Value = Grid> {
        let timeframes: Vec<Timeframe> = Timeframe::all().collect();
        let hours = prop_oneof![Just(0), -14i64..=14];
        (proptest::sample::select(timeframes), hours, 0u8..7).prop_map(|(timeframe, hours, day)| {
            let alignment = Alignment::offset(hours * 3_600_000).with_week_start(day);
            Grid::new(timeframe, alignment)
        })
    }

    proptest! {
        #[test]
        fn every_time_is_in_one_slot(grid in grid(), ms in -60_000_000_000_000i64..250_000_000_000_000) {
            let time = Time::from_unix_ms(ms);
            let slot = grid.slot_at(time);
            prop_assert!(grid.start_of(slot) <= time && time < grid.end_of(slot));
            prop_assert_eq!(grid.slot_at(grid.start_of(slot)), slot);
            prop_assert_eq!(grid.end_of(slot - 1), grid.start_of(slot));
            let from = grid.slot_from(time);
            prop_assert!(grid.start_of(from) >= time && grid.start_of(from - 1) < time);
        }

        #[test]
        fn nothing_overflows(grid in grid(), slot in any::<i64>(), ms in any::<i64>()) {
            let _ = (grid.start_of(slot), grid.end_of(slot), grid.slot_at(Time::from_unix_ms(ms)));
            let moved = Grid::new(grid.timeframe(), Alignment::offset(ms));
            let _ = (moved.start_of(slot), moved.slot_at(Time::from_unix_ms(ms)));
        }
    }
}
