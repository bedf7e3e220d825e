//! Writes: a batch of one kind is one script, one transaction and one round trip. What mixes kinds,
//! compares, or was refused as a whole is decided one by one, under locks.

mod decide;
mod script;
mod transaction;

use std::collections::HashSet;
use std::time::Instant;

use cache_core::entry::Entry;
use cache_core::storage::{Outcome, StorageError, StorageErrorKind, Write, WriteAction};

use crate::connection::{Answer, Told};
use crate::error::{closed, damaged, error};
use crate::read::stamp;
use crate::storage::Shared;
use transaction::{Decided, Transaction};

const OPERATION: &str = "write";

/// Writes that go into one script; bytes are bounded besides.
const PART_WRITES: usize = 2_000;
/// What a write takes in a script besides texts and payloads, as half of its characters.
const WRITE_BYTES: usize = 256;

/// Which script a batch is.
enum Kind {
    Fills,
    Sets,
    Touches,
    Mixed,
}

impl Shared {
    pub(crate) async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        if writes.is_empty() && self.pool.is_closed() {
            return Err(closed(OPERATION));
        }
        let mut outcomes: Vec<Result<Outcome, StorageError>> = Vec::with_capacity(writes.len());
        for part in parts(&writes, self.part_bytes) {
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
        let value_bytes_max = self.capabilities.value_bytes_max;
        // Where nothing has to be removed for a value that is too large, there is nothing to send.
        let is_sent = |write: &&Write| match &write.action {
            WriteAction::Fill { entry, .. } | WriteAction::PutIfUnchanged { entry, .. } => {
                !is_too_large(entry, value_bytes_max)
            }
            _ => true,
        };
        let sent: Vec<&Write> = writes.iter().filter(is_sent).collect();
        if sent.is_empty() {
            return if self.pool.is_closed() {
                Err(closed(OPERATION))
            } else {
                Ok(vec![Outcome::TooLarge; writes.len()])
            };
        }
        let known = match kind(&sent, value_bytes_max) {
            Kind::Fills => self.fill(&sent).await?,
            Kind::Sets => self.set(&sent).await?,
            Kind::Touches => self.touch(&sent).await?,
            Kind::Mixed => self.decide(&sent).await?,
        };
        let (mut entries, mut bytes) = (0, 0);
        for (write, outcome) in sent.iter().zip(&known) {
            if *outcome == Outcome::Stored
                && let Some(entry) = entry_of(&write.action)
            {
                entries += 1;
                bytes += entry.payload.len() as u64;
            }
        }
        self.note_stored(entries, bytes, begun).await;
        let mut known = known.into_iter();
        let outcome = |write| {
            if is_sent(&write) {
                known.next().unwrap_or(Outcome::Fenced)
            } else {
                Outcome::TooLarge
            }
        };
        Ok(writes.iter().map(outcome).collect())
    }

    /// Stores all, or finds that one is refused and looks at each.
    async fn fill(&self, writes: &[&Write]) -> Result<Vec<Outcome>, StorageError> {
        let script = script::fills(self, writes);
        match self.script(OPERATION, script).await? {
            Answer::Told(_) => Ok(vec![Outcome::Stored; writes.len()]),
            Answer::Refused => self.decide(writes).await,
        }
    }

    async fn set(&self, writes: &[&Write]) -> Result<Vec<Outcome>, StorageError> {
        let told = self.fenced_script(OPERATION, script::sets(self, writes)).await?;
        if let Some(row) = told.last().and_then(|told| told.rows.first()) {
            self.known.learn(stamp(row).map_err(|source| damaged(OPERATION, source))?);
        }
        Ok(vec![Outcome::Stored; writes.len()])
    }

    async fn touch(&self, writes: &[&Write]) -> Result<Vec<Outcome>, StorageError> {
        let script = script::touches(self, writes);
        let Answer::Told(told) = self.script(OPERATION, script).await? else {
            return Err(error(OPERATION, StorageErrorKind::Failed, "a touch was refused"));
        };
        // The last is the commit.
        let first = told.len().saturating_sub(writes.len() + 1);
        let outcome = |told: &Told| match told.affected {
            0 => Outcome::ConditionFailed,
            _ => Outcome::Stored,
        };
        Ok(told[first..].iter().take(writes.len()).map(outcome).collect())
    }

