//! The bytes of an entry on the server: what scripts read and change, the tags, and the envelope.
//!
//! The layout stands in `scripts/redis/fence.lua`. Times and stamp lie outside of the envelope, for
//! a script cannot renew its checksum; the tags lie outside of it to be found, and only there.

use bytes::Bytes;
use cache_core::clock::Timestamp;
use cache_core::entry::{Entry, EntryKind, EnvelopeError, Token};
use cache_core::fence::cell_of_tag;
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::EntryDetails;

/// The part before the tags.
pub(crate) const HEAD_BYTES: usize = 50;
/// How much of an entry is read to list it; more only if its tags are longer.
pub(crate) const ENTRY_HEAD_BYTES: usize = 512;
const VERSION: u8 = 1;

/// An entry's record.
#[derive(Debug)]
pub(crate) struct Record;

/// What the part of a record before its envelope tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Details {
    stamp: u64,
    fresh_until: Timestamp,
    kept_until: Timestamp,
    token: Token,
    created: Timestamp,
    pub(crate) payload_bytes: u32,
    tags_bytes: usize,
    kind: EntryKind,
}

impl Record {
    /// The stamp, at the beginning.
    pub(crate) const STAMP_BYTES: usize = 8;

    /// The record of an entry that is stored under `stamp`.
    pub(crate) fn encode(entry: &Entry, stamp: u64) -> Vec<u8> {
        let tags = tags_bytes(&entry.tags);
        let envelope = Entry { tags: Tags::NONE, stamp, ..entry.clone() }.to_envelope();
        let mut record = Vec::with_capacity(HEAD_BYTES + tags.len() + envelope.len());
        record.extend(stamp.to_le_bytes());
        record.extend(Self::times(entry.fresh_until, entry.kept_until));
        record.extend(entry.token.0.to_le_bytes());
        record.extend(entry.created.unix_ms().to_le_bytes());
        // Both fit: payloads end below 512 MiB, and tags are at most 65,535 of 256 bytes.
        record.extend((entry.payload.len() as u32).to_le_bytes());
        record.extend((tags.len() as u32).to_le_bytes());
        record.push(VERSION);
        record.push(match entry.kind {
            EntryKind::Value => 0,
            EntryKind::Absent => 1,
        });
        record.extend(tags);
        record.extend(envelope);
        record
    }

    /// The bytes that a touch replaces.
    pub(crate) fn times(fresh_until: Timestamp, kept_until: Timestamp) -> [u8; 16] {
        let mut times = [0; 16];
        times[..8].copy_from_slice(&fresh_until.unix_ms().to_le_bytes());
        times[8..].copy_from_slice(&kept_until.unix_ms().to_le_bytes());
        times
    }

    /// Reads a record. The payload shares the given bytes.
    ///
    /// # Errors
    /// [`EnvelopeError`] if it is foreign, newer, torn or changed.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Entry, EnvelopeError> {
        let details = Details::read(bytes)?;
        let tags = details.tags(bytes)?;
        let envelope = bytes.slice(HEAD_BYTES + details.tags_bytes..);
        let entry = Entry::from_envelope(&envelope)?;
        let Details { stamp, fresh_until, kept_until, token, created, kind, .. } = details;
        let same = (entry.token, entry.created, entry.kind) == (token, created, kind)
            && entry.payload.len() == details.payload_bytes as usize;
        if !same || !entry.tags.is_empty() {
            return Err(EnvelopeError::Torn);
        }
        Ok(Entry { stamp, fresh_until, kept_until, tags, ..entry })
    }
}

