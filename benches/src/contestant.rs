//! A piece of work to be measured.

use std::fmt;
use std::time::{Duration, Instant};

use crate::cpu;

/// Work that can be done any number of times.
pub struct Contestant<'work> {
    name: String,
    work: Box<dyn FnMut(u64) + 'work>,
    waits: bool,
}

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
        Self { name: name.into(), work: Box::new(work), waits: false }
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
        let cpu_before = cpu::of_this_thread();
        let started = Instant::now();
        (self.work)(iterations);
        let wall = started.elapsed();
        let cpu = cpu::of_this_thread().zip(cpu_before).map(|(after, before)| after - before);
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
