//! The byte form of an entry, for storages that hold a blob: Redis, files, MongoDB.
//!
//! Little-endian, version 1:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 2 | magic `0xC7 0x1E` |
//! | 2 | 1 | version |
//! | 3 | 1 | kind: 0 value, 1 absent |
//! | 4 | 1 | codec |
//! | 5 | 1 | compression |
//! | 6 | 2 | encryption key id; 0, reserved |
//! | 8 | 4 | payload length before compression |
//! | 12 | 4 | payload length |
//! | 16 | 8 | created, Unix ms |
//! | 24 | 8 | fresh until, Unix ms; all ones: never ends |
//! | 32 | 8 | kept until, Unix ms; all ones: never ends |
//! | 40 | 8 | idle, ms; 0: none |
//! | 48 | 8 | stamp |
//! | 56 | 8 | token |
//! | 64 | 8 | checksum of the entry, [`Entry::checksum`] |
//! | 72 | 2 | number of tags |
//! | 74 | .. | tags, each 2 bytes of length and its text |
//! | .. | .. | payload |
//! | last 8 | 8 | XXH3 of all before it |

use std::time::Duration;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::codec::CodecId;
use super::compression::Compression;
use super::record::{Entry, EntryKind, Token};
use crate::clock::Timestamp;
use crate::key::{Tag, Tags};

/// The version that this release writes. It reads every version up to it.
pub const ENVELOPE_VERSION: u8 = 1;

const MAGIC: [u8; 2] = [0xC7, 0x1E];
const HEADER_BYTES: usize = 74;
const TRAILER_BYTES: usize = 8;

/// Why bytes are not an envelope that this release can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not one of ours.
    #[error("the record does not begin as an envelope does")]
    Foreign,
    /// Written by a newer release.
    #[error("the envelope has version {0}, newer than this release reads")]
    Newer(u8),
    /// Shorter than it says, or changed.
    #[error("the envelope is torn or changed")]
    Torn,
    /// A field holds what it cannot.
    #[error("the envelope's {0} is not valid")]
    Field(&'static str),
}

impl Entry {
    /// The entry as one blob.
    pub fn to_envelope(&self) -> Vec<u8> {
        let tags = self.tags.as_slice();
        let tag_bytes: usize = tags.iter().map(|tag| 2 + tag.as_str().len()).sum();
        let length = HEADER_BYTES + tag_bytes + self.payload.len() + TRAILER_BYTES;
        let mut out = Vec::with_capacity(length);
        out.extend(MAGIC);
        out.push(ENVELOPE_VERSION);
        out.push(match self.kind {
            EntryKind::Value => 0,
            EntryKind::Absent => 1,
        });
        out.push(self.codec.number());
        out.push(self.compression.number());
        out.extend(0u16.to_le_bytes());
        out.extend(self.decoded_bytes.to_le_bytes());
        // Storages refuse payloads of 1 GiB and more, so the length fits.
        out.extend((self.payload.len() as u32).to_le_bytes());
        let idle_ms = self.idle.map_or(0, |idle| idle.as_millis() as u64);
        for field in [
            self.created.unix_ms(),
            self.fresh_until.unix_ms(),
            self.kept_until.unix_ms(),
            idle_ms,
            self.stamp,
            self.token.0,
            self.checksum,
        ] {
            out.extend(field.to_le_bytes());
        }
        out.extend((tags.len() as u16).to_le_bytes());
        for tag in tags {
            out.extend((tag.as_str().len() as u16).to_le_bytes());
            out.extend(tag.as_str().as_bytes());
        }
        out.extend(&self.payload[..]);
        let checksum = xxh3_64(&out);
        out.extend(checksum.to_le_bytes());
        out
    }

