//! What one thread is asked for by any number of callers.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::queue::Closed;
use crate::sync::{Condvar, Mutex, wait_for};

/// Callers who ask before the thread begins are answered together by what it then does. Who asks
/// later waits for the next time, for it may want what has happened since.
#[derive(Debug)]
pub(crate) struct Requests<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<oneshot::Sender<T>>,
    rung: bool,
    closed: bool,
}

impl<T> Requests<T> {
    pub(crate) fn new() -> Self {
        let state = State { waiting: Vec::new(), rung: false, closed: false };
        Self { state: Mutex::new(state), ready: Condvar::new() }
    }

    /// Asks, and gives what the answer comes by.
    pub(crate) fn ask(&self) -> Result<oneshot::Receiver<T>, Closed> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.state.lock();
        if state.closed && !cfg!(mutant = "ask_the_closed") {
            return Err(Closed);
        }
        state.waiting.push(answer);
        drop(state);
        self.ready.notify_all();
        Ok(answered)
    }

    /// Has the thread look, with nobody who waits for it.
    pub(crate) fn ring(&self) {
        self.state.lock().rung = true;
        self.ready.notify_all();
    }

    /// Sleeps until it is asked or rung, at most for `time`; those who have asked. `Err` once it is
    /// closed.
    pub(crate) fn take(&self, time: Duration) -> Result<Vec<oneshot::Sender<T>>, Closed> {
        let mut state = self.state.lock();
        if state.waiting.is_empty() && !state.rung && !state.closed {
            state = wait_for(&self.ready, state, time);
        }
        if state.closed {
            return Err(Closed);
        }
        state.rung = false;
        Ok(std::mem::take(&mut state.waiting))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Takes no more, and drops the senders of those who wait.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.ready.notify_all();
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn who_asks_while_it_works_waits_for_the_next_time() {
        let requests = Requests::new();
        let mut first = requests.ask().unwrap();
        let taken = requests.take(Duration::MAX).unwrap();
        let mut second = requests.ask().unwrap();
        taken.into_iter().for_each(|answer| answer.send(1).unwrap());
        assert_eq!(first.try_recv(), Ok(1));
        assert_eq!(second.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(requests.take(Duration::MAX).unwrap().len(), 1);
    }

    #[test]
    fn a_closed_one_answers_nobody_and_takes_nobody() {
        let requests = Requests::<()>::new();
        let mut asked = requests.ask().unwrap();
        requests.close();
        assert_eq!(asked.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(requests.ask().is_err());
        assert!(requests.take(Duration::MAX).is_err());
    }
}
