use std::time::Duration;

/// Where the queued values of a node type go, and how much of them may wait.
///
/// What is queued lies in the process' memory: a process that dies loses it, which is
/// [`queued_max`](Self::queued_max) values at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteBehind {
    /// Where they go.
    pub to: Destination,
    /// How many values wait or are being written at once, at most: what a process that dies loses.
    /// Of a key one waits, and one may be on its way.
    pub queued_max: usize,
    /// How many are written in one batch.
    pub batch_max: usize,
    /// For how long a value waits for others to be written with it, and for newer ones of its key
    /// to take its place. Zero: it is written as soon as the batch before it is.
    pub delay: Duration,
    /// What happens to a write for which there is no room.
    pub when_full: WhenFull,
    /// For how long after its acceptance a write that fails is tried again, with pauses from 100 ms
    /// that double up to 10 s. Then it is given up at its next failure.
    pub retry_for: Duration,
}

/// Where queued values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// To the storages, for values whose callers bring them: each is stored as a load would store
    /// it that began when it was accepted.
    Storages,
    /// To the source, by its [`store_many`](crate::source::Source::store_many), and then to the
    /// storages.
    Source,
}

/// What happens to a write for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// Its caller waits for room, for so long at most; then it is refused.
    Wait(Duration),
    /// It is refused at once.
    Refuse,
}

impl WriteBehind {
    /// To the storages; at most 1,024 values, in batches of up to 64, after 100 ms. A caller waits
    /// for room for ten seconds, and what fails is tried again for a minute.
    pub const fn to_storages() -> Self {
        Self::to(Destination::Storages)
    }

    /// The same to the source.
    pub const fn to_source() -> Self {
        Self::to(Destination::Source)
    }

    const fn to(to: Destination) -> Self {
        Self {
            to,
            queued_max: 1024,
            batch_max: 64,
            delay: Duration::from_millis(100),
            when_full: WhenFull::Wait(Duration::from_secs(10)),
            retry_for: Duration::from_secs(60),
        }
    }

    /// Sets how many values wait or are being written at once.
    pub const fn queued_max(mut self, queued_max: usize) -> Self {
        self.queued_max = queued_max;
        self
    }

    /// Sets how many are written in one batch.
    pub const fn batch_max(mut self, batch_max: usize) -> Self {
        self.batch_max = batch_max;
        self
    }

    /// Sets for how long a value waits for others.
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets what happens to a write for which there is no room.
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Sets for how long a write that fails is tried again.
    pub const fn retry_for(mut self, retry_for: Duration) -> Self {
        self.retry_for = retry_for;
        self
    }

    /// What is wrong with the options, as the option and the problem, if anything is.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.queued_max == 0 {
            return Some(("queued_max", "must be larger than zero"));
        }
        if self.batch_max == 0 {
            return Some(("batch_max", "must be larger than zero"));
        }
        None
    }
}
