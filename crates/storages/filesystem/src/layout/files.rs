//! The files of a store as the storage uses them: which are being written, and the way in which
//! the index has those deleted that it refers to no more.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::key::Key;
use cache_sqlite::{Reference, Values};
use parking_lot::Mutex;

use super::folder::{Folder, Found, Stage};
use super::{FileId, Form, Session};

/// Shared by the storage and its index.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) folder: Folder,
    pub(crate) session: Session,
    /// Files of this session that may still get a row.
    in_flight: Mutex<HashSet<FileId>>,
    /// Those whose write was answered neither with yes nor with no.
    doubtful: Mutex<Vec<(Key, FileId)>>,
    deleted_bytes: AtomicU64,
    damaged_reads: AtomicU64,
}

impl Files {
    pub(crate) fn new(folder: Folder, session: Session) -> Self {
        Self {
            folder,
            session,
            in_flight: Mutex::default(),
            doubtful: Mutex::default(),
            deleted_bytes: AtomicU64::new(0),
            damaged_reads: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_in_flight(&self, id: FileId) -> bool {
        self.in_flight.lock().contains(&id)
    }

    /// Bytes of all values that were deleted since the store was opened.
    pub(crate) fn deleted_bytes(&self) -> u64 {
        self.deleted_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn damaged_reads(&self) -> u64 {
        self.damaged_reads.load(Ordering::Relaxed)
    }

    /// A value was not what its entry says.
    pub(crate) fn note_damaged(&self) {
        self.damaged_reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Deletes a value that turned out to be damaged while it was read, so that the next who looks
    /// finds none and stores it anew.
    pub(crate) fn discard(self: &Arc<Self>, id: FileId) {
        self.note_damaged();
        let files = Arc::clone(self);
        off_the_runtime(move || drop(files.folder.delete(Found { id, form: Form::Whole })));
    }

    /// Says that this session has ended, unless something of it may be left: then it stays behind as
    /// a dead one, so that the next that opens the folder looks.
    pub(crate) fn end(&self) -> io::Result<()> {
        if self.in_flight.lock().is_empty() { self.session.end(&self.folder) } else { Ok(()) }
    }

    pub(crate) fn doubt(&self, key: Key, id: FileId) {
        self.doubtful.lock().push((key, id));
    }

    pub(crate) fn has_doubtful(&self) -> bool {
        !self.doubtful.lock().is_empty()
    }

    pub(crate) fn take_doubtful(&self) -> Vec<(Key, FileId)> {
        std::mem::take(&mut *self.doubtful.lock())
    }

    /// A file of which it is known now that it has a row or never will.
    pub(crate) fn decided(&self, id: FileId) {
        self.in_flight.lock().remove(&id);
    }
}

impl Values for Files {
    fn delete(&self, reference: Reference) -> bool {
        let found = Found { id: FileId(reference.id), form: Form::Whole };
        let deleted = self.folder.delete(found);
        if matches!(deleted, Ok(true)) {
            self.deleted_bytes.fetch_add(reference.bytes, Ordering::Relaxed);
        }
        deleted.is_ok()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// A file that no row refers to yet. It is deleted when this is dropped, unless it was offered to
/// the index: then it is not known what became of it, until the index is asked.
#[derive(Debug)]
pub(crate) struct Staged {
    files: Arc<Files>,
    id: FileId,
    /// `None` once it has been decided what becomes of it.
    stage: Option<Stage>,
    offered: Option<Key>,
}

impl Staged {
    /// Makes an empty file. Blocks.
    pub(crate) fn begin(files: &Arc<Files>, sync: bool) -> io::Result<Self> {
        let id = files.session.next_file();
        files.in_flight.lock().insert(id);
        match files.folder.stage(id, sync) {
            Ok(stage) => {
                Ok(Self { files: Arc::clone(files), id, stage: Some(stage), offered: None })
            }
            Err(error) => {
                files.decided(id);
                Err(error)
            }
        }
    }

    pub(crate) fn stage(&mut self) -> io::Result<&mut Stage> {
        self.stage.as_mut().ok_or_else(|| io::Error::other("the file has been given away"))
    }

    pub(crate) fn reference(&self, bytes: u64) -> Reference {
        Reference { id: self.id.0, bytes }
    }

    /// From now on a row of this key may refer to it.
    pub(crate) fn offer(&mut self, key: &Key) {
        self.offered = Some(key.clone());
    }

    /// A row refers to it.
    pub(crate) fn keep(mut self) {
        self.stage = None;
        self.files.decided(self.id);
    }

    /// No row ever will.
    pub(crate) fn refuse(mut self) {
        self.offered = None;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let Some(stage) = self.stage.take() else { return };
        if let Some(key) = self.offered.take() {
            return self.files.doubt(key, self.id);
        }
        let (files, id) = (Arc::clone(&self.files), self.id);
        off_the_runtime(move || {
            drop(stage);
            // What cannot be deleted is found by a check, as a file that nobody refers to.
            for form in [Form::Part, Form::Whole] {
                let _ = files.folder.delete(Found { id, form });
            }
            files.decided(id);
        });
    }
}

/// Runs what blocks on a thread that may be blocked.
fn off_the_runtime(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}
