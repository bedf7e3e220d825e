//! Errors of the driver and the server in the words of the core.

use std::time::Duration;

use cache_core::storage::{StorageError, StorageErrorKind};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// The kind of storage, as in its URL.
pub(crate) const SCHEME: &str = "redis";

/// An error that this crate found itself.
pub(crate) fn error(
    operation: &'static str,
    kind: StorageErrorKind,
    message: impl Into<String>,
) -> StorageError {
    StorageError::new(SCHEME, operation, kind, message)
}

/// An error of the driver, or one that the server answered.
pub(crate) fn failure(operation: &'static str, source: RedisError) -> StorageError {
    let kind = kind_of(&source);
    let message = match kind {
        StorageErrorKind::Unavailable => format!("the server cannot be used now: {source}"),
        StorageErrorKind::Full => format!("the server has no room left: {source}"),
        StorageErrorKind::Denied => {
            format!("not allowed (the user needs `+time` and `+info`, too): {source}")
        }
        StorageErrorKind::Incompatible => format!("not a store of this shape: {source}"),
        _ => source.to_string(),
    };
    error(operation, kind, message).with_source(source)
}

pub(crate) fn closed(operation: &'static str) -> StorageError {
    error(operation, StorageErrorKind::Closed, "the storage has been closed")
}

pub(crate) fn timed_out(operation: &'static str, limit: Duration) -> StorageError {
    error(operation, StorageErrorKind::Unavailable, format!("no answer within {limit:?}"))
}

/// The server answered in a form that none of its releases is known to have.
pub(crate) fn unexpected(operation: &'static str) -> StorageError {
    let message = "the server's answer has an unexpected form";
    error(operation, StorageErrorKind::Failed, message)
}

/// The codes of what a user may not do.
const DENIALS: [&str; 3] = ["NOPERM", "NOAUTH", "WRONGPASS"];

/// What our scripts answer where a fence was made with other settings.
const OTHER_LAYOUT: &str = "TIERSLAYOUT";

fn kind_of(source: &RedisError) -> StorageErrorKind {
    match source.kind() {
        // A reply that ends in the middle does not parse.
        ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::NoValidReplicasFoundBySentinel => {
            if source.is_certificate_refused() || source.is_refused_by_every_node() {
                StorageErrorKind::Denied
            } else {
                StorageErrorKind::Unavailable
            }
        }
        ErrorKind::AuthenticationFailed => StorageErrorKind::Denied,
        ErrorKind::InvalidClientConfig | ErrorKind::EmptySentinelList => StorageErrorKind::Invalid,
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => StorageErrorKind::Unavailable,
        ErrorKind::Server(ServerErrorKind::NoPerm) => StorageErrorKind::Denied,
        _ => kind_of_answer(source),
    }
}

/// Servers name what the driver has no word for by a code, which a script's error may have within
/// its text.
fn kind_of_answer(source: &RedisError) -> StorageErrorKind {
    let text =
        format!("{} {}", source.code().unwrap_or_default(), source.detail().unwrap_or_default());
    let has = |codes: &[&str]| {
        text.split(|character: char| !character.is_ascii_alphanumeric())
            .any(|word| codes.contains(&word))
    };
    if has(&[OTHER_LAYOUT, "WRONGTYPE"]) {
        StorageErrorKind::Incompatible
    } else if has(&["OOM", "MISCONF"]) {
        StorageErrorKind::Full
    } else if has(&DENIALS) || text.contains("The user executing the script can't") {
        StorageErrorKind::Denied
    } else if has(&[
        "BUSY",
        "LOADING",
        "READONLY",
        "TRYAGAIN",
        "CLUSTERDOWN",
        "MASTERDOWN",
        "NOREPLICAS",
        "UNBLOCKED",
    ]) || text.contains("access a non local key")
        || text.contains("while the cluster is down")
    {
        // A key of the slot that is being moved: the whole call can be made again.
        StorageErrorKind::Unavailable
    } else {
        StorageErrorKind::Failed
    }
}

/// Whether the connection that gave this error is to be left for a new one.
pub(crate) fn breaks_connection(source: &RedisError) -> bool {
    source.is_unrecoverable_error()
        || matches!(
            source.kind(),
            ErrorKind::Io | ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        )
        // A script's READONLY is an answer of the server to a replica's client, too.
        || source.detail().is_some_and(|detail| detail.contains("READONLY"))
}

