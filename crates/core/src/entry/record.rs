use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3Default;

use super::codec::CodecId;
use super::compression::Compression;
use crate::clock::Timestamp;
use crate::key::{Key, Tags};

/// One encoded entry as a storage holds it: the payload and all that is known about it.
///
/// A storage keeps every field and gives it back unchanged; [`checksum`](Self::checksum) is made
/// when an entry is encoded and verified by the engine when it is read, so that a torn or foreign
/// record is found on every storage alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whether this is a value, or the knowledge that there is none.
    pub kind: EntryKind,
    /// How the payload is encoded.
    pub codec: CodecId,
    /// How the encoded payload is compressed.
    pub compression: Compression,
    /// Length of the payload before compression, in bytes.
    pub decoded_bytes: u32,
    /// When the value was loaded or set, in wall time.
    pub created: Timestamp,
    /// Until when a reader may take it as current.
    pub fresh_until: Timestamp,
    /// Until when a storage keeps it; at least `fresh_until`. Past it, it is not there.
    pub kept_until: Timestamp,
    /// Sliding expiry: each use renews `fresh_until` and `kept_until` to this long from then.
    pub idle: Option<Duration>,
    /// The mark under which it was stored, in terms of the storage's own fence; 0 before.
    pub stamp: u64,
    /// Told from every other write of the key: what touches and conditional writes compare.
    pub token: Token,
    /// The labels by which it can be invalidated.
    pub tags: Tags,
    /// The encoded, maybe compressed value; empty where there is none.
    pub payload: Bytes,
    /// Over key, kind, codec, compression, lengths, creation, token, tags and payload; not over
    /// the times and the stamp, which a storage may change.
    pub checksum: u64,
}

/// A checksum of an entry that is still being made: see [`Entry::begin_checksum`].
#[derive(Clone)]
pub struct EntryChecksum(Xxh3Default);

impl EntryChecksum {
    /// Adds the next piece of the payload.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The checksum, once every piece has been added.
    pub fn finish(&self) -> u64 {
        self.0.digest()
    }
}

impl fmt::Debug for EntryChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryChecksum").finish_non_exhaustive()
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// The source had this value.
    Value,
    /// The source had none: a negative result.
    Absent,
}

/// A random number given to each write of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// How a record that was read differs from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The checksum does not agree with the content, or the content is another key's.
    #[error("the checksum does not agree with the key and the content")]
    Checksum,
}

impl Token {
    /// A new token. Two agree with a chance of 2^-64.
    pub fn random() -> Self {
        Self(fastrand::u64(..))
    }
}

impl Entry {
    /// The checksum that this entry has to have under `key`.
    pub fn checksum_for(&self, key: &Key) -> u64 {
        let mut checksum = self.begin_checksum(key, self.payload.len() as u64);
        checksum.update(&self.payload);
        checksum.finish()
    }

    /// The same for a payload of so many bytes that comes in pieces, whatever
    /// [`payload`](Self::payload) holds.
    pub fn begin_checksum(&self, key: &Key, payload_bytes: u64) -> EntryChecksum {
        let mut hash = Xxh3Default::new();
        hash.update(key.as_str().as_bytes());
        let mut fixed = [0u8; 24];
        fixed[0] = match self.kind {
            EntryKind::Value => 0,
            EntryKind::Absent => 1,
        };
        fixed[1] = self.codec.number();
        fixed[2] = self.compression.number();
        fixed[4..8].copy_from_slice(&self.decoded_bytes.to_le_bytes());
        fixed[8..16].copy_from_slice(&self.created.unix_ms().to_le_bytes());
        fixed[16..24].copy_from_slice(&self.token.0.to_le_bytes());
        hash.update(&fixed);
        for tag in &self.tags {
            hash.update(&(tag.as_str().len() as u64).to_le_bytes());
            hash.update(tag.as_str().as_bytes());
        }
        hash.update(&payload_bytes.to_le_bytes());
        EntryChecksum(hash)
    }

    /// Gives the entry the checksum that it has to have under `key`.
    pub fn sealed(mut self, key: &Key) -> Self {
        self.checksum = self.checksum_for(key);
        self
    }

    /// Checks that nothing was torn, changed or swapped since the entry was sealed.
    ///
    /// # Errors
    /// [`Damage`] if it was.
    pub fn verify(&self, key: &Key) -> Result<(), Damage> {
        if self.checksum == self.checksum_for(key) { Ok(()) } else { Err(Damage::Checksum) }
    }

    /// Whether a reader may take it as current at `now`. The last moment is excluded.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until
    }

    /// Whether a storage still keeps it at `now`. The last moment is excluded.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        now < self.kept_until
    }
}
