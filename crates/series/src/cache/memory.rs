use std::sync::Arc;

use cache_core::clock::Tick;

use super::shared::Shared;
use super::state::State;
use super::stats::add;
use crate::chunk::Chunk;
use crate::row::Row;
use crate::time::Slots;

/// A chunk that may go.
struct Candidate {
    read: Tick,
    state: usize,
    index: i64,
    rows: u64,
    bytes: u64,
}

impl<R: Row> Shared<R> {
    /// Makes room, if there is more in memory than there may be, or if it is time to look for what
    /// was not read for long.
    pub(super) fn sweep_if_over(&self) {
        let bounds = self.options.memory;
        let is_over = bounds.rows_max.is_some_and(|max| self.totals.rows() > max)
            || bounds.bytes_max.is_some_and(|max| self.totals.bytes() > max);
        let is_time = bounds.idle.is_some_and(|idle| {
            let now = self.clock.monotonic();
            let mut swept = self.swept.lock();
            let is_time = swept.is_some_and(|swept| now.since(swept) >= idle / 4);
            if is_time || swept.is_none() {
                *swept = Some(now);
            }
            is_time
        });
        if is_over || is_time {
            self.sweep();
        }
    }

    /// Takes out of memory what was not read for long, and what was not read for longest until the
    /// rest is within bounds, with a tenth to spare. Answers how many chunks went. Costs a look at
    /// each chunk.
    pub(super) fn sweep(&self) -> u64 {
        let bounds = self.options.memory;
        let states: Vec<Arc<State<R>>> = self.series.lock().values().cloned().collect();
        let mut candidates = self.candidates(&states);
        candidates.sort_unstable_by_key(|candidate| candidate.read);
        let (mut rows, mut bytes) = (self.totals.rows(), self.totals.bytes());
        let is_over = bounds.rows_max.is_some_and(|max| rows > max)
            || bounds.bytes_max.is_some_and(|max| bytes > max);
        let spare = |max: u64| max - max / 10;
        let idle_since = bounds.idle.map(|idle| self.clock.monotonic().before(idle));
        let mut going: Vec<Vec<i64>> = vec![Vec::new(); states.len()];
        for candidate in candidates {
            let is_idle = idle_since.is_some_and(|since| candidate.read <= since);
            let is_over = is_over
                && (bounds.rows_max.is_some_and(|max| rows > spare(max))
                    || bounds.bytes_max.is_some_and(|max| bytes > spare(max)));
            if !is_idle && !is_over {
                break;
            }
            rows = rows.saturating_sub(candidate.rows);
            bytes = bytes.saturating_sub(candidate.bytes);
            going[candidate.state].push(candidate.index);
        }
        let mut evicted = 0;
        for (state, indices) in states.iter().zip(going) {
            if !indices.is_empty() {
                state.evict(&indices);
                add(&state.counters.chunks_evicted, indices.len() as u64);
                evicted += indices.len() as u64;
            }
        }
        evicted
    }

    fn candidates(&self, states: &[Arc<State<R>>]) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (place, state) in states.iter().enumerate() {
            let directory = state.directory();
            let chunks = directory.chunks();
            let mut recency = state.recency.lock();
            if let (Some(first), Some(last)) = (chunks.first(), chunks.last()) {
                recency.keep(Slots::new(first.index(), last.index() + 1));
            }
            for chunk in chunks {
                let index = Chunk::<R>::index(chunk);
                if !state.is_pinned(index) {
                    candidates.push(Candidate {
                        read: recency.of(index),
                        state: place,
                        index,
                        rows: chunk.len() as u64,
                        bytes: chunk.bytes() as u64,
                    });
                }
            }
        }
        candidates
    }
}
