use crate::time::Time;

/// Since when a symbol is traded, and until when it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// A time at or before its first trade, such that nothing lies before it: of the first row, or
    /// of the listing itself. `None` if the venue does not tell.
    pub first: Option<Time>,
    /// The time of its last trade, if it is not traded any more.
    pub last: Option<Time>,
}

impl Listing {
    /// The venue does not tell.
    pub const UNTOLD: Self = Self { first: None, last: None };

    /// Traded since `first`.
    pub const fn since(first: Time) -> Self {
        Self { first: Some(first), last: None }
    }

    /// Not traded any more after `last`.
    pub const fn until(mut self, last: Time) -> Self {
        self.last = Some(last);
        self
    }
}
