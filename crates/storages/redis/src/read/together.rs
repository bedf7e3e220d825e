//! Gets that are made at once are asked for by one command.
//!
//! A get that finds none under way goes out by itself at once. One that finds others waits until
//! the tasks that are ready have made theirs, and all of them go out together; it does not wait for
//! an answer to those before it. For the server and the driver, one command of many keys is a small
//! part of the work of as many commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::key::Key;
use cache_core::storage::{Lookup, StorageError};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::timed_out;
use crate::storage::Shared;

const OPERATION: &str = "get";
/// More than these go out by themselves: an answer comes as a whole.
const TOGETHER_MAX: usize = 64;

/// Gets that are under way, and those that have not gone out yet.
#[derive(Debug, Default)]
pub(crate) struct Together {
    under_way: AtomicUsize,
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    key: Key,
    answer: oneshot::Sender<Result<Lookup, StorageError>>,
}

/// A get that is under way, until this is dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends those that wait. If it is dropped before, with its runtime, each is left to itself.
struct Sending {
    shared: Arc<Shared>,
    taken: bool,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.taken {
            drop(self.shared.together.take());
        }
    }
}

/// What has become of a get that was to wait.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The first: somebody is to send them.
    First,
    Later,
    /// There are enough of them.
    None,
}

impl Together {
    fn add(&self, waiting: Waiting) -> Place {
        let mut list = self.waiting.lock();
        match list.len() {
            TOGETHER_MAX.. => return Place::None,
            0 => list.push(waiting),
            _ => {
                list.push(waiting);
                return Place::Later;
            }
        }
        Place::First
    }

    /// Those that wait, and whose callers still do.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.retain(|waiting| !waiting.answer.is_closed());
        waiting
    }
}

impl Shared {
    pub(crate) async fn get(self: &Arc<Self>, key: &Key) -> Result<Lookup, StorageError> {
        let before = self.together.under_way.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(&self.together.under_way);
        // The keys of a cluster seldom lie in one slot.
        if before == 0 || self.connections.is_cluster() {
            return self.get_alone(key).await;
        }
        let (answer, answered) = oneshot::channel();
        match self.together.add(Waiting { key: key.clone(), answer }) {
            Place::First => {
                // A task of its own: no caller's giving up ends what others wait for.
                let sending = Sending { shared: Arc::clone(self), taken: false };
                tokio::spawn(sending.run());
            }
            Place::Later => {}
            Place::None => return self.get_alone(key).await,
        }
        let limit = self.connections.timeout();
        match tokio::time::timeout(limit, answered).await {
            Ok(Ok(answer)) => answer,
            // The task ended with its runtime, which need not be that of this caller.
            Ok(Err(_)) => self.get_alone(key).await,
            Err(_) => Err(timed_out(OPERATION, limit).with_key(key)),
        }
    }
}

impl Sending {
    /// Asks for all that wait, once those that are ready have joined them.
    async fn run(mut self) {
        tokio::task::yield_now().await;
        let waiting = self.shared.together.take();
        self.taken = true;
        let (keys, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.key, waiting.answer)).unzip();
        if keys.is_empty() {
            return;
        }
        match self.shared.lookups(OPERATION, &keys).await {
            Ok(lookups) => {
                for (answer, lookup) in answers.into_iter().zip(lookups) {
                    // Whoever has given up meanwhile is not there to take it.
                    let _ = answer.send(lookup);
                }
            }
            Err(error) => {
                for (answer, key) in answers.into_iter().zip(&keys) {
                    let _ = answer.send(Err(error.clone().with_key(key)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(number: usize) -> (Waiting, oneshot::Receiver<Result<Lookup, StorageError>>) {
        let (answer, answered) = oneshot::channel();
        let key = Key::parse(&format!("p:{number}:v1")).unwrap();
        (Waiting { key, answer }, answered)
    }

    #[test]
    fn one_of_them_is_the_first_and_no_more_than_enough_wait() {
        let together = Together::default();
        let mut kept = Vec::new();
        for number in 0..TOGETHER_MAX + 2 {
            let (waiting, answered) = waiting(number);
            let expected = match number {
                0 => Place::First,
                TOGETHER_MAX.. => Place::None,
                _ => Place::Later,
            };
            assert_eq!(together.add(waiting), expected);
            kept.push(answered);
        }
        drop(kept.remove(3));
        let taken = together.take();
        assert_eq!(taken.len(), TOGETHER_MAX - 1, "one has given up");
        assert!(taken.iter().all(|waiting| waiting.key.as_str() != "p:3:v1"));
        assert_eq!(together.add(waiting(1).0), Place::First);
    }
}
