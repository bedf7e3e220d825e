use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// Holds calls back until a test opens it; clones are the same gate.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use cache_core::testing::Gate;
///
/// let gate = Gate::new();
/// let call = tokio::spawn({ let gate = gate.clone(); async move { gate.pass().await } });
/// gate.arrived(1).await;
/// assert!(!call.is_finished());
/// gate.open();
/// call.await.unwrap();
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
    waiting: AtomicUsize,
}

/// Counts one who waits, also where its future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        let (open, arrived) = (watch::Sender::new(false), watch::Sender::new(0));
        Self { state: Arc::new(State { open, arrived, waiting: AtomicUsize::new(0) }) }
    }

    /// Opens it, for those who wait and for all who come later.
    pub fn open(&self) {
        self.state.open.send_replace(true);
    }

    /// Closes it again, for those who come later.
    pub fn close(&self) {
        self.state.open.send_replace(false);
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        self.state.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.state.waiting);
        self.state.arrived.send_modify(|arrived| *arrived += 1);
        let mut open = self.state.open.subscribe();
        // The sender lives as long as this borrow of the gate, so that the wait has no other end.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Waits until so many calls have come to the gate since it was made.
    pub async fn arrived(&self, count: usize) {
        let mut arrived = self.state.arrived.subscribe();
        // As above.
        let _ = arrived.wait_for(|arrived| *arrived >= count).await;
    }

    /// How many calls wait at the gate now.
    pub fn waiting(&self) -> usize {
        self.state.waiting.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_holds_what_comes_until_it_is_opened() {
        let gate = Gate::new();
        let calls: Vec<_> = (0..2)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.pass().await })
            })
            .collect();
        gate.arrived(2).await;
        assert_eq!(gate.waiting(), 2);
        calls[0].abort();
        while gate.waiting() > 1 {
            tokio::task::yield_now().await;
        }
        gate.open();
        for (number, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.is_ok(), number == 1);
        }
        gate.pass().await;
        assert_eq!(gate.waiting(), 0);
    }
}
