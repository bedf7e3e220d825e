//! The folder of the values. Everything is opened from the root downwards, step by step and without
//! following symbolic links, so that nothing in it can lead out of it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::{FileId, Form};

const VALUES: &str = "values";
pub(super) const SESSIONS: &str = "sessions";
pub(crate) const INDEX: &str = "index.db";

/// An opened root.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    values: Dir,
    pub(super) sessions: Dir,
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) file: File,
    shard: Dir,
    id: FileId,
}

/// A file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Found {
    pub(crate) id: FileId,
    pub(crate) form: Form,
}

impl Folder {
    /// Opens the folder at `path`; makes it, with those above it, if it is not there and may be made.
    pub(crate) fn open(path: &Path, create: bool) -> io::Result<Self> {
        if create {
            make_root(path)?;
        }
        // The root itself may be a link, and may be moved later on: what counts is what it is now.
        let path = path.canonicalize()?;
        let root = Dir::open_ambient_dir(&path, ambient_authority())?;
        let part = |name: &str| {
            if create {
                make(&root, name)?;
            }
            root.open_dir_nofollow(name)
        };
        let (values, sessions) = (part(VALUES)?, part(SESSIONS)?);
        match root.symlink_metadata(INDEX) {
            Ok(metadata) if !metadata.is_file() => {
                let message = format!("`{INDEX}` is not a file");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {}
            Err(error) => return Err(error),
        }
        Ok(Self { path, values, sessions })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn index_path(&self) -> PathBuf {
        self.path.join(INDEX)
    }

    /// Makes the file that a value is to be written to; with `sync` the name of a folder that had to
    /// be made for it is on the disk.
    pub(crate) fn stage(&self, id: FileId, sync: bool) -> io::Result<Stage> {
        let name = id.shard();
        let shard = match self.values.open_dir_nofollow(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&self.values, &name)?;
                if sync {
                    sync_folder(&self.values)?;
                }
                self.values.open_dir_nofollow(&name)?
            }
            opened => opened?,
        };
        let mut options = options();
        options.read(true).write(true).create_new(true);
        owner_only(&mut options);
        let file = shard.open_with(id.name(Form::Part), &options)?.into_std();
        Ok(Stage { file, shard, id })
    }

    /// Opens a value. It can be read to its end even if it is deleted meanwhile.
    pub(crate) fn open_value(&self, id: FileId) -> io::Result<File> {
        let shard = self.values.open_dir_nofollow(id.shard())?;
        let name = id.name(Form::Whole);
        let not_ours = || io::Error::new(io::ErrorKind::InvalidData, "not a file");
        // Before it is opened: what is not a file, such as a pipe, may not let go of who opens it.
        if !shard.symlink_metadata(&name)?.is_file() {
            return Err(not_ours());
        }
        let mut options = options();
        options.read(true);
        let file = shard.open_with(&name, &options)?.into_std();
        if file.metadata()?.is_file() { Ok(file) } else { Err(not_ours()) }
    }

    /// Deletes a file; whether it was there.
    pub(crate) fn delete(&self, found: Found) -> io::Result<bool> {
        let deleted = self
            .values
            .open_dir_nofollow(found.id.shard())
            .and_then(|shard| shard.remove_file(found.id.name(found.form)));
        match deleted {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            deleted => deleted.map(|()| true),
        }
    }

    /// Every file of ours. What has another name, or lies elsewhere than it should, is not ours.
    pub(crate) fn list(&self, mut each: impl FnMut(Found)) -> io::Result<()> {
        for shard in self.values.entries()? {
            let shard = shard?;
            if !shard.file_type()?.is_dir() {
                continue;
            }
            let name = shard.file_name();
            let folder = match self.values.open_dir_nofollow(&name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            for file in folder.entries()? {
                let file = file?.file_name();
                let Some((id, form)) = file.to_str().and_then(FileId::parse) else { continue };
                if name.to_str() == Some(id.shard().as_str()) {
                    each(Found { id, form });
                }
            }
        }
        Ok(())
    }
}

impl Stage {
    /// Gives the file the name of one that is whole; with `sync` it is on the disk before, and the
    /// name after.
    pub(crate) fn finish(&self, sync: bool) -> io::Result<()> {
        if sync {
            self.file.sync_all()?;
        }
        self.shard.rename(self.id.name(Form::Part), &self.shard, self.id.name(Form::Whole))?;
        if sync {
            sync_folder(&self.shard)?;
        }
        Ok(())
    }
}

/// No symbolic link is followed.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.follow(FollowSymlinks::No);
    options
}

#[cfg(unix)]
pub(super) fn owner_only(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
pub(super) fn owner_only(_: &mut OpenOptions) {}

fn make_root(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn make(parent: &Dir, name: &str) -> io::Result<()> {
    #[cfg_attr(not(unix), allow(unused_mut, reason = "there are no modes elsewhere"))]
    let mut builder = cap_std::fs::DirBuilder::new();
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match parent.create_dir_with(name, &builder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Dir) -> io::Result<()> {
    // Opened to be read: what folders are walked by cannot be synced.
    folder.open_with(".", options().read(true))?.into_std().sync_all()
}

/// Elsewhere folders cannot be synced; renaming is logged by the file system.
#[cfg(not(unix))]
fn sync_folder(_: &Dir) -> io::Result<()> {
    Ok(())
}
