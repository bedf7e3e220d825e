//! Errors of files and of the index in the words of the core.

use std::io;

use cache_core::storage::{StorageError, StorageErrorKind};

/// The kind of storage, as in its URL.
pub(crate) const SCHEME: &str = "file";

/// An error that this crate found itself.
pub(crate) fn error(
    operation: &'static str,
    kind: StorageErrorKind,
    message: impl Into<String>,
) -> StorageError {
    StorageError::new(SCHEME, operation, kind, message)
}

/// An error of the file system; `what` says what was tried.
pub(crate) fn failure(operation: &'static str, what: &str, source: io::Error) -> StorageError {
    let message = format!("{what}: {source}");
    error(operation, kind_of(&source), message).with_source(source)
}

/// An error of the index.
pub(crate) fn of_index(source: StorageError) -> StorageError {
    let (operation, kind, key) = (source.operation(), source.kind(), source.key().cloned());
    let error = error(operation, kind, format!("its index: {source}"));
    let error = match &key {
        Some(key) => error.with_key(key),
        None => error,
    };
    error.with_source(source)
}

pub(crate) fn closed(operation: &'static str) -> StorageError {
    error(operation, StorageErrorKind::Closed, "the storage has been closed")
}

fn kind_of(source: &io::Error) -> StorageErrorKind {
    use io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StorageErrorKind::Full
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StorageErrorKind::Denied,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ResourceBusy => {
            StorageErrorKind::Unavailable
        }
        // Too many open files, in this process or in all: some will be closed.
        _ if matches!(source.raw_os_error(), Some(23 | 24)) && cfg!(unix) => {
            StorageErrorKind::Unavailable
        }
        _ => StorageErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache_core::key::Key;

    #[test]
    fn every_failure_has_its_kind() {
        let kind = |kind: io::ErrorKind| failure("write", "x", kind.into()).kind();
        assert_eq!(kind(io::ErrorKind::StorageFull), StorageErrorKind::Full);
        assert_eq!(kind(io::ErrorKind::ReadOnlyFilesystem), StorageErrorKind::Denied);
        assert_eq!(kind(io::ErrorKind::PermissionDenied), StorageErrorKind::Denied);
        assert_eq!(kind(io::ErrorKind::TimedOut), StorageErrorKind::Unavailable);
        assert_eq!(kind(io::ErrorKind::NotFound), StorageErrorKind::Failed);
    }

    #[test]
    fn an_error_of_the_index_keeps_what_it_says() {
        let key = Key::parse("t:a:v1").unwrap();
        let inner = StorageError::new("sqlite", "get", StorageErrorKind::Unavailable, "locked");
        let outer = of_index(inner.with_key(&key));
        assert_eq!((outer.scheme(), outer.operation()), ("file", "get"));
        assert_eq!((outer.kind(), outer.key()), (StorageErrorKind::Unavailable, Some(&key)));
        assert!(outer.is_transient() && outer.to_string().contains("locked"));
    }
}
