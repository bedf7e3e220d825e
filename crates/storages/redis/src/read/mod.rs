//! Reads: one round trip, the fence's counter with the entries.

mod apart;
mod scan;
mod together;

pub(crate) use apart::Apart;
pub(crate) use scan::{FIRST_PAGE, Page, Pages, scanned};
pub(crate) use together::Together;

use bytes::Bytes;
use cache_core::entry::EnvelopeError;
use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Lookup, StorageError, StorageErrorKind};
use futures_util::future::join_all;
use redis::{Cmd, Value};

use crate::connection::Routed;
use crate::error::{closed, error, unexpected};
use crate::fence::{NO_STAMP, stamp_from};
use crate::layout::{Bucket, Record};
use crate::storage::Shared;

/// Keys of one command; more are asked for by several, sent together.
const KEYS_PER_COMMAND: usize = 500;

/// The keys of one command, by their places in what was asked for.
struct Part {
    bucket: Bucket,
    places: Vec<usize>,
}

impl Shared {
    async fn get_alone(&self, key: &Key) -> Result<Lookup, StorageError> {
        const OPERATION: &str = "get";
        let bucket = self.names.bucket_of(key);
        if cfg!(fencing_off) {
            let mut command = Cmd::new();
            command.arg("GET").arg(self.names.entry(key));
            let routed = Routed { slot: self.slot(bucket), command };
            let answer = self.connections.one(OPERATION, routed).await;
            return lookup(OPERATION, key, answer.map_err(|error| error.with_key(key))?, NO_STAMP);
        }
        for made in [false, true] {
            let read = self.read_one(OPERATION, bucket, key).await;
            let (stamp, value) = read.map_err(|error| error.with_key(key))?;
            match stamp {
                None if !made => drop(self.open_fences(OPERATION, &[bucket]).await?),
                stamp => return lookup(OPERATION, key, value, stamp.unwrap_or(NO_STAMP)),
            }
        }
        Err(unexpected(OPERATION))
    }

    /// Stamp and value.
    async fn read_one(
        &self,
        operation: &'static str,
        bucket: Bucket,
        key: &Key,
    ) -> Result<(Option<Stamp>, Value), StorageError> {
        let name = self.names.entry(key);
        if !self.apart.remembers(bucket) {
            let mut command = Cmd::new();
            command.arg("MGET").arg(self.names.counter(bucket)).arg(&name);
            let routed = Routed { slot: self.slot(bucket), command };
            match self.connections.one_unless_apart(operation, &routed).await? {
                Some(Value::Array(values)) => {
                    let [counter, value] =
                        <[Value; 2]>::try_from(values).map_err(|_| unexpected(operation))?;
                    return Ok((stamp_of(&counter), value));
                }
                Some(_) => return Err(unexpected(operation)),
                None => self.apart.remember(bucket),
            }
        }
        let (stamp, values) = self.read_apart(operation, bucket, vec![name]).await?;
        let value = values.into_iter().next().ok_or_else(|| unexpected(operation))?;
        Ok((stamp, value))
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        const OPERATION: &str = "get_many";
        if keys.is_empty() {
            return if self.connections.is_closed() {
                Err(closed(OPERATION))
            } else {
                Ok(Vec::new())
            };
        }
        self.lookups(OPERATION, keys).await
    }

    /// Looks for keys, of which there is one at least.
    async fn lookups(
        &self,
        operation: &'static str,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        let parts = self.parts(keys, KEYS_PER_COMMAND);
        let answers = self.read_parts(operation, keys, &parts).await?;
        let mut lookups: Vec<Option<Result<Lookup, StorageError>>> = vec![None; keys.len()];
        let mut without_fence = Vec::new();
        for (part, answer) in parts.into_iter().zip(answers) {
            if let Ok((None, _)) = answer {
                without_fence.push(part);
            } else {
                fill_in(operation, keys, &part, answer, &mut lookups);
            }
        }
        if !without_fence.is_empty() {
            // A server that was emptied: the fence is made, and only then a stamp is taken.
            let buckets: Vec<Bucket> = without_fence.iter().map(|part| part.bucket).collect();
            self.open_fences(operation, &buckets).await?;
            let answers = self.read_parts(operation, keys, &without_fence).await?;
            for (part, answer) in without_fence.into_iter().zip(answers) {
                fill_in(operation, keys, &part, answer, &mut lookups);
            }
        }
        let missing = || Err(unexpected(operation));
        Ok(lookups.into_iter().map(|lookup| lookup.unwrap_or_else(missing)).collect())
    }

