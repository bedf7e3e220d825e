//! Writes: a script for each bucket that a batch touches, check and change in one step.

use std::collections::HashMap;

use cache_core::clock::Timestamp;
use cache_core::entry::{Entry, Token};
use cache_core::fence::{Stamp, cell_of_key, cell_of_tag};
use cache_core::key::Key;
use cache_core::storage::{Outcome, StorageError, StorageErrorKind, Write, WriteAction};
use redis::Value;

use crate::error::{closed, error, unexpected};
use crate::fence::{cells_bytes, fenced_call, stamp_bytes};
use crate::layout::{Bucket, Record};
use crate::script::{self, Call};
use crate::storage::Shared;

const OPERATION: &str = "write";
/// No script has more writes, nor goes on above so many bytes: meanwhile the server does nothing
/// else.
const WRITES_PER_SCRIPT: usize = 250;
const BYTES_PER_SCRIPT: usize = 1 << 20;
/// Later than this is never: the server takes no time that its numbers cannot hold.
const LATEST_END_MS: u64 = 1 << 53;

pub(crate) type Outcomes = Vec<Result<Outcome, StorageError>>;

/// The writes of one script, by their places in the batch.
#[derive(Debug)]
struct Part {
    bucket: Bucket,
    places: Vec<usize>,
    bytes: usize,
}

impl Shared {
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<Outcomes, StorageError> {
        if self.connections.is_closed() {
            return Err(closed(OPERATION));
        }
        let mut outcomes: Vec<Option<Result<Outcome, StorageError>>> =
            writes.iter().map(|write| self.settled(write)).collect();
        let parts = self.write_parts(&writes, &outcomes);
        let calls: Vec<_> = parts
            .iter()
            .map(|part| (self.slot(part.bucket), self.write_call(&writes, part)))
            .collect();
        if !calls.is_empty() {
            let answers = self.connections.run(OPERATION, &calls).await?;
            for (part, answer) in parts.iter().zip(answers) {
                settle(&writes, part, answer, &mut outcomes);
            }
        }
        let missing = || Err(unexpected(OPERATION));
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect())
    }

    /// What is known of a write without asking the server.
    fn settled(&self, write: &Write) -> Option<Result<Outcome, StorageError>> {
        let entry = entry_of(&write.action)?;
        if self.refuses_tags && !entry.tags.is_empty() {
            let message = "the server may evict any key (its `maxmemory-policy` is `allkeys-..`), \
                           and with it which entries bear a tag; choose another policy, or open \
                           the storage with `accept_tag_eviction`";
            return Some(Err(
                error(OPERATION, StorageErrorKind::Invalid, message).with_key(&write.key)
            ));
        }
        let only_stores =
            matches!(write.action, WriteAction::Fill { .. } | WriteAction::PutIfUnchanged { .. });
        (only_stores && self.is_too_large(entry)).then_some(Ok(Outcome::TooLarge))
    }

    fn is_too_large(&self, entry: &Entry) -> bool {
        entry.payload.len() as u64 > self.capabilities.value_bytes_max
    }

    /// Puts writes together into scripts. Those of one key stay together and in order; the others
    /// know nothing of each other.
    fn write_parts(
        &self,
        writes: &[Write],
        settled: &[Option<Result<Outcome, StorageError>>],
    ) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut part_of_key: HashMap<&Key, usize> = HashMap::new();
        let mut open_parts: HashMap<Bucket, usize> = HashMap::new();
        for (place, write) in
            writes.iter().enumerate().filter(|(place, _)| settled[*place].is_none())
        {
            let bucket = self.names.bucket_of(&write.key);
            let bytes = entry_of(&write.action).map_or(0, |entry| entry.payload.len());
            let has_room = |part: &Part| {
                part.places.len() < WRITES_PER_SCRIPT && part.bytes + bytes <= BYTES_PER_SCRIPT
            };
            let open = open_parts.get(&bucket).copied().filter(|at| has_room(&parts[*at]));
            let at = part_of_key.get(&write.key).copied().or(open).unwrap_or_else(|| {
                parts.push(Part { bucket, places: Vec::new(), bytes: 0 });
                open_parts.insert(bucket, parts.len() - 1);
                parts.len() - 1
            });
            part_of_key.insert(&write.key, at);
            parts[at].places.push(place);
            parts[at].bytes += bytes;
        }
        parts
    }

    fn write_call(&self, writes: &[Write], part: &Part) -> Call {
        let mut call = fenced_call(&script::WRITE, &self.names, part.bucket);
        for place in &part.places {
            self.add(&mut call, part.bucket, &writes[*place]);
        }
        call
    }

    fn add(&self, call: &mut Call, bucket: Bucket, write: &Write) {
        let Write { key, action } = write;
        call.key(self.names.entry(key));
        match action {
            WriteAction::Fill { entry, stamp } => {
                self.add_store(call, bucket, key, "F", Some(*stamp), None, entry, stamp.mark);
            }
            WriteAction::Set { entry } => {
                let action = if self.is_too_large(entry) { "s" } else { "S" };
                self.add_store(call, bucket, key, action, None, None, entry, 0);
            }
            WriteAction::Update { entry, stamp } => {
                let action = if self.is_too_large(entry) { "u" } else { "U" };
                self.add_store(call, bucket, key, action, Some(*stamp), None, entry, 0);
            }
            WriteAction::PutIfUnchanged { entry, expected, stamp } => {
                self.add_store(call, bucket, key, "P", Some(*stamp), *expected, entry, stamp.mark);
            }
            WriteAction::Touch { token, fresh_until, kept_until } => {
                call.argument("T").argument("").argument(token.0.to_le_bytes());
                call.argument(cells_bytes([cell_of_key(key)]));
                call.argument(end_text(*kept_until));
                call.argument(Record::times(*fresh_until, *kept_until));
            }
            // An action that this release does not know changes nothing: no entry has this token.
            _ => {
                call.argument("T").argument("").argument("unknown");
                call.argument(cells_bytes([cell_of_key(key)])).argument("").argument("");
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "they are what the script takes, one by one")]
    fn add_store(
        &self,
        call: &mut Call,
        bucket: Bucket,
        key: &Key,
        action: &str,
        stamp: Option<Stamp>,
        expected: Option<Token>,
        entry: &Entry,
        stored_stamp: u64,
    ) {
        for tag in &entry.tags {
            call.key(self.names.tag_set(bucket, tag));
        }
        call.argument(action);
        call.argument(stamp.map(|stamp| stamp_bytes(stamp).to_vec()).unwrap_or_default());
        call.argument(expected.map(|token| token.0.to_le_bytes().to_vec()).unwrap_or_default());
        let tags = entry.tags.into_iter().map(cell_of_tag);
        call.argument(cells_bytes([cell_of_key(key)].into_iter().chain(tags)));
        call.argument(end_text(entry.kept_until));
        let stored = !matches!(action, "s" | "u");
        call.argument(if stored { Record::encode(entry, stored_stamp) } else { Vec::new() });
    }
}

