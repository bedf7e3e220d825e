use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_core::clock::Tick;

use super::shared::Shared;
use super::state::State;
use crate::row::Row;

/// When the database saw last that the records of a series are used. What is read from memory it
/// does not see, and a bound of its own would take it first.
#[derive(Debug, Default)]
pub(super) struct Uses {
    head: Option<Tick>,
    chunks: HashMap<i64, Tick>,
}

impl Uses {
    /// These chunks were read there, or written.
    pub(super) fn saw(&mut self, indices: impl IntoIterator<Item = i64>, now: Tick) {
        self.chunks.extend(indices.into_iter().map(|index| (index, now)));
    }

    pub(super) fn saw_head(&mut self, now: Tick) {
        self.head = Some(now);
    }

    /// These chunks are not in memory any more.
    pub(super) fn forget(&mut self, indices: &[i64]) {
        for index in indices {
            self.chunks.remove(index);
        }
    }

    /// Whether the database has not seen for so long that a chunk is read.
    fn is_unseen(&self, index: i64, read: Tick, long: Duration) -> bool {
        self.chunks.get(&index).is_none_or(|seen| read.since(*seen) >= long)
    }

    fn is_head_unseen(&self, read: Tick, long: Duration) -> bool {
        self.head.is_none_or(|seen| read.since(seen) >= long)
    }
}

/// So many records are told of in a round trip.
const TOLD_AT_ONCE: usize = 64;

impl<R: Row> Shared<R> {
    /// Tells the database what was read from memory, if that was not done for long; beside whoever
    /// reads. Costs a comparison otherwise.
    pub(super) fn tell_uses_if_due(self: &Arc<Self>) {
        let interval = u64::try_from(self.options.tell_uses.as_millis()).unwrap_or(u64::MAX);
        let (now, due) = (self.clock.monotonic().ms(), self.uses_due.load(Ordering::Relaxed));
        let is_first = due == 0;
        if now < due {
            return;
        }
        let next = now.saturating_add(interval).max(1);
        let is_ours =
            self.uses_due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_ours && !is_first {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.tell_uses().await });
        }
    }

    async fn tell_uses(&self) {
        // What was told within the last interval is not told of again.
        let long = self.options.tell_uses / 2;
        let states: Vec<Arc<State<R>>> = self.series.lock().values().cloned().collect();
        for state in states {
            // What cannot be told now is told the next time, if it is read then.
            let _ = self.tell_uses_of(&state, long).await;
        }
    }

    async fn tell_uses_of(
        &self,
        state: &State<R>,
        long: Duration,
    ) -> Result<(), crate::store::StoreError> {
        let (mut unseen, is_head_unseen) = {
            let directory = state.directory();
            let (recency, uses) = (state.recency.lock(), state.uses.lock());
            let is_unseen = |index: &i64| {
                recency.read_at(*index).is_some_and(|read| uses.is_unseen(*index, read, long))
            };
            let indices = directory.chunks().iter().map(|chunk| chunk.index());
            let unseen: Vec<i64> = indices.filter(is_unseen).collect();
            let latest = recency.latest();
            (unseen, latest.is_some_and(|read| uses.is_head_unseen(read, long)))
        };
        if is_head_unseen {
            self.store.head(&state.key).await?;
            state.uses.lock().saw_head(self.clock.monotonic());
        }
        while !unseen.is_empty() {
            let rest = unseen.split_off(unseen.len().min(TOLD_AT_ONCE));
            self.store.touch(&state.key, &unseen).await?;
            state.uses.lock().saw(unseen, self.clock.monotonic());
            unseen = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_has_seen_of_late_is_not_told() {
        let (at, long) = (Tick::from_ms, Duration::from_millis(100));
        let mut uses = Uses::default();
        assert!(uses.is_unseen(3, at(0), long) && uses.is_head_unseen(at(0), long));
        uses.saw([3, 4], at(50));
        uses.saw_head(at(60));
        assert!(!uses.is_unseen(3, at(149), long) && uses.is_unseen(4, at(150), long));
        assert!(!uses.is_head_unseen(at(159), long) && uses.is_head_unseen(at(160), long));
        assert!(!uses.is_unseen(3, at(0), long), "it was read there after that");
        uses.forget(&[3]);
        assert!(uses.is_unseen(3, at(60), long) && !uses.is_unseen(4, at(60), long));
    }
}
