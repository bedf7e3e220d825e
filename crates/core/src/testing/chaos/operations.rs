use std::future::Future;

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt};

use super::ChaosStorage;
use crate::fence::Stamp;
use crate::key::Key;
use crate::storage::{
    Budget, Capabilities, EntryDetails, Invalidated, InvalidationMode, Lookup, Maintenance,
    Outcome, Selector, Storage, StorageError, StorageErrorKind, StorageStats, Write,
};
use crate::testing::ReadDamage;

impl ChaosStorage {
    fn error(&self, operation: &'static str, message: &str) -> StorageError {
        let scheme = self.around.storage.capabilities().scheme;
        StorageError::new(scheme, operation, StorageErrorKind::Unavailable, message)
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        if let Some(latency) = self.latency() {
            self.around.clock.sleep(latency).await;
        }
        if self.happens(|odds| odds.errors) {
            return Err(self.error(operation, "chaos: it fails"));
        }
        if self.happens(|odds| odds.hangs / 2.0) {
            self.hang().await;
        }
        let done = call.await;
        if self.happens(|odds| odds.hangs / 2.0) {
            self.hang().await;
        }
        if self.happens(|odds| odds.lost_answers) {
            return Err(self.error(operation, "chaos: its answer is lost"));
        }
        done
    }

    fn look(&self, key: &Key, mut lookup: Lookup) -> Lookup {
        let Some(entry) = &mut lookup.entry else { return lookup };
        let whole = entry.clone();
        if self.happens(|odds| odds.damages) {
            let torn = self.around.chance.lock().random.bool();
            if torn { ReadDamage::Torn } else { ReadDamage::FlippedBit }.apply(entry);
        }
        let foreign = self.happens(|odds| odds.foreigners);
        let seen = self.around.chance.lock().seen.replace((key.clone(), whole));
        if let Some((other, foreigner)) = seen.filter(|(other, _)| foreign && other != key) {
            debug_assert_ne!(other, *key);
            *entry = foreigner;
        }
        lookup
    }

    fn shorten<T>(&self, mut answers: Vec<T>) -> Vec<T> {
        if self.happens(|odds| odds.short_batches) {
            answers.pop();
        }
        answers
    }
}

#[async_trait]
impl Storage for ChaosStorage {
    fn capabilities(&self) -> &Capabilities {
        self.around.storage.capabilities()
    }

    async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        let lookup = self.call("get", self.around.storage.get(key)).await?;
        Ok(self.look(key, lookup))
    }

    async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        let lookups = self.call("get_many", self.around.storage.get_many(keys)).await?;
        let looked = keys.iter().zip(lookups).map(|(key, lookup)| {
            if self.happens(|odds| odds.failed_keys) {
                return Err(self.error("get_many", "chaos: this key fails").with_key(key));
            }
            lookup.map(|lookup| self.look(key, lookup))
        });
        Ok(self.shorten(looked.collect()))
    }

    async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        Ok(self.shorten(self.call("stamps", self.around.storage.stamps(keys)).await?))
    }

    async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        let fails = |write: &Write| {
            let fails = self.happens(|odds| odds.failed_keys);
            fails.then(|| self.error("write", "chaos: this key fails").with_key(&write.key))
        };
        let failures: Vec<Option<StorageError>> = writes.iter().map(fails).collect();
        let written = writes.into_iter().zip(&failures).filter(|(_, failure)| failure.is_none());
        let written = written.map(|(write, _)| write).collect();
        let outcomes = self.call("write", self.around.storage.write(written)).await?;
        let mut outcomes = outcomes.into_iter();
        let lost = || Err(self.error("write", "it has left out an answer"));
        let outcomes = failures.into_iter().map(|failure| match failure {
            Some(failure) => Err(failure),
            None => outcomes.next().unwrap_or_else(lost),
        });
        Ok(self.shorten(outcomes.collect()))
    }

    async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.call("invalidate", self.around.storage.invalidate(selector, mode)).await
    }

    fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        let listed = self.around.storage.scan(selector);
        let next = move |mut listed: BoxStream<'a, _>| async move {
            let page = async { listed.next().await.transpose() };
            let details = self.call("scan", page).await.transpose();
            details.map(|details| (details, listed))
        };
        futures_util::stream::unfold(listed, next).boxed()
    }

    async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.call("maintain", self.around.storage.maintain(budget)).await
    }

    async fn stats(&self) -> Result<StorageStats, StorageError> {
        self.call("stats", self.around.storage.stats()).await
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.call("flush", self.around.storage.flush()).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.call("close", self.around.storage.close()).await
    }
}
