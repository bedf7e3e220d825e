//! What programs call: a cache bound to one node type and its source. One operation a file.

mod change;
mod get;
mod get_many;
mod invalidate;
mod keys;
mod look;
mod options;
mod pinned;
mod prefetch;
mod refresh;
mod set;
mod touch;
mod update;
mod warm;
mod write_behind;

pub(crate) use change::{Change, Claim, Stored, fill, is_pending, through_storages};
pub use get::Fetched;
pub use look::CachedEntry;
pub use options::{SetOptions, WarmOptions, WarmProgress, WarmReport};
pub use pinned::NodeHandle;

use std::fmt;
use std::sync::Arc;

use crate::cache::Binding;
use crate::error::Error;
use crate::key::Key;
use crate::node::{Node, NodeDefinition};
use crate::stats::NodeStats;

/// A cache bound to one node type and its source; cheap to clone.
///
/// Reading: [`get`](Self::get), [`get_optional`](Self::get_optional),
/// [`get_many`](Self::get_many), [`fetch`](Self::fetch), [`get_with`](Self::get_with),
/// [`get_with_prepared`](Self::get_with_prepared), and without loading
/// [`peek`](Self::peek), [`contains`](Self::contains), [`entry`](Self::entry),
/// [`keys`](Self::keys). Changing: [`set`](Self::set), [`set_many`](Self::set_many),
/// [`update`](Self::update), [`write_through`](Self::write_through),
/// [`write_behind`](Self::write_behind), [`flush`](Self::flush), [`touch`](Self::touch).
/// Forgetting: [`invalidate`](Self::invalidate), [`invalidate_many`](Self::invalidate_many),
/// [`invalidate_pattern`](Self::invalidate_pattern), [`expire`](Self::expire),
/// [`clear`](Self::clear); tags are invalidated on the [`Cache`](crate::cache::Cache).
/// Loading ahead: [`refresh`](Self::refresh), [`refresh_with`](Self::refresh_with),
/// [`warm`](Self::warm), [`prefetch`](Self::prefetch).
///
/// Every operation may be cancelled by dropping its future: reads leave the flight to its other
/// waiters, changes go on to their end in the background.
pub struct Handle<N: Node> {
    binding: Arc<Binding<N>>,
}

impl<N: Node> Handle<N> {
    pub(crate) fn new(binding: Arc<Binding<N>>) -> Self {
        Self { binding }
    }

    /// What was counted of this node type since it was bound.
    pub fn stats(&self) -> NodeStats {
        self.binding.stats()
    }

    /// The definition that it was bound by.
    pub fn definition(&self) -> &NodeDefinition {
        &self.binding.definition
    }

    /// The stored key of a node.
    ///
    /// # Errors
    /// [`Error::Key`] if its fields make none.
    pub fn key(&self, node: &N) -> Result<Key, Error> {
        self.binding.key(node)
    }
}

impl<N: Node> Clone for Handle<N> {
    fn clone(&self) -> Self {
        Self { binding: Arc::clone(&self.binding) }
    }
}

impl<N: Node> fmt::Debug for Handle<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({}, {})", self.binding.definition.name, self.binding.template)
    }
}
