//! Errors of PostgreSQL and its driver in the words of the core.

use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::{Damaged, Failure, sqlstate_failure};

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
    let message = match (kind, &source) {
        (StorageErrorKind::Unavailable, sqlx::Error::Io(source)) => {
            format!("the server cannot be reached: {source}")
        }
        (_, sqlx::Error::Database(source)) => match source.code() {
            Some(code) => format!("{} ({code})", source.message()),
            None => source.message().to_owned(),
        },
        _ => source.to_string(),
    };
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

/// What an error means. A lost connection leaves open whether a statement was carried out; all
/// that this storage sends may be sent again.
pub(crate) fn meaning(source: &sqlx::Error) -> Failure {
    use StorageErrorKind::{Corrupt, Denied, Failed, Invalid, Unavailable};
    let of = |kind, undone| Failure { kind, undone };
    match source {
        sqlx::Error::Database(source) => match source.code() {
            Some(code) => sqlstate_failure(&code),
            None => of(Failed, false),
        },
        sqlx::Error::Io(_) => of(Unavailable, true),
        sqlx::Error::Tls(_) => of(Denied, false),
        sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => of(Invalid, false),
        // A reply that is no reply: cut off, or not from PostgreSQL. The connection is given up.
        sqlx::Error::Protocol(_) => of(Unavailable, false),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => of(Corrupt, false),
        _ => of(Failed, false),
    }
}

/// Whether the connection is of no more use after this error.
pub(crate) fn ends_connection(source: &sqlx::Error) -> bool {
    match source {
        // Class 57P: the server shuts down or has crashed; 25P03: it has ended an idle transaction;
        // 26000 and 0A000: what was prepared is lost, or fits no longer.
        sqlx::Error::Database(source) => source.code().is_none_or(|code| {
            let ends = ["57P", "08", "25P03", "26000", "0A000"];
            ends.iter().any(|end| code.starts_with(end))
        }),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => false,
        _ => true,
    }
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
