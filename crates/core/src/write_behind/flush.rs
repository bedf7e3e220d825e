use std::pin::pin;

use futures_util::future::select;

use super::queue::Queue;
use crate::cache::Binding;
use crate::error::Error;
use crate::key::Key;
use crate::node::Node;

/// What became of queued writes while a flush waited for them; those of others included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "what was refused or given up is lost"]
pub struct Flushed {
    /// Came to where they go.
    pub written: u64,
    /// Were kept out: something was invalidated since they were accepted, or is newer.
    pub refused: u64,
    /// Failed until their time was over, or until newer ones of their keys, which are still tried,
    /// had stood in their place for as long.
    pub given_up: u64,
}

impl Flushed {
    /// Whether all of them came to where they go.
    pub fn is_complete(&self) -> bool {
        self.refused == 0 && self.given_up == 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            written: self.written + other.written,
            refused: self.refused + other.refused,
            given_up: self.given_up + other.given_up,
        }
    }
}

impl<N: Node> Queue<N> {
    /// Has written at once what is queued, in all or of one key, and waits until all of it has come
    /// to its end.
    pub(crate) async fn flush(
        &self,
        binding: &Binding<N>,
        key: Option<&Key>,
    ) -> Result<Flushed, Error> {
        let before = self.recorder.snapshot();
        let begun = binding.cache.clock.monotonic();
        let up_to = self.state.lock().values.hasten(key, begun);
        let given_up = binding.cache.aborting();
        let mut overdue = 0;
        self.work.notify_one();
        loop {
            let mut settled = pin!(self.settled.notified());
            // From here on no end of a batch is missed.
            settled.as_mut().enable();
            {
                let state = self.state.lock();
                if state.values.is_settled(key, up_to) {
                    break;
                }
                // Newer ones took the place of what would have been given up by now.
                let now = binding.cache.clock.monotonic();
                if let Some(count) = state.values.overdue(key, up_to, begun, now) {
                    overdue = count;
                    break;
                }
                // The task may have been given up before it ever ran.
                if !state.is_running || given_up.is_cancelled() {
                    return Err(Error::Closed);
                }
            }
            select(settled, pin!(given_up.cancelled())).await;
        }
        let after = self.recorder.snapshot();
        Ok(Flushed {
            written: after.written - before.written,
            refused: after.refused - before.refused,
            given_up: after.given_up - before.given_up + overdue,
        })
    }
}
