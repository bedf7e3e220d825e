//! Reads: an entry and the fence's counter by one `find`.

mod document;
mod scan;

pub(crate) use document::{Found, read_found, text};
pub(crate) use scan::{pages_of, range};

use std::collections::HashMap;

use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Lookup, StorageError};
use mongodb::bson::{Bson, Document, doc};

use crate::connection::{Call, Find, STEP};
use crate::schema::{FENCE, field};
use crate::storage::Shared;

/// Later than every moment.
const NEVER: i64 = i64::MAX;

/// That an entry is within its time, by the server's clock. Documents without an end pass.
pub(crate) fn is_kept() -> Document {
    let end = doc! { "$ifNull": [format!("${}", field::KEPT_UNTIL), NEVER] };
    doc! { "$expr": { "$gt": [end, { "$toLong": "$$NOW" }] } }
}

/// That an entry is past its time.
pub(crate) fn is_past() -> Document {
    let end = doc! { "$ifNull": [format!("${}", field::KEPT_UNTIL), NEVER] };
    doc! { "$expr": { "$lte": [end, { "$toLong": "$$NOW" }] } }
}

impl Shared {
    pub(crate) async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        let mut call = self.connection.call("get");
        let mut answers = self.lookups(&mut call, std::slice::from_ref(key)).await?;
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
            answers.extend(self.lookups(&mut call, chunk).await?);
            self.connection.renew(&mut call);
        }
        Ok(answers)
    }

    async fn lookups(
        &self,
        call: &mut Call,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        let ids: Vec<Bson> = [Bson::Int32(FENCE)]
            .into_iter()
            .chain(keys.iter().map(|key| Bson::String(key.as_str().to_owned())))
            .collect();
        let mut filter = doc! { "_id": { "$in": ids } };
        filter.extend(is_kept());
        // In this order the fence is read first, whose counter is not to be newer than an entry.
        let find = Find::new(filter, keys.len() + 1)
            .only(doc! { field::PENDING: 0, field::USED_AT: 0, field::CLEAN_AT: 0 })
            .sorted(doc! { "_id": 1 })
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
        let mut call = self.connection.call("stamps");
        let stamp = self.connection.fence(&mut call, Vec::new()).await?.stamp();
        Ok(vec![stamp; keys.len()])
    }
}
