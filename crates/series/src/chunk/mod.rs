//! A piece of a series: the rows of some slots, column by column, with what is known of each slot.

mod build;
mod columns;
mod merge;
mod packing;
mod presence;
mod record;
mod restore;
#[cfg(test)]
mod tests;
mod wholes;

use std::marker::PhantomData;

pub use build::ChunkError;
pub use presence::Presence;

use crate::coverage::{Coverage, State};
use crate::row::{Columns, Row};
use crate::time::Slots;

/// How many slots a chunk has, of every timeframe.
pub const CHUNK_SLOTS: i64 = 1024;

/// Rows of [`CHUNK_SLOTS`] slots, with what is known of each slot.
///
/// A chunk is never changed; what is new is a new one, put together by [`merge`](Self::merge).
/// Rows lie packed, column by column, without their times, which follow from which slots have a row
/// (one bit a slot). Every slot with a row is in a state that [has rows](State::has_rows), so
/// that one record with both is true by itself.
///
/// ```
/// use cache_series::chunk::Chunk;
/// use cache_series::coverage::{Coverage, State};
/// use cache_series::row::Candle;
/// use cache_series::time::Slots;
///
/// let mut coverage = Coverage::new();
/// coverage.mark(Slots::new(0, 10), State::Fetched);
/// let chunk = Chunk::build(0, [(3, Candle::flat(93.25, 1.5))], coverage)?;
/// assert_eq!(chunk.get(3).map(|candle| candle.close), Some(93.25));
/// assert_eq!(chunk.get(4), None);
/// assert_eq!(Chunk::<Candle>::decode(0, &chunk.encode())?, chunk);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk<R> {
    index: i64,
    presence: Presence,
    columns: Columns,
    coverage: Coverage,
    row: PhantomData<fn() -> R>,
}

impl<R: Row> Chunk<R> {
    /// The chunk at `index` of which nothing is known.
    pub fn empty(index: i64) -> Self {
        Self {
            index,
            presence: Presence::default(),
            columns: Columns::new(R::SCHEMA),
            coverage: Coverage::new(),
            row: PhantomData,
        }
    }

    /// The chunk that a slot is in.
    pub const fn index_of(slot: i64) -> i64 {
        slot.div_euclid(CHUNK_SLOTS)
    }

    /// The slots of the chunk at `index`.
    pub const fn slots_of(index: i64) -> Slots {
        let start = index.saturating_mul(CHUNK_SLOTS);
        Slots::new(start, start.saturating_add(CHUNK_SLOTS))
    }

    /// The indices of the chunks that touch `slots`.
    pub const fn indices_of(slots: Slots) -> Slots {
        if slots.is_empty() {
            return Slots::new(0, 0);
        }
        Slots::new(Self::index_of(slots.start), Self::index_of(slots.end - 1) + 1)
    }

    /// Which chunk of the series.
    pub fn index(&self) -> i64 {
        self.index
    }

    /// Its slots, with and without rows.
    pub fn slots(&self) -> Slots {
        Self::slots_of(self.index)
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.presence.len()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of its slots.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Its rows, column by column, in the order of their slots.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Which of its slots have a row.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Whether a slot has a row.
    pub fn has(&self, slot: i64) -> bool {
        self.place(slot).is_some_and(|place| self.presence.has(place))
    }

    /// The row of a slot.
    pub fn get(&self, slot: i64) -> Option<R> {
        let place = self.place(slot).filter(|place| self.presence.has(*place))?;
        Some(R::read(&self.columns, self.presence.rank(place)))
    }

    /// The state of a slot.
    pub fn state(&self, slot: i64) -> Option<State> {
        self.coverage.at(slot)
    }

    /// How many rows lie before `slot`, which may be outside of the chunk.
    pub fn rows_before(&self, slot: i64) -> usize {
        let place = slot.saturating_sub(self.slots().start).clamp(0, CHUNK_SLOTS);
        self.presence.rank(place as usize)
    }

    /// The slot of a row, counted from the chunk's first.
    pub fn slot_of(&self, row: usize) -> Option<i64> {
        self.presence.select(row).map(|place| self.slots().start + place as i64)
    }

    /// The slots that have a row, in order.
    pub fn slots_with_rows(&self) -> impl Iterator<Item = i64> + '_ {
        let start = self.slots().start;
        self.presence.iter().map(move |place| start + place as i64)
    }

    /// Its rows with their slots, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, R)> + '_ {
        let rows = self.slots_with_rows().enumerate();
        rows.map(|(row, slot)| (slot, R::read(&self.columns, row)))
    }

    /// Bytes that it takes in memory, about.
    pub fn bytes(&self) -> usize {
        // A span in the tree takes its key, its value and a share of its node.
        size_of::<Self>() + self.columns.bytes() + self.coverage.len() * 64
    }

    fn place(&self, slot: i64) -> Option<usize> {
        self.slots().contains(slot).then(|| (slot - self.slots().start) as usize)
    }
}
