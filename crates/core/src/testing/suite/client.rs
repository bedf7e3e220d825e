use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::TryStreamExt;

use super::failure::{CaseResult, Failure, ensure};
use crate::clock::Timestamp;
use crate::entry::{CodecId, Compression, Entry, EntryKind, Token};
use crate::fence::Stamp;
use crate::key::{Key, Tag, Tags};
use crate::storage::{
    EntryDetails, InvalidationMode, Lookup, Outcome, Selector, Storage, Write, WriteAction,
};

/// Short calls to a storage, for cases: one key at a time, errors as failures.
#[derive(Clone, Debug)]
pub struct Client {
    storage: Arc<dyn Storage>,
}

impl Client {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// The storage itself.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Reads a key, and checks that what is found is whole.
    ///
    /// # Errors
    /// If it could not be read, or is damaged.
    pub async fn look(&self, key: &Key) -> CaseResult<Lookup> {
        let lookup = self.storage.get(key).await?;
        if let Some(entry) = &lookup.entry {
            entry.verify(key)?;
        }
        Ok(lookup)
    }

    /// The entry of a key.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub async fn entry(&self, key: &Key) -> CaseResult<Option<Entry>> {
        Ok(self.look(key).await?.entry)
    }

    /// The entry of a key, which has to be there.
    ///
    /// # Errors
    /// As [`look`](Self::look), or if it is not there.
    #[track_caller]
    pub fn present(&self, key: &Key) -> impl Future<Output = CaseResult<Entry>> + Send {
        let missing = Failure::new(format!("{key} is not there"));
        let (client, key) = (self.clone(), key.clone());
        async move { client.entry(&key).await?.ok_or(missing) }
    }

    /// The payload of a key.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub async fn payload(&self, key: &Key) -> CaseResult<Option<Bytes>> {
        Ok(self.entry(key).await?.map(|entry| entry.payload))
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub async fn holds(&self, key: &Key) -> CaseResult<bool> {
        Ok(self.entry(key).await?.is_some())
    }

    /// Which of these keys are there, by one batch.
    ///
    /// # Errors
    /// If they could not be read, or one is damaged.
    pub async fn held(&self, keys: &[Key]) -> CaseResult<Vec<bool>> {
        let lookups = self.storage.get_many(keys).await?;
        ensure!(lookups.len() == keys.len(), "{} answers to {} keys", lookups.len(), keys.len());
        let mut held = Vec::with_capacity(keys.len());
        for (key, lookup) in keys.iter().zip(lookups) {
            let lookup = lookup?;
            if let Some(entry) = &lookup.entry {
                entry.verify(key)?;
            }
            held.push(lookup.entry.is_some());
        }
        Ok(held)
    }

    /// The stamp of a load that begins now.
    ///
    /// # Errors
    /// If it could not be had.
    pub async fn stamp(&self, key: &Key) -> CaseResult<Stamp> {
        let stamps = self.storage.stamps(std::slice::from_ref(key)).await?;
        match stamps.as_slice() {
            [stamp] => Ok(*stamp),
            _ => Err(Failure::new(format!("{} stamps for one key", stamps.len()))),
        }
    }

    /// Carries out one write.
    ///
    /// # Errors
    /// If it failed, or did not have one answer.
    pub async fn write(&self, key: &Key, action: WriteAction) -> CaseResult<Outcome> {
        let writes = vec![Write { key: key.clone(), action }];
        let mut outcomes = self.storage.write(writes).await?;
        match (outcomes.pop(), outcomes.is_empty()) {
            (Some(outcome), true) => Ok(outcome?),
            _ => Err(Failure::new("a batch of one write has not one answer")),
        }
    }

    /// Stores what a load brought.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn fill(&self, key: &Key, entry: Entry, stamp: Stamp) -> CaseResult<Outcome> {
        self.write(key, WriteAction::Fill { entry, stamp }).await
    }

    /// Stores unconditionally.
    ///
    /// # Errors
    /// As [`write`](Self::write), or if it was not stored.
    pub async fn set(&self, key: &Key, entry: Entry) -> CaseResult {
        let outcome = self.write(key, WriteAction::Set { entry }).await?;
        ensure!(outcome == Outcome::Stored, "a set of {key} was answered with {outcome:?}");
        Ok(())
    }

    /// Stores if nothing was raised since the stamp.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn update(&self, key: &Key, entry: Entry, stamp: Stamp) -> CaseResult<Outcome> {
        self.write(key, WriteAction::Update { entry, stamp }).await
    }

    /// Compares and puts.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn put_if_unchanged(
        &self,
        key: &Key,
        entry: Entry,
        expected: Option<Token>,
        stamp: Stamp,
    ) -> CaseResult<Outcome> {
        self.write(key, WriteAction::PutIfUnchanged { entry, expected, stamp }).await
    }

    /// Moves the times of the entry with this token; it is kept as long as it is fresh.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn touch(&self, key: &Key, token: Token, until: Timestamp) -> CaseResult<Outcome> {
        let action = WriteAction::Touch { token, fresh_until: until, kept_until: until };
        self.write(key, action).await
    }

    /// Removes what the selector names; gives how many entries that were.
    ///
    /// # Errors
    /// If it could not.
    pub async fn remove(&self, selector: &Selector) -> CaseResult<u64> {
        Ok(self.storage.invalidate(selector, InvalidationMode::Remove).await?.entries)
    }

    /// Removes one key.
    ///
    /// # Errors
    /// If it could not.
    pub async fn remove_key(&self, key: &Key) -> CaseResult<u64> {
        self.remove(&Selector::Keys(vec![key.clone()])).await
    }

    /// Removes the entries that bear a tag.
    ///
    /// # Errors
    /// If it could not.
    pub async fn remove_tag(&self, tag: &Tag) -> CaseResult<u64> {
        self.remove(&Selector::AnyTag(vec![tag.clone()])).await
    }

    /// Makes stale what the selector names; gives how many entries that were.
    ///
    /// # Errors
    /// If it could not.
    pub async fn expire(&self, selector: &Selector) -> CaseResult<u64> {
        Ok(self.storage.invalidate(selector, InvalidationMode::Expire).await?.entries)
    }

    /// Lists what the selector names.
    ///
    /// # Errors
    /// If it could not, or a key was listed twice.
    pub async fn scan(&self, selector: &Selector) -> CaseResult<BTreeMap<Key, EntryDetails>> {
        let mut listed = BTreeMap::new();
        let mut stream = self.storage.scan(selector);
        while let Some(details) = stream.try_next().await? {
            let key = details.key.clone();
            ensure!(listed.insert(key.clone(), details).is_none(), "{key} was listed twice");
        }
        Ok(listed)
    }
}

/// A value that is fresh for an hour and kept for two.
pub(in crate::testing) fn value(key: &Key, payload: &[u8], tags: &[&Tag], now: Timestamp) -> Entry {
    Entry {
        kind: EntryKind::Value,
        codec: CodecId::BYTES,
        compression: Compression::None,
        decoded_bytes: payload.len() as u32,
        created: now,
        fresh_until: now.after(Duration::from_secs(3600)),
        kept_until: now.after(Duration::from_secs(7200)),
        idle: None,
        stamp: 0,
        token: Token::random(),
        tags: Tags::new(tags.iter().copied().cloned().collect()),
        payload: Bytes::copy_from_slice(payload),
        checksum: 0,
    }
    .sealed(key)
}
