//! Rows become entries. Nothing that a row can hold makes this panic.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use cache_core::clock::Timestamp;
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::fence::Stamp;
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{EntryDetails, Lookup, StorageError};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::error::damaged;
use crate::outside::Place;

/// What a row of [`Statements::get`](crate::schema::Statements) says about a key.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing, or something past its time, or another key with the same digest.
    Miss(Stamp),
    /// An entry, and the number of its row.
    Hit(Lookup, i64),
    /// An entry whose value is longer than was to be read.
    Long,
}

/// Where counter and origin stand in a row of [`Statements::get`](crate::schema::Statements).
pub(crate) const STAMP: usize = 15;

/// The stamp of a row whose counter is in column `first`, and its origin in the next.
pub(crate) fn stamp(row: &Row<'_>, first: usize) -> rusqlite::Result<Stamp> {
    let number = |index| row.get::<_, i64>(index).map(|number| number as u64);
    Ok(Stamp { mark: number(first)?, origin: number(first + 1)? })
}

/// The stamp where the fence has no row: every fence refuses it.
pub(crate) const NO_STAMP: Stamp = Stamp { mark: 0, origin: 0 };

/// Reads the columns of an entry, with the stamp that was read with it or before.
pub(crate) fn found(
    row: &Row<'_>,
    key: &Key,
    now: Timestamp,
    stamp: Stamp,
    place: Place,
    operation: &'static str,
) -> Result<Found, StorageError> {
    let record = Record { row, operation };
    let here =
        matches!(row.get_ref(0), Ok(ValueRef::Text(text)) if text == key.as_str().as_bytes());
    if !here {
        return Ok(Found::Miss(stamp));
    }
    let kept_until = record.timestamp(1, "expire_at")?;
    if kept_until <= now {
        return Ok(Found::Miss(stamp));
    }
    let payload = match row.get_ref(14) {
        Ok(ValueRef::Blob(value)) => value,
        Ok(ValueRef::Null) => return Ok(Found::Long),
        _ => return Err(damaged(operation, "value")),
    };
    let size_bytes = u64::try_from(record.integer(12, "size_bytes")?).ok();
    if size_bytes.is_none() || size_bytes != place.size_bytes(payload) {
        return Err(damaged(operation, "size_bytes"));
    }
    let compression = u8::try_from(record.integer(10, "compressed")?).ok();
    let entry = Entry {
        kind: kind_of(record.integer(8, "kind")?).ok_or_else(|| damaged(operation, "kind"))?,
        codec: u8::try_from(record.integer(9, "data_type")?)
            .map(CodecId::from_number)
            .map_err(|_| damaged(operation, "data_type"))?,
        compression: compression
            .and_then(|number| Compression::from_number(number).ok())
            .ok_or_else(|| damaged(operation, "compressed"))?,
        decoded_bytes: u32::try_from(record.integer(11, "decoded_bytes")?)
            .map_err(|_| damaged(operation, "decoded_bytes"))?,
        created: record.timestamp(3, "created_at")?,
        fresh_until: record.timestamp(2, "fresh_until")?,
        kept_until,
        idle: record.idle(4)?,
        stamp: record.integer(5, "stamp")? as u64,
        token: Token(record.integer(6, "token")? as u64),
        tags: record.tags(13)?,
        checksum: record.integer(7, "checksum")? as u64,
        payload: Bytes::copy_from_slice(payload),
    };
    Ok(Found::Hit(Lookup { entry: Some(entry), stamp }, key.digest() as i64))
}

struct Record<'a, 'b> {
    row: &'a Row<'b>,
    operation: &'static str,
}

impl Record<'_, '_> {
    fn integer(&self, index: usize, column: &str) -> Result<i64, StorageError> {
        match self.row.get_ref(index) {
            Ok(ValueRef::Integer(number)) => Ok(number),
            _ => Err(damaged(self.operation, column)),
        }
    }

    fn timestamp(&self, index: usize, column: &str) -> Result<Timestamp, StorageError> {
        self.integer(index, column).map(timestamp)
    }

    fn idle(&self, index: usize) -> Result<Option<Duration>, StorageError> {
        match self.row.get_ref(index) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Integer(ms)) => u64::try_from(ms)
                .map(|ms| Some(Duration::from_millis(ms)))
                .map_err(|_| damaged(self.operation, "idle_ms")),
            _ => Err(damaged(self.operation, "idle_ms")),
        }
    }

    fn tags(&self, index: usize) -> Result<Tags, StorageError> {
        match self.row.get_ref(index) {
            Ok(ValueRef::Null) => Ok(Tags::NONE),
            Ok(ValueRef::Text(text)) => {
                tags_from(text).ok_or_else(|| damaged(self.operation, "tags"))
            }
            _ => Err(damaged(self.operation, "tags")),
        }
    }
}

/// A time as it stands in a column: the same bits, so that one that never comes is negative.
pub(crate) fn timestamp(column: i64) -> Timestamp {
    Timestamp::from_unix_ms(column as u64)
}

/// A moment to compare columns with: none of those that never come is before it.
pub(crate) fn moment(now: Timestamp) -> i64 {
    i64::try_from(now.unix_ms()).unwrap_or(i64::MAX)
}

