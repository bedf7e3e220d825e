//! What an error of the driver `sqlx` means, whatever server it speaks to.

use cache_core::storage::StorageErrorKind;
use sqlx::error::DatabaseError;

use crate::Failure;

/// What an error means, of which `of_server` knows what the server itself has told. A lost
/// connection leaves open whether a statement was carried out: a storage sends nothing that it may
/// not send again.
pub fn driver_failure(
    source: &sqlx::Error,
    of_server: impl FnOnce(&dyn DatabaseError) -> Option<Failure>,
) -> Failure {
    use StorageErrorKind::{Corrupt, Denied, Failed, Invalid, Unavailable};
    let of = |kind, undone| Failure { kind, undone };
    match source {
        sqlx::Error::Database(source) => of_server(&**source).unwrap_or(of(Failed, false)),
        sqlx::Error::Io(_) => of(Unavailable, true),
        sqlx::Error::Tls(_) => of(Denied, false),
        sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => of(Invalid, false),
        // A reply that is no reply: cut off, or from something else. The connection is given up.
        sqlx::Error::Protocol(_) => of(Unavailable, false),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => of(Corrupt, false),
        _ => of(Failed, false),
    }
}

/// An error in words, with the server's `code` where it told one. `kind` is what
/// [`driver_failure`] makes of it.
pub fn driver_message(
    kind: StorageErrorKind,
    source: &sqlx::Error,
    code: impl FnOnce(&dyn DatabaseError) -> Option<String>,
) -> String {
    match (kind, source) {
        (StorageErrorKind::Unavailable, sqlx::Error::Io(source)) => {
            format!("the server cannot be reached: {source}")
        }
        (_, sqlx::Error::Database(source)) => match code(&**source) {
            Some(code) => format!("{} ({code})", source.message()),
            None => source.message().to_owned(),
        },
        _ => source.to_string(),
    }
}

/// Whether the connection is of no more use after this error, where `of_server` knows that of what
/// the server itself has told.
pub fn ends_driver_connection(
    source: &sqlx::Error,
    of_server: impl FnOnce(&dyn DatabaseError) -> bool,
) -> bool {
    match source {
        sqlx::Error::Database(source) => of_server(&**source),
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
        let nothing_told = |source: &sqlx::Error| driver_failure(source, |_| unreachable!());
        let ends = |source: &sqlx::Error| ends_driver_connection(source, |_| unreachable!());
        for (source, kind, undone, ended) in [
            (
                sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()),
                StorageErrorKind::Unavailable,
                true,
                true,
            ),
            (sqlx::Error::Tls("no".into()), StorageErrorKind::Denied, false, true),
            (sqlx::Error::Configuration("no".into()), StorageErrorKind::Invalid, false, true),
            (sqlx::Error::Protocol("no".into()), StorageErrorKind::Unavailable, false, true),
            (sqlx::Error::Decode("no".into()), StorageErrorKind::Corrupt, false, false),
            (sqlx::Error::RowNotFound, StorageErrorKind::Failed, false, true),
        ] {
            assert_eq!(nothing_told(&source), Failure { kind, undone }, "{source}");
            assert_eq!(ends(&source), ended, "{source}");
        }
        let lost = sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
        let message = driver_message(StorageErrorKind::Unavailable, &lost, |_| unreachable!());
        assert!(message.starts_with("the server cannot be reached: "), "{message}");
    }
}
