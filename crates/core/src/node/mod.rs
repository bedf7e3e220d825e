//! Nodes: small values that say what is wanted, and the definitions of their types.

mod across;
mod definition;
mod dynamic;

pub use across::Across;
pub use definition::{Abandoned, NodeDefinition, PeerChange, TierDefinition, TierFailure};
pub use dynamic::DynamicNode;

use std::hash::Hash;

use crate::entry::Codec;
use crate::key::KeyFields;

/// A small value that names what is wanted, such as `UserInfo { id: 7 }`.
///
/// Usually derived:
///
/// ```ignore
/// #[derive(Node, Clone, PartialEq, Eq, Hash)]
/// #[node(key = "user:{id}:info", value = User, version = "v1",
///        tiers(memory(ttl = "30s"), sqlite(ttl = "10d")))]
/// struct UserInfo { id: u64 }
/// ```
///
/// and as easily written by hand:
///
/// ```
/// use std::time::Duration;
/// use cache_core::entry::Codec;
/// use cache_core::key::KeyFields;
/// use cache_core::node::{Node, NodeDefinition, TierDefinition};
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct UserName { id: u64 }
///
/// impl Node for UserName {
///     type Value = String;
///
///     fn definition() -> NodeDefinition {
///         NodeDefinition::new("UserName", "user:{id}:name")
///             .tier(TierDefinition::new("memory").ttl(Duration::from_secs(30)))
///             .tier(TierDefinition::new("sqlite").ttl(Duration::from_secs(86_400)))
///     }
///
///     fn key_fields(&self, fields: &mut KeyFields<'_>) {
///         fields.push(self.id);
///     }
///
///     fn codec() -> Codec<String> {
///         Codec::message_pack()
///     }
/// }
/// ```
///
/// Nodes that are equal must write equal fields, and nodes that differ must write different ones.
pub trait Node: Hash + Eq + Clone + Send + Sync + 'static {
    /// What the node stands for.
    type Value: Send + Sync + 'static;

    /// The key template, version, tiers and policy of the type. Read once, when it is bound.
    fn definition() -> NodeDefinition;

    /// Writes the fields that the key template names, in the template's order.
    fn key_fields(&self, fields: &mut KeyFields<'_>);

    /// How values become bytes. Without a codec the node may use memory only.
    fn codec() -> Codec<Self::Value> {
        Codec::none()
    }

    /// Adds the labels of the tags that every entry of this node bears, negative ones included.
    fn tags(&self, labels: &mut Vec<String>) {
        let _ = labels;
    }

    /// What a value weighs in a memory bounded by bytes. By default its own size, without what it
    /// points to.
    fn weight(value: &Self::Value) -> u64 {
        size_of_val(value) as u64
    }
}
