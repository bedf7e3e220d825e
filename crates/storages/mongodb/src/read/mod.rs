//! Reads: an entry, the fence's counter and the server's time in one round trip.

mod document;
mod scan;

pub(crate) use document::{Found, is_kept, read_found, text};
pub(crate) use scan::{pages_of, range};

use std::collections::HashMap;

use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Lookup, StorageError};
use mongodb::bson::{Bson, doc};

use crate::connection::{Call, Find, STEP};
use crate::schema::{FENCE, field};
use crate::storage::Shared;

impl Shared {
    pub(crate) async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        let call = self.connection.call("get");
        let mut answers = self.lookups(&call, std::slice::from_ref(key)).await?;
        match answers.pop() {
            Some(answer) => answer,
            // One key was asked for.
            None => Err(crate::error::damaged(call.operation, field::ID)),
        }
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        let mut call = self.connection.call("get_many");
        let mut answers = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(STEP) {
            answers.extend(self.lookups(&call, chunk).await?);
            self.connection.renew(&mut call);
        }
        Ok(answers)
    }

    async fn lookups(
        &self,
        call: &Call,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        let ids: Vec<Bson> = [Bson::Int32(FENCE)]
            .into_iter()
            .chain(keys.iter().map(|key| Bson::String(key.as_str().to_owned())))
            .collect();
        // In this order the fence is read first, whose counter is not to be newer than an entry.
        // Fields that are not needed are few and short: to leave them out would cost the server more.
        let find = Find::new(doc! { "_id": { "$in": ids } }, keys.len() + 1)
            .sorted(doc! { "_id": 1 })
            .timed()
            .for_reader();
        let mut fence = None;
        let mut entries = HashMap::with_capacity(keys.len());
        let operation = call.operation;
        for found in self.connection.find(call, find, move |it| read_found(it, operation)).await? {
            match found {
                Found::Fence(read) => fence = Some(read?),
                Found::Entry(key, entry) => drop(entries.insert(key, entry)),
                Found::Nothing => {}
            }
        }
        let stamp = match fence {
            Some(fence) => fence.stamp(),
            None => self.connection.fence(call, Vec::new()).await?.stamp(),
        };
        let answer = |key: &Key| match entries.get(key.as_str()) {
            None => Ok(Lookup { entry: None, stamp }),
            Some(Ok(entry)) => {
                self.accesses.note(key);
                Ok(Lookup { entry: Some(entry.clone()), stamp })
            }
            Some(Err(error)) => Err(error.clone().with_key(key)),
        };
        Ok(keys.iter().map(answer).collect())
    }

    pub(crate) async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.connection.call("stamps");
        let stamp = self.connection.fence(&call, Vec::new()).await?.stamp();
        Ok(vec![stamp; keys.len()])
    }
}
