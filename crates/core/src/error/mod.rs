//! What can go wrong, told to callers. All errors clone, so that every waiter of a flight gets one.

mod config;
mod panic;

pub use config::ConfigError;
pub(crate) use panic::panic_message;

use std::time::Duration;

use crate::entry::CodecError;
use crate::key::{Key, KeyError};
use crate::source::SharedError;
use crate::storage::StorageError;

/// What an operation of a [`Handle`](crate::handle::Handle) or a [`Cache`](crate::cache::Cache)
/// may answer instead of a result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source says that there is no such thing; kept as a negative result.
    #[error("{key} does not exist")]
    Absent {
        /// The key.
        key: Key,
    },
    /// The source failed.
    #[error("the load of {key} failed: {source}")]
    Load {
        /// The key.
        key: Key,
        /// The source's own error.
        source: SharedError,
        /// Whether the source said that retrying is of no use.
        permanent: bool,
    },
    /// The source panicked.
    #[error("the load of {key} panicked: {message}")]
    LoadPanicked {
        /// The key.
        key: Key,
        /// What it panicked with, where that is text.
        message: String,
    },
    /// The source did not answer in time, and the load was cancelled.
    #[error("the load of {key} was given up after {after:?}")]
    LoadTimeout {
        /// The key.
        key: Key,
        /// How long it ran.
        after: Duration,
    },
    /// The load waits, maybe by way of others, for itself.
    #[error("the load of {key} would wait for itself")]
    LoadCycle {
        /// The key whose load was asked for in vain.
        key: Key,
    },
    /// The load was cancelled because nobody waited for it, or because the cache was closed.
    #[error("the load of {key} was cancelled")]
    LoadCancelled {
        /// The key.
        key: Key,
    },
    /// A storage failed where that is not to be passed over.
    #[error("storage `{storage}`: {source}")]
    Storage {
        /// The name under which it is registered.
        storage: String,
        /// What went wrong.
        source: Box<StorageError>,
    },
    /// The node's fields do not make a valid key, or a tag or pattern is not valid.
    #[error("not a valid name in `{node}`: {source}")]
    Key {
        /// The node type, or `cache` for operations over all of them.
        node: String,
        /// What is wrong.
        source: KeyError,
    },
    /// The value could not be encoded for a storage.
    #[error("the value of {key} could not be encoded: {source}")]
    Encode {
        /// The key.
        key: Key,
        /// The codec's error.
        source: CodecError,
    },
    /// A value was not accepted to be written later: there was no room in the queue.
    #[error("{key} was not queued: there was no room within {waited:?}")]
    QueueFull {
        /// The key.
        key: Key,
        /// How long its caller waited.
        waited: Duration,
    },
    /// A counter would go beyond what 64 bits hold; it is as it was.
    #[error("the counter {key} would go beyond what 64 bits hold")]
    Overflow {
        /// The counter's name.
        key: Key,
    },
    /// A node type that is bound when it is first used, as that of a cached function is, could not
    /// be bound.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cache has been closed.
    #[error("the cache is closed")]
    Closed,
}

/// Whether a failed operation is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// The same call will fail again.
    Never,
    /// The same call may succeed after a pause.
    Later,
}

impl Error {
    /// Whether the same call is worth another try.
    pub fn retry(&self) -> Retry {
        let later = match self {
            Self::Load { permanent, .. } => !permanent,
            Self::LoadTimeout { .. }
            | Self::LoadPanicked { .. }
            | Self::LoadCancelled { .. }
            | Self::QueueFull { .. } => true,
            Self::Storage { source, .. } => source.is_transient(),
            _ => false,
        };
        if later { Retry::Later } else { Retry::Never }
    }

    /// The key that was being worked on, where it was one.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Absent { key }
            | Self::Load { key, .. }
            | Self::LoadPanicked { key, .. }
            | Self::LoadTimeout { key, .. }
            | Self::LoadCycle { key }
            | Self::LoadCancelled { key }
            | Self::Encode { key, .. }
            | Self::QueueFull { key, .. }
            | Self::Overflow { key } => Some(key),
            Self::Storage { source, .. } => source.key(),
            Self::Key { .. } | Self::Config(_) | Self::Closed => None,
        }
    }

    /// Whether the answer is that there is no such thing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }
}
