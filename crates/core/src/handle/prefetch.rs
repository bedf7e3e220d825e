use super::Handle;
use crate::error::Error;
use crate::flight::prefetch;
use crate::node::Node;

impl<N: Node> Handle<N> {
    /// Has these nodes, the likeliest first, read from the storages or loaded behind the caller, so
    /// that memory has them when somebody comes to want them. Returns at once, with how many were
    /// begun; what memory holds, or is on its way already, is not.
    ///
    /// Prefetches come after all other work: they are begun in batches of up to 64 while
    /// [`prefetches_max`](crate::node::NodeDefinition::prefetches_max) is not reached and a place
    /// is left among the loads beside theirs. The rest is dropped and counted in
    /// [`prefetches_skipped`](crate::stats::NodeStats::prefetches_skipped): to have all of many
    /// nodes loaded, [`warm`](Self::warm) them. What fails is counted, and told to nobody.
    ///
    /// # Errors
    /// [`Error::Closed`] if the cache has been closed.
    pub fn prefetch(&self, nodes: impl IntoIterator<Item = N>) -> Result<usize, Error> {
        self.binding.cache.check_open()?;
        Ok(prefetch(&self.binding, nodes))
    }
}
