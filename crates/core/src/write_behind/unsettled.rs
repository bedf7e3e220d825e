use crate::cache::{Binding, Reached, leave_pending};
use crate::key::Key;
use crate::node::Node;
use crate::storage::Selector;

/// Keys of which the tiers may hold what is older than the source, or what nobody knows. Where
/// closing gives up the task that settles it, they are invalidated in the process, told to others and
/// pending in every storage.
pub(super) struct Unsettled<'a, N: Node> {
    binding: &'a Binding<N>,
    keys: Vec<Key>,
}

impl<'a, N: Node> Unsettled<'a, N> {
    pub(super) fn new(binding: &'a Binding<N>, keys: Vec<Key>) -> Self {
        Self { binding, keys }
    }

    /// It is settled.
    pub(super) fn done(mut self) {
        self.keys.clear();
    }
}

impl<N: Node> Drop for Unsettled<'_, N> {
    fn drop(&mut self) {
        // After a panic it is tried again.
        if self.keys.is_empty() || std::thread::panicking() {
            return;
        }
        let reached = Reached { storages: self.binding.storages_far_first(), key_test: None };
        let selector = Selector::Keys(std::mem::take(&mut self.keys));
        leave_pending(&self.binding.cache, &reached, &selector);
    }
}