    /// Looks at what there is under locks, decides what becomes of each write, and does it.
    async fn decide(&self, writes: &[&Write]) -> Result<Vec<Outcome>, StorageError> {
        let transaction = Transaction::new(self, writes);
        let mut mended = false;
        loop {
            match self.run(OPERATION, &transaction).await? {
                Decided::Done { outcomes, stamp, behind } => {
                    self.known.learn(stamp);
                    if behind {
                        // A counter that fell back would hand out stamps that are refused for ever.
                        self.mend(OPERATION).await?;
                    }
                    return Ok(outcomes);
                }
                Decided::Damaged(source) => return Err(damaged(OPERATION, source)),
                Decided::Incomplete if mended => {
                    let message = "the fence's tables do not keep what is written to them";
                    return Err(error(OPERATION, StorageErrorKind::Failed, message));
                }
                Decided::Incomplete => {
                    self.mend(OPERATION).await?;
                    mended = true;
                }
            }
        }
    }
}

fn is_too_large(entry: &Entry, value_bytes_max: u64) -> bool {
    entry.payload.len() as u64 > value_bytes_max
}

fn kind(writes: &[&Write], value_bytes_max: u64) -> Kind {
    let origin = |write: &Write| match &write.action {
        WriteAction::Fill { stamp, .. } => Some(stamp.origin),
        _ => None,
    };
    let first = origin(writes[0]);
    let is_set = |write: &&Write| match &write.action {
        WriteAction::Set { entry } => !is_too_large(entry, value_bytes_max),
        _ => false,
    };
    let is_touch = |write: &&Write| matches!(write.action, WriteAction::Touch { .. });
    if writes.iter().all(is_touch) {
        return Kind::Touches;
    }
    let mut seen = HashSet::with_capacity(writes.len());
    if !writes.iter().all(|write| seen.insert(&write.key)) {
        Kind::Mixed
    } else if first.is_some() && writes.iter().all(|write| origin(write) == first) {
        Kind::Fills
    } else if writes.iter().all(is_set) {
        Kind::Sets
    } else {
        Kind::Mixed
    }
}

/// The entry that a write would store.
fn entry_of(action: &WriteAction) -> Option<&Entry> {
    match action {
        WriteAction::Fill { entry, .. }
        | WriteAction::Set { entry }
        | WriteAction::Update { entry, .. }
        | WriteAction::PutIfUnchanged { entry, .. } => Some(entry),
        _ => None,
    }
}

/// Parts of a batch that each fit into one packet.
fn parts(writes: &[Write], part_bytes: u64) -> Vec<&[Write]> {
    let part_bytes = usize::try_from(part_bytes).unwrap_or(usize::MAX);
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0usize);
    for (at, write) in writes.iter().enumerate() {
        let more = bytes_of(write);
        if at > start && (at - start >= PART_WRITES || bytes.saturating_add(more) > part_bytes) {
            parts.push(&writes[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes = bytes.saturating_add(more);
    }
    if start < writes.len() {
        parts.push(&writes[start..]);
    }
    parts
}

/// Half of the characters that a write takes in a script.
fn bytes_of(write: &Write) -> usize {
    let key = write.key.as_str().len();
    let entry = entry_of(&write.action).map_or(0, |entry| {
        // A tag stands in the entry and in a row of its own, beside the key.
        let tags = entry.tags.into_iter().map(|tag| 2 * tag.as_str().len() + key + 16);
        entry.payload.len() + tags.sum::<usize>()
    });
    WRITE_BYTES + 4 * key + entry
}

#[cfg(test)]
mod tests {
    use cache_core::clock::Timestamp;
    use cache_core::entry::Token;
    use cache_core::key::Key;

    use super::*;

    #[test]
    fn a_batch_is_cut_where_a_packet_is_full() {
        let touch = |at: usize| Write {
            key: Key::parse(&format!("p:{at}:v1")).unwrap(),
            action: WriteAction::Touch {
                token: Token(1),
                fresh_until: Timestamp::NEVER,
                kept_until: Timestamp::NEVER,
            },
        };
        let writes: Vec<Write> = (0..PART_WRITES + 5).map(touch).collect();
        let lengths = |part_bytes| -> Vec<usize> {
            parts(&writes, part_bytes).iter().map(|part| part.len()).collect()
        };
        assert_eq!(lengths(u64::MAX), [PART_WRITES, 5]);
        assert_eq!(lengths(0), vec![1; PART_WRITES + 5], "one goes in any case");
        assert_eq!(lengths(600)[..2], [2, 2]);
        assert!(parts(&[], 5).is_empty());
    }
}
