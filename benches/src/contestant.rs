//! A piece of work to be measured.

use std::fmt;
use std::time::{Duration, Instant};

use crate::cpu;

/// Work that can be done any number of times.
pub struct Contestant<'work> {
    name: String,
    work: Box<dyn FnMut(u64) + 'work>,
    waits: bool,
    beside: Option<Box<dyn FnMut() -> Stop<'work> + 'work>>,
}

/// Ends what was begun beside a turn, and waits for its end.
pub type Stop<'work> = Box<dyn FnOnce() + 'work>;

impl fmt::Debug for Contestant<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Contestant")
            .field("name", &self.name)
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}

impl<'work> Contestant<'work> {
    /// Work of the calling thread alone, which `work(n)` does `n` times.
    ///
    /// The loop is in the work, so that the call through a pointer is not measured. Results must go
    /// through [`std::hint::black_box`].
    pub fn new(name: impl Into<String>, work: impl FnMut(u64) + 'work) -> Self {
        Self { name: name.into(), work: Box::new(work), waits: false, beside: None }
    }

    /// Work that no system call and no other thread delays: what it waits, it waits for a
    /// processor. Put among contestants that all wait, it tells the calm of the machine.
    pub fn probe() -> Self {
        Self::new("the machine itself", |iterations| {
            for iteration in 0..iterations {
                std::hint::black_box(iteration.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            }
        })
    }

    /// Something else that goes on during each of its turns: begun before the time is taken, and
    /// stopped after.
    #[must_use]
    pub fn beside(mut self, begin: impl FnMut() -> Stop<'work> + 'work) -> Self {
        self.beside = Some(Box::new(begin));
        self
    }

    /// Says that the work waits for other threads or for devices. Time off the processor is then its
    /// own, and tells nothing about the calm of the machine.
    #[must_use]
    pub fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }

    /// The name, unique within one measurement.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Does the work `iterations` times, and says how long that took.
    pub(crate) fn timed(&mut self, iterations: u64) -> Timed {
        let stop = self.beside.as_mut().map(|begin| begin());
        let cpu_before = cpu::of_this_thread();
        let started = Instant::now();
        (self.work)(iterations);
        let wall = started.elapsed();
        let cpu = cpu::of_this_thread().zip(cpu_before).map(|(after, before)| after - before);
        if let Some(stop) = stop {
            stop();
        }
        Timed { wall, cpu }
    }
}

/// How long some iterations took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) wall: Duration,
    /// On a processor.
    pub(crate) cpu: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn what_goes_on_beside_lasts_for_the_turn() {
        let events = RefCell::new(Vec::new());
        let mut contestant =
            Contestant::new("get", |_| events.borrow_mut().push("work")).beside(|| {
                events.borrow_mut().push("begin");
                Box::new(|| events.borrow_mut().push("stop"))
            });
        contestant.timed(1);
        drop(contestant);
        assert_eq!(events.into_inner(), ["begin", "work", "stop"]);
    }
}
