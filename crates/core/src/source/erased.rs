use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{LoadError, Loaded, Previous, Source, default};
use crate::node::Node;

/// What a source says of several nodes, in their order.
type Answers<V> = Vec<Result<Loaded<V>, LoadError>>;

/// A [`Source`] behind a pointer: what a binding holds.
pub(crate) trait ErasedSource<N: Node>: Send + Sync {
    fn load<'a>(&'a self, node: &'a N) -> BoxFuture<'a, Result<Loaded<N::Value>, LoadError>>;

    /// `None` where the source has no [`load_many`](Source::load_many) of its own.
    fn load_many<'a>(&'a self, nodes: &'a [N]) -> Option<BoxFuture<'a, Answers<N::Value>>>;

    fn compares(&self) -> bool;

    fn reload<'a>(
        &'a self,
        node: &'a N,
        previous: &'a Previous<N::Value>,
    ) -> BoxFuture<'a, Result<Loaded<N::Value>, LoadError>>;

    fn likely_next(&self, node: &N, value: &N::Value) -> Vec<N>;

    fn store<'a>(
        &'a self,
        node: &'a N,
        value: &'a N::Value,
    ) -> BoxFuture<'a, Result<(), LoadError>>;

    fn store_many<'a>(
        &'a self,
        values: &'a [(N, Arc<N::Value>)],
    ) -> BoxFuture<'a, Vec<Result<(), LoadError>>>;
}

impl<N: Node, S: Source<N>> ErasedSource<N> for S {
    fn load<'a>(&'a self, node: &'a N) -> BoxFuture<'a, Result<Loaded<N::Value>, LoadError>> {
        Box::pin(Source::load(self, node))
    }

    fn load_many<'a>(&'a self, nodes: &'a [N]) -> Option<BoxFuture<'a, Answers<N::Value>>> {
        let (load, is_default) = default::noticed::<S, N, _>(|| Source::load_many(self, nodes));
        if is_default { None } else { Some(Box::pin(load)) }
    }

    fn compares(&self) -> bool {
        Source::compares(self)
    }

    fn reload<'a>(
        &'a self,
        node: &'a N,
        previous: &'a Previous<N::Value>,
    ) -> BoxFuture<'a, Result<Loaded<N::Value>, LoadError>> {
        Box::pin(Source::reload(self, node, previous))
    }

    fn likely_next(&self, node: &N, value: &N::Value) -> Vec<N> {
        Source::likely_next(self, node, value)
    }

    fn store<'a>(
        &'a self,
        node: &'a N,
        value: &'a N::Value,
    ) -> BoxFuture<'a, Result<(), LoadError>> {
        Box::pin(Source::store(self, node, value))
    }

    fn store_many<'a>(
        &'a self,
        values: &'a [(N, Arc<N::Value>)],
    ) -> BoxFuture<'a, Vec<Result<(), LoadError>>> {
        Box::pin(Source::store_many(self, values))
    }
}
