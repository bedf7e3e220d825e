//! Group commit, whatever it is that commits: what is queued becomes one transaction, and is
//! answered once that is committed. A job that fails fails alone.

use std::collections::VecDeque;

use super::job::{Apart, Left};
use crate::queue::{Queue, Queued};

/// How many jobs share a transaction at most.
const GROUP_MAX: usize = 256;

/// What is done in groups.
pub(crate) trait Grouped {
    /// Why a transaction fails.
    type Error;

    /// Whether it is to be made durable at once.
    fn is_flush(&self) -> bool;

    /// Whether its failure is to be looked at part by part.
    fn is_divisible(&self) -> bool;

    /// Answers after the last step has been committed.
    fn finish(self);

    /// Answers that it could not be done.
    fn fail(self, error: &Self::Error);

    /// Notes that the next part has failed; what is left then.
    fn fail_next(&mut self, error: &Self::Error) -> Left;
}

/// Where groups are committed.
pub(crate) trait Commit {
    type Job: Grouped;

    /// Does one step of each job in one transaction. Where that fails, every job is as it was.
    fn attempt(
        &mut self,
        group: &mut [Queued<Self::Job>],
        apart: Apart,
    ) -> Result<Vec<Left>, Failed<ErrorOf<Self>>>;

    /// Makes the next commits wait for the disk, or as the options have it again.
    fn set_durable(&mut self, durable: bool) -> Result<(), ErrorOf<Self>>;

    /// After a group, before the next one is taken.
    fn committed(&mut self);
}

pub(crate) type ErrorOf<C> = <<C as Commit>::Job as Grouped>::Error;

/// Why a transaction came to nothing.
pub(crate) enum Failed<E> {
    /// The lock was not to be had: nothing else would get it either.
    Begin(E),
    /// One of the steps, or the commit.
    Group(E),
}

/// The one that writes.
pub(crate) struct Writer<'a, C: Commit> {
    queue: &'a Queue<C::Job>,
    commit: C,
    /// Jobs that have more steps to do.
    carried: VecDeque<Queued<C::Job>>,
}

impl<'a, C: Commit> Writer<'a, C> {
    pub(crate) fn new(queue: &'a Queue<C::Job>, commit: C) -> Self {
        Self { queue, commit, carried: VecDeque::new() }
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn run(&mut self) {
        let mut taken = Vec::with_capacity(GROUP_MAX);
        loop {
            let room = GROUP_MAX.saturating_sub(self.carried.len());
            let open = self.queue.take(&mut taken, room, self.carried.is_empty()).is_ok();
            if !open && self.carried.is_empty() {
                return;
            }
            let mut group: Vec<Queued<C::Job>> = self.carried.drain(..).collect();
            group.append(&mut taken);
            self.commit_group(group);
            self.commit.committed();
        }
    }

    fn commit_group(&mut self, mut group: Vec<Queued<C::Job>>) {
        let flush = group.iter().any(|queued| queued.item.is_flush());
        if flush && let Err(source) = self.commit.set_durable(true) {
            return fail_all(group, &source);
        }
        match self.commit.attempt(&mut group, Apart::No) {
            Ok(left) => self.answer(group, left),
            Err(Failed::Begin(source)) => fail_all(group, &source),
            // One of them failed: each is tried by itself, so that it fails alone.
            Err(Failed::Group(source)) => {
                let alone = group.len() == 1;
                for queued in group {
                    self.commit_alone(queued, alone.then_some(&source));
                }
            }
        }
        if flush {
            // If this fails, commits go on to be more durable than asked for.
            let _ = self.commit.set_durable(false);
        }
    }

    /// `failed` is what came of a first attempt with this job alone.
    fn commit_alone(&mut self, queued: Queued<C::Job>, failed: Option<&ErrorOf<C>>) {
        let divisible = queued.item.is_divisible();
        if let (Some(source), false) = (failed, divisible) {
            return queued.item.fail(source);
        }
        let mut group = vec![queued];
        let apart = if divisible { Apart::Savepoint } else { Apart::No };
        match self.commit.attempt(&mut group, apart) {
            Ok(left) => self.answer(group, left),
            Err(Failed::Group(_)) if divisible => self.commit_one_by_one(group),
            Err(Failed::Begin(source) | Failed::Group(source)) => fail_all(group, &source),
        }
    }

    /// Gives each part of a job a transaction of its own.
    fn commit_one_by_one(&mut self, mut group: Vec<Queued<C::Job>>) {
        loop {
            let left = match self.commit.attempt(&mut group, Apart::Transaction) {
                Ok(left) => left,
                Err(Failed::Begin(source)) => return fail_all(group, &source),
                Err(Failed::Group(source)) => {
                    group.iter_mut().map(|queued| queued.item.fail_next(&source)).collect()
                }
            };
            if left.iter().all(|left| *left == Left::Nothing) {
                return self.answer(group, left);
            }
        }
    }

    fn answer(&mut self, group: Vec<Queued<C::Job>>, left: Vec<Left>) {
        for (queued, left) in group.into_iter().zip(left) {
            match left {
                Left::More if cfg!(mutant = "answered_early") => queued.item.finish(),
                Left::More => self.carried.push_back(queued),
                Left::Nothing => queued.item.finish(),
            }
        }
    }
}

fn fail_all<J: Grouped>(group: Vec<Queued<J>>, source: &J::Error) {
    for queued in group {
        queued.item.fail(source);
    }
}
