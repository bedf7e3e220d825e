//! Errors of MySQL, MariaDB and their driver in the words of the core.

use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::{
    Damaged, Failure, driver_failure, driver_message, ends_driver_connection, mysql_failure,
};
use sqlx::mysql::MySqlDatabaseError;

/// The kind of storage, as in its URL.
pub(crate) const SCHEME: &str = "mysql";

/// "Subquery returns more than one row": how a script of ours ends early where a condition of it
/// does not hold. Nothing else of ours can bring it about.
const REFUSED: u16 = 1242;

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
    let message =
        driver_message(kind, &source, |source| number(source).map(|number| number.to_string()));
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
    driver_failure(source, |source| number(source).map(mysql_failure))
}

/// Whether the connection is of no more use after this error, and others most likely are not
/// either.
pub(crate) fn ends_connection(source: &sqlx::Error) -> bool {
    ends_driver_connection(source, |source| {
        // The server shuts down or the connection was killed; its packet was too large; it was
        // idle for too long; the server is no longer the primary.
        number(source).is_none_or(|number| {
            matches!(number, 1053 | 1152..=1161 | 1290 | 1792 | 1836 | 1927 | 4031)
        })
    })
}

/// Whether the server gave up a transaction for another's sake: chosen in a deadlock, or after it
/// had waited for a lock.
pub(crate) fn gave_way(source: &sqlx::Error) -> bool {
    matches!(source, sqlx::Error::Database(source) if matches!(number(&**source), Some(1205 | 1213)))
}

/// Whether a script of ours has ended itself.
pub(crate) fn is_refusal(source: &sqlx::Error) -> bool {
    matches!(source, sqlx::Error::Database(source) if number(&**source) == Some(REFUSED))
}

fn number(source: &dyn sqlx::error::DatabaseError) -> Option<u16> {
    source.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_lost_connection_may_be_tried_again_and_a_wrong_certificate_not() {
        let lost = sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
        assert!(meaning(&lost).undone && ends_connection(&lost) && !is_refusal(&lost));
        assert!(failure("get", lost).is_transient());
        let tls = sqlx::Error::Tls("no".into());
        assert!(!meaning(&tls).undone);
        assert_eq!(failure("get", tls).kind(), StorageErrorKind::Denied);
        let decode = sqlx::Error::Decode("no".into());
        assert!(!ends_connection(&decode));
        assert_eq!(failure("get", decode).kind(), StorageErrorKind::Corrupt);
    }
}
