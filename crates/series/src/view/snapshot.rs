use std::sync::Arc;

use super::Directory;
use crate::chunk::Chunk;
use crate::coverage::Coverage;
use crate::row::{Columns, Row};
use crate::time::{Slots, Time};

/// The rows of a span as they were when the view was taken; cheap to take and to clone, whatever
/// its length. What is changed later is not seen.
///
/// ```
/// # use std::sync::Arc;
/// # use cache_series::chunk::Chunk;
/// # use cache_series::coverage::{Coverage, State};
/// # use cache_series::row::{Candle, Columns, Row};
/// # use cache_series::session::SessionCalendar;
/// # use cache_series::time::{Alignment, Grid, Slots, Timeframe};
/// use cache_series::view::Directory;
///
/// # let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
/// # let fetched = Coverage::from_iter([(Slots::new(0, 10), State::Fetched)]);
/// # let chunk = Chunk::build(0, (0..10).map(|slot| (slot, Candle::flat(slot as f64, 1.0))), fetched)?;
/// let directory = Directory::new(grid, Arc::new(SessionCalendar::ALWAYS));
/// let directory = Arc::new(directory.with_chunks([Arc::new(chunk)]));
/// let view = directory.view(Slots::new(2, 8));
/// assert_eq!(view.len(), 6);
/// let mut closes = Vec::new();
/// for segment in view.segments() {
///     closes.extend_from_slice(segment.float(Candle::CLOSE)); // no copy until here
/// }
/// assert_eq!(closes, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct View<R> {
    directory: Arc<Directory<R>>,
    slots: Slots,
    first_row: u64,
    end_row: u64,
}

/// The part of a view that lies in one chunk.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'view, R> {
    chunk: &'view Arc<Chunk<R>>,
    from: usize,
    to: usize,
}

impl<R: Row> View<R> {
    pub(super) fn new(directory: Arc<Directory<R>>, slots: Slots) -> Self {
        let first_row = directory.rows_before(slots.start);
        let end_row = if slots.is_empty() { first_row } else { directory.rows_before(slots.end) };
        Self { directory, slots, first_row, end_row }
    }

    /// The span that was asked for.
    pub fn slots(&self) -> Slots {
        self.slots
    }

    /// What it is a view of.
    pub fn directory(&self) -> &Arc<Directory<R>> {
        &self.directory
    }

    /// How many rows.
    pub fn len(&self) -> u64 {
        self.end_row - self.first_row
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first_row == self.end_row
    }

    /// What is known of the span.
    pub fn coverage(&self) -> Coverage {
        self.directory.coverage(self.slots)
    }

    /// A row with its slot, counted from the view's first.
    pub fn row(&self, row: u64) -> Option<(i64, R)> {
        let row = self.first_row.checked_add(row).filter(|row| *row < self.end_row)?;
        let slot = self.directory.slot_of(row)?;
        Some((slot, self.directory.get(slot)?))
    }

    /// The first row with its slot.
    pub fn first(&self) -> Option<(i64, R)> {
        self.row(0)
    }

    /// The last row with its slot.
    pub fn last(&self) -> Option<(i64, R)> {
        self.row(self.len().checked_sub(1)?)
    }

    /// Its parts in order, each the rows of one chunk as they lie there.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_, R>> + '_ {
        let indices = Chunk::<R>::indices_of(self.slots);
        let chunks = self.directory.chunks();
        let first = chunks.partition_point(|chunk| chunk.index() < indices.start);
        chunks[first..]
            .iter()
            .take_while(move |chunk| chunk.index() < indices.end)
            .map(|chunk| Segment {
                chunk,
                from: chunk.rows_before(self.slots.start),
                to: chunk.rows_before(self.slots.end),
            })
            .filter(|segment| segment.from < segment.to)
    }

    /// Its rows with their slots, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, R)> + '_ {
        self.segments().flat_map(|segment| {
            let columns = segment.chunk.columns();
            segment
                .slots()
                .zip(segment.from..)
                .map(move |(slot, row)| (slot, R::read(columns, row)))
        })
    }

    /// The times of its rows, in order.
    pub fn times(&self) -> impl Iterator<Item = Time> + '_ {
        let grid = self.directory.grid();
        self.segments().flat_map(|segment| segment.slots()).map(move |slot| grid.start_of(slot))
    }

    /// Copies its columns out: to each column one copy of memory a chunk. What was in `columns`
    /// goes, its memory is used again.
    pub fn copy_columns(&self, columns: &mut Columns) {
        columns.clear();
        for segment in self.segments() {
            columns.extend_from(segment.chunk.columns(), segment.from, segment.to);
        }
    }
}

impl<'view, R: Row> Segment<'view, R> {
    /// The chunk that it is in.
    pub fn chunk(&self) -> &'view Arc<Chunk<R>> {
        self.chunk
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The values of a column of floats, where they lie.
    pub fn float(&self, column: usize) -> &'view [f64] {
        self.chunk.columns().float(column).get(self.from..self.to).unwrap_or_default()
    }

    /// The values of a column of integers, where they lie.
    pub fn integer(&self, column: usize) -> &'view [i64] {
        self.chunk.columns().integer(column).get(self.from..self.to).unwrap_or_default()
    }

    /// The slots of its rows.
    pub fn slots(&self) -> impl Iterator<Item = i64> + use<'view, R> {
        let place = self.chunk.slot_of(self.from).map_or(0, |slot| slot - self.chunk.slots().start);
        let start = self.chunk.slots().start;
        let places = self.chunk.presence().iter_from(place as usize);
        places.take(self.len()).map(move |place| start + place as i64)
    }
}
