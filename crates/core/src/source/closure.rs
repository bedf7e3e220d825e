use std::future::Future;

use super::{LoadError, Loaded, Source};
use crate::node::Node;

/// A source made of a closure, by [`source_fn`].
#[derive(Clone, Copy, Debug)]
pub struct SourceFn<F>(F);

/// A source that calls `load` with a clone of the node.
///
/// ```
/// use cache_core::node::DynamicNode;
/// use cache_core::source::{LoadError, source_fn};
///
/// let source = source_fn(|node: DynamicNode| async move {
///     Ok::<_, LoadError>(bytes::Bytes::from(node.key().to_uppercase()))
/// });
/// # fn takes(_: impl cache_core::source::Source<DynamicNode>) {}
/// # takes(source);
/// ```
pub fn source_fn<F>(load: F) -> SourceFn<F> {
    SourceFn(load)
}

impl<N, F, Answer, L> Source<N> for SourceFn<F>
where
    N: Node,
    F: Fn(N) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<L, LoadError>> + Send,
    L: Into<Loaded<N::Value>>,
{
    async fn load(&self, node: &N) -> Result<Loaded<N::Value>, LoadError> {
        let load = (self.0)(node.clone());
        load.await.map(Into::into)
    }
}
