//! Counters, registers, locks and limits, in a collection beside that of the entries.
//!
//! | field | what it is |
//! |---|---|
//! | `_id` | the name, `prefix:name:kind` |
//! | `revision` | told from every other state of the document; 0: nothing stands there |
//! | `number`, `value`, `until_us`, `expires_us` | as [`Slot`] has them |
//! | `clean_at` | from when the server may remove it, as a date |
//!
//! A step reads the document with the server's time, decides here, and writes if the document has
//! still the revision that was read. Those of one process take turns, so that only processes race.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::atomics::{Answer, AtomicName, Atomics, Change, NEVER_US, Operation, Slot};
use cache_core::storage::{StorageError, StorageErrorKind};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use tokio::sync::Semaphore;

use crate::connection::{Call, Connection};
use crate::error::{damaged, error};
use crate::storage::{MongoDb, Shared};

/// Names are spread over so many turns.
const TURNS: usize = 64;
/// The date of what never ends: the last that tools can show.
const NEVER_MS: i64 = 253_402_300_799_000;
/// What nobody's document has.
const NOTHING: i64 = 0;

/// Whose turn it is to change a name, of this process.
#[derive(Debug)]
pub(crate) struct Turns(Box<[Arc<Semaphore>]>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Arc::new(Semaphore::new(1))).collect())
    }
}

impl Turns {
    fn of(&self, name: &AtomicName) -> &Semaphore {
        // The remainder fits.
        &self.0[(name.key().digest() % TURNS as u64) as usize]
    }
}

#[async_trait]
impl Atomics for MongoDb {
    async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<Answer, StorageError> {
        let shared = self.shared();
        let stepped = shared.open_while(operation.name(), shared.step(name, operation)).await;
        stepped.map_err(|error| error.with_key(name.key()))
    }
}

impl Shared {
    async fn step(&self, name: &AtomicName, operation: &Operation) -> Result<Answer, StorageError> {
        let call = self.atomics.call(operation.name());
        // One that is closed would be an error of ours: nobody closes it.
        let _turn = self.turns.of(name).acquire().await.ok();
        for attempt in 0_u32.. {
            if let Some(seen) = look(&self.atomics, &call, name).await? {
                let (change, answer) = operation.apply(seen.slot.as_ref(), seen.now_us);
                let write = if operation.is_idempotent() { call } else { call.once() };
                if put(&self.atomics, &write, name, seen.revision, change).await? {
                    return Ok(answer);
                }
            }
            // Another process was faster.
            let pause = fastrand::u64(0..4 << attempt.min(5));
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
            self.atomics.check_time(&call)?;
        }
        Err(error(operation.name(), StorageErrorKind::Unavailable, "others were faster each time"))
    }
}

/// What stands under a name.
struct Seen {
    revision: i64,
    slot: Option<Slot>,
    now_us: u64,
}

/// Reads a document with the server's time, which only a change tells in the same step. One that is
/// not there is made, holds nothing, and is cleaned up. Nothing if that was done before it was read.
async fn look(
    connection: &Connection,
    call: &Call,
    name: &AtomicName,
) -> Result<Option<Seen>, StorageError> {
    let update = Bson::Array(vec![Bson::Document(doc! { "$set": {
        "seen_at": "$$NOW",
        "revision": { "$ifNull": ["$revision", NOTHING] },
        "clean_at": { "$ifNull": ["$clean_at", "$$NOW"] },
    } })]);
    let command = doc! {
        "findAndModify": connection.collection_name(),
        "query": { "_id": name.as_str() },
        "update": update,
        "upsert": true,
        "new": true,
    };
    let reply = connection.run_acknowledged(call, || command.clone(), true).await?;
    let field = |field: &'static str| damaged(call.operation, field);
    let document = match reply.get("value") {
        Some(Bson::Document(document)) => document,
        Some(Bson::Null) => return Ok(None),
        _ => return Err(field("value")),
    };
    let now = document.get_datetime("seen_at").map_err(|_| field("seen_at"))?;
    let now_us = u64::try_from(now.timestamp_millis()).unwrap_or(0).saturating_mul(1000);
    let revision = document.get_i64("revision").map_err(|_| field("revision"))?;
    let slot = match revision {
        NOTHING => None,
        _ => Some(slot(document).map_err(field)?),
    };
    Ok(Some(Seen { revision, slot, now_us }))
}

fn slot(document: &Document) -> Result<Slot, &'static str> {
    let number = |field: &'static str| document.get_i64(field).map_err(|_| field);
    let time = |field: &'static str| u64::try_from(number(field)?).map_err(|_| field);
    let value = match document.get("value") {
        Some(Bson::Binary(Binary { bytes, .. })) => Bytes::copy_from_slice(bytes),
        _ => return Err("value"),
    };
    let (until_us, expires_us) = (time("until_us")?, time("expires_us")?);
    Ok(Slot { number: number("number")?, value, until_us, expires_us })
}

/// Makes a change, if nobody has made another since the document was read; whether it was made.
async fn put(
    connection: &Connection,
    call: &Call,
    name: &AtomicName,
    seen: i64,
    change: Change,
) -> Result<bool, StorageError> {
    let query = doc! { "_id": name.as_str(), "revision": seen };
    let written = match change {
        Change::Keep => return Ok(true),
        Change::Remove => return Ok(connection.delete(call, query).await? > 0),
        Change::Put(slot) => {
            let clean_at = match slot.expires_us {
                NEVER_US => NEVER_MS,
                // Not before its end, to the millisecond.
                end => i64::try_from(end.div_ceil(1000)).unwrap_or(NEVER_MS).min(NEVER_MS),
            };
            let value = Binary { subtype: BinarySubtype::Generic, bytes: slot.value.to_vec() };
            let set = doc! {
                "revision": fastrand::i64(1..),
                "number": slot.number,
                "value": value,
                "until_us": slot.until_us as i64,
                "expires_us": slot.expires_us as i64,
                "clean_at": DateTime::from_millis(clean_at),
            };
            let statement = doc! { "q": query, "u": { "$set": set } };
            connection.update(call, vec![statement], true).await?.whole()?
        }
    };
    Ok(written > 0)
}
