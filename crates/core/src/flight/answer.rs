use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::key::{Key, Tags};

/// What a flight brings to everybody who waits for it.
#[derive(Debug)]
pub(crate) struct Answer<V> {
    pub(crate) key: Key,
    /// `None`: there is no such thing.
    pub(crate) value: Option<Arc<V>>,
    pub(crate) tags: Tags,
    pub(crate) created: Timestamp,
    pub(crate) origin: Origin,
    /// It is past its freshness.
    pub(crate) stale: bool,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The memory tier, filled between the caller's look and the flight's.
    Memory,
    /// A storage tier.
    Storage,
    /// The source.
    Source,
}

impl<V> Answer<V> {
    pub(crate) fn into_value(self) -> Result<Arc<V>, Error> {
        self.value.ok_or(Error::Absent { key: self.key })
    }
}

// By hand, for a derive would ask for `V: Clone`.
impl<V> Clone for Answer<V> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            value: self.value.clone(),
            tags: self.tags.clone(),
            created: self.created,
            origin: self.origin,
            stale: self.stale,
        }
    }
}
