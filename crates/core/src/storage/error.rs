use std::error::Error;
use std::sync::Arc;

use crate::key::Key;

/// What went wrong in a storage; cheap to clone, so that every waiter of a flight gets it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{scheme}: {operation}{}: {message}", .key.as_ref().map(|key| format!(" of {key}")).unwrap_or_default())]
pub struct StorageError {
    scheme: &'static str,
    operation: &'static str,
    kind: StorageErrorKind,
    key: Option<Key>,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What kind of failure it was, and so what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// Not reachable, busy, locked, out of connections, or answered too late: may work again soon.
    Unavailable,
    /// Not asked: it has failed again and again, and is left alone for a while
    /// ([`policy::breaker`](crate::policy::breaker)).
    BreakerOpen,
    /// The disk or the quota is full.
    Full,
    /// A record or the whole store is damaged, torn or not ours.
    Corrupt,
    /// Written by a newer release, or of another shape than this one expects.
    Incompatible,
    /// Not allowed: a read-only file, a wrong password.
    Denied,
    /// The call itself is wrong: a bad option, name or URL.
    Invalid,
    /// The storage has been closed.
    Closed,
    /// The driver or the server failed in another way.
    Failed,
}

impl StorageError {
    /// An error of the storage `scheme` during `operation`. `message` must hold no secret.
    pub fn new(
        scheme: &'static str,
        operation: &'static str,
        kind: StorageErrorKind,
        message: impl Into<String>,
    ) -> Self {
        Self { scheme, operation, kind, key: None, message: message.into(), source: None }
    }

    /// Names the key that was being worked on.
    pub fn with_key(mut self, key: &Key) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Keeps the driver's own error.
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The kind of storage, as in its URL.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// What it was doing.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> StorageErrorKind {
        self.kind
    }

    /// The key that was being worked on, where it was one.
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Whether the same call may succeed if it is made again after a while.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, StorageErrorKind::Unavailable | StorageErrorKind::BreakerOpen)
    }
}
