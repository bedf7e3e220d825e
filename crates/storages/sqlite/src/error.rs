//! Errors of SQLite in the words of the core.

use std::io;

use cache_core::storage::{StorageError, StorageErrorKind};
use rusqlite::{ErrorCode, ffi};

/// The kind of storage, as in its URL.
pub(crate) const SCHEME: &str = "sqlite";

/// An error that this crate found itself.
pub(crate) fn error(
    operation: &'static str,
    kind: StorageErrorKind,
    message: impl Into<String>,
) -> StorageError {
    StorageError::new(SCHEME, operation, kind, message)
}

/// An error of the driver.
pub(crate) fn failure(operation: &'static str, source: rusqlite::Error) -> StorageError {
    let source = with_cause(source);
    let kind = kind_of(&source);
    let message = match kind {
        StorageErrorKind::Unavailable => format!("the database is locked by another: {source}"),
        StorageErrorKind::Full => format!("the disk is full: {source}"),
        StorageErrorKind::Corrupt => format!("the database is damaged: {source}"),
        StorageErrorKind::Denied => format!("not allowed: {source}"),
        _ => source.to_string(),
    };
    error(operation, kind, message).with_source(source)
}

/// A record whose column holds what it cannot.
pub(crate) fn damaged(operation: &'static str, column: &str) -> StorageError {
    let message = format!("the record's `{column}` holds what it cannot");
    error(operation, StorageErrorKind::Corrupt, message)
}

pub(crate) fn closed(operation: &'static str) -> StorageError {
    error(operation, StorageErrorKind::Closed, "the storage has been closed")
}

/// An error of the driver, as it was just given on this thread: where a file could not grow because
/// of a limit on its length or of a quota, it is that of a full disk.
///
/// SQLite itself tells only a file system without room apart from a failing disk. Its write was the
/// last call of the system that failed on this thread, if nothing was done since.
pub(crate) fn with_cause(source: rusqlite::Error) -> rusqlite::Error {
    let is_growth = source.sqlite_error().is_some_and(|error| {
        [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE, ffi::SQLITE_IOERR_SHMSIZE]
            .contains(&error.extended_code)
    });
    if !is_growth {
        return source;
    }
    let cause = io::Error::last_os_error();
    match cause.kind() {
        io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
            let text = Some(format!("{source}: {cause}"));
            rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), text)
        }
        _ => source,
    }
}

/// Whether it was only that somebody else held a lock.
pub(crate) fn is_busy(source: &rusqlite::Error) -> bool {
    matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// `SQLITE_IOERR_CORRUPTFS`: the file system itself reports damage.
const IO_ERROR_CORRUPT_FILE_SYSTEM: i32 = 10 | (33 << 8);

fn kind_of(source: &rusqlite::Error) -> StorageErrorKind {
    if let rusqlite::Error::FromSqlConversionFailure(..)
    | rusqlite::Error::IntegralValueOutOfRange(..)
    | rusqlite::Error::Utf8Error(..)
    | rusqlite::Error::InvalidColumnType(..) = source
    {
        return StorageErrorKind::Corrupt;
    }
    let extended = source.sqlite_error().map(|error| error.extended_code);
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageErrorKind::Unavailable,
        Some(ErrorCode::DiskFull) => StorageErrorKind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageErrorKind::Corrupt,
        Some(ErrorCode::SystemIoFailure) if extended == Some(IO_ERROR_CORRUPT_FILE_SYSTEM) => {
            StorageErrorKind::Corrupt
        }
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::CannotOpen,
        ) => StorageErrorKind::Denied,
        _ => StorageErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: i32) -> StorageErrorKind {
        failure("test", rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)).kind()
    }

    #[test]
    fn every_failure_has_its_kind() {
        assert_eq!(kind(ffi::SQLITE_BUSY), StorageErrorKind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_LOCKED), StorageErrorKind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_FULL), StorageErrorKind::Full);
        assert_eq!(kind(ffi::SQLITE_CORRUPT), StorageErrorKind::Corrupt);
        assert_eq!(kind(ffi::SQLITE_NOTADB), StorageErrorKind::Corrupt);
        assert_eq!(kind(IO_ERROR_CORRUPT_FILE_SYSTEM), StorageErrorKind::Corrupt);
        assert_eq!(kind(ffi::SQLITE_READONLY), StorageErrorKind::Denied);
        assert_eq!(kind(ffi::SQLITE_CANTOPEN), StorageErrorKind::Denied);
        assert_eq!(kind(ffi::SQLITE_IOERR_WRITE), StorageErrorKind::Failed);
    }
}