impl Details {
    /// Reads the part before the tags.
    ///
    /// # Errors
    /// [`EnvelopeError`] if it is foreign or newer.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk().ok_or(EnvelopeError::Foreign)?;
        let long = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&head[at..at + 8]);
            u64::from_le_bytes(number)
        };
        let short = |at: usize| long(at) as u32;
        match head[48] {
            VERSION => {}
            0 => return Err(EnvelopeError::Foreign),
            newer => return Err(EnvelopeError::Newer(newer)),
        }
        let kind = match head[49] {
            0 => EntryKind::Value,
            1 => EntryKind::Absent,
            _ => return Err(EnvelopeError::Field("kind")),
        };
        Ok(Self {
            stamp: long(0),
            fresh_until: Timestamp::from_unix_ms(long(8)),
            kept_until: Timestamp::from_unix_ms(long(16)),
            token: Token(long(24)),
            created: Timestamp::from_unix_ms(long(32)),
            payload_bytes: short(40),
            tags_bytes: (long(40) >> 32) as usize,
            kind,
        })
    }

    /// How many bytes of the record hold all that is told of the entry.
    pub(crate) fn bytes_needed(&self) -> usize {
        HEAD_BYTES + self.tags_bytes
    }

    fn tags(&self, bytes: &[u8]) -> Result<Tags, EnvelopeError> {
        let mut rest = bytes.get(HEAD_BYTES..self.bytes_needed()).ok_or(EnvelopeError::Torn)?;
        let mut tags = Vec::new();
        while let Some((&[cell_low, cell_high, low, high], after)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let (text, after) = after.split_at_checked(length).ok_or(EnvelopeError::Torn)?;
            let text = std::str::from_utf8(text).map_err(|_| EnvelopeError::Field("tag"))?;
            let tag = Tag::parse(text).map_err(|_| EnvelopeError::Field("tag"))?;
            if cell_of_tag(&tag) != usize::from(u16::from_le_bytes([cell_low, cell_high])) {
                return Err(EnvelopeError::Field("tag"));
            }
            tags.push(tag);
            rest = after;
        }
        if rest.is_empty() { Ok(Tags::new(tags)) } else { Err(EnvelopeError::Torn) }
    }

    /// What a scan tells of the entry. `bytes` begins as its record does and holds the tags.
    ///
    /// # Errors
    /// [`EnvelopeError`] if the tags are not as they were written.
    pub(crate) fn of_entry(&self, key: Key, bytes: &[u8]) -> Result<EntryDetails, EnvelopeError> {
        Ok(EntryDetails::new(
            key,
            self.kind,
            self.created,
            self.fresh_until,
            self.kept_until,
            self.tags(bytes)?,
            u64::from(self.payload_bytes),
        ))
    }
}

fn tags_bytes(tags: &Tags) -> Vec<u8> {
    let mut bytes = Vec::new();
    for tag in tags {
        // There are 4,096 cells, and a tag is at most 256 bytes.
        bytes.extend((cell_of_tag(tag) as u16).to_le_bytes());
        bytes.extend((tag.as_str().len() as u16).to_le_bytes());
        bytes.extend(tag.as_str().as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cache_core::entry::{CodecId, Compression};
    use proptest::prelude::*;

    use super::*;

    fn entry(payload: &[u8], labels: &[String], kept_until: u64) -> Entry {
        let key = Key::parse("t:k:v1").unwrap();
        let tags = labels.iter().map(|label| Tag::new("t", label).unwrap()).collect();
        Entry {
            kind: EntryKind::Value,
            codec: CodecId::BYTES,
            compression: Compression::None,
            decoded_bytes: payload.len() as u32,
            created: Timestamp::from_unix_ms(5),
            fresh_until: Timestamp::from_unix_ms(7),
            kept_until: Timestamp::from_unix_ms(kept_until),
            idle: Some(Duration::from_millis(3)),
            stamp: 0,
            token: Token(9),
            tags: Tags::new(tags),
            payload: Bytes::copy_from_slice(payload),
            checksum: 0,
        }
        .sealed(&key)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            payload in prop::collection::vec(any::<u8>(), 0..300),
            labels in prop::collection::vec("[a-zé]{1,20}", 0..6),
            kept_until: u64,
            stamp: u64,
        ) {
            let entry = entry(&payload, &labels, kept_until);
            let record = Bytes::from(Record::encode(&entry, stamp));
            let expected = Entry { stamp, ..entry };
            prop_assert_eq!(Record::decode(&record), Ok(expected.clone()));
            prop_assert_eq!(expected.verify(&Key::parse("t:k:v1").unwrap()), Ok(()));
            let details = Details::read(&record).unwrap();
            let key = Key::parse("t:k:v1").unwrap();
            let told = details.of_entry(key.clone(), &record[..details.bytes_needed()]);
            prop_assert_eq!(told, Ok(EntryDetails::of(key, &expected)));
            for length in 0..record.len() {
                prop_assert!(Record::decode(&record.slice(..length)).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if bytes.len() > HEAD_BYTES {
                (bytes[48], bytes[49]) = (VERSION, 0);
                // Short enough lengths that the tags are looked at.
                bytes[45..48].fill(0);
            }
            prop_assert!(Record::decode(&Bytes::from(bytes)).is_err());
        }
    }
}