/// Whether the same call may succeed a moment later.
pub(crate) fn is_transient(source: &RedisError) -> bool {
    kind_of(source) == StorageErrorKind::Unavailable && !source.is_timeout()
}

/// Whether the server itself has said that it did nothing, and may do it a moment later.
pub(crate) fn is_refused_for_now(source: &RedisError) -> bool {
    let is_answer = !matches!(
        source.kind(),
        ErrorKind::Io
            | ErrorKind::Parse
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::NoValidReplicasFoundBySentinel
    );
    is_answer && is_transient(source)
}

/// What the driver tells only in words.
trait Words {
    /// Whether TLS ended because one side did not trust the other.
    fn is_certificate_refused(&self) -> bool;
    /// Whether the nodes of a cluster, of which none could be connected to, asked for other
    /// credentials.
    fn is_refused_by_every_node(&self) -> bool;
}

impl Words for RedisError {
    fn is_certificate_refused(&self) -> bool {
        let text = self.to_string();
        text.contains("invalid peer certificate") || text.contains("CertificateRequired")
    }

    fn is_refused_by_every_node(&self) -> bool {
        let text = self.detail().unwrap_or_default();
        self.to_string().starts_with("Failed to create initial connections")
            && (DENIALS.iter().any(|code| text.contains(code))
                || text.contains("AuthenticationFailed"))
    }
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    fn kind(code: &str, detail: &str) -> StorageErrorKind {
        let source = make_extension_error(code.to_owned(), Some(detail.to_owned()));
        failure("test", source).kind()
    }

    #[test]
    fn what_every_node_refuses_is_a_denial() {
        let of_all = |answer: &str| {
            let text = "Failed to create initial connections";
            RedisError::from((ErrorKind::Io, text, answer.to_owned()))
        };
        let kind = |answer: &str| failure("test", of_all(answer)).kind();
        assert_eq!(kind("\"NOAUTH\": Authentication required."), StorageErrorKind::Denied);
        assert_eq!(kind("Connection refused (os error 111)"), StorageErrorKind::Unavailable);
        assert!(!is_transient(&of_all("\"WRONGPASS\": invalid username-password pair")));
    }

    #[test]
    fn only_an_answer_says_that_nothing_was_done() {
        let answer = |code: &str| make_extension_error(code.to_owned(), None);
        assert!(is_refused_for_now(&answer("BUSY")) && is_refused_for_now(&answer("READONLY")));
        assert!(!is_refused_for_now(&answer("OOM")));
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(is_transient(&RedisError::from(broken)));
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(!is_refused_for_now(&RedisError::from(broken)));
    }

    #[test]
    fn every_answer_has_its_kind() {
        use StorageErrorKind::{Denied, Failed, Full, Incompatible, Unavailable};
        assert_eq!(kind("OOM", "command not allowed when used memory > 'maxmemory'."), Full);
        assert_eq!(kind("MISCONF", "Redis is configured to save RDB snapshots"), Full);
        assert_eq!(kind("WRONGTYPE", "Operation against a key"), Incompatible);
        assert_eq!(kind("TIERSLAYOUT", "the fence x was made"), Incompatible);
        assert_eq!(kind("NOAUTH", "Authentication required."), Denied);
        assert_eq!(kind("WRONGPASS", "invalid username-password pair"), Denied);
        assert_eq!(kind("NOREPLICAS", "Not enough good replicas to write."), Unavailable);
        assert_eq!(kind("ERR", "unknown command"), Failed);
        // As Redis 6 answers for what a script called.
        assert_eq!(
            kind("ERR", "Error running script: @user_script:3: OOM command not allowed"),
            Full
        );
        let command = "The user executing the script can't run this command or subcommand";
        assert_eq!(kind("ERR", command), Denied);
        let moved = "Script attempted to access a non local key in a cluster node";
        assert_eq!(kind("ERR", moved), Unavailable);
        let down = "Script attempted to execute a command while the cluster is down";
        assert_eq!(kind("ERR", down), Unavailable);
    }
}
