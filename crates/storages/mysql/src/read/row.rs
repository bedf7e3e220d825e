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
    let columns = EntryColumns::read(
        3,
        |index, name| column(row, index, name),
        |index, name| column(row, index, name),
        |index, name| column(row, index, name),
    )?;
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
        let columns = DetailsColumns::read(
            1,
            |index, name| column(row, index, name),
            |index, name| column(row, index, name),
        )?;
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
