//! The writer thread: whatever is queued is committed as a group, then answered.

use std::collections::VecDeque;

use cache_core::storage::StorageError;
use rusqlite::Connection;

use super::job::{Left, Saved, set_synchronous};
use super::{Job, Transaction};
use crate::error::failure;
use crate::maintain::{Accesses, relieve, watch_log, written};
use crate::queue::Queued;
use crate::storage::Shared;

/// How many jobs share a transaction at most.
const GROUP_MAX: usize = 256;

/// The only connection that writes entries.
pub(crate) struct Writer<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    accesses: Accesses,
    /// Jobs that have more steps to do.
    carried: VecDeque<Queued<Job>>,
}

/// Why a transaction came to nothing.
enum Failed {
    /// The lock was not to be had: nothing else would get it either.
    Begin(rusqlite::Error),
    /// One of the steps, or the commit.
    Group(rusqlite::Error),
}

impl<'a> Writer<'a> {
    pub(crate) fn new(shared: &'a Shared, connection: &'a Connection) -> Self {
        watch_log(connection);
        Self { shared, connection, accesses: Accesses::default(), carried: VecDeque::new() }
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn run(&mut self) {
        let mut taken = Vec::with_capacity(GROUP_MAX);
        loop {
            let room = GROUP_MAX.saturating_sub(self.carried.len());
            let open = self.shared.writes.take(&mut taken, room, self.carried.is_empty()).is_ok();
            if !open && self.carried.is_empty() {
                return;
            }
            let mut group: Vec<Queued<Job>> = self.carried.drain(..).collect();
            group.append(&mut taken);
            self.commit_group(group);
            relieve(self.shared, self.connection);
        }
    }

    fn commit_group(&mut self, mut group: Vec<Queued<Job>>) {
        let flush = group.iter().any(|queued| queued.item.is_flush());
        if flush && let Err(source) = set_synchronous(self.connection, "FULL") {
            return fail_all(group, &source);
        }
        match self.attempt(&mut group, false) {
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
            let _ = set_synchronous(self.connection, self.shared.options.synchronous.name());
        }
        written(self.shared);
    }

    /// `failed` is what came of a first attempt with this job alone.
    fn commit_alone(&mut self, queued: Queued<Job>, failed: Option<&rusqlite::Error>) {
        let divisible = queued.item.is_divisible();
        if let (Some(source), false) = (failed, divisible) {
            return queued.item.fail(&|operation| describe(operation, source));
        }
        let mut group = vec![queued];
        match self.attempt(&mut group, divisible) {
            Ok(left) => self.answer(group, left),
            Err(Failed::Begin(source) | Failed::Group(source)) => fail_all(group, &source),
        }
    }

    /// Does one step of each job in one transaction. Where that fails, every job is as it was.
    fn attempt(&mut self, group: &mut [Queued<Job>], apart: bool) -> Result<Vec<Left>, Failed> {
        let saved: Vec<Saved> = group.iter().map(|queued| queued.item.save()).collect();
        let mut txn = Transaction::begin(self.connection, self.shared, &mut self.accesses)
            .map_err(Failed::Begin)?;
        let mut steps = || -> rusqlite::Result<Vec<Left>> {
            let mut left = Vec::with_capacity(group.len());
            for queued in group.iter_mut() {
                left.push(if txn.is_full() {
                    Left::More
                } else {
                    queued.item.step(&mut txn, apart)?
                });
            }
            Ok(left)
        };
        let left = steps();
        let done = match left {
            Ok(left) => txn.commit().map(|()| left),
            Err(source) => {
                drop(txn);
                Err(source)
            }
        };
        done.map_err(|source| {
            for (queued, saved) in group.iter_mut().zip(saved) {
                queued.item.restore(saved);
            }
            Failed::Group(source)
        })
    }

    fn answer(&mut self, group: Vec<Queued<Job>>, left: Vec<Left>) {
        for (queued, left) in group.into_iter().zip(left) {
            match left {
                Left::More => self.carried.push_back(queued),
                Left::Nothing => queued.item.finish(),
            }
        }
    }
}

fn fail_all(group: Vec<Queued<Job>>, source: &rusqlite::Error) {
    for queued in group {
        queued.item.fail(&|operation| describe(operation, source));
    }
}

/// The driver's error cannot be cloned; each answer bears its code and its text.
fn describe(operation: &'static str, source: &rusqlite::Error) -> StorageError {
    failure(
        operation,
        match source {
            rusqlite::Error::SqliteFailure(error, text) => {
                rusqlite::Error::SqliteFailure(*error, text.clone())
            }
            other => rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(
                    other
                        .sqlite_error()
                        .map_or(rusqlite::ffi::SQLITE_ERROR, |error| error.extended_code),
                ),
                Some(other.to_string()),
            ),
        },
    )
}
