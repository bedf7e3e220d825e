//! Documents become entries. Nothing that a document can hold makes this panic.

use std::time::Duration;

use bytes::Bytes;
use cache_core::clock::Timestamp;
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{EntryDetails, StorageError};
use mongodb::bson::{RawBsonRef, RawDocument};

use crate::connection::NOW;
use crate::error::damaged;
use crate::fence::Fence;
use crate::schema::{FENCE, field};

/// What a document of the collection is.
#[derive(Debug)]
pub(crate) enum Found {
    /// The fence.
    Fence(Result<Fence, StorageError>),
    /// An entry, under its key's text.
    Entry(String, Result<Entry, StorageError>),
    /// A document without a value.
    Nothing,
}

/// Reads a document that tells the time: an entry past its own is none.
pub(crate) fn read_found(document: &RawDocument, operation: &'static str) -> Found {
    match document.get(field::ID) {
        Ok(Some(RawBsonRef::Int32(FENCE))) => Found::Fence(Fence::read(document, operation)),
        Ok(Some(RawBsonRef::String(key))) if has_value(document) => {
            match is_kept(document, operation) {
                Ok(true) => Found::Entry(key.to_owned(), Record { document, operation }.entry()),
                Ok(false) => Found::Nothing,
                Err(error) => Found::Entry(key.to_owned(), Err(error)),
            }
        }
        _ => Found::Nothing,
    }
}

/// Whether the entry of a document that tells the time is within its own.
pub(crate) fn is_kept(
    document: &RawDocument,
    operation: &'static str,
) -> Result<bool, StorageError> {
    let record = Record { document, operation };
    let now = document.get_datetime(NOW).map_err(|_| damaged(operation, NOW))?;
    Ok(record.is_endless() || record.integer(field::KEPT_UNTIL)? > now.timestamp_millis())
}

fn has_value(document: &RawDocument) -> bool {
    matches!(document.get(field::STAMP), Ok(Some(_)))
}

/// The text of `_id`, where it is one.
pub(crate) fn text(document: &RawDocument) -> Option<String> {
    document.get_str(field::ID).ok().map(str::to_owned)
}

/// What a scan tells of a document.
pub(super) fn details(
    document: &RawDocument,
    operation: &'static str,
) -> Result<EntryDetails, StorageError> {
    let record = Record { document, operation };
    let key = document.get_str(field::ID).ok().and_then(|text| Key::parse(text).ok());
    let key = key.ok_or_else(|| damaged(operation, field::ID))?;
    let read = || {
        Ok(EntryDetails::new(
            key.clone(),
            record.kind()?,
            record.timestamp(field::CREATED)?,
            record.timestamp(field::FRESH_UNTIL)?,
            record.kept_until()?,
            record.tags()?,
            record.number(field::PAYLOAD_BYTES)?,
        ))
    };
    read().map_err(|error: StorageError| error.with_key(&key))
}

struct Record<'a> {
    document: &'a RawDocument,
    operation: &'static str,
}

