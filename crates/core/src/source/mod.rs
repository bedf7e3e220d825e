//! Sources: where a node's value comes from when no tier has it.

mod closure;
mod default;
mod erased;
mod load_error;
mod loaded;
mod none;

pub use closure::{SourceFn, source_fn};
pub(crate) use erased::ErasedSource;
pub use load_error::{LoadError, SharedError};
pub use loaded::{Loaded, LoadedValue, Previous};
pub use none::NoSource;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::stream::{FuturesOrdered, StreamExt};

use crate::error::panic_message;
use crate::node::Node;

/// Where the values of a node type come from. It may hold state: a pool, a client.
///
/// ```
/// use cache_core::node::DynamicNode;
/// use cache_core::source::{LoadError, Loaded, Source};
///
/// struct Folder(std::path::PathBuf);
///
/// impl Source<DynamicNode> for Folder {
///     async fn load(&self, node: &DynamicNode) -> Result<Loaded<bytes::Bytes>, LoadError> {
///         let path = self.0.join(node.key());
///         match tokio::task::spawn_blocking(move || std::fs::read(path)).await? {
///             Ok(bytes) => Ok(Loaded::new(bytes.into()).tag("files")),
///             Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Loaded::absent()),
///             Err(error) => Err(error.into()),
///         }
///     }
/// }
/// ```
///
/// A load runs in a task of its own, whatever becomes of those who asked for it. It may ask the
/// cache for other nodes; asking for one that waits for this load is an error to it, not a hang.
pub trait Source<N: Node>: Send + Sync + 'static {
    /// Loads one value.
    ///
    /// # Errors
    /// Any error; every caller that waits for the load gets it, and nothing is stored.
    fn load(&self, node: &N) -> impl Future<Output = Result<Loaded<N::Value>, LoadError>> + Send;

    /// Loads many values at once; answers stand in the order of `nodes`. Nobody has one of them
    /// before all are there, so that a load of it that waits for another of the same batch is an
    /// error to it. An answer that is missing at the end is an error to the callers that wait for it.
    ///
    /// By default each is loaded on its own, all at the same time. A cache whose source has no
    /// `load_many` of its own does not call this one: there each load counts by itself among those
    /// that run at once, has its own time-out, and is answered as soon as it is done.
    fn load_many(
        &self,
        nodes: &[N],
    ) -> impl Future<Output = Vec<Result<Loaded<N::Value>, LoadError>>> + Send {
        default::note::<Self, N>();
        async move {
            let loads: FuturesOrdered<_> = nodes.iter().map(|node| self.load(node)).collect();
            loads.collect().await
        }
    }

    /// Whether [`reload`](Self::reload) makes use of an older copy, so that a refresh has to fetch
    /// one beforehand. By default not.
    fn compares(&self) -> bool {
        false
    }

    /// Loads a value of which an older copy is at hand, and may answer
    /// [`Loaded::not_modified`] so that the copy lives on. By default loads as ever.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn reload(
        &self,
        node: &N,
        previous: &Previous<N::Value>,
    ) -> impl Future<Output = Result<Loaded<N::Value>, LoadError>> + Send {
        let _ = previous;
        self.load(node)
    }

    /// Which nodes are likely to be wanted after this one, the likeliest first: they are
    /// [prefetched](crate::handle::Handle::prefetch) behind the caller who gets `value`. Asked for
    /// what was read from a storage or loaded, not for hits in memory and not for what was
    /// prefetched itself. It must not block. By default none.
    fn likely_next(&self, node: &N, value: &N::Value) -> Vec<N> {
        let _ = (node, value);
        Vec::new()
    }

    /// Stores a value: what [`Handle::write_through`](crate::handle::Handle::write_through) calls
    /// before it changes the cache. By default the source takes none.
    ///
    /// What is [written behind](crate::handle::Handle::write_behind) is stored again where it is not
    /// known whether it was: storing a value twice has to be as good as once. It must not update the
    /// node that it stores, which waits for this store.
    ///
    /// # Errors
    /// Any error; the cache then forgets the node, because nobody knows what the source holds.
    fn store(
        &self,
        node: &N,
        value: &N::Value,
    ) -> impl Future<Output = Result<(), LoadError>> + Send {
        let _ = (node, value);
        async { Err(LoadError::message("this source does not store values").permanent()) }
    }

    /// Stores values of different nodes: what is written behind comes in batches. Answers stand in
    /// the order of `values`; a missing one counts as failed. The whole call has the time of a load.
    ///
    /// By default each is stored on its own, all at the same time; a store that panics is one that
    /// failed, alone.
    fn store_many(
        &self,
        values: &[(N, Arc<N::Value>)],
    ) -> impl Future<Output = Vec<Result<(), LoadError>>> + Send {
        async move {
            let stores: FuturesOrdered<_> =
                values.iter().map(|(node, value)| store_alone(self, node, value)).collect();
            stores.collect().await
        }
    }
}

async fn store_alone<N: Node, S: Source<N> + ?Sized>(
    source: &S,
    node: &N,
    value: &N::Value,
) -> Result<(), LoadError> {
    // What makes the future may panic, too.
    let store = AssertUnwindSafe(async { source.store(node, value).await });
    store.catch_unwind().await.unwrap_or_else(|panic| {
        Err(LoadError::message(format!("the store panicked: {}", panic_message(&*panic))))
    })
}
