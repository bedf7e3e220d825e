use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use crate::key::Key;
use crate::storage::Selector;

/// A queue whose node type has been forgotten.
pub(crate) trait ErasedQueue: Send + Sync {
    /// The node type.
    fn node(&self) -> &str;

    /// The keys of the values that nobody has taken back and that have not been seen to be written.
    fn left(&self) -> Vec<Key>;

    /// What is queued of this was invalidated.
    fn invalidated(&self, selector: &Selector);

    /// What is queued of this may be older than an invalidation by somebody else, or one from before
    /// it was accepted: nothing is read from it, and the storages decide whether they take it. Only of
    /// what was accepted up to this mark of the process' fence.
    fn heard(&self, selector: &Selector, mark: u64);

    /// Nobody knows what of it was invalidated.
    fn distrust(&self);

    /// Takes nothing any more, and writes what it has at once.
    fn close(&self);
}

/// The queues of all node types of a cache that have one.
#[derive(Default)]
pub(crate) struct Queues(RwLock<Vec<Weak<dyn ErasedQueue>>>);

impl Queues {
    pub(crate) fn add(&self, queue: &Arc<impl ErasedQueue + 'static>) {
        let queue: Weak<dyn ErasedQueue> = Arc::downgrade(queue) as _;
        self.0.write().push(queue);
    }

    /// Does this to each of them.
    pub(crate) fn for_each(&self, act: impl FnMut(Arc<dyn ErasedQueue>)) {
        // Out of the lock, for a queue has one of its own.
        let queues: Vec<_> = self.0.read().iter().filter_map(Weak::upgrade).collect();
        queues.into_iter().for_each(act);
    }
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queues({})", self.0.read().len())
    }
}
