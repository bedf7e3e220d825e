use std::collections::HashSet;

use crate::cache::{Binding, Reached, leave_pending};
use crate::key::Key;
use crate::node::Node;
use crate::storage::Selector;

/// Keys of which the tiers may hold what is older than the source, or what nobody knows: from the
/// moment that a store of theirs begins until the storages have been told, through all failures and
/// tries in between, for a store that failed may have arrived. Where closing gives up the task that
/// settles them, they are invalidated in the process, told to others and pending in every storage.
pub(super) struct Unsettled<'a, N: Node> {
    binding: &'a Binding<N>,
    keys: HashSet<Key>,
}

impl<'a, N: Node> Unsettled<'a, N> {
    /// None yet.
    pub(super) fn new(binding: &'a Binding<N>) -> Self {
        Self { binding, keys: HashSet::new() }
    }

    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.keys.extend(keys);
    }

    /// The storages have been told of these, or have them pending.
    pub(super) fn settle<'k>(&mut self, keys: impl IntoIterator<Item = &'k Key>) {
        keys.into_iter().for_each(|key| _ = self.keys.remove(key));
    }
}

impl<N: Node> Drop for Unsettled<'_, N> {
    fn drop(&mut self) {
        if self.keys.is_empty() || std::thread::panicking() {
            return;
        }
        let reached = Reached { storages: self.binding.storages_far_first(), key_test: None };
        let selector = Selector::Keys(self.keys.drain().collect());
        leave_pending(&self.binding.cache, &reached, &selector);
    }
}
