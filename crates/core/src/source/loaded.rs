use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;

/// What a load brought: a value, the knowledge that there is none, or that the old one still holds,
/// with what the source wants to say about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Loaded<V> {
    /// The answer.
    pub value: LoadedValue<V>,
    /// How long it lives at most; a tier's own TTL holds where it is shorter.
    pub ttl: Option<Duration>,
    /// Labels of further tags, beside those of the node.
    pub tags: Vec<String>,
}

/// The answer of a load.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadedValue<V> {
    /// There is this value.
    Value(V),
    /// There is none. Kept as long as the node's `absent_ttl` says, or the TTL given here.
    Absent,
    /// The copy that was at hand still holds; allowed in [`reload`](super::Source::reload) only.
    NotModified,
}

/// The copy that a reload may go by.
#[derive(Clone, Debug)]
pub struct Previous<V> {
    /// The value; `None` where it is known that there was none.
    pub value: Option<Arc<V>>,
    /// When it was loaded or set.
    pub created: Timestamp,
}

impl<V> Loaded<V> {
    /// A value.
    pub fn new(value: V) -> Self {
        Self { value: LoadedValue::Value(value), ttl: None, tags: Vec::new() }
    }

    /// There is no such thing.
    pub fn absent() -> Self {
        Self { value: LoadedValue::Absent, ttl: None, tags: Vec::new() }
    }

    /// The copy at hand still holds.
    pub fn not_modified() -> Self {
        Self { value: LoadedValue::NotModified, ttl: None, tags: Vec::new() }
    }

    /// A value, or the knowledge that there is none.
    pub fn optional(value: Option<V>) -> Self {
        value.map_or_else(Self::absent, Self::new)
    }

    /// Sets how long it lives at most.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Adds the label of a tag.
    pub fn tag(mut self, label: impl Into<String>) -> Self {
        self.tags.push(label.into());
        self
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}
