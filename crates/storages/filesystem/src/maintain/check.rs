//! The check: files without an entry, and entries without their file.
//!
//! What is listed was there before the index is read. So a file that no row refers to then is one
//! that was removed, whose deletion is under way, or one whose row is still to come; and that is
//! known of the files of this process by name, and of those of another by whether it is alive.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::Arc;

use cache_core::entry::Entry;
use cache_core::key::Key;
use cache_core::storage::{InvalidationMode, Selector, Storage, StorageError};
use cache_sqlite::Reference;

use crate::error::{failure, of_index};
use crate::layout::{FileId, Files, Form, Found};
use crate::read::open;
use crate::storage::Shared;

const OPERATION: &str = "check";

/// Rows that are looked at together.
const PAGE_ROWS: usize = 256;
/// Bytes that are read at a time.
const PIECE_BYTES: usize = 256 << 10;

/// How closely [`Filesystem::check`](crate::Filesystem::check) looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Thoroughness {
    /// That every entry has its file, of the right length. The default.
    #[default]
    Lengths,
    /// Besides, that each file has its entry's checksum: reads every file.
    Contents,
}

/// What a check found, and mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Entries that were looked at, those past their time included.
    pub entries: u64,
    /// Entries that were removed, for their file was gone, cut off or changed.
    pub damaged: u64,
    /// Files that were deleted, for nobody referred to them.
    pub orphans: u64,
    /// Files that were deleted, for they were never finished.
    pub unfinished: u64,
}

impl Shared {
    pub(crate) async fn check(&self, thoroughness: Thoroughness) -> Result<Checked, StorageError> {
        self.decide_doubtful().await?;
        let mut checked = Checked::default();
        let files = Arc::clone(&self.files);
        let listed = self.on_files(move || {
            let dead = files.folder.dead_sessions()?;
            Ok((suspects(&files)?, dead))
        });
        let (mut suspects, dead) = listed.await?;
        let mut after = None;
        loop {
            let page = self.index.references(after, PAGE_ROWS).await.map_err(of_index)?;
            let Some(last) = page.last() else { break };
            after = Some(last.row);
            checked.entries += page.len() as u64;
            let mut expected = Vec::new();
            for row in page {
                let Some(reference) = row.reference else { continue };
                suspects.remove(&Found { id: FileId(reference.id), form: Form::Whole });
                // A row whose key cannot be read is never found by one.
                expected.extend(row.key.map(|key| (key, reference)));
            }
            checked.damaged += self.check_entries(expected, thoroughness).await?;
        }
        for found in suspects {
            if self.delete(found).await? {
                match found.form {
                    Form::Whole => checked.orphans += 1,
                    Form::Part => checked.unfinished += 1,
                }
            }
        }
        // Only now: had this been interrupted, the next would have to look again.
        let files = Arc::clone(&self.files);
        self.on_files(move || {
            dead.into_iter().try_for_each(|session| files.folder.forget_dead(session))
        })
        .await?;
        Ok(checked)
    }

    /// Removes those entries whose file is not as it should be; how many.
    async fn check_entries(
        &self,
        mut expected: Vec<(Key, Reference)>,
        thoroughness: Thoroughness,
    ) -> Result<u64, StorageError> {
        if thoroughness == Thoroughness::Lengths {
            let files = Arc::clone(&self.files);
            expected = self
                .on_files(move || {
                    let mut wrong = Vec::new();
                    for (key, reference) in expected {
                        if !is_whole(&files, reference)? {
                            wrong.push((key, reference));
                        }
                    }
                    Ok(wrong)
                })
                .await?;
        }
        let mut removed = 0;
        for (key, reference) in expected {
            if !self.is_sound(&key, reference).await? {
                let selector = Selector::Keys(vec![key]);
                self.invalidate(&selector, InvalidationMode::Remove).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Whether an entry is what was stored. One that was replaced or removed since is.
    async fn is_sound(&self, key: &Key, reference: Reference) -> Result<bool, StorageError> {
        let held = |entry: &Entry| Reference::from_payload(&entry.payload) == Some(reference);
        let lookup = self.index.get(key).await.map_err(of_index)?;
        let Some(entry) = lookup.entry.filter(held) else { return Ok(true) };
        let (files, of_key) = (Arc::clone(&self.files), key.clone());
        if self.on_files(move || has_checksum(&files, reference, &entry, &of_key)).await? {
            return Ok(true);
        }
        // It may have been replaced, and its file deleted, before the file was opened.
        let lookup = self.index.get(key).await.map_err(of_index)?;
        Ok(!lookup.entry.is_some_and(|entry| held(&entry)))
    }

    /// Deletes a file; whether it was there.
    pub(super) async fn delete(&self, found: Found) -> Result<bool, StorageError> {
        let files = Arc::clone(&self.files);
        self.on_files(move || files.folder.delete(found)).await
    }

    async fn on_files<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let done = self.blocking(OPERATION, work).await?;
        done.map_err(|source| failure(OPERATION, "the folder cannot be looked through", source))
    }
}

/// Every file that may be one too many: whoever wrote it has decided about it, or is dead.
fn suspects(files: &Files) -> io::Result<HashSet<Found>> {
    let mut found = HashSet::new();
    files.folder.list(|file| {
        found.insert(file);
    })?;
    // After the files were listed: who is dead now has written none of them since.
    let mut alive: HashMap<u64, bool> = HashMap::new();
    let mut suspects = HashSet::new();
    for file in found {
        let session = file.id.session();
        let is_busy = if session == files.session.id() {
            files.is_in_flight(file.id)
        } else {
            match alive.get(&session) {
                Some(alive) => *alive,
                None => {
                    let is_alive = files.folder.is_alive(session)?;
                    alive.insert(session, is_alive);
                    is_alive
                }
            }
        };
        if !is_busy {
            suspects.insert(file);
        }
    }
    Ok(suspects)
}

fn is_whole(files: &Files, reference: Reference) -> io::Result<bool> {
    match open(files, reference)? {
        Some(file) => Ok(file.metadata()?.len() == reference.bytes),
        None => Ok(false),
    }
}

fn has_checksum(files: &Files, reference: Reference, entry: &Entry, key: &Key) -> io::Result<bool> {
    let Some(mut file) = open(files, reference)? else { return Ok(false) };
    if file.metadata()?.len() != reference.bytes {
        return Ok(false);
    }
    let mut checksum = entry.begin_checksum(key, reference.bytes);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(checksum.finish() == entry.checksum),
            read => checksum.update(&piece[..read]),
        }
    }
}
