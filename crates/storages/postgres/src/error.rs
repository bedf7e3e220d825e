//! Errors of PostgreSQL and its driver in the words of the core.

use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::{
    Damaged, Failure, driver_failure, driver_message, ends_driver_connection, sqlstate_failure,
};

/// The kind of storage, as in its URL.
pub(crate) const SCHEME: &str = "postgres";

/// An error that this crate found itself.
pub(crate) fn error(
    operation: &'static str,
    kind: StorageErrorKind,
    message: impl Into<String>,
) -> StorageError {
    StorageError::new(SCHEME, operation, kind, message)
}

/// An error of the server or the driver.
pub(crate) fn failure(operation: &'static str, source: sqlx::Error) -> StorageError {
    let kind = meaning(&source).kind;
    let message = driver_message(kind, &source, |source| source.code().map(Into::into));
    error(operation, kind, message).with_source(source)
}

/// A record whose column holds what it cannot.
pub(crate) fn damaged(operation: &'static str, damaged: Damaged) -> StorageError {
    error(operation, StorageErrorKind::Corrupt, damaged.to_string()).with_source(damaged)
}

pub(crate) fn closed(operation: &'static str) -> StorageError {
    error(operation, StorageErrorKind::Closed, "the storage has been closed")
}

pub(crate) fn late(operation: &'static str, timeout: std::time::Duration) -> StorageError {
    let message = format!("no answer within {timeout:?}");
    error(operation, StorageErrorKind::Unavailable, message)
}

/// A call has `waited` for most of its time until somebody gave back a connection. The server may be
/// in the best of health.
pub(crate) fn in_use(
    operation: &'static str,
    waited: std::time::Duration,
    connections: usize,
) -> StorageError {
    let message = format!(
        "waited {waited:.1?} for a connection: all were in use (`pool_size` is {connections})"
    );
    error(operation, StorageErrorKind::Unavailable, message)
}

/// What an error means.
pub(crate) fn meaning(source: &sqlx::Error) -> Failure {
    driver_failure(source, |source| source.code().map(|code| sqlstate_failure(&code)))
}

/// Whether the connection is of no more use after this error.
pub(crate) fn ends_connection(source: &sqlx::Error) -> bool {
    ends_driver_connection(source, |source| {
        // Class 57P: the server shuts down or has crashed; 25P03: it has ended an idle transaction;
        // 26000 and 0A000: what was prepared is lost, or fits no longer; 25006: the server, or the one
        // that a pooler has changed to, is no longer the primary.
        let ends = ["57P", "08", "25006", "25P03", "26000", "0A000"];
        source.code().is_none_or(|code| ends.iter().any(|end| code.starts_with(end)))
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_lost_connection_may_be_tried_again_and_a_wrong_certificate_not() {
        let lost = sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
        assert!(meaning(&lost).undone && ends_connection(&lost));
        assert!(failure("get", lost).is_transient());
        let tls = sqlx::Error::Tls("no".into());
        assert!(!meaning(&tls).undone);
        assert_eq!(failure("get", tls).kind(), StorageErrorKind::Denied);
        let decode = sqlx::Error::Decode("no".into());
        assert!(!ends_connection(&decode));
        assert_eq!(failure("get", decode).kind(), StorageErrorKind::Corrupt);
    }
}
