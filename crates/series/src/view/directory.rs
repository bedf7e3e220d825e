use std::ops::ControlFlow;
use std::sync::Arc;

use super::View;
use crate::chunk::Chunk;
use crate::coverage::{Coverage, State};
use crate::head::Head;
use crate::row::Row;
use crate::session::SessionCalendar;
use crate::time::{Grid, Slots};

/// What is known of a series at one moment: its head and some of its chunks, each shared.
///
/// A directory is never changed; what is new is a new one, which shares all chunks but those that
/// changed. Making it costs 16 bytes a chunk; a million rows are a thousand chunks.
#[derive(Clone, Debug)]
pub struct Directory<R> {
    grid: Grid,
    calendar: Arc<SessionCalendar>,
    head: Arc<Head>,
    /// In the order of their indices.
    chunks: Vec<Arc<Chunk<R>>>,
    /// How many rows lie before each of them.
    rows_before: Vec<u64>,
    rows: u64,
}

/// The row that a fill carries into a span: the last one before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seed<R> {
    /// This one; between it and the span there is nothing, as is known.
    Row(i64, R),
    /// There is none: the symbol was not traded before.
    Nothing,
    /// These slots would have to be known first; the last of them lies just before what is known.
    Unknown(Slots),
}

impl<R: Row> Directory<R> {
    /// Nothing is known of a series whose market is open by this calendar.
    pub fn new(grid: Grid, calendar: Arc<SessionCalendar>) -> Self {
        let (chunks, rows_before) = (Vec::new(), Vec::new());
        Self { grid, calendar, head: Arc::default(), chunks, rows_before, rows: 0 }
    }

    /// Which time is in which slot.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// When the market is open.
    pub fn calendar(&self) -> &SessionCalendar {
        &self.calendar
    }

