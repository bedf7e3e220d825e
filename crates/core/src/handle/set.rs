use std::collections::HashMap;
use std::sync::Arc;

use super::Handle;
use super::change::{Change, Claim, prepare, store};
use super::options::SetOptions;
use crate::error::Error;
use crate::node::Node;

impl<N: Node> Handle<N> {
    /// Stores a value. It beats every load that began before; of two at the same time
    /// the last to arrive stays. Where the source changes too, [`update`](Self::update) is the way
    /// without a race.
    ///
    /// It is stored in the farthest storage and in memory; the storages between forget what they
    /// have. That the nearest of those cannot be reached is no error: the invalidation is pending
    /// there, as one of [`invalidate`](Self::invalidate) would be, this process passes over it, and
    /// [`stats`](crate::cache::Cache::stats) count it.
    ///
    /// # Errors
    /// [`Error::Encode`] and [`Error::Key`] before anything is changed; [`Error::Storage`] if the
    /// farthest storage could not be written: the node is then invalidated in the others. So it is
    /// where a storage that has shared ones before it could not be told, for another process may carry
    /// there what is old: the value stands in the farthest one then, and the invalidation is pending.
    pub async fn set(&self, node: &N, value: impl Into<Arc<N::Value>>) -> Result<(), Error> {
        self.set_with(node, value, SetOptions::new()).await
    }

    /// As [`set`](Self::set), with a TTL or tags of its own.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn set_with(
        &self,
        node: &N,
        value: impl Into<Arc<N::Value>>,
        options: SetOptions,
    ) -> Result<(), Error> {
        let mut results = self.set_many_with([(node.clone(), value.into())], options).await;
        // One node, one result.
        results.pop().unwrap_or(Err(Error::Closed))
    }

    /// Stores many values, each tier in one batch; results stand in the order of `values`. Where a
    /// node stands twice the last value stays.
    ///
    /// # Errors
    /// For each node on its own, as [`set`](Self::set).
    pub async fn set_many<V: Into<Arc<N::Value>>>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Vec<Result<(), Error>> {
        let values = values.into_iter().map(|(node, value)| (node, value.into()));
        self.set_many_with(values, SetOptions::new()).await
    }

    /// As [`set_many`](Self::set_many), with a TTL or tags for all of them.
    ///
    /// # Errors
    /// For each node on its own, as [`set`](Self::set).
    pub async fn set_many_with(
        &self,
        values: impl IntoIterator<Item = (N, Arc<N::Value>)>,
        options: SetOptions,
    ) -> Vec<Result<(), Error>> {
        let binding = Arc::clone(&self.binding);
        let values: Vec<(N, Arc<N::Value>)> = values.into_iter().collect();
        let count = values.len();
        let operation = async move {
            let mut changes = Vec::with_capacity(values.len());
            let mut results = Vec::with_capacity(values.len());
            for (node, value) in values {
                match prepare(&binding, node, value, options.clone()).await {
                    Ok(change) => {
                        changes.push(change);
                        results.push(Ok(()));
                    }
                    Err(error) => results.push(Err(error)),
                }
            }
            let (changes, stands) = last_of_each(changes);
            let stored = store(&binding, &changes.iter().collect::<Vec<_>>(), Claim::Set).await;
            let prepared = results.iter_mut().filter(|result| result.is_ok());
            for (result, at) in prepared.zip(stands) {
                *result = stored[at].clone().map(|_| ());
            }
            Ok(results)
        };
        match self.binding.cache.run(operation).await {
            Ok(results) => results,
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }
}

/// Of each node the last change, for a tier that does not take one of two values would remove the
/// other too; and for each of the given changes the place of the one that stands for it.
fn last_of_each<N: Node>(changes: Vec<Change<N>>) -> (Vec<Change<N>>, Vec<usize>) {
    let mut places: HashMap<N, usize> = HashMap::with_capacity(changes.len());
    let mut last: Vec<Change<N>> = Vec::with_capacity(changes.len());
    let mut stands = Vec::with_capacity(changes.len());
    for change in changes {
        let at = *places.entry(change.node.clone()).or_insert(last.len());
        stands.push(at);
        match last.get_mut(at) {
            Some(earlier) => *earlier = change,
            None => last.push(change),
        }
    }
    (last, stands)
}
