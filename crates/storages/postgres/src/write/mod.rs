//! Writes: a batch is one statement and one transaction.

mod batch;

use std::collections::HashMap;

use cache_core::fence::Stamp;
use cache_core::storage::{Outcome, StorageError, StorageErrorKind, Write, WriteAction};
use sqlx::postgres::PgRow;

use crate::error::{closed, damaged, error};
use crate::read::column;
use crate::storage::Shared;
use batch::Batch;

const OPERATION: &str = "write";

/// Writes that go into one statement, and bytes of payloads. More are sent in parts that follow
/// each other.
const PART_WRITES: usize = 10_000;
const PART_BYTES: usize = 128 << 20;

impl Shared {
    pub(crate) async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        if writes.is_empty() {
            return if self.pool.is_closed() { Err(closed(OPERATION)) } else { Ok(Vec::new()) };
        }
        let mut outcomes: Vec<Result<Outcome, StorageError>> = Vec::with_capacity(writes.len());
        for part in parts(&writes) {
            match self.write_part(part).await {
                Ok(known) => outcomes.extend(known.into_iter().map(Ok)),
                // Nothing is known of any of them.
                Err(error) if outcomes.is_empty() => return Err(error),
                // Of those before something is, and of those behind it is told one by one.
                Err(error) => {
                    let left = &writes[outcomes.len()..];
                    outcomes
                        .extend(left.iter().map(|write| Err(error.clone().with_key(&write.key))));
                    break;
                }
            }
        }
        Ok(outcomes)
    }

    async fn write_part(&self, writes: &[Write]) -> Result<Vec<Outcome>, StorageError> {
        let batch = Batch::new(writes, self.capabilities.value_bytes_max);
        let rows = if batch.is_empty() {
            if self.pool.is_closed() {
                return Err(closed(OPERATION));
            }
            Vec::new()
        } else {
            self.rows(OPERATION, &self.statements.write, || batch.arguments()).await?
        };
        let told = told(&rows).map_err(|source| damaged(OPERATION, source))?;
        if let Some((counter, Some(origin))) = told.counter {
            self.known.learn(Stamp { mark: counter as u64, origin: origin as u64 });
        }
        let mut outcomes = Vec::with_capacity(writes.len());
        let (mut entries, mut bytes) = (0, 0);
        for (at, write) in writes.iter().enumerate() {
            let outcome = match batch.wave_of(at) {
                None => Outcome::TooLarge,
                Some(wave) => match told.outcomes.get(&(wave, write.key.as_str())) {
                    Some(number) => outcome(*number)?,
                    None => otherwise(&write.action),
                },
            };
            if outcome == Outcome::Stored
                && let Some(entry) = batch::entry_of(&write.action)
            {
                entries += 1;
                bytes += entry.payload.len() as u64;
            }
            outcomes.push(outcome);
        }
        if self.note_stored(entries, bytes) {
            self.enforce_bounds().await;
        }
        Ok(outcomes)
    }
}

/// What the server has told of a batch.
#[derive(Default)]
struct Told<'a> {
    counter: Option<(i64, Option<i64>)>,
    outcomes: HashMap<(i16, &'a str), i16>,
}

fn told(rows: &[PgRow]) -> Result<Told<'_>, cache_sql::Damaged> {
    let mut told = Told::default();
    for row in rows {
        let wave: i16 = column(row, 0, "wave")?;
        if wave < 0 {
            told.counter = Some((column(row, 3, "counter")?, column(row, 4, "origin")?));
        } else {
            told.outcomes.insert((wave, column(row, 1, "key")?), column(row, 2, "outcome")?);
        }
    }
    Ok(told)
}

fn outcome(number: i16) -> Result<Outcome, StorageError> {
    match number {
        0 => Ok(Outcome::Stored),
        1 => Ok(Outcome::Fenced),
        2 => Ok(Outcome::TooLarge),
        3 => Ok(Outcome::ConditionFailed),
        _ => {
            let message = format!("the server has answered with the outcome {number}");
            Err(error(OPERATION, StorageErrorKind::Incompatible, message))
        }
    }
}

/// What became of a write that the server says nothing of.
fn otherwise(action: &WriteAction) -> Outcome {
    match action {
        WriteAction::Fill { .. } => Outcome::Fenced,
        _ => Outcome::ConditionFailed,
    }
}

/// Parts of a batch that each fit into one statement.
fn parts(writes: &[Write]) -> Vec<&[Write]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, write) in writes.iter().enumerate() {
        let more = batch::entry_of(&write.action).map_or(0, |entry| entry.payload.len());
        if at > start && (at - start >= PART_WRITES || bytes + more > PART_BYTES) {
            parts.push(&writes[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += more;
    }
    parts.push(&writes[start..]);
    parts
}
