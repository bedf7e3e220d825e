//! A fill by itself, as most are: one that needs no more than a look at the fence goes by a script
//! of its own, which does less than half as much on the server.

use cache_core::entry::Entry;
use cache_core::fence::{Stamp, cell_of_key};
use cache_core::key::Key;
use cache_core::storage::{Outcome, StorageError};
use redis::Value;

use super::{OPERATION, Parcel, last_ms};
use crate::error::unexpected;
use crate::fence::stamp_bytes;
use crate::layout::Record;
use crate::script;
use crate::storage::Shared;

/// Where the cells begin in a fence, and how long each is; as `scripts/redis/fence.lua` has them.
const CELLS_AT: usize = 88;
const CELL_BYTES: usize = 8;

impl Shared {
    /// Fills one key; `None` where the script of all writes is needed, and nothing was changed.
    ///
    /// # Errors
    /// The outer error if nothing is known about the fill.
    pub(super) async fn fill_alone(
        &self,
        key: &Key,
        entry: &Entry,
        stamp: Stamp,
    ) -> Result<Option<Result<Outcome, StorageError>>, StorageError> {
        if !entry.tags.is_empty() || self.is_too_large(entry) {
            return Ok(None);
        }
        let mut record = Record::encode(entry, 0);
        if record.len() > Parcel::RECORD_COPIED_MAX {
            return Ok(None);
        }
        record.drain(..Record::STAMP_BYTES);
        let bucket = self.names.bucket_of(key);
        let cell_at = CELLS_AT + CELL_BYTES * cell_of_key(key);
        let mut call = script::FILL.call();
        call.key(self.names.fence(bucket))
            .key(self.names.counter(bucket))
            .key(self.names.entry(key))
            .argument(self.names.signature())
            .argument(stamp_bytes(stamp))
            .argument(cell_at.to_string())
            .argument((cell_at + CELL_BYTES - 1).to_string())
            .argument(format!("{:.0}", last_ms(entry.kept_until)))
            .argument(record);
        let calls = [(self.slot(bucket), call)];
        let mut answers = self.connections.run(OPERATION, &calls).await?;
        let answer = answers.pop().ok_or_else(|| unexpected(OPERATION))?;
        let outcome = match answer {
            Ok(Value::BulkString(answer)) => match &answer[..] {
                b"0" => Ok(Outcome::Stored),
                b"1" => Ok(Outcome::Fenced),
                b"?" => return Ok(None),
                _ => Err(unexpected(OPERATION)),
            },
            Ok(_) => Err(unexpected(OPERATION)),
            Err(error) => Err(error),
        };
        Ok(Some(outcome.map_err(|error| error.with_key(key))))
    }
}
