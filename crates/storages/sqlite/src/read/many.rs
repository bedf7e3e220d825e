//! Reads of many keys: some at a time on the caller's thread, the rest by a reader thread where
//! that would hold the caller's thread for long.

use std::time::{Duration, Instant};

use cache_core::key::Key;
use cache_core::storage::{Lookup, StorageError, StorageErrorKind};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;
use tokio::task::yield_now;

use super::row::{Found, NO_STAMP, found};
use super::{AT_ONCE_VALUE_BYTES_MAX, Read, Slot, Snapshot, counter};
use crate::error::{closed, failure};
use crate::maintain::Operation;
use crate::storage::Shared;

/// Keys that are read before other tasks have their turn.
const AT_ONCE_KEYS: usize = 25;
/// More keys than this are read by a reader thread.
const AT_ONCE_KEYS_MAX: usize = 500;
/// Where so many keys took longer than this, their pages are not in memory: the disk is for the
/// reader threads to wait for.
const AT_ONCE_DURATION_MAX: Duration = Duration::from_micros(500);
/// What a key of a batch weighs in the queue of reads.
const KEYS_PER_WEIGHT: usize = 16;

const OPERATION: &str = "get_many";

pub(crate) type Lookups = Vec<Result<Lookup, StorageError>>;

impl Shared {
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Result<Lookups, StorageError> {
        if keys.is_empty() {
            return if self.calls.is_closed() { Err(closed(OPERATION)) } else { Ok(Vec::new()) };
        }
        consume_budget().await;
        let begun = Instant::now();
        let answer = self.answers(keys).await;
        let hits = |lookups: &Lookups| {
            let hit = |lookup: &&Result<Lookup, _>| {
                lookup.as_ref().is_ok_and(|lookup| lookup.entry.is_some())
            };
            lookups.iter().filter(hit).count() as u64
        };
        let hits = answer.as_ref().ok().map(hits);
        self.tallies.lock().add(Operation::GetMany, begun, keys.len() as u64, hits);
        answer
    }

    async fn answers(&self, keys: &[Key]) -> Result<Lookups, StorageError> {
        let order = order(keys);
        let mut answers = unknown(keys.len());
        let mut done = 0;
        while keys.len() <= AT_ONCE_KEYS_MAX {
            let some = &order[done..keys.len().min(done + AT_ONCE_KEYS)];
            let begun = Instant::now();
            let Some(read) = self.some_at_once(keys, some, &mut answers)? else { break };
            done += read;
            if done == keys.len() {
                return Ok(answers);
            }
            if read < some.len() || begun.elapsed() > AT_ONCE_DURATION_MAX {
                break;
            }
            yield_now().await;
        }
        let (answer, answered) = oneshot::channel();
        let rest: Vec<Key> = order[done..].iter().map(|index| keys[*index].clone()).collect();
        let weight = rest.len().div_ceil(KEYS_PER_WEIGHT);
        let read = Read::GetMany { keys: rest, answer };
        let rest = self.read(OPERATION, read, weight, answered).await?;
        for (index, lookup) in order[done..].iter().zip(rest) {
            answers[*index] = lookup;
        }
        Ok(answers)
    }

    /// How many were read on this thread; `None` if no connection is free or one would have to
    /// wait.
    fn some_at_once(
        &self,
        keys: &[Key],
        order: &[usize],
        answers: &mut Lookups,
    ) -> Result<Option<usize>, StorageError> {
        let Some(mut slot) = self.pool.try_slot() else { return Ok(None) };
        match read_some(self, &mut slot, keys, order, AT_ONCE_VALUE_BYTES_MAX, answers) {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.kind() == StorageErrorKind::Unavailable => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// On a reader's thread: reads all keys, in one snapshot.
pub(super) fn read_all(
    shared: &Shared,
    slot: &mut Slot,
    keys: &[Key],
) -> Result<Lookups, StorageError> {
    let mut answers = unknown(keys.len());
    // Of this length no value is too long.
    read_some(shared, slot, keys, &order(keys), i64::MAX, &mut answers)?;
    Ok(answers)
}

/// The keys in the order of their rows, so that neighbours are found on one page.
fn order(keys: &[Key]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|index| keys[*index].digest() as i64);
    order
}

/// What each answer is replaced in; alone it admits no fill.
fn unknown(count: usize) -> Lookups {
    vec![Ok(Lookup { entry: None, stamp: NO_STAMP }); count]
}

/// Reads the keys that `order` names from one snapshot; how many, up to a value that is longer than
/// was to be read.
fn read_some(
    shared: &Shared,
    slot: &mut Slot,
    keys: &[Key],
    order: &[usize],
    value_bytes_max: i64,
    answers: &mut Lookups,
) -> Result<usize, StorageError> {
    let Slot { connection, accesses, .. } = slot;
    let Some(connection) = connection else { return Err(closed(OPERATION)) };
    let failed = |source| failure(OPERATION, source);
    let now = shared.clock.wall();
    let snapshot = Snapshot::begin(connection, order.len() > 1);
    // Before the entries, so that it is not newer than what it stands beside without a snapshot.
    let stamp = counter(connection, &shared.statements).map_err(failed)?;
    let mut statement = connection.prepare_cached(&shared.statements.get_entry).map_err(failed)?;
    for (read, index) in order.iter().enumerate() {
        let key = &keys[*index];
        let mut look = || {
            let mut rows = statement.query([key.digest() as i64, value_bytes_max])?;
            Ok(match rows.next()? {
                Some(row) => found(row, key, now, stamp, shared.statements.place, OPERATION),
                None => Ok(Found::Miss(stamp)),
            })
        };
        answers[*index] = match look() {
            Ok(Ok(Found::Hit(lookup, id))) => {
                accesses.add(id, shared.next_use(now));
                Ok(lookup)
            }
            Ok(Ok(Found::Miss(stamp))) => Ok(Lookup { entry: None, stamp }),
            Ok(Ok(Found::Long)) => return Ok(read),
            Ok(Err(damage)) => Err(damage.with_key(key)),
            Err(source) => {
                let error = failed(source).with_key(key);
                // A damaged page hits one key, anything else hits all.
                match error.kind() {
                    StorageErrorKind::Corrupt => Err(error),
                    _ => return Err(error),
                }
            }
        };
    }
    drop(statement);
    drop(snapshot);
    Ok(order.len())
}
