//! Who is at work in a folder: each opened storage holds a lock on a file of its own, which the
//! system lets go when the process ends, however it ends.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::OpenOptions;

use super::FileId;
use super::folder::{Folder, owner_only};

/// This storage's place among those that have the folder open.
#[derive(Debug)]
pub(crate) struct Session {
    id: u64,
    next: AtomicU64,
    /// Locked as long as it is open.
    _file: File,
}

fn name(session: u64) -> String {
    format!("{session:016x}")
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).follow(FollowSymlinks::No);
    owner_only(&mut options);
    options
}

impl Session {
    pub(crate) fn begin(folder: &Folder) -> io::Result<Self> {
        loop {
            let id = fastrand::u64(..);
            let file = match folder.sessions.open_with(name(id), options().create_new(true)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?.into_std(),
            };
            // Another may have taken it for a dead one before it was locked: it is looked at, or
            // gone already.
            if file.try_lock().is_ok() && folder.sessions.symlink_metadata(name(id)).is_ok() {
                // Files are spread over the folders from anywhere on.
                let next = AtomicU64::new(u64::from(fastrand::u8(..)));
                return Ok(Self { id, next, _file: file });
            }
            drop(file);
            folder.forget_dead(id)?;
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Says that nothing of it is left.
    pub(crate) fn end(&self, folder: &Folder) -> io::Result<()> {
        folder.remove_session(self.id)
    }

    /// A number that no other file ever had or will have.
    pub(crate) fn next_file(&self) -> FileId {
        FileId::new(self.id, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Folder {
    /// The sessions that ended without a word.
    pub(crate) fn dead_sessions(&self) -> io::Result<Vec<u64>> {
        let mut dead = Vec::new();
        for entry in self.sessions.entries()? {
            let file_name = entry?.file_name();
            let id = file_name.to_str().and_then(|text| u64::from_str_radix(text, 16).ok());
            let Some(id) = id.filter(|id| file_name.to_str() == Some(name(*id).as_str())) else {
                continue;
            };
            if !self.is_alive(id)? {
                dead.push(id);
            }
        }
        Ok(dead)
    }

    /// Whether who wrote a file may still be at work on it.
    pub(crate) fn is_alive(&self, session: u64) -> io::Result<bool> {
        match self.sessions.open_with(name(session), &options()) {
            Ok(file) => Ok(file.into_std().try_lock().is_err()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets a session that has ended without a word, unless it is one that just begins.
    pub(crate) fn forget_dead(&self, session: u64) -> io::Result<()> {
        let file = match self.sessions.open_with(name(session), &options()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?.into_std(),
        };
        // Held until the name is gone: who begins looks for it once the lock is its own.
        if file.try_lock().is_err() {
            return Ok(());
        }
        self.remove_session(session)
    }

    fn remove_session(&self, session: u64) -> io::Result<()> {
        match self.sessions.remove_file(name(session)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}
