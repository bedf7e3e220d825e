use std::fmt;
use std::sync::Arc;

use super::Handle;
use crate::cache::{Cache, Invalidation};
use crate::error::Error;
use crate::node::Node;
use crate::source::NoSource;

/// One node, with the handle of its type: what is left of a call once its arguments are known.
///
/// This is what the companion `.._node` of a cached function gives. [`handle`](Self::handle) and
/// [`node`](Self::node) lead on to every other operation; nodes of one function are of one type, so
/// that a handle serves them all.
pub struct NodeHandle<N: Node> {
    handle: Handle<N>,
    node: N,
}

impl<N: Node> NodeHandle<N> {
    /// A node and the handle of its type, which is bound to [`NoSource`] if it is not bound yet.
    ///
    /// # Errors
    /// [`Error::Config`] if it cannot be bound.
    pub fn without_source(cache: &Cache, node: N) -> Result<Self, Error> {
        Ok(Self { handle: cache.handle_or_bind(|| NoSource)?, node })
    }

    /// The handle of the type.
    pub fn handle(&self) -> &Handle<N> {
        &self.handle
    }

    /// The node.
    pub fn node(&self) -> &N {
        &self.node
    }

    /// The node alone.
    pub fn into_node(self) -> N {
        self.node
    }

    /// As [`Handle::invalidate`].
    ///
    /// # Errors
    /// As [`Handle::invalidate`].
    pub async fn invalidate(&self) -> Result<Invalidation, Error> {
        self.handle.invalidate(&self.node).await
    }

    /// As [`Handle::expire`].
    ///
    /// # Errors
    /// As [`Handle::expire`].
    pub async fn expire(&self) -> Result<Invalidation, Error> {
        self.handle.expire(&self.node).await
    }

    /// As [`Handle::peek`].
    ///
    /// # Errors
    /// As [`Handle::peek`].
    pub async fn peek(&self) -> Result<Option<Arc<N::Value>>, Error> {
        self.handle.peek(&self.node).await
    }
}

impl<N: Node> Clone for NodeHandle<N> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), node: self.node.clone() }
    }
}

impl<N: Node> fmt::Debug for NodeHandle<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("NodeHandle");
        shown.field("handle", &self.handle);
        match self.handle.key(&self.node) {
            Ok(key) => shown.field("key", &key),
            Err(error) => shown.field("key", &error),
        };
        shown.finish()
    }
}
