//! Writes: a batch is one statement and one transaction.

mod batch;

use std::collections::HashMap;
use std::time::Instant;

use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Outcome, StorageError, StorageErrorKind, Write, WriteAction};
use foldhash::fast::RandomState;
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
/// Writes to one key that go into one statement, which goes through the whole batch for each.
const PART_WAVES: usize = 16;

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
        let begun = Instant::now();
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
            self.enforce_bounds(begun).await;
        }
        Ok(outcomes)
    }
}

/// What the server has told of a batch.
#[derive(Default)]
struct Told<'a> {
    counter: Option<(i64, Option<i64>)>,
    outcomes: HashMap<(i16, &'a str), i16, RandomState>,
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
        WriteAction::Set { .. } => Outcome::Stored,
        _ => Outcome::ConditionFailed,
    }
}

/// Parts of a batch that each fit into one statement.
fn parts(writes: &[Write]) -> Vec<&[Write]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    let mut writes_by_key: HashMap<&Key, usize> = HashMap::new();
    for (at, write) in writes.iter().enumerate() {
        let more = bytes_of(write);
        // So few cannot be too many of one key.
        let same = if writes.len() > PART_WAVES {
            *writes_by_key.entry(&write.key).and_modify(|same| *same += 1).or_insert(1)
        } else {
            1
        };
        let is_full = at - start >= PART_WRITES || bytes + more > PART_BYTES || same > PART_WAVES;
        if at > start && is_full {
            parts.push(&writes[start..at]);
            (start, bytes) = (at, 0);
            writes_by_key.clear();
            writes_by_key.insert(&write.key, 1);
        }
        bytes += more;
    }
    parts.push(&writes[start..]);
    parts
}

/// What a write takes of a statement, about.
fn bytes_of(write: &Write) -> usize {
    let entry = batch::entry_of(&write.action);
    let tags =
        entry.map_or(0, |entry| (&entry.tags).into_iter().map(|tag| tag.as_str().len() + 8).sum());
    write.key.as_str().len() + tags + entry.map_or(0, |entry| entry.payload.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cache_core::clock::Timestamp;
    use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
    use cache_core::key::Tags;

    use super::*;

    fn write(name: usize, payload: &Bytes) -> Write {
        let entry = Entry {
            kind: EntryKind::Value,
            codec: CodecId::BYTES,
            compression: Compression::None,
            decoded_bytes: 0,
            created: Timestamp::NEVER,
            fresh_until: Timestamp::NEVER,
            kept_until: Timestamp::NEVER,
            idle: None,
            stamp: 0,
            token: Token(1),
            tags: Tags::NONE,
            payload: payload.clone(),
            checksum: 0,
        };
        let key = Key::parse(&format!("p:{name}:v1")).unwrap();
        Write { key, action: WriteAction::Set { entry } }
    }

    fn sizes(writes: &[Write]) -> Vec<usize> {
        parts(writes).into_iter().map(<[Write]>::len).collect()
    }

    #[test]
    fn a_batch_goes_in_parts_that_a_statement_can_hold() {
        let (small, large) = (Bytes::from_static(b"x"), Bytes::from(vec![0; 60 << 20]));
        let many: Vec<_> = (0..2 * PART_WRITES + 1).map(|at| write(at, &small)).collect();
        assert_eq!(sizes(&many), [PART_WRITES, PART_WRITES, 1]);
        assert_eq!(sizes(&many[..100]), [100]);
        let heavy: Vec<_> = (0..5).map(|at| write(at, &large)).collect();
        assert_eq!(sizes(&heavy), [2, 2, 1]);
        let whole = Bytes::from(vec![0; PART_BYTES + 1]);
        assert_eq!(sizes(&[write(0, &whole), write(1, &whole)]), [1, 1]);
    }

    #[test]
    fn many_writes_to_one_key_go_in_parts() {
        let payload = Bytes::from_static(b"x");
        let same: Vec<_> = (0..40).map(|_| write(0, &payload)).collect();
        assert_eq!(sizes(&same), [16, 16, 8]);
        let mixed: Vec<_> = (0..34).map(|at| write(at % 2, &payload)).collect();
        assert_eq!(sizes(&mixed), [32, 2]);
    }
}
