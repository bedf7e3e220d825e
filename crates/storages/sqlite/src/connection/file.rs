//! The file itself: made with the right mode, and kept open to be synced.
//!
//! POSIX drops all locks that a process has on a file when *any* descriptor of it is closed. So no
//! descriptor of ours may be closed while SQLite has the file open in this process: one descriptor
//! per file is shared by all storages of the process, and closed with the last of them, after
//! their connections.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// A database file that exists, and stays open.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// By which the descriptor is found. It is not held here: it must be closed under the lock.
    identity: Identity,
    created: bool,
}

/// Device and inode; elsewhere the path, for there is nothing to share or to close.
#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = PathBuf;

#[derive(Default)]
struct Opened {
    /// More than one only if two names of one file were opened at the same moment.
    files: Vec<Arc<File>>,
    users: usize,
}

static OPENED: Mutex<Option<HashMap<Identity, Opened>>> = Mutex::new(None);

impl DatabaseFile {
    /// Opens the file at `path`, or makes an empty one that only its owner can read and write.
    /// SQLite gives the files beside it the same mode.
    pub(crate) fn open(path: &Path, create: bool) -> io::Result<Self> {
        let mut opened = OPENED.lock();
        let opened = opened.get_or_insert_default();
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        if let Some(identity) = identity_at(path)
            && let Some(known) = opened.get_mut(&identity)
        {
            known.users += 1;
            return Ok(Self { path: path.to_owned(), identity, created: false });
        }
        let (file, created) = open_or_create(path, create)?;
        let identity = identity_of(path, &file)?;
        #[cfg_attr(unix, allow(clippy::clone_on_copy, reason = "elsewhere it is a path"))]
        let known = opened.entry(identity.clone()).or_default();
        known.files.push(Arc::new(file));
        known.users += 1;
        Ok(Self { path: path.to_owned(), identity, created })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this call made the file.
    pub(crate) fn created(&self) -> bool {
        self.created
    }

    /// Waits until what was written to the file is on the disk. SQLite syncs by itself wherever
    /// that matters; this only takes the wait out of a moment in which it holds a lock.
    pub(crate) fn sync(&self) -> io::Result<()> {
        // This storage is a user of the file: the registry's own handle outlives this one.
        match self.descriptor() {
            Some(file) => file.sync_data(),
            None => Ok(()),
        }
    }

    fn descriptor(&self) -> Option<Arc<File>> {
        let opened = OPENED.lock();
        opened.as_ref()?.get(&self.identity)?.files.first().cloned()
    }

    /// The length of the write-ahead log; 0 if there is none.
    pub(crate) fn wal_bytes(&self) -> u64 {
        wal_bytes(&self.path)
    }
}

/// The length of the write-ahead log beside a database; 0 if there is none.
pub(super) fn wal_bytes(path: &Path) -> u64 {
    let mut path = path.to_owned().into_os_string();
    path.push("-wal");
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

impl Drop for DatabaseFile {
    fn drop(&mut self) {
        let mut opened = OPENED.lock();
        let Some(opened) = opened.as_mut() else { return };
        if let Some(known) = opened.get_mut(&self.identity) {
            known.users -= 1;
            if known.users == 0 {
                opened.remove(&self.identity);
            }
        }
    }
}

fn open_or_create(path: &Path, create: bool) -> io::Result<(File, bool)> {
    loop {
        match File::open(path) {
            Ok(file) => return Ok((file, false)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {}
            Err(error) => return Err(error),
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(file) => return Ok((file, true)),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(unix)]
fn identity_at(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(unix)]
fn identity_of(_: &Path, file: &File) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity_at(path: &Path) -> Option<Identity> {
    path.canonicalize().ok()
}

#[cfg(not(unix))]
fn identity_of(path: &Path, _: &File) -> io::Result<Identity> {
    path.canonicalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_descriptor_serves_all_storages_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        assert!(DatabaseFile::open(&path, false).is_err());
        let one = DatabaseFile::open(&path, true).unwrap();
        let two = DatabaseFile::open(&path, true).unwrap();
        assert!(one.created() && !two.created());
        let first = one.descriptor().unwrap();
        drop(one);
        let three = DatabaseFile::open(&path, true).unwrap();
        for file in [&two, &three] {
            assert!(Arc::ptr_eq(&file.descriptor().unwrap(), &first));
        }
        drop((two, three));
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
