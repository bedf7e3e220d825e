use std::sync::Arc;

use super::answer::Answer;
use super::cycle::begin_wait;
use super::map::{Flight, Landing};
use crate::cache::Binding;
use crate::error::Error;
use crate::node::Node;

/// A caller's place in a flight: counted until it is dropped.
pub(crate) struct Waiter<N: Node> {
    binding: Arc<Binding<N>>,
    flight: Arc<Flight<N, N::Value>>,
    /// The process fence's counter when the caller arrived.
    arrival: u64,
    /// Somebody else had opened the flight.
    pub(crate) joined: bool,
}

/// What a flight gave to one of its waiters.
pub(crate) enum Waited<V> {
    /// The answer, or why there is none.
    Landed(Landing<V>),
    /// Something was invalidated between the flight's begin and the caller's arrival, and it may
    /// be what the flight brought: the caller has to ask once more.
    Late,
}

impl<N: Node> Waiter<N> {
    pub(super) fn new(
        binding: Arc<Binding<N>>,
        flight: Arc<Flight<N, N::Value>>,
        arrival: u64,
        joined: bool,
    ) -> Self {
        Self { binding, flight, arrival, joined }
    }

    /// Waits for the flight to land.
    pub(crate) async fn wait(self, node: &N) -> Waited<N::Value> {
        let Ok(_wait) = begin_wait(&self.flight.carrier) else {
            return Waited::Landed(Err(match self.binding.key(node) {
                Ok(key) => Error::LoadCycle { key },
                Err(error) => error,
            }));
        };
        // The sender is dropped without an answer only with the runtime that ran the lead.
        let landing = self.flight.landing.clone().await.unwrap_or(Err(Error::Closed));
        match &landing {
            Ok(answer) if self.may_be_too_old(answer) => Waited::Late,
            _ => Waited::Landed(landing),
        }
    }

    fn may_be_too_old(&self, answer: &Answer<N::Value>) -> bool {
        let begun = self.flight.begun;
        !cfg!(mutant = "join_blindly")
            && begun < self.arrival
            && begun < self.binding.cache.fence.mark(answer.key.digest(), &answer.tags)
    }
}

impl<N: Node> Drop for Waiter<N> {
    fn drop(&mut self) {
        if self.binding.leave(&self.flight) {
            self.binding.recorder.abandoned(1);
        }
    }
}
