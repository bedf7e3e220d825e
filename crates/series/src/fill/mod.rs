//! What stands in slots without a row: never stored, always told apart, made of nothing that lies
//! after the span.

mod apply;
mod row;
#[cfg(test)]
mod tests;

pub use apply::{Filled, fill};
pub use row::FillRow;

/// What stands in slots that are known to have no row.
///
/// Slots of which nothing is known, for which the venue failed, that lie before the listing or
/// after the end, or in which the market was closed, are never filled: they are absent, and the
/// [`Report`](crate::request::Report) tells of them. Nor is the end of a span where the venue has
/// had nothing so far, but is to be asked again. Over slots of which nothing is known, or for which
/// the venue failed, no close is carried and no line drawn, for there may be rows in them: what is
/// made up begins again with the next row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Nothing: rows only.
    None,
    /// A row of NaNs.
    Null,
    /// The close of the row before, which may lie before the span; nothing where there is none, or
    /// where it is not known whether another one lies between.
    PreviousClose(Volume),
    /// Prices on the line from the close before to the open after, within the span; nothing where
    /// one of them is missing, or where it is not known whether others lie between.
    Linear,
    /// This price.
    Constant(f64),
}

/// The volume of a row that carries the close before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Volume {
    /// Zero: nothing was traded.
    Zero,
    /// NaN: no volume is told.
    Absent,
}
