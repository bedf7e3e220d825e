use std::sync::Arc;

use bytes::Bytes;
use cache_core::clock::{Clock, Timestamp};
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::fence::Stamp;
use cache_core::key::{Key, KeyError, Tags};
use cache_core::storage::{
    InvalidationMode, Lookup, Outcome, Selector, Storage, StorageError, StorageErrorKind, Write,
    WriteAction,
};

use super::StoreError;
use super::keys::{Keys, Scope};
use crate::chunk::Chunk;
use crate::head::Head;
use crate::key::SeriesKey;
use crate::record::RecordError;
use crate::row::Row;

/// Histories in a storage, under a prefix of their own.
///
/// History is paid for by calls, so it should not share a storage's bound with what a cache can
/// load again: give it a storage of its own, which may be another table of the same database.
#[derive(Clone, Debug)]
pub struct Store {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    keys: Keys,
}

/// A chunk as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredChunk<R> {
    /// The chunk; empty if there is none, or none that can be read.
    pub chunk: Arc<Chunk<R>>,
    /// Whether something was there that could not be read. It counts as unknown, and is replaced by
    /// the next change.
    pub damaged: bool,
}

/// What a removal found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// How many records went.
    pub records: u64,
}

/// So often a change is tried when others are faster. Each time one of them has got its change in,
/// so this many processes at once can change one record.
const ATTEMPTS_MAX: u32 = 64;

/// What stands in the storage, and what a change of it has to expect.
struct Found<T> {
    value: T,
    token: Option<Token>,
    /// `None` if not even the storage could read what is there.
    stamp: Option<Stamp>,
    damaged: bool,
}

impl Store {
    /// Histories in this storage, under this prefix.
    ///
    /// # Errors
    /// [`KeyError`] if the prefix is not valid.
    pub fn new(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        prefix: &str,
    ) -> Result<Self, KeyError> {
        Ok(Self { storage, clock, keys: Keys::new(prefix)? })
    }

    /// The storage.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The clock by which records are dated.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Reads the head of a series; nothing is known where there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the storage could not be asked.
    pub async fn head(&self, series: &SeriesKey) -> Result<Head, StoreError> {
        let key = self.keys.head(series).map_err(|source| key_error(series, source))?;
        Ok(self.find(series, &key, Head::decode, Head::new).await?.value)
    }

    /// Reads chunks of a series in one round trip; answers stand in the order of `indices`.
    ///
    /// # Errors
    /// [`StoreError`] if the storage could not be asked for one of them.
    pub async fn chunks<R: Row>(
        &self,
        series: &SeriesKey,
        indices: &[i64],
    ) -> Result<Vec<StoredChunk<R>>, StoreError> {
        let keys: Result<Vec<Key>, KeyError> =
            indices.iter().map(|index| self.keys.chunk(series, *index)).collect();
        let keys = keys.map_err(|source| key_error(series, source))?;
        let lookups = self.storage.get_many(&keys).await;
        let lookups = lookups.map_err(|source| StoreError::storage(series, source))?;
        let mut chunks = Vec::with_capacity(indices.len());
        for ((index, key), lookup) in indices.iter().zip(&keys).zip(lookups) {
            let decode = |bytes: &[u8]| Chunk::decode(*index, bytes);
            let found = read(series, key, lookup, decode, || Chunk::empty(*index))?;
            chunks.push(StoredChunk { chunk: Arc::new(found.value), damaged: found.damaged });
        }
        Ok(chunks)
    }

    /// Tells the storage in one round trip that chunks of a series are in use, although they are read
    /// from elsewhere: by reading them, and looking at nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the storage could not be asked.
    pub async fn touch(&self, series: &SeriesKey, indices: &[i64]) -> Result<(), StoreError> {
        let keys: Result<Vec<Key>, KeyError> =
            indices.iter().map(|index| self.keys.chunk(series, *index)).collect();
        let keys = keys.map_err(|source| key_error(series, source))?;
        let touched = self.storage.get_many(&keys).await;
        touched.map(drop).map_err(|source| StoreError::storage(series, source))
    }

    /// Changes a chunk: `change` makes the new one of what is stored, and is called again with what
    /// is there then whenever another process was faster. Answers the chunk that is stored now.
    ///
    /// A future that is dropped leaves the record as it was or as it should be.
    ///
    /// # Errors
    /// [`StoreError`] if the change did not come in, or it is not certain that it did; to make it
    /// again does no harm where `change` is a merge.
    pub async fn change_chunk<R: Row>(
        &self,
        series: &SeriesKey,
        index: i64,
        change: impl Fn(&Chunk<R>) -> Chunk<R> + Send,
    ) -> Result<Arc<Chunk<R>>, StoreError> {
        let key = self.keys.chunk(series, index).map_err(|source| key_error(series, source))?;
        let decode = |bytes: &[u8]| Chunk::decode(index, bytes);
        let none = || Chunk::empty(index);
        let changed = self.change(series, &key, decode, none, Chunk::encode, change).await?;
        Ok(Arc::new(changed))
    }

    /// Changes the head of a series, as [`change_chunk`](Self::change_chunk) does a chunk.
    ///
    /// # Errors
    /// [`StoreError`] if the change did not come in, or it is not certain that it did.
    pub async fn change_head(
        &self,
        series: &SeriesKey,
        change: impl Fn(&Head) -> Head + Send,
    ) -> Result<Head, StoreError> {
        let key = self.keys.head(series).map_err(|source| key_error(series, source))?;
        self.change(series, &key, Head::decode, Head::new, Head::encode, change).await
    }

