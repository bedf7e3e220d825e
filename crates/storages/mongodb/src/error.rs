//! Errors of the driver in the words of the core.

use cache_core::storage::{StorageError, StorageErrorKind};
use mongodb::error::{Error, ErrorKind, WriteFailure};

/// The kind of storage, as in its URL.
pub(crate) const SCHEME: &str = "mongodb";

/// An error that this crate found itself.
pub(crate) fn error(
    operation: &'static str,
    kind: StorageErrorKind,
    message: impl Into<String>,
) -> StorageError {
    StorageError::new(SCHEME, operation, kind, message)
}

pub(crate) fn closed(operation: &'static str) -> StorageError {
    error(operation, StorageErrorKind::Closed, "the storage has been closed")
}

/// A document whose field holds what it cannot.
pub(crate) fn damaged(operation: &'static str, field: &str) -> StorageError {
    let message = format!("the document's `{field}` holds what it cannot");
    error(operation, StorageErrorKind::Corrupt, message)
}

/// An error of the driver.
pub(crate) fn failure(operation: &'static str, source: Error) -> StorageError {
    let kind = kind_of(&source);
    let message = match kind {
        StorageErrorKind::Unavailable => format!("the server cannot be had: {source}"),
        StorageErrorKind::Full => format!("the server's disk is full: {source}"),
        StorageErrorKind::Denied => format!("not allowed: {source}"),
        _ => source.to_string(),
    };
    error(operation, kind, message).with_source(source)
}

/// The kind of a failure that the server tells by its code.
pub(crate) fn kind_of_code(code: i32) -> StorageErrorKind {
    match code {
        // Unauthorized, UserNotFound, AuthenticationFailed, the same of Atlas, and the code of a
        // server that takes reads only.
        13 | 11 | 18 | 8000 | 20 => StorageErrorKind::Denied,
        // OutOfDiskSpace, and what user quotas answer.
        14031 | 12501 => StorageErrorKind::Full,
        // Elections, shutdown, network, time, locks, conflicts, and a document that two upserts
        // made at the same moment.
        6 | 7 | 24 | 43 | 46 | 50 | 64 | 79 | 89 | 91 | 100 | 112 | 133 | 134 | 175 | 189 | 202
        | 234 | 262 | 290 | 317 | 365 | 412 | 462 | 9001 | 10058 | 10107 | 11000 | 11600
        | 11602 | 13388 | 13435 | 13436 => StorageErrorKind::Unavailable,
        // Index options, views and validators that are not ours.
        85 | 86 | 121 | 166 | 167 => StorageErrorKind::Incompatible,
        // BSONObjectTooLarge, BadValue.
        2 | 10334 | 17280 | 17419 => StorageErrorKind::Invalid,
        _ => StorageErrorKind::Failed,
    }
}

fn kind_of(source: &Error) -> StorageErrorKind {
    match &*source.kind {
        ErrorKind::Authentication { .. } => StorageErrorKind::Denied,
        ErrorKind::Command(command) => kind_of_code(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => kind_of_code(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(_)) => StorageErrorKind::Unavailable,
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. } => StorageErrorKind::Unavailable,
        // The driver tells only in words why no server could be had.
        ErrorKind::ServerSelection { message, .. } if message.contains("uthentication failed") => {
            StorageErrorKind::Denied
        }
        ErrorKind::ServerSelection { .. } => StorageErrorKind::Unavailable,
        ErrorKind::InvalidArgument { .. } | ErrorKind::InvalidTlsConfig { .. } => {
            StorageErrorKind::Invalid
        }
        ErrorKind::IncompatibleServer { .. } => StorageErrorKind::Incompatible,
        _ if source.contains_label("RetryableWriteError") => StorageErrorKind::Unavailable,
        _ => StorageErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_kind() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(failure("test", io.into()).kind(), StorageErrorKind::Unavailable);
        for (code, kind) in [
            (18, StorageErrorKind::Denied),
            (13, StorageErrorKind::Denied),
            (14031, StorageErrorKind::Full),
            (11600, StorageErrorKind::Unavailable),
            (112, StorageErrorKind::Unavailable),
            (50, StorageErrorKind::Unavailable),
            (11000, StorageErrorKind::Unavailable),
            (86, StorageErrorKind::Incompatible),
            (10334, StorageErrorKind::Invalid),
            (1, StorageErrorKind::Failed),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }
}
