//! Upkeep: clean-up, bounds, which entries were used, and the task that sees to all of it.

mod access;
mod bounds;
mod keeper;

pub(crate) use access::Accesses;
pub(crate) use bounds::Bounds;
pub(crate) use keeper::keep;

use std::time::Instant;

use cache_core::storage::{Budget, Maintenance, StorageError, StorageStats};
use mongodb::bson::{DateTime, Document, doc};

use crate::connection::{Call, Find, STEP, number};
use crate::error::damaged;
use crate::read::text;
use crate::schema::field;
use crate::storage::Shared;

impl Shared {
    pub(crate) async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        let begun = Instant::now();
        let mut call = self.connection.call("maintain");
        let mut done = Maintenance::default();
        let room = |done: &Maintenance| {
            let left = budget.entries_max.saturating_sub(done.expired + done.evicted);
            let late = begun.elapsed() >= budget.duration_max && !budget.duration_max.is_zero();
            if late || budget.duration_max.is_zero() { 0 } else { left }
        };
        loop {
            let step = room(&done).min(STEP as u64);
            if step == 0 {
                done.unfinished = self.has_past(&call).await?;
                break;
            }
            let (found, values) = self.remove_past(&call, step as usize).await?;
            done.expired += values;
            self.connection.renew(&mut call);
            if (found as u64) < step {
                break;
            }
        }
        self.bounds.expired(done.expired);
        let mut surplus = self.surplus(&call).await?;
        if !surplus.is_none() {
            self.write_accesses().await?;
        }
        while !surplus.is_none() {
            let step = room(&done).min(STEP as u64);
            if step == 0 {
                done.unfinished = true;
                break;
            }
            self.connection.renew(&mut call);
            done.evicted += self.evict(&call, &mut surplus, step as usize).await?;
        }
        Ok(done)
    }

    /// The server's clock.
    async fn now(&self, call: &Call) -> Result<DateTime, StorageError> {
        let hello = self.connection.run(call, doc! { "hello": 1 }).await?;
        hello.get_datetime("localTime").copied().map_err(|_| damaged(call.operation, "localTime"))
    }

    async fn has_past(&self, call: &Call) -> Result<bool, StorageError> {
        let now = self.now(call).await?;
        let find = Find::new(doc! { field::CLEAN_AT: { "$lte": now } }, 1);
        let find = find.only(doc! { field::ID: 1 }).limited();
        Ok(!self.connection.find(call, find, text).await?.is_empty())
    }

    /// Removes documents past their time; gives how many were found, and how many held a value.
    async fn remove_past(&self, call: &Call, step: usize) -> Result<(usize, u64), StorageError> {
        let past = doc! { field::CLEAN_AT: { "$lte": self.now(call).await? } };
        let find = Find::new(past.clone(), step).only(doc! { field::ID: 1 }).limited();
        let found: Vec<_> =
            self.connection.find(call, find, text).await?.into_iter().flatten().collect();
        if found.is_empty() {
            return Ok((0, 0));
        }
        // Not what was written again meanwhile.
        let mut filter = past;
        filter.insert(field::ID, doc! { "$in": &found });
        let mut values = filter.clone();
        values.insert(field::STAMP, doc! { "$exists": true });
        let removed = self.connection.delete(call, values).await?;
        self.connection.delete(call, filter).await?;
        Ok((found.len(), removed))
    }

    pub(crate) async fn stats(&self) -> Result<StorageStats, StorageError> {
        let call = self.connection.call("stats");
        let amount = self.amount(&call).await?;
        let size = self.size(&call).await?;
        let (expired, evicted) = self.bounds.removed();
        let mut stats = StorageStats::default();
        stats.entries = amount.entries;
        stats.payload_bytes = amount.payload_bytes;
        stats.stored_bytes = number(size.get("size")) + number(size.get("totalIndexSize"));
        stats.evicted = evicted;
        stats.expired = expired;
        Ok(stats)
    }

    /// What the server keeps count of anyway.
    async fn size(&self, call: &Call) -> Result<Document, StorageError> {
        self.connection.run(call, doc! { "collStats": self.connection.collection_name() }).await
    }
}
