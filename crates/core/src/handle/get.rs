use std::future::Future;
use std::sync::Arc;

use super::Handle;
use crate::cache::typed;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::flight::{Answer, LoadBy, LoadOnce, Origin, Waited, refresh_behind, start};
use crate::node::Node;
use crate::source::{LoadError, Loaded};
use crate::sync::Mutex;

/// A load for whoever comes to lead.
pub(super) fn once<V, F, Load, L>(load: F) -> Arc<Mutex<Option<LoadOnce<V>>>>
where
    F: FnOnce() -> Load + Send + 'static,
    Load: Future<Output = Result<L, LoadError>> + Send + 'static,
    L: Into<Loaded<V>>,
{
    let once: LoadOnce<V> = Box::new(move || {
        let load = load();
        Box::pin(async move { load.await.map(Into::into) })
    });
    Arc::new(Mutex::new(Some(once)))
}

/// An answer with what is known of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fetched<V> {
    /// The value; `None` where there is no such thing.
    pub value: Option<Arc<V>>,
    /// When it was loaded or set.
    pub created: Timestamp,
    /// It is past its freshness: it is being loaded again, or the source failed or takes long.
    pub stale: bool,
}

impl<N: Node> Handle<N> {
    /// The value of a node, from the nearest tier that has it, or loaded once for all who ask.
    ///
    /// A hit in memory returns at once: nothing is formatted, allocated or awaited.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no such thing; the load's own errors; [`Error::Key`] if the
    /// node's fields make no valid key; [`Error::Storage`] only from a tier that is set to tell.
    pub async fn get(&self, node: &N) -> Result<Arc<N::Value>, Error> {
        self.get_by(node, || LoadBy::Tiers).await
    }

    /// As [`get`](Self::get), with `None` where there is no such thing.
    ///
    /// # Errors
    /// As [`get`](Self::get), without [`Error::Absent`].
    pub async fn get_optional(&self, node: &N) -> Result<Option<Arc<N::Value>>, Error> {
        match self.get(node).await {
            Ok(value) => Ok(Some(value)),
            Err(Error::Absent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`get_optional`](Self::get_optional), with what is known of the answer: whether it is
    /// stale, and when it was loaded.
    ///
    /// # Errors
    /// As [`get_optional`](Self::get_optional).
    pub async fn fetch(&self, node: &N) -> Result<Fetched<N::Value>, Error> {
        self.binding.cache.check_open()?;
        if let Some(hit) = self.binding.memory_get(node) {
            if hit.refresh {
                refresh_behind(&self.binding, std::slice::from_ref(node), &LoadBy::Tiers);
            }
            let (created, stale) = (hit.entry.created, hit.stale);
            return Ok(Fetched { value: typed(&hit.entry), created, stale });
        }
        let Answer { value, created, stale, .. } = self.fly(node, LoadBy::Tiers).await?;
        Ok(Fetched { value, created, stale })
    }

    /// As [`get`](Self::get), with a closure in the place of the source. It is called only if no
    /// tier has the value and no other load of the node is in the air.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_with<F, Load, L>(&self, node: &N, load: F) -> Result<Arc<N::Value>, Error>
    where
        F: FnOnce() -> Load + Send + 'static,
        Load: Future<Output = Result<L, LoadError>> + Send + 'static,
        L: Into<Loaded<N::Value>>,
    {
        self.get_by(node, || LoadBy::Once(once(load))).await
    }

    /// As [`get_with`](Self::get_with), with a closure that makes the closure, and is called only
    /// if memory does not have the value. It may borrow from the caller: what the load has to own
    /// is cloned there, and not for every hit.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_with_prepared<P, F, Load, L>(
        &self,
        node: &N,
        prepare: P,
    ) -> Result<Arc<N::Value>, Error>
    where
        P: FnOnce() -> F,
        F: FnOnce() -> Load + Send + 'static,
        Load: Future<Output = Result<L, LoadError>> + Send + 'static,
        L: Into<Loaded<N::Value>>,
    {
        self.get_by(node, || LoadBy::Once(once(prepare()))).await
    }

    #[inline]
    async fn get_by(
        &self,
        node: &N,
        by: impl FnOnce() -> LoadBy<N>,
    ) -> Result<Arc<N::Value>, Error> {
        self.binding.cache.check_open()?;
        if let Some(hit) = self.binding.memory_get(node) {
            if hit.refresh {
                refresh_behind(&self.binding, std::slice::from_ref(node), &by());
            }
            return match typed(&hit.entry) {
                Some(value) => Ok(value),
                None => Err(Error::Absent { key: self.binding.key(node)? }),
            };
        }
        self.fly(node, by()).await?.into_value()
    }

    /// Joins or opens the node's flight and waits for it.
    pub(super) async fn fly(&self, node: &N, by: LoadBy<N>) -> Result<Answer<N::Value>, Error> {
        loop {
            let started = start(&self.binding, std::slice::from_ref(node), by.clone());
            let Some(waiter) = { started }.pop() else {
                // One waiter a node.
                return Err(Error::Closed);
            };
            let joined = waiter.joined;
            // A flight that may be too old for this caller has left the map, so the next one was
            // begun after the caller's arrival: at most two rounds.
            if let Waited::Landed(landing) = waiter.wait(node).await {
                self.count(joined, &landing);
                return landing;
            }
        }
    }

    /// Counts a request that memory did not answer.
    pub(super) fn count(&self, joined: bool, landing: &Result<Answer<N::Value>, Error>) {
        let recorder = &self.binding.recorder;
        match landing {
            Ok(Answer { origin: Origin::Memory | Origin::Storage, .. }) if !joined => {
                recorder.storage_hits(1);
            }
            _ => recorder.misses(1),
        }
        if matches!(landing, Ok(Answer { stale: true, .. })) {
            recorder.stale_hits(1);
        }
        if joined {
            recorder.coalesced(1);
        }
    }
}
