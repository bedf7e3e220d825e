//! The log of events: a stream in the slot of the first bucket, read on connections of its own.
//!
//! Entries are numbered without holes, and each names the run of the server that took it, so that a
//! reader notices what was trimmed, flushed, or lost with a server; see
//! `scripts/redis/append_events.lua`.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::backplane::{EventLog, NumberedEvent, Page, Position};
use cache_core::storage::StorageError;
use redis::{Cmd, FromRedisValue, Value};

use crate::connection::Routed;
use crate::error::unexpected;
use crate::layout::Bucket;
use crate::script;
use crate::storage::{Redis, Shared};

const APPEND: &str = "append";
const END: &str = "end";
const READ: &str = "read";

/// How many events one script appends: the server does nothing else meanwhile.
const EVENTS_PER_SCRIPT: usize = 256;

#[async_trait]
impl EventLog for Redis {
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        for events in events.chunks(EVENTS_PER_SCRIPT) {
            self.shared().append_events(APPEND, events).await?;
        }
        Ok(())
    }

    async fn end(&self) -> Result<Position, StorageError> {
        self.shared().end_of_events().await
    }

    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.shared().read_events(after, wait, limit).await
    }
}

impl Shared {
    /// Appends events; gives the position after the last one.
    async fn append_events(
        &self,
        operation: &'static str,
        events: &[Bytes],
    ) -> Result<Position, StorageError> {
        let mut call = script::APPEND_EVENTS.call();
        call.key(self.names.events()).argument(self.events_max.to_string());
        for event in events {
            call.argument(&event[..]);
        }
        let calls = [(self.slot(Bucket(0)), call)];
        let mut answers = self.connections.run(operation, &calls).await?;
        let answer = answers.pop().ok_or_else(|| unexpected(operation))??;
        let (run, number) =
            <(Vec<u8>, String)>::from_redis_value(answer).map_err(|_| unexpected(operation))?;
        let number = number.parse().map_err(|_| unexpected(operation))?;
        Ok(Position::numbered(origin_of(&run), number))
    }

    async fn end_of_events(&self) -> Result<Position, StorageError> {
        self.append_events(END, &[]).await
    }

    async fn read_events(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let Some((origin, number)) = after.as_numbered() else {
            return Ok(Page::lost(self.end_of_events().await?));
        };
        let wait = wait.min(self.connections.wait_max());
        let mut command = Cmd::new();
        command.arg("XREAD").arg("COUNT").arg(limit);
        if !wait.is_zero() {
            command.arg("BLOCK").arg(wait.as_millis().max(1) as u64);
        }
        command.arg("STREAMS").arg(self.names.events()).arg(format!("{number}-0"));
        let routed = Routed { slot: self.slot(Bucket(0)), command };
        let answer = if wait.is_zero() {
            self.connections.one(READ, routed).await?
        } else {
            self.connections.waiting(READ, &routed, wait).await?
        };
        let rows = rows_of_streams(answer).ok_or_else(|| unexpected(READ))?;
        if !rows.is_empty() {
            return Ok(Page::of_numbered(after, rows, limit));
        }
        // The log may have been lost, and be empty or shorter for it.
        match self.last_event().await? {
            Some(last) if (last.origin, last.number) == (origin, number) => {
                Ok(Page::new(Vec::new(), after.clone()))
            }
            // Some have come meanwhile.
            Some(last) if last.number > number => {
                Ok(Page::new(Vec::new(), after.clone()).with_more(true))
            }
            _ => Ok(Page::lost(self.end_of_events().await?)),
        }
    }

    async fn last_event(&self) -> Result<Option<NumberedEvent>, StorageError> {
        let mut command = Cmd::new();
        command.arg("XREVRANGE").arg(self.names.events()).arg("+").arg("-").arg("COUNT").arg(1);
        let answer = self.connections.one(READ, Routed { slot: self.slot(Bucket(0)), command });
        let rows = rows_of(answer.await?).ok_or_else(|| unexpected(READ))?;
        Ok(rows.into_iter().next())
    }
}

/// Sixteen hexadecimal digits of a run id.
fn origin_of(run: &[u8]) -> u64 {
    let text = std::str::from_utf8(run).unwrap_or_default();
    u64::from_str_radix(text, 16).unwrap_or_default()
}

/// The answer to `XREAD` of one stream.
fn rows_of_streams(answer: Value) -> Option<Vec<NumberedEvent>> {
    match answer {
        Value::Nil => Some(Vec::new()),
        // A list of pairs, or as RESP3 has it a map: name and entries.
        Value::Array(streams) => match <[Value; 1]>::try_from(streams).ok()? {
            [Value::Array(stream)] => match <[Value; 2]>::try_from(stream).ok()? {
                [_, rows] => rows_of(rows),
            },
            _ => None,
        },
        Value::Map(streams) => match <[(Value, Value); 1]>::try_from(streams).ok()? {
            [(_, rows)] => rows_of(rows),
        },
        _ => None,
    }
}

/// Entries of a stream.
fn rows_of(rows: Value) -> Option<Vec<NumberedEvent>> {
    let Value::Array(rows) = rows else { return None };
    rows.into_iter().map(row_of).collect()
}

fn row_of(row: Value) -> Option<NumberedEvent> {
    let Value::Array(row) = row else { return None };
    let [id, fields] = <[Value; 2]>::try_from(row).ok()?;
    let id = String::from_redis_value(id).ok()?;
    let number = id.strip_suffix("-0").and_then(|number| number.parse().ok());
    let fields = Vec::<(Vec<u8>, Vec<u8>)>::from_redis_value(fields).ok()?;
    let field = |name: &[u8]| fields.iter().find(|(field, _)| field == name);
    // What another program has put there is no event of ours, and tells of a log that is not.
    let origin = field(b"r").map_or(0, |(_, run)| origin_of(run));
    let event = field(b"e").map_or_else(Bytes::new, |(_, event)| Bytes::copy_from_slice(event));
    Some(NumberedEvent { origin, number: number.unwrap_or_default(), event })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn entry(id: &str, fields: &[&str]) -> Value {
        let fields = fields.iter().map(|field| text(field)).collect();
        Value::Array(vec![text(id), Value::Array(fields)])
    }

    #[test]
    fn entries_of_a_stream_are_events() {
        let rows = || Value::Array(vec![entry("7-0", &["r", "00000000000000ff", "e", "hello"])]);
        let expected =
            [NumberedEvent { origin: 255, number: 7, event: Bytes::from_static(b"hello") }];
        let list = Value::Array(vec![Value::Array(vec![text("log"), rows()])]);
        assert_eq!(rows_of_streams(list).unwrap(), expected);
        assert_eq!(rows_of_streams(Value::Map(vec![(text("log"), rows())])).unwrap(), expected);
        assert_eq!(rows_of_streams(Value::Nil), Some(Vec::new()));
        assert_eq!(rows_of_streams(Value::Okay), None);
        assert_eq!(rows_of_streams(Value::Array(vec![Value::Okay])), None);
    }

    #[test]
    fn what_another_program_has_put_there_is_a_gap() {
        let after = Position::numbered(255, 6);
        for (id, fields) in
            [("7-1", &["r", "00000000000000ff", "e", "x"][..]), ("7-0", &["e", "x"]), ("x", &[])]
        {
            let rows = rows_of(Value::Array(vec![entry(id, fields)])).unwrap();
            assert!(Page::of_numbered(&after, rows, 9).gap, "{id} {fields:?}");
        }
    }
}
