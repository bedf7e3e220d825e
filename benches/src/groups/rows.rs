//! What storages are filled with, and asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use rand::Rng as _;
use rand_pcg::Pcg64Mcg;
use tiers::clock::{Clock as _, SystemClock, Timestamp};
use tiers::entry::{CodecId, Compression, Entry, EntryKind, Token};
use tiers::key::{Key, Tags};
use tiers::storage::{Lookup, Outcome, Write, WriteAction};

/// The length of a value, if nothing else is said.
pub(crate) const VALUE_BYTES: usize = 100;

const TTL: Duration = Duration::from_secs(86_400);

/// The keys that are asked for, and their values.
#[derive(Debug)]
pub(crate) struct Rows {
    keys: Vec<Key>,
    payloads: Vec<Bytes>,
    next: AtomicU64,
}

/// Of so many different values; they are not compressed.
const PAYLOADS: usize = 64;

impl Rows {
    pub(crate) fn new(rows: usize, value_bytes: usize) -> anyhow::Result<Self> {
        let key = |row| Key::parse(&format!("bench:article:{row}:v1"));
        let keys = (0..rows).map(key).collect::<Result<_, _>>().context("a key")?;
        let mut random = Pcg64Mcg::new(7);
        let payload = |_| {
            let mut bytes = vec![0; value_bytes];
            random.fill_bytes(&mut bytes);
            Bytes::from(bytes)
        };
        Ok(Self { keys, payloads: (0..PAYLOADS).map(payload).collect(), next: AtomicU64::new(0) })
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Another key each time, all over the table.
    pub(crate) fn next(&self) -> &Key {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let scattered = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        &self.keys[scattered as usize % self.keys.len()]
    }

    /// So many keys that differ, all over the table; as many as there are at most.
    pub(crate) fn batch(&self, keys: usize) -> Vec<Key> {
        // A prime that divides no number of rows used here, so that it comes to each row once.
        const STRIDE: usize = 997;
        let first = self.next.fetch_add(1, Ordering::Relaxed) as usize * 31;
        let at = |index| (first + index * STRIDE) % self.keys.len();
        (0..keys.min(self.keys.len())).map(|index| self.keys[at(index)].clone()).collect()
    }

    /// An entry for this key, as the cache makes one of an encoded value.
    pub(crate) fn entry(&self, key: &Key) -> Entry {
        let payload = self.payloads[key.digest() as usize % PAYLOADS].clone();
        let created = SystemClock.wall();
        let until: Timestamp = created.after(TTL);
        Entry {
            kind: EntryKind::Value,
            codec: CodecId::BYTES,
            compression: Compression::None,
            decoded_bytes: payload.len() as u32,
            created,
            fresh_until: until,
            kept_until: until,
            idle: None,
            stamp: 0,
            token: Token::random(),
            tags: Tags::NONE,
            payload,
            checksum: 0,
        }
        .sealed(key)
    }

    pub(crate) fn set(&self, key: &Key) -> Write {
        Write { key: key.clone(), action: WriteAction::Set { entry: self.entry(key) } }
    }
}

/// Whether a write did what it was to do.
pub(crate) fn stored(outcome: Outcome) -> anyhow::Result<()> {
    ensure!(outcome == Outcome::Stored, "a set was not stored but {outcome:?}");
    Ok(())
}

/// What the cache does with what a storage answers.
pub(crate) fn verified(key: &Key, lookup: Lookup) -> anyhow::Result<Entry> {
    let Some(entry) = lookup.entry else { bail!("{key} is not there") };
    entry.verify(key)?;
    Ok(entry)
}