    /// What is known of the series as a whole.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Its chunks in order.
    pub fn chunks(&self) -> &[Arc<Chunk<R>>] {
        &self.chunks
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes that its chunks take in memory, about. Costs a look at each.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes()).sum()
    }

    /// The chunk at an index, if it is here.
    pub fn chunk(&self, index: i64) -> Option<&Arc<Chunk<R>>> {
        self.place(index).ok().map(|place| &self.chunks[place])
    }

    fn place(&self, index: i64) -> Result<usize, usize> {
        self.chunks.binary_search_by_key(&index, |chunk| chunk.index())
    }

    /// The same with another head.
    pub fn with_head(&self, head: Arc<Head>) -> Self {
        Self { head, ..self.clone() }
    }

    /// The same with these chunks in place of those at their indices.
    pub fn with_chunks(&self, chunks: impl IntoIterator<Item = Arc<Chunk<R>>>) -> Self {
        let mut directory = self.clone();
        for chunk in chunks {
            match directory.place(chunk.index()) {
                Ok(place) => directory.chunks[place] = chunk,
                Err(place) => directory.chunks.insert(place, chunk),
            }
        }
        directory.count();
        directory
    }

    /// The same without the chunk at an index: it is no longer known here.
    pub fn without_chunk(&self, index: i64) -> Self {
        let mut directory = self.clone();
        if let Ok(place) = directory.place(index) {
            directory.chunks.remove(place);
            directory.count();
        }
        directory
    }

    /// The same without these chunks: they are no longer known here.
    pub fn without_chunks(&self, indices: &[i64]) -> Self {
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        let mut directory = self.clone();
        directory.chunks.retain(|chunk| indices.binary_search(&chunk.index()).is_err());
        directory.count();
        directory
    }

    fn count(&mut self) {
        let mut rows = 0;
        self.rows_before.clear();
        for chunk in &self.chunks {
            self.rows_before.push(rows);
            rows += chunk.len() as u64;
        }
        self.rows = rows;
    }

    /// The indices of the chunks that are not here but may hold something of `slots`: what the head
    /// or the calendar says of all their slots needs no chunk.
    pub fn absent_chunks(&self, slots: Slots) -> Vec<i64> {
        let traded = slots.intersection(self.head.traded(self.grid));
        let known = |index: i64| {
            let slots = Chunk::<R>::slots_of(index).intersection(slots);
            self.head.coverage(self.grid, slots).missing(slots, crate::time::Time::MIN).is_empty()
        };
        Chunk::<R>::indices_of(traded)
            .iter()
            .filter(|index| self.place(*index).is_err() && !known(*index))
            .collect()
    }

    /// How many rows lie before a slot.
    pub fn rows_before(&self, slot: i64) -> u64 {
        let index = Chunk::<R>::index_of(slot);
        match self.place(index) {
            Ok(place) => self.rows_before[place] + self.chunks[place].rows_before(slot) as u64,
            Err(place) => self.rows_before.get(place).copied().unwrap_or(self.rows),
        }
    }

    /// How many rows lie in a span. O(log n) in the number of chunks.
    pub fn rows_in(&self, slots: Slots) -> u64 {
        if slots.is_empty() {
            return 0;
        }
        self.rows_before(slots.end) - self.rows_before(slots.start)
    }

    /// The slot of a row, counted from the first row that is here.
    pub fn slot_of(&self, row: u64) -> Option<i64> {
        let place = self.rows_before.partition_point(|before| *before <= row).checked_sub(1)?;
        let within = row - self.rows_before[place];
        self.chunks[place].slot_of(usize::try_from(within).ok()?)
    }

    /// The row of a slot.
    pub fn get(&self, slot: i64) -> Option<R> {
        self.chunk(Chunk::<R>::index_of(slot))?.get(slot)
    }

    /// What is known of `slots`, from chunks, head and calendar together: chunks are believed
    /// first, then the head, then the calendar.
    pub fn coverage(&self, slots: Slots) -> Coverage {
        let mut coverage = Coverage::new();
        if slots.is_empty() {
            return coverage;
        }
        for closed in self.calendar.closed_slots(self.grid, self.bounded(slots)) {
            coverage.mark(closed, State::Closed);
        }
        for (span, state) in self.head.coverage(self.grid, slots).iter() {
            coverage.mark(span, state);
        }
        let first = self.place(Chunk::<R>::index_of(slots.start)).unwrap_or_else(|place| place);
        for chunk in &self.chunks[first..] {
            if chunk.slots().start >= slots.end {
                break;
            }
            for (span, state) in chunk.coverage().known_in(slots) {
                // A failure tells less than a calendar.
                match state {
                    State::Failed { .. } => coverage.mark_if_more(span, state),
                    _ => coverage.mark(span, state),
                }
            }
        }
        coverage
    }

    /// Where calendars are asked: between listing and end, for outside of them the head knows.
    fn bounded(&self, slots: Slots) -> Slots {
        slots.intersection(self.head.traded(self.grid))
    }

    /// A view of `slots` as they are now. Costs two searches among the chunks, whatever its length.
    pub fn view(self: &Arc<Self>, slots: Slots) -> View<R> {
        View::new(Arc::clone(self), slots)
    }

    /// The last row before `slot`, if everything between them is known to have none.
    pub fn seed_before(&self, slot: i64) -> Seed<R> {
        let traded = self.head.traded(self.grid);
        let found = self.walk_back(Slots::new(traded.start, slot), |span, state| {
            if !state.is_some_and(State::is_known) {
                return ControlFlow::Break(Seed::Unknown(span));
            }
            if self.rows_in(span) == 0 {
                return ControlFlow::Continue(());
            }
            let last = self.rows_before(span.end).checked_sub(1).and_then(|row| self.slot_of(row));
            match last.and_then(|slot| Some((slot, self.get(slot)?))) {
                Some((slot, row)) => ControlFlow::Break(Seed::Row(slot, row)),
                None => ControlFlow::Continue(()),
            }
        });
        found.unwrap_or(Seed::Nothing)
    }

    /// The spans of `slots` of one state or none, from the last to the first, until one is enough.
    /// What the head says of a long span is one step.
    pub(crate) fn walk_back<T>(
        &self,
        slots: Slots,
        mut visit: impl FnMut(Slots, Option<State>) -> ControlFlow<T>,
    ) -> Option<T> {
        let mut left = slots;
        while !left.is_empty() {
            let spans = self.spans_around(left.end - 1, left);
            left.end = spans.first()?.0.start;
            for (span, state) in spans.into_iter().rev() {
                if let ControlFlow::Break(found) = visit(span, state) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The same from the first to the last.
    pub(crate) fn walk<T>(
        &self,
        slots: Slots,
        mut visit: impl FnMut(Slots, Option<State>) -> ControlFlow<T>,
    ) -> Option<T> {
        let mut left = slots;
        while !left.is_empty() {
            let spans = self.spans_around(left.start, left);
            left.start = spans.last()?.0.end;
            for (span, state) in spans {
                if let ControlFlow::Break(found) = visit(span, state) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// What is known around a slot, within bounds: of its chunk, or of the long span that the head
    /// knows there, as far as no chunk says otherwise.
    fn spans_around(&self, slot: i64, bounds: Slots) -> Vec<(Slots, Option<State>)> {
        let index = Chunk::<R>::index_of(slot);
        if let Err(place) = self.place(index)
            && let Some((span, state)) = self.head.span_at(self.grid, slot)
        {
            let before =
                place.checked_sub(1).map_or(i64::MIN, |place| self.chunks[place].slots().end);
            let after = self.chunks.get(place).map_or(i64::MAX, |chunk| chunk.slots().start);
            let span = span.intersection(bounds).intersection(Slots::new(before, after));
            return vec![(span, Some(state))];
        }
        let slots = Chunk::<R>::slots_of(index).intersection(bounds);
        self.coverage(slots).spans_in(slots)
    }
}
