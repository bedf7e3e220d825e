//! Reads: the row first, then the file that it refers to.

mod value;

pub use value::{ValueLookup, ValueReader};

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use cache_core::key::Key;
use cache_core::storage::{Lookup, Storage, StorageError, StorageErrorKind};
use cache_sqlite::Reference;
use futures_util::stream::{self, StreamExt};

use crate::error::{error, failure, of_index};
use crate::layout::{FileId, Files};
use crate::storage::Shared;

/// How often a row is read again because its value was replaced before its file was opened.
const ATTEMPTS_MAX: usize = 16;

/// What a file holds.
enum Content {
    Read(Bytes),
    /// There is no such file any more, or something else in its place.
    Gone,
}

impl Shared {
    pub(crate) async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        self.get_again(key, None).await
    }

    /// Reads a key of which this reference led nowhere.
    async fn get_again(
        &self,
        key: &Key,
        mut gone: Option<Reference>,
    ) -> Result<Lookup, StorageError> {
        const OPERATION: &str = "get";
        for _ in 0..ATTEMPTS_MAX {
            let mut lookup = self.index.get(key).await.map_err(of_index)?;
            let Some(reference) = reference_of(&lookup, OPERATION, key)? else {
                return Ok(lookup);
            };
            let content = match gone {
                // Not replaced meanwhile: the file is lost. An entry that is not what was stored is
                // found by its checksum, counted, and filled anew.
                Some(gone) if gone == reference => Content::Read(Bytes::new()),
                _ => self.content(OPERATION, key, reference).await?,
            };
            match (content, &mut lookup.entry) {
                (Content::Read(payload), Some(entry)) => {
                    entry.payload = payload;
                    return Ok(lookup);
                }
                _ => gone = Some(reference),
            }
        }
        Err(replaced_too_often(OPERATION, key))
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        let lookups = self.index.get_many(keys).await.map_err(of_index)?;
        let answers =
            keys.iter().cloned().zip(lookups).map(|(key, lookup)| self.completed(key, lookup));
        Ok(stream::iter(answers).buffered(self.options.files_at_once).collect().await)
    }

    async fn completed(
        &self,
        key: Key,
        lookup: Result<Lookup, StorageError>,
    ) -> Result<Lookup, StorageError> {
        const OPERATION: &str = "get_many";
        let mut lookup = lookup.map_err(of_index)?;
        let Some(reference) = reference_of(&lookup, OPERATION, &key)? else { return Ok(lookup) };
        match (self.content(OPERATION, &key, reference).await?, &mut lookup.entry) {
            (Content::Read(payload), Some(entry)) => {
                entry.payload = payload;
                Ok(lookup)
            }
            _ => self.get_again(&key, Some(reference)).await,
        }
    }

    async fn content(
        &self,
        operation: &'static str,
        key: &Key,
        reference: Reference,
    ) -> Result<Content, StorageError> {
        let files = Arc::clone(&self.files);
        let read = self.blocking(operation, move || read(&files, reference)).await?;
        read.map_err(|source| unreadable(operation, key, source))
    }
}

/// What a row refers to; `None` for no entry or an empty value.
fn reference_of(
    lookup: &Lookup,
    operation: &'static str,
    key: &Key,
) -> Result<Option<Reference>, StorageError> {
    let Some(entry) = lookup.entry.as_ref().filter(|entry| !entry.payload.is_empty()) else {
        return Ok(None);
    };
    Reference::from_payload(&entry.payload).map(Some).ok_or_else(|| {
        let message = "the record does not say where its value lies";
        error(operation, StorageErrorKind::Corrupt, message).with_key(key)
    })
}

fn replaced_too_often(operation: &'static str, key: &Key) -> StorageError {
    let message = "the value was replaced each time before it could be read";
    error(operation, StorageErrorKind::Unavailable, message).with_key(key)
}

fn unreadable(operation: &'static str, key: &Key, source: io::Error) -> StorageError {
    failure(operation, "the value's file cannot be read", source).with_key(key)
}

fn read(files: &Files, reference: Reference) -> io::Result<Content> {
    let Some(file) = open(files, reference)? else { return Ok(Content::Gone) };
    // What is there, up to what should be: of a file that was cut off, less.
    let bytes = file.metadata()?.len().min(reference.bytes);
    let mut payload = Vec::new();
    let capacity = usize::try_from(bytes).map_err(io::Error::other)?;
    payload.try_reserve_exact(capacity).map_err(io::Error::other)?;
    file.take(bytes).read_to_end(&mut payload)?;
    Ok(Content::Read(payload.into()))
}

/// Opens a value's file; `None` if it is not there, or not a file.
pub(crate) fn open(files: &Files, reference: Reference) -> io::Result<Option<File>> {
    use io::ErrorKind::{InvalidData, NotADirectory, NotFound};
    match files.folder.open_value(FileId(reference.id)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | InvalidData) => Ok(None),
        Err(error) => Err(error),
    }
}
