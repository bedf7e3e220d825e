//! Rows become entries. Nothing that a row can hold makes this panic.

use bytes::Bytes;
use cache_core::entry::Entry;
use cache_core::fence::Stamp;
use cache_core::key::{Key, Tags};
use cache_core::storage::{EntryDetails, StorageError};
use cache_sql::{Damaged, DetailsColumns, EntryColumns, tags_from_json};
use sqlx::mysql::MySqlRow;
use sqlx::{Decode, MySql, Row, Type};

use crate::error::damaged;

/// The stamp of a row that begins with counter and origin.
pub(crate) fn stamp(row: &MySqlRow) -> Result<Stamp, Damaged> {
    let mark: i64 = column(row, 0, "counter")?;
    let origin: i64 = column(row, 1, "origin")?;
    Ok(Stamp { mark: mark as u64, origin: origin as u64 })
}

/// The key of a row, where it tells of an entry.
pub(super) fn key(row: &MySqlRow) -> Result<Option<&[u8]>, Damaged> {
    column(row, 2, "key")
}

/// The entry that a row tells of, and when it was last used, as far as that was written.
pub(super) fn entry(row: &MySqlRow) -> Result<(Entry, i64), Damaged> {
    let columns = EntryColumns {
        expire_at: column(row, 3, "expire_at")?,
        fresh_until: column(row, 4, "fresh_until")?,
        created_at: column(row, 5, "created_at")?,
        idle_ms: column(row, 6, "idle_ms")?,
        stamp: column(row, 7, "stamp")?,
        token: column(row, 8, "token")?,
        checksum: column(row, 9, "checksum")?,
        kind: column(row, 10, "kind")?,
        data_type: column(row, 11, "data_type")?,
        compressed: column(row, 12, "compressed")?,
        decoded_bytes: column(row, 13, "decoded_bytes")?,
        size_bytes: column(row, 14, "size_bytes")?,
    };
    let value: &[u8] = column(row, 16, "value")?;
    let entry = columns.entry(tags(row, 15)?, Bytes::copy_from_slice(value))?;
    Ok((entry, column(row, 17, "last_accessed")?))
}

/// What a scan's row tells.
pub(super) fn details(
    row: &MySqlRow,
    operation: &'static str,
) -> Result<EntryDetails, StorageError> {
    let read = || {
        let key = Key::parse(text(row, 0, "key")?).map_err(|_| Damaged { column: "key" })?;
        let columns = DetailsColumns {
            expire_at: column(row, 1, "expire_at")?,
            fresh_until: column(row, 2, "fresh_until")?,
            created_at: column(row, 3, "created_at")?,
            kind: column(row, 4, "kind")?,
            size_bytes: column(row, 5, "size_bytes")?,
        };
        columns.details(key, tags(row, 6)?)
    };
    read().map_err(|source| damaged(operation, source))
}

fn tags(row: &MySqlRow, index: usize) -> Result<Tags, Damaged> {
    const DAMAGED: Damaged = Damaged { column: "tags" };
    let Some(bytes) = column::<Option<&[u8]>>(row, index, "tags")? else {
        return Ok(Tags::NONE);
    };
    tags_from_json(std::str::from_utf8(bytes).map_err(|_| DAMAGED)?)
}

/// A column of bytes that are a text.
pub(crate) fn text<'row>(
    row: &'row MySqlRow,
    index: usize,
    name: &'static str,
) -> Result<&'row str, Damaged> {
    let bytes: &[u8] = column(row, index, name)?;
    std::str::from_utf8(bytes).map_err(|_| Damaged { column: name })
}

pub(crate) fn column<'row, T>(
    row: &'row MySqlRow,
    index: usize,
    column: &'static str,
) -> Result<T, Damaged>
where
    T: Decode<'row, MySql> + Type<MySql>,
{
    row.try_get(index).map_err(|_| Damaged { column })
}
