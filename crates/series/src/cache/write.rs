use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::shared::Shared;
use super::state::{Epoch, Meeting, State};
use super::stats::count;
use crate::chunk::Chunk;
use crate::coverage::State as Known;
use crate::head::Head;
use crate::row::Row;
use crate::store::StoreError;

impl<R: Row> Shared<R> {
    /// Changes a chunk in the database and then in memory. What was begun before the history was
    /// cleared changes nothing; before memory has forgotten, the database alone.
    ///
    /// If the database fails, the change is made in memory alone, where the chunk is there; what it
    /// holds is asked for again after it has gone.
    pub(super) async fn change(
        &self,
        state: &State<R>,
        epoch: Epoch,
        index: i64,
        change: impl Fn(&Chunk<R>) -> Chunk<R> + Send + Sync,
    ) -> Result<(), StoreError> {
        let place = state.writer_of(index);
        // Closed by nobody.
        let _turn = place.acquire().await.ok();
        let changed = |known: &Chunk<R>| {
            if state.keeps(epoch) { change(known) } else { known.clone() }
        };
        let result = self.change_stored(state, epoch, index, &changed).await;
        match &result {
            Ok(chunk) => {
                count(&state.counters.chunks_stored);
                state.saw(&[index], self.clock.monotonic());
                state.publish(epoch, std::slice::from_ref(chunk), Meeting::Merges);
            }
            Err(_) => {
                count(&state.counters.store_failures);
                if let Some(known) = state.directory().chunk(index) {
                    let chunk = Arc::new(changed(known));
                    state.publish(epoch, &[chunk], Meeting::Merges);
                }
            }
        }
        result.map(|_| ())
    }

    async fn change_stored(
        &self,
        state: &State<R>,
        epoch: Epoch,
        index: i64,
        changed: &(impl Fn(&Chunk<R>) -> Chunk<R> + Send + Sync),
    ) -> Result<Arc<Chunk<R>>, StoreError> {
        // Whether it is settled that there is nothing is guessed from memory and then looked up.
        let here = state.directory().chunk(index).cloned();
        let here = here.unwrap_or_else(|| Arc::new(Chunk::empty(index)));
        if settled_emptiness(&changed(&here)).is_some() {
            let stored = self.store.chunks::<R>(&state.key, &[index]).await?;
            let stored = stored.into_iter().next().map(|stored| changed(&stored.chunk));
            if let Some((chunk, known)) =
                stored.and_then(|chunk| settled_emptiness(&chunk).map(|known| (chunk, known)))
            {
                return self.settle(state, epoch, chunk, known).await;
            }
        }
        let was_empty = AtomicBool::new(false);
        let chunk = self
            .store
            .change_chunk(&state.key, index, |known| {
                was_empty.store(known.is_empty(), Ordering::Relaxed);
                changed(known)
            })
            .await?;
        if was_empty.into_inner() && !chunk.is_empty() {
            // The first rows of a chunk: the head says nothing of it any more.
            self.forget_in_head(state, epoch, &chunk).await?;
        }
        Ok(chunk)
    }

    /// Keeps in the head that there is nothing in a chunk, which then needs no record of its own.
    async fn settle(
        &self,
        state: &State<R>,
        epoch: Epoch,
        chunk: Chunk<R>,
        known: Known,
    ) -> Result<Arc<Chunk<R>>, StoreError> {
        let slots = chunk.slots();
        let mark = |head: &Head| {
            let mut head = head.clone();
            head.mark(slots, known);
            head
        };
        self.change_head(state, epoch, mark).await?;
        // Another process may have stored rows before it could see this.
        let stored = self.store.chunks::<R>(&state.key, &[chunk.index()]).await?;
        match stored.into_iter().next() {
            Some(stored) if !stored.chunk.is_empty() => {
                self.forget_in_head(state, epoch, &stored.chunk).await?;
                Ok(stored.chunk)
            }
            _ => Ok(Arc::new(chunk)),
        }
    }

    async fn forget_in_head(
        &self,
        state: &State<R>,
        epoch: Epoch,
        chunk: &Chunk<R>,
    ) -> Result<(), StoreError> {
        let forget = |head: &Head| {
            let mut head = head.clone();
            head.forget(chunk.slots());
            head
        };
        self.change_head(state, epoch, forget).await
    }

    /// Changes what is known of the series as a whole, in the database and then in memory.
    pub(super) async fn change_head(
        &self,
        state: &State<R>,
        epoch: Epoch,
        change: impl Fn(&Head) -> Head + Send + Sync,
    ) -> Result<(), StoreError> {
        let _turn = state.heading.acquire().await.ok();
        let changed = |head: &Head| {
            if state.keeps(epoch) { change(head) } else { head.clone() }
        };
        let head = self.store.change_head(&state.key, changed).await?;
        state.publish_head(epoch, head);
        Ok(())
    }
}

/// The one state of a chunk in which it is settled that there is nothing.
fn settled_emptiness<R: Row>(chunk: &Chunk<R>) -> Option<Known> {
    let (span, known) = chunk.coverage().span_at(chunk.slots().start)?;
    let settled = matches!(known, Known::Empty { check_at: None, .. });
    (settled && span.covers(chunk.slots())).then_some(known)
}