    pub(crate) async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        const OPERATION: &str = "stamps";
        if keys.is_empty() {
            return if self.connections.is_closed() {
                Err(closed(OPERATION))
            } else {
                Ok(Vec::new())
            };
        }
        let parts = self.parts(keys, usize::MAX);
        let commands = parts.iter().map(|part| {
            let mut command = Cmd::new();
            command.arg("GET").arg(self.names.counter(part.bucket));
            Routed { slot: self.slot(part.bucket), command }
        });
        let answers = self.connections.many(OPERATION, commands.collect()).await?;
        let mut stamps = vec![NO_STAMP; keys.len()];
        let mut without_fence = Vec::new();
        for (part, answer) in parts.into_iter().zip(answers) {
            match stamp_of(&answer?) {
                Some(stamp) => part.places.iter().for_each(|place| stamps[*place] = stamp),
                None => without_fence.push(part),
            }
        }
        if !without_fence.is_empty() {
            let buckets: Vec<Bucket> = without_fence.iter().map(|part| part.bucket).collect();
            let made = self.open_fences(OPERATION, &buckets).await?;
            for (part, stamp) in without_fence.iter().zip(made) {
                part.places.iter().for_each(|place| stamps[*place] = stamp);
            }
        }
        Ok(stamps)
    }

    /// Puts keys together that one command can ask for.
    fn parts(&self, keys: &[Key], keys_max: usize) -> Vec<Part> {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|place| self.names.bucket_of(&keys[*place]));
        let mut parts: Vec<Part> = Vec::new();
        for place in order {
            let bucket = self.names.bucket_of(&keys[place]);
            match parts.last_mut() {
                Some(part) if part.bucket == bucket && part.places.len() < keys_max => {
                    part.places.push(place);
                }
                _ => parts.push(Part { bucket, places: vec![place] }),
            }
        }
        parts
    }

    /// Stamp and values of each part.
    async fn read_parts(
        &self,
        operation: &'static str,
        keys: &[Key],
        parts: &[Part],
    ) -> Result<Vec<Result<(Option<Stamp>, Vec<Value>), StorageError>>, StorageError> {
        let is_apart: Vec<bool> =
            parts.iter().map(|part| self.apart.remembers(part.bucket)).collect();
        let together = parts.iter().zip(&is_apart).filter(|(_, is_apart)| !**is_apart);
        let commands = together.map(|(part, _)| {
            let mut command = Cmd::new();
            command.arg("MGET").arg(self.names.counter(part.bucket));
            for place in &part.places {
                command.arg(self.names.entry(&keys[*place]));
            }
            Routed { slot: self.slot(part.bucket), command }
        });
        let answers = self.connections.many_unless_apart(operation, commands.collect()).await?;
        let mut answers = answers.into_iter();
        let reads = parts.iter().zip(is_apart).map(|(part, is_apart)| {
            let answer = match is_apart {
                true => Ok(None),
                false => answers.next().unwrap_or_else(|| Err(unexpected(operation))),
            };
            self.read_part(operation, keys, part, answer)
        });
        Ok(join_all(reads).await)
    }

    /// Stamp and values of a part from the answer to its command; `None` if its keys are apart.
    async fn read_part(
        &self,
        operation: &'static str,
        keys: &[Key],
        part: &Part,
        answer: Result<Option<Value>, StorageError>,
    ) -> Result<(Option<Stamp>, Vec<Value>), StorageError> {
        match answer? {
            Some(Value::Array(mut values)) if values.len() == part.places.len() + 1 => {
                let stamp = stamp_of(&values.remove(0));
                Ok((stamp, values))
            }
            Some(_) => Err(unexpected(operation)),
            None => {
                self.apart.remember(part.bucket);
                let name = |place: &usize| self.names.entry(&keys[*place]);
                let names = part.places.iter().map(name).collect();
                self.read_apart(operation, part.bucket, names).await
            }
        }
    }
}

fn fill_in(
    operation: &'static str,
    keys: &[Key],
    part: &Part,
    answer: Result<(Option<Stamp>, Vec<Value>), StorageError>,
    lookups: &mut [Option<Result<Lookup, StorageError>>],
) {
    match answer {
        Ok((stamp, values)) => {
            for (place, value) in part.places.iter().zip(values) {
                let stamp = stamp.unwrap_or(NO_STAMP);
                lookups[*place] = Some(lookup(operation, &keys[*place], value, stamp));
            }
        }
        Err(error) => {
            for place in &part.places {
                lookups[*place] = Some(Err(error.clone().with_key(&keys[*place])));
            }
        }
    }
}

fn stamp_of(counter: &Value) -> Option<Stamp> {
    match counter {
        Value::BulkString(bytes) => stamp_from(bytes),
        _ => None,
    }
}

fn lookup(
    operation: &'static str,
    key: &Key,
    value: Value,
    stamp: Stamp,
) -> Result<Lookup, StorageError> {
    let entry = match value {
        Value::Nil => None,
        Value::BulkString(bytes) => {
            let record = Record::decode(&Bytes::from(bytes));
            Some(record.map_err(|source| damaged(operation, key, source))?)
        }
        _ => return Err(unexpected(operation).with_key(key)),
    };
    Ok(Lookup { entry, stamp })
}

/// The error of a record that is not as it was written.
pub(crate) fn damaged(operation: &'static str, key: &Key, source: EnvelopeError) -> StorageError {
    let kind = match source {
        EnvelopeError::Newer(_) => StorageErrorKind::Incompatible,
        _ => StorageErrorKind::Corrupt,
    };
    error(operation, kind, source.to_string()).with_key(key).with_source(source)
}
