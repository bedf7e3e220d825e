//! The writer thread's part of SQLite: transactions, how durable they are, the log behind them.

use cache_core::storage::StorageError;
use rusqlite::Connection;

use super::group::{Commit, Failed, Grouped};
use super::job::{Apart, Left, Saved, set_synchronous};
use super::{Job, Transaction};
use crate::error::{failure, with_cause};
use crate::maintain::{Accesses, relieve, watch_log, written};
use crate::queue::Queued;
use crate::storage::Shared;

/// The only connection that writes entries.
pub(crate) struct Committer<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    accesses: Accesses,
}

impl<'a> Committer<'a> {
    pub(crate) fn new(shared: &'a Shared, connection: &'a Connection) -> Self {
        watch_log(connection);
        Self { shared, connection, accesses: Accesses::default() }
    }
}

impl Commit for Committer<'_> {
    type Job = Job;

    fn attempt(
        &mut self,
        group: &mut [Queued<Job>],
        apart: Apart,
    ) -> Result<Vec<Left>, Failed<rusqlite::Error>> {
        let saved: Vec<Saved> = group.iter().map(|queued| queued.item.save()).collect();
        let mut txn = Transaction::begin(self.connection, self.shared, &mut self.accesses)
            .map_err(|source| Failed::Begin(with_cause(source)))?;
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
        let done = match steps().map_err(with_cause) {
            Ok(left) => txn.commit().map_err(with_cause).map(|()| left),
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

    fn set_durable(&mut self, durable: bool) -> rusqlite::Result<()> {
        let level = if durable { "FULL" } else { self.shared.options.synchronous.name() };
        set_synchronous(self.connection, level).map_err(with_cause)
    }

    fn committed(&mut self) {
        written(self.shared);
        relieve(self.shared, self.connection);
    }
}

impl Grouped for Job {
    type Error = rusqlite::Error;

    fn is_flush(&self) -> bool {
        matches!(self, Self::Flush { .. })
    }

    fn is_divisible(&self) -> bool {
        matches!(self, Self::Write { writes, done, .. } if writes.len() - done.len() > 1)
    }

    fn finish(self) {
        self.answer();
    }

    fn fail(self, source: &rusqlite::Error) {
        self.answer_failed(&|operation| describe(operation, source));
    }

    fn fail_next(&mut self, source: &rusqlite::Error) -> Left {
        self.note_failed(&|operation| describe(operation, source))
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
