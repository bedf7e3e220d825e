//! Opening: the folder, then its index, then a look at what a killed process has left.

use std::io;
use std::sync::Arc;

use cache_core::storage::{Capabilities, Reach, StorageError, StorageErrorKind};
use tokio::task::spawn_blocking;

use super::shared::Shared;
use crate::config::{CheckOnOpen, FilesystemOptions};
use crate::error::{SCHEME, error, failure, of_index};
use crate::layout::{Files, Folder, Session};
use crate::maintain::Thoroughness;

const OPERATION: &str = "open";

pub(super) async fn open(options: FilesystemOptions) -> Result<Arc<Shared>, StorageError> {
    options.validate().map_err(|problem| {
        error(OPERATION, StorageErrorKind::Invalid, problem.to_string()).with_source(problem)
    })?;
    let (path, create) = (options.path.clone(), options.create);
    let opened = spawn_blocking(move || {
        let folder = Folder::open(&path, create)?;
        let session = Session::begin(&folder)?;
        let killed = !folder.dead_sessions()?.is_empty();
        Ok((Arc::new(Files::new(folder, session)), killed))
    });
    let (files, killed) = match opened.await {
        Ok(opened) => opened.map_err(|source| refused(&options, source))?,
        Err(source) => {
            let message = "the thread that opened the folder ended unexpectedly";
            let error = error(OPERATION, StorageErrorKind::Failed, message);
            return Err(error.with_source(source));
        }
    };
    let values = Arc::clone(&files);
    let index = options.index(files.folder.index_path(), values).open().await.map_err(of_index)?;
    let capabilities = Capabilities::new(SCHEME, Reach::Local)
        .with_value_bytes_max(options.effective_value_bytes_max())
        .with_atomics();
    let check = match options.check_on_open {
        CheckOnOpen::Never => false,
        CheckOnOpen::AfterKill => killed,
        CheckOnOpen::Always => true,
    };
    let shared = Arc::new(Shared::new(options, capabilities, index, files));
    if check {
        shared.check(Thoroughness::Lengths).await?;
    }
    Ok(shared)
}

fn refused(options: &FilesystemOptions, source: io::Error) -> StorageError {
    let what = format!("the folder {} cannot be opened", options.path.display());
    match source.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::InvalidInput => {
            let message = format!("{what}: {source}");
            error(OPERATION, StorageErrorKind::Invalid, message).with_source(source)
        }
        _ => failure(OPERATION, &what, source),
    }
}
