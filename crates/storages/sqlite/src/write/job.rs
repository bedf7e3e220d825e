//! What the writer thread is asked to do, in steps that each fit into one transaction.

use std::time::Instant;

use bytes::Bytes;
use cache_core::atomics::{self, AtomicName, Operation};
use cache_core::storage::{
    Invalidated, InvalidationMode, Maintenance, Outcome, Selector, StorageError, Write,
};
use tokio::sync::oneshot;

use super::{Transaction, apply, payload_bytes};
use crate::atomics::step;
use crate::error::{closed, failure};
use crate::events::{self, End};
use crate::invalidate::{self, Invalidation};
use crate::maintain::{self, Upkeep};
use crate::outside::Reference;
use crate::read::{execute, moment};

type Answer<T> = oneshot::Sender<Result<T, StorageError>>;
pub(crate) type Outcomes = Vec<Result<Outcome, StorageError>>;

/// A job of the writer. It is carried out even if nobody waits for its answer any more.
#[derive(Debug)]
pub(crate) enum Job {
    Write {
        writes: Vec<Write>,
        done: Outcomes,
        answer: Answer<Outcomes>,
    },
    Invalidate {
        selector: Selector,
        mode: InvalidationMode,
        progress: Invalidation,
        answer: Answer<Invalidated>,
    },
    Maintain {
        upkeep: Upkeep,
        /// `None` for what the storage does by itself.
        answer: Option<Answer<Maintenance>>,
    },
    Append {
        events: Vec<Bytes>,
        end: End,
        answer: Answer<End>,
    },
    /// A step on a counter, a lock or the like.
    Atomic {
        name: AtomicName,
        operation: Operation,
        done: Option<atomics::Answer>,
        answer: Answer<atomics::Answer>,
    },
    /// Everything before it is on the disk once its own commit is.
    Flush {
        answer: Answer<()>,
    },
    /// What these referred to has been deleted.
    Forget {
        references: Vec<Reference>,
        answers: Vec<Answer<()>>,
    },
    /// For tests of what the connection's own limits do.
    #[cfg(test)]
    Execute {
        sql: String,
        answer: Answer<()>,
    },
}

/// How far a job had come before a step, to go back to where its transaction fails.
#[derive(Clone, Debug)]
pub(crate) enum Saved {
    Writes(usize),
    Invalidation(Invalidation),
    Upkeep(Upkeep),
    Nothing,
}

/// How the writes of a job are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// Not at all: the fast way, for when all goes well.
    No,
    /// Each in a savepoint, so that one that fails is undone alone.
    Savepoint,
    /// Each in a transaction: some failures, a full disk among them, take all of it back.
    Transaction,
}

/// What is left of a job after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    More,
}

impl Job {
    #[cfg(test)]
    pub(crate) const PANIC: &'static str = "PANIC";

    pub(crate) fn save(&self) -> Saved {
        match self {
            Self::Write { done, .. } => Saved::Writes(done.len()),
            Self::Invalidate { progress, .. } => Saved::Invalidation(progress.clone()),
            Self::Maintain { upkeep, .. } => Saved::Upkeep(upkeep.clone()),
            _ => Saved::Nothing,
        }
    }

    pub(crate) fn restore(&mut self, saved: Saved) {
        match (self, saved) {
            (Self::Write { done, .. }, Saved::Writes(count)) => done.truncate(count),
            (Self::Invalidate { progress, .. }, Saved::Invalidation(saved)) => *progress = saved,
            (Self::Maintain { upkeep, .. }, Saved::Upkeep(saved)) => *upkeep = saved,
            _ => {}
        }
    }

    /// Does as much as fits into the transaction.
    pub(crate) fn step(
        &mut self,
        txn: &mut Transaction<'_>,
        apart: Apart,
    ) -> rusqlite::Result<Left> {
        match self {
            Self::Write { writes, done, .. } => {
                while let Some(write) = writes.get(done.len()) {
                    if txn.is_full_for(payload_bytes(write)) {
                        return Ok(Left::More);
                    }
                    done.push(match apart {
                        Apart::Savepoint => apply_in_savepoint(txn, write)?,
                        _ => Ok(apply(txn, write)?),
                    });
                    txn.writes += 1;
                    if apart == Apart::Transaction {
                        break;
                    }
                }
                Ok(if done.len() < writes.len() { Left::More } else { Left::Nothing })
            }
            Self::Invalidate { selector, mode, progress, .. } => {
                invalidate::step(txn, selector, *mode, progress)
            }
            Self::Maintain { upkeep, .. } => maintain::step(txn, upkeep),
            Self::Append { events, end, .. } => {
                *end = events::append(txn, events)?;
                Ok(Left::Nothing)
            }
            Self::Atomic { name, operation, done, .. } => {
                *done = Some(step(txn, name, operation)?);
                Ok(Left::Nothing)
            }
            Self::Flush { .. } => {
                // A commit has to have something to write if it is to sync the log.
                let mut statement = txn.connection.prepare_cached(&txn.statements().meta_flush)?;
                statement.execute([moment(txn.now)])?;
                Ok(Left::Nothing)
            }
            Self::Forget { references, .. } => {
                let sql = &txn.statements().removed_forget;
                let mut statement = txn.connection.prepare_cached(sql)?;
                for reference in references {
                    statement.execute([&reference.to_payload()[..]])?;
                }
                Ok(Left::Nothing)
            }
            #[cfg(test)]
            Self::Execute { sql, .. } => {
                assert_ne!(sql, Self::PANIC);
                txn.connection.execute_batch(sql).map(|()| Left::Nothing)
            }
        }
    }