    /// Removes the histories that are meant, and no others.
    ///
    /// # Errors
    /// [`StoreError`] if it is not certain that they are gone.
    pub async fn clear(&self, scope: &Scope) -> Result<Cleared, StoreError> {
        let all = "-".to_owned();
        let pattern = match scope.pattern(self.keys.prefix()) {
            Ok(Some(pattern)) => pattern,
            Ok(None) => return Ok(Cleared::default()),
            Err(source) => return Err(StoreError::Key { series: all, source }),
        };
        let selector = Selector::Pattern(pattern);
        match self.storage.invalidate(&selector, InvalidationMode::Remove).await {
            Ok(invalidated) => Ok(Cleared { records: invalidated.entries }),
            Err(source) => Err(StoreError::Storage { series: all, source: Box::new(source) }),
        }
    }

    async fn find<T>(
        &self,
        series: &SeriesKey,
        key: &Key,
        decode: impl Fn(&[u8]) -> Result<T, RecordError>,
        none: impl Fn() -> T,
    ) -> Result<Found<T>, StoreError> {
        read(series, key, self.storage.get(key).await, decode, none)
    }

    async fn change<T: PartialEq>(
        &self,
        series: &SeriesKey,
        key: &Key,
        decode: impl Fn(&[u8]) -> Result<T, RecordError>,
        none: impl Fn() -> T,
        encode: impl Fn(&T) -> Vec<u8>,
        change: impl Fn(&T) -> T,
    ) -> Result<T, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let found = self.find(series, key, &decode, &none).await?;
            let changed = change(&found.value);
            if changed == found.value && !found.damaged {
                return Ok(changed);
            }
            let record = encode(&changed);
            let bytes = record.len();
            let entry = self.entry(key, record);
            let action = match found.stamp {
                Some(stamp) => WriteAction::PutIfUnchanged { entry, expected: found.token, stamp },
                // There is no token to compare, and nothing to lose.
                None => WriteAction::Set { entry },
            };
            let writes = vec![Write { key: key.clone(), action }];
            let outcome = match self.storage.write(writes).await {
                Ok(mut outcomes) => outcomes.pop(),
                Err(source) => Some(Err(source)),
            };
            match outcome {
                Some(Ok(Outcome::Stored)) => return Ok(changed),
                Some(Ok(Outcome::TooLarge)) => {
                    return Err(StoreError::TooLarge { series: series.to_string(), bytes });
                }
                // Another process was faster, or removed what was there: once more, with what is
                // there now.
                Some(Ok(_)) => {}
                Some(Err(source)) => return Err(StoreError::storage(series, source)),
                None => {
                    let scheme = self.storage.capabilities().scheme;
                    let message = "the write was not answered";
                    let failed =
                        StorageError::new(scheme, "write", StorageErrorKind::Failed, message);
                    return Err(StoreError::storage(series, failed.with_key(key)));
                }
            }
        }
        Err(StoreError::Contended { series: series.to_string(), attempts: ATTEMPTS_MAX })
    }

    fn entry(&self, key: &Key, record: Vec<u8>) -> Entry {
        let entry = Entry {
            kind: EntryKind::Value,
            codec: CodecId::BYTES,
            // Records are compressed as they are made.
            compression: Compression::None,
            decoded_bytes: u32::try_from(record.len()).unwrap_or(u32::MAX),
            created: self.clock.wall(),
            fresh_until: Timestamp::NEVER,
            kept_until: Timestamp::NEVER,
            idle: None,
            stamp: 0,
            token: Token::random(),
            tags: Tags::new(Vec::new()),
            payload: Bytes::from(record),
            checksum: 0,
        };
        entry.sealed(key)
    }
}

/// What a lookup found. What cannot be read is nothing, with the token by which it is replaced; but
/// what only this release or these rows cannot read is an error, and stays.
fn read<T>(
    series: &SeriesKey,
    key: &Key,
    lookup: Result<Lookup, StorageError>,
    decode: impl Fn(&[u8]) -> Result<T, RecordError>,
    none: impl Fn() -> T,
) -> Result<Found<T>, StoreError> {
    let Lookup { entry, stamp } = match lookup {
        Ok(lookup) => lookup,
        Err(source) if source.kind() == StorageErrorKind::Corrupt => {
            return Ok(Found { value: none(), token: None, stamp: None, damaged: true });
        }
        Err(source) => return Err(StoreError::storage(series, source)),
    };
    let stamp = Some(stamp);
    let Some(entry) = entry else {
        return Ok(Found { value: none(), token: None, stamp, damaged: false });
    };
    let token = Some(entry.token);
    let decoded = match entry.verify(key) {
        Ok(()) => decode(&entry.payload),
        Err(_) => Err(RecordError::Checksum),
    };
    match decoded {
        Ok(value) => Ok(Found { value, token, stamp, damaged: false }),
        Err(source @ (RecordError::Version { .. } | RecordError::Schema { .. })) => {
            Err(StoreError::Record { series: series.to_string(), source })
        }
        Err(_) => Ok(Found { value: none(), token, stamp, damaged: true }),
    }
}

fn key_error(series: &SeriesKey, source: KeyError) -> StoreError {
    StoreError::Key { series: series.to_string(), source }
}