fn entry_of(action: &WriteAction) -> Option<&Entry> {
    match action {
        WriteAction::Fill { entry, .. }
        | WriteAction::Set { entry }
        | WriteAction::Update { entry, .. }
        | WriteAction::PutIfUnchanged { entry, .. } => Some(entry),
        _ => None,
    }
}

/// The last millisecond in which the server has an entry, for the end itself is excluded.
fn end_text(kept_until: Timestamp) -> String {
    match kept_until.unix_ms() {
        late if late > LATEST_END_MS => String::new(),
        end => end.saturating_sub(1).to_string(),
    }
}

fn settle(
    writes: &[Write],
    part: &Part,
    answer: Result<Value, StorageError>,
    outcomes: &mut [Option<Result<Outcome, StorageError>>],
) {
    let answers = match answer {
        Ok(Value::Array(answers)) if answers.len() == part.places.len() => Ok(answers),
        Ok(_) => Err(unexpected(OPERATION)),
        Err(error) => Err(error),
    };
    for (number, place) in part.places.iter().enumerate() {
        let outcome = match &answers {
            Ok(answers) => match answers[number] {
                Value::Int(0) => Ok(Outcome::Stored),
                Value::Int(1) => Ok(Outcome::Fenced),
                Value::Int(2) => Ok(Outcome::TooLarge),
                Value::Int(3) => Ok(Outcome::ConditionFailed),
                _ => Err(unexpected(OPERATION)),
            },
            Err(error) => Err(error.clone()),
        };
        outcomes[*place] = Some(outcome.map_err(|error| error.with_key(&writes[*place].key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_itself_is_excluded() {
        assert_eq!(end_text(Timestamp::from_unix_ms(1_000)), "999");
        assert_eq!(end_text(Timestamp::from_unix_ms(0)), "0");
        assert_eq!(end_text(Timestamp::NEVER), "");
        assert_eq!(end_text(Timestamp::from_unix_ms(u64::MAX - 1)), "");
    }
}