    /// Answers after the last step has been committed.
    pub(super) fn answer(self) {
        // A caller that has gone away is not missed.
        match self {
            Self::Write { done, answer, .. } => drop(answer.send(Ok(done))),
            Self::Invalidate { progress, answer, .. } => {
                drop(answer.send(Ok(Invalidated { entries: progress.entries })));
            }
            Self::Maintain { upkeep, answer } => {
                if let Some(answer) = answer {
                    drop(answer.send(Ok(upkeep.done())));
                }
            }
            Self::Append { end, answer, .. } => drop(answer.send(Ok(end))),
            Self::Atomic { name, operation, done, answer } => {
                // Each job is answered after a step of its own.
                let done = done.ok_or_else(|| closed(operation.name()).with_key(name.key()));
                drop(answer.send(done));
            }
            Self::Flush { answer } => drop(answer.send(Ok(()))),
            Self::Forget { answers, .. } => {
                answers.into_iter().for_each(|answer| drop(answer.send(Ok(()))));
            }
            #[cfg(test)]
            Self::Execute { answer, .. } => drop(answer.send(Ok(()))),
        }
    }

    /// Answers that it could not be done.
    pub(super) fn answer_failed(self, failed: &dyn Fn(&'static str) -> StorageError) {
        match self {
            Self::Write { writes, mut done, answer } => {
                let error = failed("write");
                if done.is_empty() {
                    drop(answer.send(Err(error)));
                } else {
                    // Some are known to be done: the rest fails one by one.
                    let rest = writes[done.len()..].iter();
                    done.extend(rest.map(|write| Err(error.clone().with_key(&write.key))));
                    drop(answer.send(Ok(done)));
                }
            }
            Self::Invalidate { answer, .. } => drop(answer.send(Err(failed("invalidate")))),
            Self::Maintain { answer, .. } => {
                if let Some(answer) = answer {
                    drop(answer.send(Err(failed("maintain"))));
                }
            }
            Self::Append { answer, .. } => drop(answer.send(Err(failed("append")))),
            Self::Atomic { operation, answer, .. } => {
                drop(answer.send(Err(failed(operation.name()))));
            }
            Self::Flush { answer } => drop(answer.send(Err(failed("flush")))),
            Self::Forget { answers, .. } => {
                let error = failed("collect");
                answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
            }
            #[cfg(test)]
            Self::Execute { answer, .. } => drop(answer.send(Err(failed("execute")))),
        }
    }

    /// Notes that the next write has failed; what is left then.
    pub(super) fn note_failed(&mut self, failed: &dyn Fn(&'static str) -> StorageError) -> Left {
        let Self::Write { writes, done, .. } = self else { return Left::Nothing };
        if let Some(write) = writes.get(done.len()) {
            done.push(Err(failed("write").with_key(&write.key)));
        }
        if done.len() < writes.len() { Left::More } else { Left::Nothing }
    }

    /// A run of maintenance.
    pub(crate) fn maintain(upkeep: Upkeep, answer: Option<Answer<Maintenance>>) -> Self {
        Self::Maintain { upkeep: upkeep.begun(Instant::now()), answer }
    }
}

fn apply_in_savepoint(
    txn: &mut Transaction<'_>,
    write: &Write,
) -> rusqlite::Result<Result<Outcome, StorageError>> {
    let savepoint = txn.savepoint()?;
    match apply(txn, write) {
        Ok(outcome) => {
            txn.release()?;
            Ok(Ok(outcome))
        }
        Err(source) if txn.connection.is_autocommit() => Err(source),
        Err(source) => {
            txn.undo(savepoint)?;
            Ok(Err(failure("write", source).with_key(&write.key)))
        }
    }
}

/// Makes commits wait for the disk, or as the options have it again.
pub(crate) fn set_synchronous(
    connection: &rusqlite::Connection,
    level: &str,
) -> rusqlite::Result<()> {
    execute(connection, &format!("PRAGMA synchronous = {level}"))
}
