//! A bounded queue from async callers to a thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::sync::{self, Condvar, Mutex};

/// Callers wait for room without blocking their thread; the thread takes many at once.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    room: Arc<Semaphore>,
    weight_max: u32,
}

/// An item, with its share of the queue's room until it is dropped.
#[derive(Debug)]
pub(crate) struct Queued<T> {
    pub(crate) item: T,
    _room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<Queued<T>>,
    closed: bool,
}

/// The queue takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl<T> Queue<T> {
    /// A queue with room for items of this weight in all.
    pub(crate) fn new(weight_max: u32) -> Self {
        Self {
            state: Mutex::new(State { items: VecDeque::new(), closed: false }),
            ready: Condvar::new(),
            room: Arc::new(Semaphore::new(weight_max as usize)),
            weight_max,
        }
    }

    /// Waits for room, then appends. An item heavier than the whole queue waits for all of it.
    pub(crate) async fn push(&self, item: T, weight: u32) -> Result<(), Closed> {
        let weight = weight.clamp(1, self.weight_max);
        let room = Arc::clone(&self.room).acquire_many_owned(weight).await.map_err(|_| Closed)?;
        self.append(Queued { item, _room: Some(room) })
    }

    /// Appends without asking for room: for the few items that the storage itself makes.
    pub(crate) fn push_own(&self, item: T) -> Result<(), Closed> {
        self.append(Queued { item, _room: None })
    }

    fn append(&self, queued: Queued<T>) -> Result<(), Closed> {
        let mut state = self.state.lock();
        if state.closed && !cfg!(mutant = "closed_unseen") {
            return Err(Closed);
        }
        state.items.push_back(queued);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Takes up to `count` items; waits for the first if `wait` says so. `Err` once the queue is
    /// closed and empty.
    pub(crate) fn take(
        &self,
        into: &mut Vec<Queued<T>>,
        count: usize,
        wait: bool,
    ) -> Result<(), Closed> {
        let mut state = self.state.lock();
        while state.items.is_empty() {
            if state.closed {
                return Err(Closed);
            }
            if !wait {
                return Ok(());
            }
            state = sync::wait(&self.ready, state);
        }
        let count = count.min(state.items.len());
        into.extend(state.items.drain(..count));
        let more = !state.items.is_empty();
        drop(state);
        if more {
            // What is left is for another thread, if one sleeps.
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Takes nothing more; what is in it is still handed out.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.room.close();
        if cfg!(mutant = "close_wakes_one") {
            self.ready.notify_one();
        } else {
            self.ready.notify_all();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Drops what is in it, and with it the senders of answers.
    pub(crate) fn clear(&self) {
        let items = std::mem::take(&mut self.state.lock().items);
        drop(items);
    }
}

/// A flag that a thread sleeps on.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    waiting: Condvar,
}

impl Bell {
    /// Wakes whoever sleeps, or the next who would.
    pub(crate) fn ring(&self) {
        *self.rung.lock() = true;
        self.waiting.notify_all();
    }

    /// Sleeps until it is rung, at most for `time`; whether it was rung.
    pub(crate) fn wait_for(&self, time: Duration) -> bool {
        let mut rung = self.rung.lock();
        if !*rung {
            rung = sync::wait_for(&self.waiting, rung, time);
        }
        std::mem::take(&mut *rung)
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_makes_its_callers_wait() {
        let queue = Arc::new(Queue::new(2));
        queue.push(1, 1).await.unwrap();
        queue.push(2, 1).await.unwrap();
        let third = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.push(3, 7).await }
        });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        let mut taken = Vec::new();
        queue.take(&mut taken, 8, true).unwrap();
        assert_eq!(taken.len(), 2);
        taken.clear();
        third.await.unwrap().unwrap();
        queue.take(&mut taken, 8, true).unwrap();
        assert_eq!(taken[0].item, 3);
    }

    #[tokio::test]
    async fn a_closed_queue_hands_out_what_it_has_and_takes_nothing() {
        let queue = Queue::new(8);
        queue.push(1, 1).await.unwrap();
        queue.close();
        assert_eq!(queue.push(2, 1).await, Err(Closed));
        assert_eq!(queue.push_own(3), Err(Closed));
        let mut taken = Vec::new();
        queue.take(&mut taken, 8, true).unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(queue.take(&mut taken, 8, true), Err(Closed));
    }
}
