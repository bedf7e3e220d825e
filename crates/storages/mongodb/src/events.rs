//! The log of events: a collection, looked at again and again.
//!
//! An event's `_id` is one more than that of the event before. Of two that append at once the second
//! finds its number taken, and takes the next: so there are no holes, none is seen before the one
//! below it, and a reader tells by a hole what was removed. No transaction is needed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::backplane::{EventLog, NumberedEvent, Page, Position};
use cache_core::storage::{StorageError, StorageErrorKind};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use tokio::time::sleep;

use crate::connection::Call;
use crate::error::{closed, damaged, error};
use crate::storage::{MongoDb, Shared};

const APPEND: &str = "append";
const END: &str = "end";
const READ: &str = "read events";

/// The document that tells this log from others. Numbers of events lie far above.
const ORIGIN: i64 = 0;
/// How many events one command appends.
const EVENTS_PER_APPEND: usize = 256;
/// The server's code for an `_id` that is taken.
const DUPLICATE_KEY: i32 = 11_000;

#[async_trait]
impl EventLog for MongoDb {
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        let shared = self.shared();
        for events in events.chunks(EVENTS_PER_APPEND) {
            shared.open_while(APPEND, shared.append_events(events)).await?;
        }
        Ok(())
    }

    async fn end(&self) -> Result<Position, StorageError> {
        self.shared().open_while(END, self.shared().end_of_events()).await
    }

    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let shared = self.shared();
        let begun = Instant::now();
        loop {
            let page = shared.open_while(READ, shared.page_of_events(after, limit)).await?;
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() || page.gap || page.more || page.next != *after {
                return Ok(page);
            }
            sleep(left.min(shared.options.events_interval)).await;
        }
    }
}

impl Shared {
    fn events(&self) -> String {
        format!("{}_events", self.options.collection)
    }

    async fn append_events(&self, events: &[Bytes]) -> Result<(), StorageError> {
        let call = self.connection.call(APPEND);
        let mut left = events;
        let mut last = self.last_event(&call).await?;
        while !left.is_empty() {
            if self.is_closed() {
                return Err(closed(APPEND));
            }
            let documents: Vec<Document> = (last + 1..).zip(left).map(document).collect();
            let stored = self.insert_events(&call, documents).await?;
            left = &left[stored..];
            if !left.is_empty() {
                // Somebody else came first.
                sleep(Duration::from_micros(fastrand::u64(200..2_000))).await;
                last = self.last_event(&call).await?;
            } else {
                last += stored as i64;
            }
        }
        self.trim_events(&call, last, events.len() as i64).await;
        Ok(())
    }

    /// How many of them were stored before one whose number was taken.
    async fn insert_events(
        &self,
        call: &Call,
        documents: Vec<Document>,
    ) -> Result<usize, StorageError> {
        let command =
            || doc! { "insert": self.events(), "documents": documents.clone(), "ordered": true };
        let reply = self.connection.run_acknowledged(call, command, true).await?;
        let stored = number(reply.get("n")).and_then(|stored| usize::try_from(stored).ok());
        let stored = stored.ok_or_else(|| damaged(APPEND, "n"))?;
        let problems = reply.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
        let other = problems
            .iter()
            .filter_map(Bson::as_document)
            .find(|problem| number(problem.get("code")) != Some(i64::from(DUPLICATE_KEY)));
        match other {
            Some(problem) => {
                let why = problem.get_str("errmsg").unwrap_or("no reason given");
                let message = format!("an event was not stored: {why}");
                Err(error(APPEND, StorageErrorKind::Failed, message))
            }
            None => Ok(stored),
        }
    }

    /// Removes what is over the bound. What fails is left to the next.
    async fn trim_events(&self, call: &Call, last: i64, count: i64) {
        const EVERY: i64 = 64;
        if last % EVERY >= count {
            return;
        }
        let bound = last.saturating_sub(i64::try_from(self.options.events_max).unwrap_or(i64::MAX));
        let filter = doc! { "_id": { "$gt": ORIGIN, "$lte": bound } };
        let deletes = vec![doc! { "q": filter, "limit": 0 }];
        let command = || doc! { "delete": self.events(), "deletes": deletes.clone() };
        let _ = self.connection.run_acknowledged(call, command, true).await;
    }

