//! Rows become entries. Nothing that a row can hold makes this panic.

use bytes::Bytes;
use cache_core::entry::Entry;
use cache_core::fence::Stamp;
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{EntryDetails, StorageError};
use cache_sql::{Damaged, DetailsColumns, EntryColumns, NO_STAMP};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

use crate::error::damaged;

/// The stamp of a row that begins with counter and origin.
pub(crate) fn stamp(row: &PgRow) -> Result<Stamp, Damaged> {
    let mark: i64 = column(row, 0, "counter")?;
    let origin: Option<i64> = column(row, 1, "origin")?;
    Ok(match origin {
        Some(origin) => Stamp { mark: mark as u64, origin: origin as u64 },
        None => NO_STAMP,
    })
}

/// The key of a row, where it tells of an entry.
pub(super) fn key(row: &PgRow) -> Result<Option<&str>, Damaged> {
    column(row, 2, "key")
}

/// The entry that a row tells of, and when it was last used, as far as that was written.
pub(super) fn entry(row: &PgRow) -> Result<(Entry, i64), Damaged> {
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
pub(super) fn details(row: &PgRow, operation: &'static str) -> Result<EntryDetails, StorageError> {
    let read = || {
        let key: &str = column(row, 0, "key")?;
        let key = Key::parse(key).map_err(|_| Damaged { column: "key" })?;
        let columns = DetailsColumns::read(
            1,
            |index, name| column(row, index, name),
            |index, name| column(row, index, name),
        )?;
        columns.details(key, tags(row, 6)?)
    };
    read().map_err(|source| damaged(operation, source))
}

fn tags(row: &PgRow, index: usize) -> Result<Tags, Damaged> {
    let Some(texts) = column::<Option<Vec<String>>>(row, index, "tags")? else {
        return Ok(Tags::NONE);
    };
    let tags = texts.iter().map(|text| Tag::parse(text)).collect::<Result<_, _>>();
    tags.map(Tags::new).map_err(|_| Damaged { column: "tags" })
}

pub(crate) fn column<'row, T>(
    row: &'row PgRow,
    index: usize,
    column: &'static str,
) -> Result<T, Damaged>
where
    T: Decode<'row, Postgres> + Type<Postgres>,
{
    row.try_get(index).map_err(|_| Damaged { column })
}
