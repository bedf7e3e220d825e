use super::Completeness;
use crate::fill::Fill;
use crate::time::Time;

/// Which rows are wanted. Times need not be slots' starts; a row is in a span if its slot begins in
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// Those that begin in `from..to`.
    Range {
        /// From this time on.
        from: Time,
        /// Up to before this time.
        to: Time,
    },
    /// The newest so many.
    Last {
        /// How many.
        count: u64,
    },
    /// Those from a time on: so many, or all up to now.
    Since {
        /// From this time on.
        from: Time,
        /// How many; all if `None`.
        count: Option<u64>,
    },
    /// Those up to before a time: the newest so many, or all from the listing on.
    Until {
        /// Up to before this time.
        to: Time,
        /// How many; all if `None`.
        count: Option<u64>,
    },
}

/// What a program asks a series for.
///
/// ```
/// use cache_series::fill::{Fill, Volume};
/// use cache_series::request::{Completeness, Request};
///
/// let newest = Request::last(500)
///     .with_completeness(Completeness::Strict)
///     .with_fill(Fill::PreviousClose(Volume::Zero));
/// assert!(!newest.offline);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// Which rows.
    pub window: Window,
    /// How complete they have to be.
    pub completeness: Completeness,
    /// What stands in slots without a row. With a fill a count is one of slots in which the market
    /// is open, otherwise of rows.
    pub fill: Fill,
    /// Whether only what is known here is answered, and nobody is asked.
    pub offline: bool,
    /// More slots than this are refused.
    pub slots_max: u64,
}

/// Why a request cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// All rows up to a time are wanted, but nobody knows since when there are any. The connector
    /// is to be asked for the listing first.
    #[error("all rows up to a time are wanted, and it is not known when the symbol was listed")]
    ListingUnknown,
    /// More slots than the request allows.
    #[error("the request is for {slots} slots or more, {slots_max} are allowed")]
    TooLong {
        /// How many slots at least.
        slots: u64,
        /// How many are allowed.
        slots_max: u64,
    },
}

impl Request {
    /// Ten million slots: nineteen years of minutes.
    pub const SLOTS_MAX: u64 = 10_000_000;

    /// What a window holds: every slot known, nothing filled.
    pub const fn new(window: Window) -> Self {
        Self {
            window,
            completeness: Completeness::Strict,
            fill: Fill::None,
            offline: false,
            slots_max: Self::SLOTS_MAX,
        }
    }

    /// See [`Window::Range`].
    pub const fn range(from: Time, to: Time) -> Self {
        Self::new(Window::Range { from, to })
    }

    /// See [`Window::Last`].
    pub const fn last(count: u64) -> Self {
        Self::new(Window::Last { count })
    }

    /// See [`Window::Since`].
    pub const fn since(from: Time, count: Option<u64>) -> Self {
        Self::new(Window::Since { from, count })
    }

    /// See [`Window::Until`].
    pub const fn until(to: Time, count: Option<u64>) -> Self {
        Self::new(Window::Until { to, count })
    }

    /// How complete the answer has to be.
    pub const fn with_completeness(mut self, completeness: Completeness) -> Self {
        self.completeness = completeness;
        self
    }

    /// What stands in slots without a row.
    pub const fn with_fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    /// Nobody is asked.
    pub const fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    /// Refused above so many slots.
    pub const fn with_slots_max(mut self, slots_max: u64) -> Self {
        self.slots_max = slots_max;
        self
    }
}
