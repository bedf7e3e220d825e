use std::future::Future;
use std::sync::Arc;

use super::Handle;
use super::get::once;
use crate::error::Error;
use crate::flight::LoadBy;
use crate::node::Node;
use crate::source::{LoadError, Loaded};

impl<N: Node> Handle<N> {
    /// Loads a node from the source, whatever the tiers hold, and fills them with it. Readers are
    /// served what is there until then. Loads that began before this call are not joined; refreshes
    /// that have not asked the source yet are.
    ///
    /// A source that can compare is given the copy at hand and may answer
    /// [`Loaded::not_modified`](crate::source::Loaded::not_modified).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn refresh(&self, node: &N) -> Result<Arc<N::Value>, Error> {
        self.binding.cache.check_open()?;
        self.fly(node, LoadBy::Refresh).await?.into_value()
    }

    /// As [`refresh`](Self::refresh), with a closure in the place of the source. It is given no
    /// copy to compare with. Where another refresh is joined, that one's load answers.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn refresh_with<F, Load, L>(&self, node: &N, load: F) -> Result<Arc<N::Value>, Error>
    where
        F: FnOnce() -> Load + Send + 'static,
        Load: Future<Output = Result<L, LoadError>> + Send + 'static,
        L: Into<Loaded<N::Value>>,
    {
        self.binding.cache.check_open()?;
        self.fly(node, LoadBy::RefreshOnce(once(load))).await?.into_value()
    }
}