pub(crate) fn tags_from(text: &[u8]) -> Option<Tags> {
    let labels: Vec<Cow<'_, str>> = serde_json::from_slice(text).ok()?;
    let tags = labels.iter().map(|label| Tag::parse(label).ok()).collect::<Option<Vec<_>>>()?;
    Some(Tags::new(tags))
}

/// Tags as they stand in their column.
pub(crate) fn tags_text(tags: &Tags) -> Option<String> {
    let labels: Vec<&str> = tags.into_iter().map(Tag::as_str).collect();
    // Strings can always be written as JSON.
    (!labels.is_empty()).then(|| serde_json::to_string(&labels).unwrap_or_default())
}

fn kind_of(number: i64) -> Option<EntryKind> {
    match number {
        0 => Some(EntryKind::Value),
        1 => Some(EntryKind::Absent),
        _ => None,
    }
}

pub(crate) fn kind_number(kind: EntryKind) -> i64 {
    match kind {
        EntryKind::Value => 0,
        EntryKind::Absent => 1,
    }
}

/// A row without its value, as pages are read.
#[derive(Debug)]
pub(crate) struct Details {
    pub(crate) id: i64,
    pub(crate) key: String,
    pub(crate) kept_until: Timestamp,
    pub(crate) size_bytes: i64,
    pub(crate) tags: Option<String>,
    pub(crate) stamp: u64,
    pub(crate) fresh_until: Timestamp,
    created: Timestamp,
    kind: i64,
}

impl Details {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            key: row.get(1)?,
            kept_until: timestamp(row.get(2)?),
            fresh_until: timestamp(row.get(3)?),
            created: timestamp(row.get(4)?),
            kind: row.get(5)?,
            size_bytes: row.get(6)?,
            tags: row.get(7)?,
            stamp: row.get::<_, i64>(8)? as u64,
        })
    }

    /// Its tags, where they can be read.
    pub(crate) fn tags(&self) -> Option<Tags> {
        self.tags.as_ref().map_or(Some(Tags::NONE), |text| tags_from(text.as_bytes()))
    }

    pub(crate) fn public(&self, operation: &'static str) -> Result<EntryDetails, StorageError> {
        let key = Key::parse(&self.key).map_err(|_| damaged(operation, "key"))?;
        let damaged = |column| damaged(operation, column).with_key(&key);
        let kind = kind_of(self.kind).ok_or_else(|| damaged("kind"))?;
        let tags = self.tags().ok_or_else(|| damaged("tags"))?;
        let bytes = u64::try_from(self.size_bytes).map_err(|_| damaged("size_bytes"))?;
        let (created, fresh, kept) = (self.created, self.fresh_until, self.kept_until);
        Ok(EntryDetails::new(key, kind, created, fresh, kept, tags, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::types::Value;
    use rusqlite::{Connection, params_from_iter};

    const COLUMNS: usize = 15;

    fn key() -> Key {
        Key::parse("t:a:v1").unwrap()
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            (-1..400i64).prop_map(Value::Integer),
            any::<f64>().prop_map(Value::Real),
            "\\PC{0,9}".prop_map(Value::Text),
            r#"\["(t:)?[a-z]{0,3}("\])?"#.prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Blob),
        ]
    }

    proptest! {
        /// A row as it should be, with any of its columns replaced by anything.
        #[test]
        fn a_row_of_anything_is_an_entry_or_a_column_that_is_named(
            changed in prop::collection::vec((0..COLUMNS, any_value()), 0..4),
        ) {
            let number = Value::Integer;
            let mut columns = vec![number(0); COLUMNS];
            columns[0] = Value::Text("t:a:v1".to_owned());
            columns[1] = number(-1);
            columns[12] = number(3);
            columns[13] = Value::Text(r#"["t:x"]"#.to_owned());
            columns[14] = Value::Blob(b"abc".to_vec());
            let is_changed = !changed.is_empty();
            for (column, value) in changed {
                columns[column] = value;
            }
            let connection = Connection::open_in_memory().unwrap();
            let marks = vec!["?"; COLUMNS].join(", ");
            let mut statement = connection.prepare(&format!("SELECT {marks}")).unwrap();
            let mut rows = statement.query(params_from_iter(&columns)).unwrap();
            let row = rows.next().unwrap().unwrap();
            match found(row, &key(), Timestamp::from_unix_ms(5), NO_STAMP, Place::Inside, "get") {
                Ok(Found::Hit(lookup, _)) => {
                    let length = lookup.entry.unwrap().payload.len() as i64;
                    prop_assert_eq!(&columns[12], &Value::Integer(length));
                }
                Ok(_) => prop_assert!(is_changed),
                Err(error) => {
                    use cache_core::storage::StorageErrorKind;
                    prop_assert_eq!(error.kind(), StorageErrorKind::Corrupt);
                }
            }
        }

        #[test]
        fn any_text_is_a_set_of_tags_or_none(text in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(tags) = tags_from(&text) {
                let again = tags_text(&tags).map_or(Some(Tags::NONE), |text| tags_from(text.as_bytes()));
                prop_assert_eq!(again, Some(tags));
            }
        }
    }
}
