//! Values that are read piece by piece.

use std::fmt;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use cache_core::entry::{Entry, EntryChecksum};
use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Storage, StorageError, StorageErrorKind};
use cache_sqlite::Reference;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf, Take};

use super::{ATTEMPTS_MAX, open, reference_of, replaced_too_often, unreadable};
use crate::error::{error, of_index};
use crate::layout::{FileId, Files};
use crate::storage::Shared;

const OPERATION: &str = "reader";

/// What [`Filesystem::reader`](crate::Filesystem::reader) answers.
#[derive(Debug)]
pub struct ValueLookup {
    /// The value, if one is kept. Its entry may no longer be fresh.
    pub value: Option<ValueReader>,
    /// The fence's counter, taken before the entry was looked for: what a fill bears.
    pub stamp: Stamp,
}

/// A value that is read piece by piece, and verified on the way: where the file is shorter than it
/// should be, or what was read does not have the entry's checksum, the last read is an error, of kind
/// `UnexpectedEof` or `InvalidData`, and the file is deleted, so that the next who asks finds no value.
/// Until then nothing says that what was read is right.
pub struct ValueReader {
    key: Key,
    entry: Entry,
    bytes: u64,
    left: u64,
    checksum: EntryChecksum,
    /// `None` of an empty value.
    opened: Option<Opened>,
}

/// The file that a value is read from.
struct Opened {
    file: Take<tokio::fs::File>,
    id: FileId,
    files: Arc<Files>,
}

impl Opened {
    fn new(file: File, files: &Arc<Files>, reference: Reference) -> Self {
        let file = tokio::fs::File::from_std(file).take(reference.bytes);
        Self { file, id: FileId(reference.id), files: Arc::clone(files) }
    }
}

impl Shared {
    pub(crate) async fn reader(&self, key: &Key) -> Result<ValueLookup, StorageError> {
        let mut gone = None;
        for _ in 0..ATTEMPTS_MAX {
            let lookup = self.index.get(key).await.map_err(of_index)?;
            let reference = reference_of(&lookup, OPERATION, key)?;
            let stamp = lookup.stamp;
            let nothing = ValueLookup { value: None, stamp };
            let Some(entry) = lookup.entry else { return Ok(nothing) };
            let Some(reference) = reference else {
                let value = Some(ValueReader::new(key, entry, 0, None));
                return Ok(ValueLookup { value, stamp });
            };
            if gone == Some(reference) {
                self.files.note_damaged();
                return Ok(nothing);
            }
            let files = Arc::clone(&self.files);
            let opened = self.blocking(OPERATION, move || {
                let Some(file) = open(&files, reference)? else { return Ok(None) };
                let whole = file.metadata()?.len() == reference.bytes;
                Ok(whole.then_some(file))
            });
            match opened.await?.map_err(|source| unreadable(OPERATION, key, source))? {
                Some(file) => {
                    let opened = Opened::new(file, &self.files, reference);
                    let value = ValueReader::new(key, entry, reference.bytes, Some(opened));
                    return Ok(ValueLookup { value: Some(value), stamp });
                }
                None => gone = Some(reference),
            }
        }
        Err(replaced_too_often(OPERATION, key))
    }
}

impl ValueReader {
    fn new(key: &Key, mut entry: Entry, bytes: u64, opened: Option<Opened>) -> Self {
        entry.payload = Bytes::new();
        Self {
            checksum: entry.begin_checksum(key, bytes),
            key: key.clone(),
            entry,
            bytes,
            left: bytes,
            opened,
        }
    }

    /// The entry, without its payload.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The length of the value in bytes.
    pub fn payload_bytes(&self) -> u64 {
        self.bytes
    }

    fn damaged(&mut self, kind: io::ErrorKind, message: &str) -> io::Error {
        if let Some(opened) = self.opened.take() {
            opened.files.discard(opened.id);
        }
        io::Error::new(
            kind,
            error(OPERATION, StorageErrorKind::Corrupt, message).with_key(&self.key),
        )
    }

    /// Notes the next piece, and checks the whole after the last.
    fn note(&mut self, piece: &[u8], room: bool) -> io::Result<()> {
        self.checksum.update(piece);
        self.left -= piece.len() as u64;
        if self.left > 0 && piece.is_empty() && room {
            return Err(self.damaged(io::ErrorKind::UnexpectedEof, "the value's file is cut off"));
        }
        if self.left == 0 && self.checksum.finish() != self.entry.checksum {
            let message = "the checksum does not agree with the key and the content";
            return Err(self.damaged(io::ErrorKind::InvalidData, message));
        }
        Ok(())
    }
}

impl AsyncRead for ValueReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining() > 0);
        if let Some(opened) = &mut self.opened {
            ready!(Pin::new(&mut opened.file).poll_read(context, buffer))?;
        }
        let noted = self.note(&buffer.filled()[before..], room);
        if noted.is_err() {
            // Who asks for exactly its length is not to take the last piece for a good one.
            buffer.set_filled(before);
        }
        Poll::Ready(noted)
    }
}

impl fmt::Debug for ValueReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueReader")
            .field("key", &self.key)
            .field("bytes", &self.bytes)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
