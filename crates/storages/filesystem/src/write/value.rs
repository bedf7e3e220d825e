//! Values that are written piece by piece.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use cache_core::entry::{Compression, Entry};
use cache_core::key::Key;
use cache_core::storage::{Outcome, StorageError, StorageErrorKind, Write};
use cache_sqlite::Reference;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{Prepared, entry_of};
use crate::error::{closed, error, failure};
use crate::layout::Staged;
use crate::storage::Shared;

const OPERATION: &str = "writer";

/// Bytes that are read at a time to make the checksum.
const PIECE_BYTES: usize = 256 << 10;

/// A value that is written piece by piece, and seen by nobody before it is
/// [committed](Self::commit). More than the storage takes is an error of kind `FileTooLarge`.
///
/// Pieces are written by threads for blocking work; an error may come with a later piece, or with the
/// commit.
pub struct ValueWriter {
    shared: Arc<Shared>,
    write: Write,
    staged: Staged,
    file: tokio::fs::File,
    bytes: u64,
    /// What was refused comes to so many bytes.
    refused: Option<u64>,
}

impl Shared {
    pub(crate) async fn writer(
        self: &Arc<Self>,
        mut write: Write,
    ) -> Result<ValueWriter, StorageError> {
        if self.is_closed() {
            return Err(closed(OPERATION));
        }
        let key = write.key.clone();
        let Some(entry) = entry_of(&mut write.action) else {
            let message = "the action stores no value";
            return Err(error(OPERATION, StorageErrorKind::Invalid, message).with_key(&key));
        };
        entry.payload = Bytes::new();
        let (files, sync) = (Arc::clone(&self.files), self.options.fsync);
        let begun = self.blocking(OPERATION, move || {
            let mut staged = Staged::begin(&files, sync)?;
            let file = staged.stage()?.file.try_clone()?;
            Ok((staged, file))
        });
        let (staged, file) = begun.await?.map_err(|source| unwritable(&key, source))?;
        let file = tokio::fs::File::from_std(file);
        Ok(ValueWriter { shared: Arc::clone(self), write, staged, file, bytes: 0, refused: None })
    }
}

fn unwritable(key: &Key, source: io::Error) -> StorageError {
    failure(OPERATION, "the value cannot be written", source).with_key(key)
}

impl ValueWriter {
    /// The bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the value and makes it visible, if the fence admits it: the outcome is that of the
    /// [`WriteAction`](cache_core::storage::WriteAction) that the writer was made for. The file is
    /// read once more, for its checksum. Dropped half-way, it leaves the old entry or the new one.
    ///
    /// # Errors
    /// [`StorageError`] if the file could not be written to its end or the index not be asked.
    pub async fn commit(mut self) -> Result<Outcome, StorageError> {
        let key = self.write.key.clone();
        if let Some(bytes) = self.refused {
            let payload = Reference { id: 0, bytes }.to_payload();
            return self.store(payload, None).await;
        }
        self.file.flush().await.map_err(|source| unwritable(&key, source))?;
        if self.bytes == 0 {
            let entry = self.entry()?;
            if entry.compression == Compression::None {
                entry.decoded_bytes = 0;
            }
            entry.checksum = entry.checksum_for(&key);
            return self.store(Bytes::new(), None).await;
        }
        let bytes = self.bytes;
        let entry = self.entry()?;
        if entry.compression == Compression::None {
            entry.decoded_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        }
        let (sealed, sync) = (entry.clone(), self.shared.options.fsync);
        let Self { shared, write, mut staged, file, .. } = self;
        let of_key = key.clone();
        let finished = shared.blocking(OPERATION, move || {
            // The last handle of the runtime's: what it wrote has been waited for.
            drop(file);
            let stage = staged.stage()?;
            let checksum = checksum(&mut stage.file, &sealed, &of_key, bytes)?;
            stage.finish(sync)?;
            Ok((staged, checksum))
        });
        let (staged, checksum) = finished.await?.map_err(|source| unwritable(&key, source))?;
        let mut write = write;
        if let Some(entry) = entry_of(&mut write.action) {
            entry.checksum = checksum;
            entry.payload = staged.reference(bytes).to_payload();
        }
        store(&shared, Prepared { write, staged: Some(staged) }).await
    }

    fn entry(&mut self) -> Result<&mut Entry, StorageError> {
        // It was there when the writer was made.
        entry_of(&mut self.write.action).ok_or_else(|| closed(OPERATION))
    }

    /// Stores a payload without a file: an empty one, or what the index is to refuse.
    async fn store(
        mut self,
        payload: Bytes,
        staged: Option<Staged>,
    ) -> Result<Outcome, StorageError> {
        self.entry()?.payload = payload;
        store(&self.shared, Prepared { write: self.write, staged }).await
    }
}

async fn store(shared: &Arc<Shared>, prepared: Prepared) -> Result<Outcome, StorageError> {
    let outcomes = shared.commit(vec![prepared]).await?;
    outcomes.into_iter().next().unwrap_or_else(|| Err(closed(OPERATION)))
}

/// The checksum of an entry whose payload lies in a file of so many bytes.
fn checksum(file: &mut File, entry: &Entry, key: &Key, bytes: u64) -> io::Result<u64> {
    file.rewind()?;
    let mut checksum = entry.begin_checksum(key, bytes);
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = bytes;
    loop {
        let read = file.read(&mut piece)?;
        let Some(rest) = left.checked_sub(read as u64) else {
            return Err(io::Error::other("the file is longer than what was written"));
        };
        left = rest;
        if read == 0 {
            break;
        }
        checksum.update(&piece[..read]);
    }
    if left > 0 {
        return Err(io::Error::other("the file is shorter than what was written"));
    }
    Ok(checksum.finish())
}

impl AsyncWrite for ValueWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        piece: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = self.bytes.saturating_add(piece.len() as u64);
        let bytes_max = self.shared.capabilities.value_bytes_max;
        if bytes > bytes_max || self.refused.is_some() {
            self.refused = Some(bytes.max(bytes_max.saturating_add(1)));
            let message = format!("the value is longer than the {bytes_max} bytes that are taken");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, message)));
        }
        let written = ready!(Pin::new(&mut self.file).poll_write(context, piece))?;
        self.bytes += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_flush(context)
    }

    /// Waits for what was written; the value is not ended by this.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_flush(context)
    }
}

impl fmt::Debug for ValueWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueWriter")
            .field("key", &self.write.key)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
