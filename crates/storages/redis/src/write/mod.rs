//! Writes: a script for each bucket that a batch touches, check and change in one step.

mod alone;
mod unfenced;

use std::collections::HashMap;

use cache_core::clock::Timestamp;
use cache_core::entry::{Entry, Token};
use cache_core::fence::{Stamp, cell_of_key, cell_of_tag};
use cache_core::key::{Key, Tags};
use cache_core::storage::{Outcome, StorageError, StorageErrorKind, Write, WriteAction};
use redis::Value;

use crate::error::{closed, error, unexpected};
use crate::fence::{NO_STAMP, cells_bytes, fenced_call, stamp_bytes};
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
        if cfg!(fencing_off) {
            return self.write_unfenced(writes).await;
        }
        if let [Write { key, action: WriteAction::Fill { entry, stamp } }] = &writes[..]
            && let Some(outcome) = self.fill_alone(key, entry, *stamp).await?
        {
            return Ok(vec![outcome]);
        }
        self.write_fenced(writes).await
    }

    async fn write_fenced(&self, writes: Vec<Write>) -> Result<Outcomes, StorageError> {
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
        let mut parcel = Parcel::with_capacity(part.places.len());
        for place in &part.places {
            self.add(&mut call, &mut parcel, part.bucket, &writes[*place]);
        }
        call.argument(parcel.heads);
        for argument in parcel.arguments {
            call.argument(argument);
        }
        call
    }

    fn add(&self, call: &mut Call, parcel: &mut Parcel, bucket: Bucket, write: &Write) {
        let Write { key, action } = write;
        call.key(self.names.entry(key));
        for tag in entry_of(action).into_iter().flat_map(|entry| &entry.tags) {
            call.key(self.names.tag_set(bucket, tag));
        }
        match action {
            WriteAction::Fill { entry, stamp } => {
                parcel.store(b'F', key, entry, Some(*stamp), None);
            }
            WriteAction::Set { entry } => {
                let action = if self.is_too_large(entry) { b's' } else { b'S' };
                parcel.store(action, key, entry, None, None);
            }
            WriteAction::Update { entry, stamp } => {
                let action = if self.is_too_large(entry) { b'u' } else { b'U' };
                parcel.store(action, key, entry, Some(*stamp), None);
            }
            WriteAction::PutIfUnchanged { entry, expected, stamp } => {
                let action = if expected.is_some() { b'P' } else { b'N' };
                parcel.store(action, key, entry, Some(*stamp), *expected);
            }
            WriteAction::Touch { token, fresh_until, kept_until } => {
                let times = Record::times(*fresh_until, *kept_until);
                parcel.head(b'T', key, 0, *kept_until);
                parcel.arguments.push(times.to_vec());
                parcel.rest(None, Some(*token), &Tags::NONE);
            }
            // An action that this release does not know changes nothing: what was read under a
            // stamp of no fence is refused.
            _ => {
                parcel.head(b'N', key, 0, Timestamp::NEVER);
                parcel.arguments.push(Vec::new());
                parcel.rest(Some(NO_STAMP), None, &Tags::NONE);
            }
        }
    }
}

/// What the script of writes is given, beside the names of keys.
#[derive(Debug)]
struct Parcel {
    heads: Vec<u8>,
    arguments: Vec<Vec<u8>>,
}

impl Parcel {
    /// How long the head of a write is.
    const HEAD_BYTES: usize = 13;
    /// A longer record is sent with its stamp, which the script writes over: to put it before the
    /// rest would copy all of it.
    const RECORD_COPIED_MAX: usize = 16_384;

    fn with_capacity(writes: usize) -> Self {
        Self {
            heads: Vec::with_capacity(writes * Self::HEAD_BYTES),
            arguments: Vec::with_capacity(writes),
        }
    }

    fn store(
        &mut self,
        action: u8,
        key: &Key,
        entry: &Entry,
        stamp: Option<Stamp>,
        expected: Option<Token>,
    ) {
        self.head(action, key, entry.tags.as_slice().len(), entry.kept_until);
        let mut record = Vec::new();
        if !matches!(action, b's' | b'u') {
            // The script knows the stamp; it is the first part.
            record = Record::encode(entry, 0);
            if record.len() <= Self::RECORD_COPIED_MAX {
                record.drain(..Record::STAMP_BYTES);
            }
        }
        self.arguments.push(record);
        if action != b'S' || !entry.tags.is_empty() {
            self.rest(stamp, expected, &entry.tags);
        }
    }

    fn head(&mut self, action: u8, key: &Key, tags: usize, kept_until: Timestamp) {
        self.heads.push(action);
        // An entry has at most 65,535 tags, and there are 4,096 cells.
        self.heads.extend((tags as u16).to_le_bytes());
        self.heads.extend(cells_bytes([cell_of_key(key)]));
        self.heads.extend(last_ms(kept_until).to_le_bytes());
    }

    fn rest(&mut self, stamp: Option<Stamp>, token: Option<Token>, tags: &Tags) {
        let mut rest = stamp.map_or([0; 16], stamp_bytes).to_vec();
        rest.extend(token.map_or(0, |token| token.0).to_le_bytes());
        rest.extend(cells_bytes(tags.into_iter().map(cell_of_tag)));
        self.arguments.push(rest);
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

/// The last millisecond in which the server has an entry, for the end itself is excluded; negative
/// for none.
fn last_ms(kept_until: Timestamp) -> f64 {
    match kept_until.unix_ms() {
        late if late > LATEST_END_MS => -1.0,
        end => end.saturating_sub(1) as f64,
    }
}

fn settle(
    writes: &[Write],
    part: &Part,
    answer: Result<Value, StorageError>,
    outcomes: &mut [Option<Result<Outcome, StorageError>>],
) {
    let answers = match answer {
        Ok(Value::BulkString(answers)) if answers.len() == part.places.len() => Ok(answers),
        Ok(_) => Err(unexpected(OPERATION)),
        Err(error) => Err(error),
    };
    for (number, place) in part.places.iter().enumerate() {
        let outcome = match &answers {
            Ok(answers) => match answers[number] {
                b'0' => Ok(Outcome::Stored),
                b'1' => Ok(Outcome::Fenced),
                b'2' => Ok(Outcome::TooLarge),
                b'3' => Ok(Outcome::ConditionFailed),
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
        assert_eq!(last_ms(Timestamp::from_unix_ms(1_000)), 999.0);
        assert_eq!(last_ms(Timestamp::from_unix_ms(0)), 0.0);
        assert_eq!(last_ms(Timestamp::NEVER), -1.0);
        assert_eq!(last_ms(Timestamp::from_unix_ms(u64::MAX - 1)), -1.0);
    }
}
