use std::sync::Arc;

use super::error::SeriesError;
use super::read::Read;
use super::reading::Reading;
use crate::chunk::CHUNK_SLOTS;
use crate::fill::Fill;
use crate::request::{RequestError, Selection, Window};
use crate::row::Row;
use crate::time::Slots;
use crate::view::Directory;

/// Rows are counted back (or on) until in so many slots nothing at all is known.
const LOOKED_THROUGH: u64 = 64 * CHUNK_SLOTS as u64;

impl<R: Row> Read<'_, R> {
    /// Answers from memory and database alone.
    ///
    /// Where rows are counted, it is not known how far back the history reaches: longer and longer
    /// stretches are looked through, until there are enough rows or one of them has nothing.
    pub(super) async fn answer_offline(&mut self) -> Result<Reading<R>, SeriesError> {
        let count = match self.request.window {
            Window::Last { count } => Some(count),
            Window::Since { count, .. } | Window::Until { count, .. } => count,
            Window::Range { .. } => None,
        };
        let counted = count.filter(|_| self.request.fill == Fill::None);
        loop {
            let epoch = self.state.epoch();
            let directory = self.shared.open(self.state).await?;
            let slots = match counted {
                Some(count) => self.count_stored(count).await?,
                None => match self.select_stored(&directory)? {
                    Selection::Slots(slots) | Selection::Ask(slots) => slots,
                },
            };
            self.touch(slots);
            let (directory, now) = (self.state.directory(), self.now());
            if self.state.is_proven(&directory, slots, now) {
                return Ok(self.finish(&directory, slots, now, None));
            }
            let _pin = self.state.pin(slots);
            self.load(slots).await?;
            let directory = self.state.directory();
            // What was forgotten meanwhile is not in it.
            if self.state.epoch() == epoch {
                return self.judge(&directory, slots, self.now());
            }
        }
    }

    fn select_stored(&self, directory: &Directory<R>) -> Result<Selection, SeriesError> {
        let selection = self.select_within(directory, self.request.slots_max);
        selection.map_err(|error| SeriesError::request(&self.state.key, error))
    }

    async fn count_stored(&mut self, count: u64) -> Result<Slots, SeriesError> {
        let slots_max = self.request.slots_max;
        let mut stretch = count.max(CHUNK_SLOTS.unsigned_abs()).min(slots_max);
        let mut looked = Slots::default();
        loop {
            let span = self.stretch(&self.state.directory(), stretch);
            let _pin = self.state.pin(span);
            self.load(span).await?;
            let directory = self.state.directory();
            match self.select_within(&directory, stretch) {
                Ok(Selection::Slots(slots) | Selection::Ask(slots)) => return Ok(slots),
                Err(RequestError::TooLong { .. }) => {}
                Err(error) => return Err(SeriesError::request(&self.state.key, error)),
            }
            let is_new = |part: Slots| directory.coverage(part).is_empty();
            let more = [
                Slots::new(span.start, looked.start.min(span.end)),
                Slots::new(looked.end.max(span.start), span.end),
            ];
            let added = if looked.is_empty() { [span, Slots::default()] } else { more };
            let nothing = added.iter().all(|part| is_new(*part)) && span.len() >= LOOKED_THROUGH;
            if stretch >= slots_max || nothing {
                return Ok(self.known_part(&directory, span, count));
            }
            looked = span;
            stretch = stretch.saturating_mul(2).min(slots_max);
        }
    }

    /// So many slots from where the request counts, in its direction.
    fn stretch(&self, directory: &Arc<Directory<R>>, length: u64) -> Slots {
        let grid = self.state.grid;
        let traded = directory.head().traded(grid);
        let end = self.closed(directory).min(traded.end);
        match self.request.window {
            Window::Since { from, .. } => {
                let start = grid.slot_from(from).max(traded.start);
                Slots::new(start, start.saturating_add_unsigned(length).min(end))
            }
            Window::Until { to, .. } => {
                let end = end.min(grid.slot_from(to));
                Slots::new(end.saturating_sub_unsigned(length).max(traded.start), end)
            }
            Window::Last { .. } | Window::Range { .. } => {
                Slots::new(end.saturating_sub_unsigned(length).max(traded.start), end)
            }
        }
    }

    /// The part of `span` from or to which anything is known; where nothing is, as many slots as
    /// rows are wanted.
    fn known_part(&self, directory: &Directory<R>, span: Slots, count: u64) -> Slots {
        let known = directory.coverage(span).hull().intersection(span);
        match self.request.window {
            Window::Since { .. } if known.is_empty() => {
                Slots::new(span.start, span.start.saturating_add_unsigned(count).min(span.end))
            }
            Window::Since { .. } => Slots::new(span.start, known.end),
            _ if known.is_empty() => {
                Slots::new(span.end.saturating_sub_unsigned(count).max(span.start), span.end)
            }
            _ => Slots::new(known.start, span.end),
        }
    }
}
