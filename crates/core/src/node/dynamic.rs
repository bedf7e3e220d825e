use std::sync::Arc;

use bytes::Bytes;

use super::{Node, NodeDefinition};
use crate::entry::Codec;
use crate::key::KeyFields;

/// A node known only at run time: its key as text, its value as bytes.
///
/// Bindings and operator tools stand on it. Each dynamic type has a definition of its own, given
/// to [`Cache::bind_as`](crate::cache::Cache::bind_as); a key text must fit its template, and is
/// taken as it is, so that text from users is to be escaped by its caller.
///
/// ```
/// use cache_core::node::{DynamicNode, NodeDefinition, TierDefinition};
///
/// let thumbnails = NodeDefinition::new("thumbnails", "thumbnail:{*path}")
///     .tier(TierDefinition::new("sqlite"));
/// let node = DynamicNode::new("thumbnail:cats/1.png");
/// assert_eq!(node.key(), "thumbnail:cats/1.png");
/// # let _ = thumbnails;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DynamicNode {
    key: Arc<str>,
}

impl DynamicNode {
    /// The node with this key text, without prefix and version.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self { key: key.into() }
    }

    /// Its key text.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Node for DynamicNode {
    type Value = Bytes;

    /// A type that takes any key and has no tiers; give [`bind_as`](crate::cache::Cache::bind_as)
    /// one that has.
    fn definition() -> NodeDefinition {
        NodeDefinition::new("DynamicNode", "{*key}")
    }

    fn key_fields(&self, fields: &mut KeyFields<'_>) {
        fields.whole(&self.key);
    }

    fn codec() -> Codec<Bytes> {
        Codec::bytes()
    }

    fn weight(value: &Bytes) -> u64 {
        (size_of::<Bytes>() + value.len()) as u64
    }
}
