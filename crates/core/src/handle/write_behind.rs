use std::sync::Arc;

use super::Handle;
use super::change::prepare;
use super::options::SetOptions;
use crate::error::{ConfigError, Error};
use crate::node::Node;
use crate::write_behind::{Flushed, Queue, accept};

impl<N: Node> Handle<N> {
    /// Accepts a value that is written later, by the [`WriteBehind`] of the node type's definition:
    /// to the storages, or to the source and then the storages. From here on this process reads it;
    /// others do when it has been written. Of a key the newest alone is written, and never an older
    /// one after it.
    ///
    /// On the way to the storages it counts as a load that began now: an invalidation from here on
    /// takes it back, or keeps it out, and so does a newer load. For that the farthest storage is
    /// asked for its stamp, which is one read of it, and one more where something of this process has
    /// invalidated or changed the node meanwhile. On the way to the source nothing is asked; an
    /// invalidation then does not take it back from there, but nothing is served or stored from what
    /// was queued before it.
    ///
    /// What is queued is lost with the process. What could not be written in the end is told by
    /// [`stats`](Self::stats) and by an event of the kind
    /// [`WriteLost`](crate::events::EventKind::WriteLost).
    ///
    /// A caller that goes away before this has returned has had the value accepted, or not.
    ///
    /// [`WriteBehind`]: crate::policy::write_behind::WriteBehind
    ///
    /// # Errors
    /// [`Error::QueueFull`] if there was no room in time, [`Error::Storage`] if the storage could
    /// not be asked for its stamp, or if an invalidation of the value is pending there or in a farther
    /// one, which would refuse it when it lands (then worth another try), [`Error::Config`] where the
    /// definition asks for no write-behind, [`Error::Encode`], [`Error::Key`], [`Error::Closed`]; with
    /// each of them nothing was accepted.
    pub async fn write_behind(
        &self,
        node: &N,
        value: impl Into<Arc<N::Value>>,
    ) -> Result<(), Error> {
        self.write_behind_with(node, value, SetOptions::new()).await
    }

    /// As [`write_behind`](Self::write_behind), with a TTL or tags of its own.
    ///
    /// # Errors
    /// As [`write_behind`](Self::write_behind).
    pub async fn write_behind_with(
        &self,
        node: &N,
        value: impl Into<Arc<N::Value>>,
        options: SetOptions,
    ) -> Result<(), Error> {
        let values = [(node.clone(), value.into())];
        let mut results = self.write_behind_many_with(values, options).await;
        // One node, one result.
        results.pop().unwrap_or(Err(Error::Closed))
    }

    /// Accepts many values, in their order; results stand in the same order.
    ///
    /// # Errors
    /// For each node on its own, as [`write_behind`](Self::write_behind).
    pub async fn write_behind_many<V: Into<Arc<N::Value>>>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Vec<Result<(), Error>> {
        let values = values.into_iter().map(|(node, value)| (node, value.into()));
        self.write_behind_many_with(values, SetOptions::new()).await
    }

    /// As [`write_behind_many`](Self::write_behind_many), with a TTL or tags for all of them.
    ///
    /// # Errors
    /// For each node on its own, as [`write_behind`](Self::write_behind).
    pub async fn write_behind_many_with(
        &self,
        values: impl IntoIterator<Item = (N, Arc<N::Value>)>,
        options: SetOptions,
    ) -> Vec<Result<(), Error>> {
        let values: Vec<(N, Arc<N::Value>)> = values.into_iter().collect();
        let queue = self.binding.cache.check_open().and_then(|()| self.queue());
        let queue = match queue {
            Ok(queue) => queue,
            Err(error) => return values.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut changes = Vec::with_capacity(values.len());
        for (node, value) in values {
            changes.push(prepare(&self.binding, node, value, options.clone()).await);
        }
        accept(&self.binding, queue, changes).await
    }

    /// Has written at once what [`write_behind`](Self::write_behind) has accepted, waits until it
    /// has come to its end, and lets the storages make it durable as far as they promise that. What
    /// fails is tried again before this returns, for as long as the options say.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Storage`] if a storage could not make durable what it has. What
    /// was refused or given up is none: see [`Flushed`].
    pub async fn flush(&self) -> Result<Flushed, Error> {
        let flushed = match &self.binding.queue {
            Some(queue) => queue.flush(&self.binding, None).await?,
            None => Flushed::default(),
        };
        for tier in &self.binding.tiers {
            tier.storage.flush().await.map_err(|error| tier.storage.error(error))?;
        }
        Ok(flushed)
    }

    /// As [`flush`](Self::flush), of one node; the storages are asked for nothing.
    ///
    /// # Errors
    /// [`Error::Key`] if the node's fields make no valid key, [`Error::Closed`].
    pub async fn flush_node(&self, node: &N) -> Result<Flushed, Error> {
        let key = self.binding.key(node)?;
        match &self.binding.queue {
            Some(queue) => queue.flush(&self.binding, Some(&key)).await,
            None => Ok(Flushed::default()),
        }
    }

    fn queue(&self) -> Result<&Queue<N>, Error> {
        let none = || ConfigError::Option {
            context: format!("node `{}`", self.binding.definition.name),
            option: "write_behind".to_owned(),
            problem: "is not in its definition".to_owned(),
        };
        self.binding.queue.as_deref().ok_or_else(|| Error::Config(none()))
    }
}