impl Record<'_> {
    fn entry(&self) -> Result<Entry, StorageError> {
        let payload = match self.document.get(field::PAYLOAD) {
            Ok(Some(RawBsonRef::Binary(binary))) => Bytes::copy_from_slice(binary.bytes),
            _ => return Err(self.damaged(field::PAYLOAD)),
        };
        if self.integer(field::PAYLOAD_BYTES)? != payload.len() as i64 {
            return Err(self.damaged(field::PAYLOAD_BYTES));
        }
        let compression = self.small(field::COMPRESSION)?;
        Ok(Entry {
            kind: self.kind()?,
            codec: CodecId::from_number(self.small(field::CODEC)?),
            compression: Compression::from_number(compression)
                .map_err(|_| self.damaged(field::COMPRESSION))?,
            decoded_bytes: u32::try_from(self.integer(field::DECODED_BYTES)?)
                .map_err(|_| self.damaged(field::DECODED_BYTES))?,
            created: self.timestamp(field::CREATED)?,
            fresh_until: self.timestamp(field::FRESH_UNTIL)?,
            kept_until: self.kept_until()?,
            idle: self.idle()?,
            stamp: self.integer(field::STAMP)? as u64,
            token: Token(self.integer(field::TOKEN)? as u64),
            tags: self.tags()?,
            checksum: self.integer(field::CHECKSUM)? as u64,
            payload,
        })
    }

    fn damaged(&self, field: &str) -> StorageError {
        damaged(self.operation, field)
    }

    fn integer(&self, field: &str) -> Result<i64, StorageError> {
        match self.document.get(field) {
            Ok(Some(RawBsonRef::Int64(number))) => Ok(number),
            Ok(Some(RawBsonRef::Int32(number))) => Ok(i64::from(number)),
            _ => Err(self.damaged(field)),
        }
    }

    fn number(&self, field: &str) -> Result<u64, StorageError> {
        u64::try_from(self.integer(field)?).map_err(|_| self.damaged(field))
    }

    fn small(&self, field: &str) -> Result<u8, StorageError> {
        u8::try_from(self.integer(field)?).map_err(|_| self.damaged(field))
    }

    fn kind(&self) -> Result<EntryKind, StorageError> {
        match self.integer(field::KIND)? {
            0 => Ok(EntryKind::Value),
            1 => Ok(EntryKind::Absent),
            _ => Err(self.damaged(field::KIND)),
        }
    }

    fn timestamp(&self, field: &str) -> Result<Timestamp, StorageError> {
        Ok(Timestamp::from_unix_ms(self.integer(field)? as u64))
    }

    fn is_endless(&self) -> bool {
        matches!(self.document.get(field::KEPT_UNTIL), Ok(Some(RawBsonRef::Double(f64::INFINITY))))
    }

    fn kept_until(&self) -> Result<Timestamp, StorageError> {
        match self.is_endless() {
            true => Ok(Timestamp::NEVER),
            false => self.timestamp(field::KEPT_UNTIL),
        }
    }

    fn idle(&self) -> Result<Option<Duration>, StorageError> {
        match self.document.get(field::IDLE_MS) {
            Ok(None) => Ok(None),
            _ => Ok(Some(Duration::from_millis(self.number(field::IDLE_MS)?))),
        }
    }

    fn tags(&self) -> Result<Tags, StorageError> {
        let damaged = || self.damaged(field::TAGS);
        let array = match self.document.get(field::TAGS) {
            Ok(None) => return Ok(Tags::NONE),
            Ok(Some(RawBsonRef::Array(array))) => array,
            _ => return Err(damaged()),
        };
        let mut tags = Vec::new();
        for tag in array {
            let text = tag.ok().and_then(|tag| tag.as_str().map(Tag::parse));
            tags.push(text.and_then(Result::ok).ok_or_else(damaged)?);
        }
        Ok(Tags::new(tags))
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, DateTime, RawDocumentBuf, doc};
    use proptest::prelude::*;

    use super::*;
    use crate::write::value_of;

    fn sample() -> (Key, Entry) {
        let key = Key::parse("p:k:v1").unwrap();
        let entry = Entry {
            kind: EntryKind::Value,
            codec: CodecId::BYTES,
            compression: Compression::Zstd,
            decoded_bytes: u32::MAX,
            created: Timestamp::from_unix_ms(5),
            fresh_until: Timestamp::NEVER,
            kept_until: Timestamp::from_unix_ms(i64::MAX as u64),
            idle: Some(Duration::from_millis(7)),
            stamp: 9,
            token: Token(u64::MAX),
            tags: Tags::new(vec![Tag::new("p", "t").unwrap()]),
            payload: Bytes::from_static(b"\0\xff"),
            checksum: 0,
        };
        let sealed = entry.sealed(&key);
        (key, sealed)
    }

    fn read(document: &mongodb::bson::Document) -> Found {
        let mut document = document.clone();
        document.insert(NOW, DateTime::from_millis(1_000));
        let raw = RawDocumentBuf::try_from(&document).unwrap();
        read_found(&raw, "test")
    }

    #[test]
    fn an_entry_comes_back_from_its_document() {
        let (key, entry) = sample();
        let mut document = doc! { "_id": key.as_str(), "stamp": entry.stamp as i64 };
        document.extend(value_of(&entry));
        let Found::Entry(id, found) = read(&document) else { panic!("no entry") };
        assert_eq!((id.as_str(), found.unwrap()), (key.as_str(), entry));
        document.remove("stamp");
        assert!(matches!(read(&document), Found::Nothing));
    }

    #[test]
    fn an_entry_ends_by_the_time_that_comes_with_it() {
        let (key, entry) = sample();
        for (kept_until, there) in [
            (Timestamp::from_unix_ms(1_000), false),
            (Timestamp::from_unix_ms(1_001), true),
            (Timestamp::NEVER, true),
        ] {
            let entry = Entry { kept_until, ..entry.clone() };
            let mut document = doc! { "_id": key.as_str(), "stamp": 1_i64 };
            document.extend(value_of(&entry));
            match read(&document) {
                Found::Entry(_, found) => assert_eq!(found.unwrap().kept_until, kept_until),
                _ => assert!(!there, "{kept_until:?}"),
            }
            assert_eq!(matches!(read(&document), Found::Entry(..)), there, "{kept_until:?}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_document_is_told_and_no_panic(at in 0..13usize, kind in 0..6usize) {
            let (key, entry) = sample();
            let mut document = doc! { "_id": key.as_str(), "stamp": 1_i64 };
            document.extend(value_of(&entry));
            let name = document.keys().nth(at).unwrap().clone();
            let wrong = [
                Bson::Null, Bson::Int64(-1), Bson::String("x".into()), Bson::Double(0.5),
                Bson::Array(vec![Bson::Int32(1)]), Bson::Boolean(true),
            ];
            document.insert(name, wrong[kind].clone());
            match read(&document) {
                Found::Entry(_, Ok(found)) => drop(found.verify(&key)),
                Found::Entry(_, Err(error)) => {
                    use cache_core::storage::StorageErrorKind;
                    prop_assert_eq!(error.kind(), StorageErrorKind::Corrupt);
                }
                Found::Nothing => {}
                Found::Fence(_) => prop_assert!(false, "taken for the fence"),
            }
        }
    }
}