    /// Reads an envelope. The payload shares the given bytes.
    ///
    /// # Errors
    /// [`EnvelopeError`] if it is foreign, newer, torn or changed.
    pub fn from_envelope(bytes: &Bytes) -> Result<Self, EnvelopeError> {
        if bytes.len() < 3 || bytes[..2] != MAGIC {
            return Err(EnvelopeError::Foreign);
        }
        if bytes[2] == 0 || bytes[2] > ENVELOPE_VERSION {
            return Err(EnvelopeError::Newer(bytes[2]));
        }
        let body_bytes = bytes.len().checked_sub(TRAILER_BYTES).ok_or(EnvelopeError::Torn)?;
        let (body, trailer) = bytes.split_at(body_bytes);
        if trailer != xxh3_64(body).to_le_bytes() {
            return Err(EnvelopeError::Torn);
        }
        let mut reader = Reader { rest: body.get(3..).ok_or(EnvelopeError::Torn)? };
        let kind = match reader.u8()? {
            0 => EntryKind::Value,
            1 => EntryKind::Absent,
            _ => return Err(EnvelopeError::Field("kind")),
        };
        let codec = CodecId::from_number(reader.u8()?);
        let compression = Compression::from_number(reader.u8()?)
            .map_err(|_| EnvelopeError::Field("compression"))?;
        if reader.u16()? != 0 {
            return Err(EnvelopeError::Field("encryption key id"));
        }
        let decoded_bytes = reader.u32()?;
        let payload_bytes = reader.u32()? as usize;
        let created = Timestamp::from_unix_ms(reader.u64()?);
        let fresh_until = Timestamp::from_unix_ms(reader.u64()?);
        let kept_until = Timestamp::from_unix_ms(reader.u64()?);
        let idle = Some(reader.u64()?).filter(|ms| *ms > 0).map(Duration::from_millis);
        let stamp = reader.u64()?;
        let token = Token(reader.u64()?);
        let checksum = reader.u64()?;
        let tag_count = reader.u16()?;
        let mut tags = Vec::new();
        for _ in 0..tag_count {
            let length = usize::from(reader.u16()?);
            let text = std::str::from_utf8(reader.take(length)?)
                .map_err(|_| EnvelopeError::Field("tag"))?;
            tags.push(Tag::parse(text).map_err(|_| EnvelopeError::Field("tag"))?);
        }
        let payload = reader.rest;
        if payload.len() != payload_bytes {
            return Err(EnvelopeError::Field("payload length"));
        }
        Ok(Self {
            kind,
            codec,
            compression,
            decoded_bytes,
            created,
            fresh_until,
            kept_until,
            idle,
            stamp,
            token,
            tags: Tags::new(tags),
            payload: bytes.slice_ref(payload),
            checksum,
        })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], EnvelopeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(EnvelopeError::Torn)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(EnvelopeError::Torn)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, EnvelopeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, EnvelopeError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, EnvelopeError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, EnvelopeError> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use proptest::prelude::*;

    fn key() -> Key {
        Key::parse("app:user:7:v1").expect("a valid key")
    }

    fn golden_entry() -> Entry {
        let tag = |label| Tag::new("app", label).expect("a valid tag");
        Entry {
            kind: EntryKind::Value,
            codec: CodecId::JSON,
            compression: Compression::None,
            decoded_bytes: 7,
            created: Timestamp::from_unix_ms(1_700_000_000_000),
            fresh_until: Timestamp::from_unix_ms(1_700_000_030_000),
            kept_until: Timestamp::NEVER,
            idle: Some(Duration::from_secs(5)),
            stamp: 42,
            token: Token(0x0102_0304_0506_0708),
            tags: Tags::new(vec![tag("users"), tag("admins")]),
            payload: Bytes::from_static(b"{\"a\":1}"),
            checksum: 0,
        }
        .sealed(&key())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What release 0.1 writes. It stays here for ever, and every later release reads it.
    const GOLDEN_V1: &str = include_str!("golden_v1.hex");

    #[test]
    fn the_golden_envelope_is_written_and_read_as_ever() {
        let golden = GOLDEN_V1.trim();
        assert_eq!(hex(&golden_entry().to_envelope()), golden);
        let bytes: Vec<u8> = (0..golden.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&golden[at..at + 2], 16).expect("hexadecimal"))
            .collect();
        let entry = Entry::from_envelope(&bytes.into()).expect("the golden envelope reads");
        assert_eq!(entry, golden_entry());
        assert_eq!(entry.verify(&key()), Ok(()));
        assert!(entry.verify(&Key::parse("app:user:8:v1").expect("a valid key")).is_err());
    }

    #[test]
    fn foreign_newer_and_torn_records_are_told_apart() {
        let bytes = golden_entry().to_envelope();
        assert_eq!(Entry::from_envelope(&Bytes::from_static(b"{}")), Err(EnvelopeError::Foreign));
        assert_eq!(Entry::from_envelope(&Bytes::new()), Err(EnvelopeError::Foreign));
        let mut newer = bytes.clone();
        newer[2] = ENVELOPE_VERSION + 1;
        assert_eq!(
            Entry::from_envelope(&newer.into()),
            Err(EnvelopeError::Newer(ENVELOPE_VERSION + 1))
        );
        for length in 3..bytes.len() {
            let torn = Bytes::copy_from_slice(&bytes[..length]);
            assert_eq!(Entry::from_envelope(&torn), Err(EnvelopeError::Torn), "{length}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_found(at in 3usize..100, flip in 1u8..) {
            let mut bytes = golden_entry().to_envelope();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert!(Entry::from_envelope(&bytes.into()).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), seal: bool) {
            if seal && bytes.len() > 11 {
                // With magic, version and checksum right, the fields themselves are put to the test.
                bytes[..3].copy_from_slice(&[MAGIC[0], MAGIC[1], ENVELOPE_VERSION]);
                let body = bytes.len() - TRAILER_BYTES;
                let checksum = xxh3_64(&bytes[..body]).to_le_bytes();
                bytes[body..].copy_from_slice(&checksum);
            }
            let _ = Entry::from_envelope(&bytes.into());
        }
    }
}
