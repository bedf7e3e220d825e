//! Writes as a cache without a fence makes them, for builds with `fencing_off`: what fencing costs is
//! measured beside them, and what it keeps away shows without it.

use cache_core::entry::Entry;
use cache_core::key::Tags;
use cache_core::storage::{Outcome, StorageError, Write, WriteAction};
use redis::Cmd;

use super::{OPERATION, Outcomes, last_ms};
use crate::connection::Routed;
use crate::layout::Record;
use crate::storage::Shared;

impl Shared {
    /// A plain `SET` where the only write is a fill without tags, and otherwise a script that
    /// stores what comes.
    pub(super) async fn write_unfenced(
        &self,
        mut writes: Vec<Write>,
    ) -> Result<Outcomes, StorageError> {
        for write in &mut writes {
            if let WriteAction::Fill { entry, .. } = &write.action {
                write.action = WriteAction::Set { entry: entry.clone() };
            }
        }
        match &writes[..] {
            [Write { key, action: WriteAction::Set { entry } }]
                if entry.tags == Tags::NONE && !self.is_too_large(entry) =>
            {
                let bucket = self.names.bucket_of(key);
                let command = set(self.names.entry(key), entry);
                let routed = Routed { slot: self.slot(bucket), command };
                let answer = self.connections.one(OPERATION, routed).await;
                Ok(vec![answer.map(|_| Outcome::Stored).map_err(|error| error.with_key(key))])
            }
            _ => self.write_fenced(writes).await,
        }
    }
}

fn set(name: impl redis::ToRedisArgs, entry: &Entry) -> Cmd {
    let mut command = Cmd::new();
    command.arg("SET").arg(name).arg(Record::encode(entry, 0));
    let last_ms = last_ms(entry.kept_until);
    if last_ms >= 0.0 {
        command.arg("PXAT").arg((last_ms as u64).max(1));
    }
    command
}
