//! When a market is open: weekly sessions, holidays and special days, by the market's own clock.

mod calendar;

pub use calendar::{SessionBuilder, SessionCalendar, SessionError};
