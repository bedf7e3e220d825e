use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;

use super::Handle;
use super::change::{Claim, is_seen_through, prepare, store};
use super::invalidate::forget;
use super::options::SetOptions;
use crate::cache::{Binding, Invalidation, Reached, leave_pending};
use crate::error::Error;
use crate::key::Key;
use crate::node::Node;
use crate::source::{LoadError, Loaded, LoadedValue};
use crate::storage::{InvalidationMode, Selector};

/// An update whose change may have reached the source. Where its task is given up, as closing does
/// after its time, the node is invalidated in the process and pending everywhere else.
struct Changing<'a, N: Node> {
    binding: &'a Binding<N>,
    key: Option<Key>,
}

impl<N: Node> Changing<'_, N> {
    fn done(mut self) {
        self.key = None;
    }
}

impl<N: Node> Drop for Changing<'_, N> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let reached = Reached { storages: self.binding.storages_far_first(), key_test: None };
        leave_pending(&self.binding.cache, &reached, &Selector::Keys(vec![key]));
    }
}

/// Why an invalidation cannot be relied on, even in this process.
fn unreached<N: Node>(binding: &Binding<N>, done: Invalidation) -> Option<Error> {
    let mut steps = binding.far_first.iter().enumerate().filter_map(|(step, at)| {
        is_seen_through(binding, step).then_some(&binding.tiers[*at].storage)
    });
    steps.find_map(|storage| {
        let pending = done.pending.iter().find(|pending| *pending.storage == *storage.name)?;
        Some(storage.error(pending.error.clone()))
    })
}

impl<N: Node> Handle<N> {
    /// Changes the source by `change`, and then the cache, without a race: what `change` gives is
    /// stored unless somebody else changed or invalidated the node meanwhile; then it is only
    /// invalidated, and the next read loads what the source has.
    ///
    /// The nearest storage that cannot be told is no error, as with [`set`](Self::set).
    ///
    /// `change` runs to its end even if this future is dropped. Gives the new value; `None` where
    /// it says that there is none any more.
    ///
    /// # Errors
    /// [`Error::Load`] if `change` fails: the node is then invalidated, for nobody knows what the
    /// source holds; so it is before a panic of `change` goes on to the caller.
    /// [`Error::Storage`] if the farthest storage could be neither written nor told, or one that has
    /// shared ones before it could not be told; the source has been changed, and the invalidation is
    /// pending there. [`Error::Closed`] if closing gave it up: what its
    /// `change` may have changed counts among the invalidations that closing reports as lost.
    pub async fn update<F, Change, L>(
        &self,
        node: &N,
        change: F,
    ) -> Result<Option<Arc<N::Value>>, Error>
    where
        F: FnOnce() -> Change + Send + 'static,
        Change: Future<Output = Result<L, LoadError>> + Send + 'static,
        L: Into<Loaded<N::Value>>,
    {
        let binding = Arc::clone(&self.binding);
        let node = node.clone();
        let operation = async move {
            let key = binding.key(&node)?;
            // What the source is yet to get of this node was accepted before.
            binding.settle_queued(&key).await;
            let process = binding.cache.fence.stamp();
            let farthest = match binding.far_first.first() {
                // Without a stamp nothing is stored there, only invalidated.
                Some(at) => {
                    let stamps = binding.tiers[*at].storage.stamps(std::slice::from_ref(&key));
                    stamps.await.ok().and_then(|stamps| stamps.first().copied())
                }
                None => None,
            };
            // From here on the source may have changed, whatever becomes of this task.
            let changing = Changing { binding: &binding, key: Some(key.clone()) };
            let change = async { change().await.map(Into::into) };
            let changed: Result<Loaded<N::Value>, LoadError> =
                match AssertUnwindSafe(change).catch_unwind().await {
                    Ok(changed) => changed,
                    Err(panic) => {
                        let _ = forget(&binding, vec![key], InvalidationMode::Remove).await;
                        changing.done();
                        resume_unwind(panic)
                    }
                };
            let Loaded { value, ttl, tags } = match changed {
                Ok(loaded) => loaded,
                Err(error) => {
                    let _ = forget(&binding, vec![key.clone()], InvalidationMode::Remove).await;
                    changing.done();
                    let permanent = error.is_permanent();
                    return Err(Error::Load { key, source: error.shared(), permanent });
                }
            };
            let LoadedValue::Value(value) = value else {
                let done = forget(&binding, vec![key], InvalidationMode::Remove).await;
                changing.done();
                return match unreached(&binding, done) {
                    Some(error) => Err(error),
                    None => Ok(None),
                };
            };
            let value = Arc::new(value);
            let options = SetOptions { ttl, tags };
            let prepared = prepare(&binding, node, Arc::clone(&value), options);
            let change = match AssertUnwindSafe(prepared).catch_unwind().await {
                Ok(Ok(change)) => change,
                Err(panic) => {
                    let _ = forget(&binding, vec![key], InvalidationMode::Remove).await;
                    changing.done();
                    resume_unwind(panic)
                }
                Ok(Err(error)) => {
                    let _ = forget(&binding, vec![key], InvalidationMode::Remove).await;
                    changing.done();
                    return Err(error);
                }
            };
            let claim = Claim::Update { process, farthest };
            let mut stored = store(&binding, &[&change], claim).await;
            changing.done();
            stored.pop().unwrap_or(Err(Error::Closed))?;
            Ok(Some(value))
        };
        self.binding.cache.run(operation).await
    }

    /// Stores a value in the source, by its [`store`](crate::source::Source::store), and then in
    /// the cache as [`update`](Self::update) does.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn write_through(
        &self,
        node: &N,
        value: impl Into<Arc<N::Value>>,
    ) -> Result<(), Error>
    where
        N::Value: Clone,
    {
        let source = Arc::clone(&self.binding.source);
        let (node_to_store, value) = (node.clone(), value.into());
        let change = move || async move {
            source.store(&node_to_store, &value).await?;
            Ok::<_, LoadError>(Loaded::new(N::Value::clone(&value)))
        };
        self.update(node, change).await.map(|_| ())
    }
}