    /// The number of the last event. An empty log gets one that marks its beginning.
    async fn last_event(&self, call: &Call) -> Result<i64, StorageError> {
        let find = doc! {
            "find": self.events(),
            "filter": { "_id": { "$gt": ORIGIN } },
            "projection": { "_id": 1 },
            "sort": { "_id": -1 },
            "limit": 1,
            "singleBatch": true,
        };
        let found = batch(self.connection.run(call, find).await?);
        if let Some(last) = found.first().and_then(|found| number(found.get("_id"))) {
            return Ok(last);
        }
        // By the clock: a log that was emptied never goes on with numbers that were given out.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = i64::try_from(now.as_micros()).unwrap_or(1);
        self.insert_events(call, vec![document((first, &Bytes::new()))]).await?;
        Ok(first)
    }

    async fn end_of_events(&self) -> Result<Position, StorageError> {
        let call = self.connection.call(END);
        let last = self.last_event(&call).await?;
        let origin = self.origin_of_events(&call).await?;
        Ok(Position::numbered(origin, last as u64))
    }

    /// The log's identity; made where there is none.
    async fn origin_of_events(&self, call: &Call) -> Result<u64, StorageError> {
        let update = doc! { "$setOnInsert": { "origin": fastrand::i64(..) } };
        let command = || {
            doc! {
                "findAndModify": self.events(),
                "query": { "_id": ORIGIN },
                "update": update.clone(),
                "upsert": true,
                "new": true,
            }
        };
        let reply = self.connection.run_acknowledged(call, command, true).await?;
        let document = reply.get_document("value").map_err(|_| damaged(END, "origin"))?;
        let origin = number(document.get("origin")).ok_or_else(|| damaged(END, "origin"))?;
        Ok(origin as u64)
    }

    async fn page_of_events(&self, after: &Position, limit: usize) -> Result<Page, StorageError> {
        let known = after.as_numbered().and_then(|(origin, number)| {
            Some((origin, i64::try_from(number).ok().filter(|number| *number > ORIGIN)?))
        });
        let Some((_, last)) = known else {
            return Ok(Page::lost(self.end_of_events().await?));
        };
        let call = self.connection.call(READ);
        // With the event that was read last: where it is still there, nothing was lost.
        let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(2);
        let find = doc! {
            "find": self.events(),
            "filter": { "$or": [{ "_id": ORIGIN }, { "_id": { "$gte": last } }] },
            "sort": { "_id": 1 },
            "limit": rows,
            "batchSize": i32::try_from(rows).unwrap_or(i32::MAX),
            "singleBatch": true,
        };
        let mut origin = None;
        let mut events = Vec::new();
        for found in batch(self.connection.run(&call, find).await?) {
            let id = number(found.get("_id")).ok_or_else(|| damaged(READ, "_id"))?;
            if id == ORIGIN {
                origin = number(found.get("origin")).map(|origin| origin as u64);
                continue;
            }
            let event = found.get_binary_generic("event").map_err(|_| damaged(READ, "event"))?;
            let event = Bytes::copy_from_slice(event);
            let origin = origin.unwrap_or_default();
            events.push(NumberedEvent { origin, number: id as u64, event });
        }
        if events.is_empty() || origin.is_none() {
            return Ok(Page::lost(self.end_of_events().await?));
        }
        let is_known = |event: &NumberedEvent| event.number == last as u64;
        if events.first().is_some_and(is_known) {
            let first = events.remove(0);
            if Position::numbered(first.origin, first.number) != *after {
                return Ok(Page::lost(self.end_of_events().await?));
            }
        }
        events.truncate(limit);
        Ok(Page::of_numbered(after, events, limit))
    }
}

fn document((number, event): (i64, &Bytes)) -> Document {
    let event = Binary { subtype: BinarySubtype::Generic, bytes: event.to_vec() };
    doc! { "_id": number, "event": event }
}

/// The documents that a `find` has found.
fn batch(reply: Document) -> Vec<Document> {
    let cursor = reply.get_document("cursor").ok();
    let found = cursor.and_then(|cursor| cursor.get_array("firstBatch").ok());
    let found = found.map(Vec::as_slice).unwrap_or_default();
    found.iter().filter_map(Bson::as_document).cloned().collect()
}

/// A whole number, in whichever of the widths that servers answer in.
fn number(value: Option<&Bson>) -> Option<i64> {
    match value? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        _ => None,
    }
}
