//! Counters, registers, locks and limits: each step is one of the writer's jobs, so that reading,
//! deciding and writing share a transaction.

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::atomics::{Answer, AtomicName, Atomics, Change, Operation, Slot};
use cache_core::storage::StorageError;
use rusqlite::{OptionalExtension, params};
use tokio::sync::oneshot;

use crate::error::closed;
use crate::fence::micros;
use crate::storage::Sqlite;
use crate::write::{Job, Transaction};

/// What a step weighs in the queue for each of this many bytes of its value.
const BYTES_PER_WEIGHT: usize = 1024;

#[async_trait]
impl Atomics for Sqlite {
    async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<Answer, StorageError> {
        let shared = self.shared();
        let label = operation.name();
        if shared.calls.is_closed() {
            return Err(closed(label).with_key(name.key()));
        }
        let bytes = match operation {
            Operation::Swap { value: Some(value), .. } => value.len(),
            _ => 0,
        };
        let (answer, answered) = oneshot::channel();
        let (name, operation) = (name.clone(), operation.clone());
        let job = Job::Atomic { name: name.clone(), operation, done: None, answer };
        let done = shared.job(label, job, 1 + bytes / BYTES_PER_WEIGHT, answered).await;
        done.map_err(|error| error.with_key(name.key()))
    }
}

/// Takes one step within a transaction.
pub(crate) fn step(
    txn: &mut Transaction<'_>,
    name: &AtomicName,
    operation: &Operation,
) -> rusqlite::Result<Answer> {
    let slot = {
        let mut statement = txn.connection.prepare_cached(&txn.statements().atomic)?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Slot {
                number: row.get(0)?,
                value: Bytes::from(row.get::<_, Vec<u8>>(1)?),
                until_us: unsigned(row.get(2)?),
                expires_us: unsigned(row.get(3)?),
            })
        };
        statement.query_row([name.as_str()], row).optional()?
    };
    let (change, answer) = operation.apply(slot.as_ref(), unsigned(micros(txn.now)));
    match change {
        Change::Keep => {}
        Change::Put(slot) => {
            let mut statement = txn.connection.prepare_cached(&txn.statements().atomic_put)?;
            let times = [slot.until_us, slot.expires_us].map(|time| time as i64);
            let value = &slot.value[..];
            statement.execute(params![name.as_str(), slot.number, value, times[0], times[1]])?;
            txn.bytes += slot.value.len();
        }
        Change::Remove => {
            let mut statement = txn.connection.prepare_cached(&txn.statements().atomic_delete)?;
            statement.execute([name.as_str()])?;
        }
    }
    Ok(answer)
}

/// Removes some of what is past its end; whether there may be more.
pub(crate) fn remove_ended(txn: &mut Transaction<'_>, limit: u64) -> rusqlite::Result<bool> {
    let now_us = micros(txn.now);
    let mut statement = txn.connection.prepare_cached(&txn.statements().atomics_delete)?;
    Ok(statement.execute([now_us, limit as i64])? as u64 == limit)
}

/// Times are positive.
fn unsigned(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}
