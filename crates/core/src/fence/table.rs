use super::{CELLS, cell_of_digest, cell_of_tag};
use crate::key::Tags;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The fence of this process: atomics, 32 KiB, raised by invalidations and read by fills.
///
/// A fill checks it while it holds the lock of its shard, an invalidation raises it first and
/// removes under the same locks afterwards: a fill that passed before the raise is found by the
/// removal, a later one fails its check.
#[derive(Debug)]
pub struct Fence {
    counter: AtomicU64,
    floor: AtomicU64,
    /// Nothing is admitted.
    is_shut: AtomicBool,
    cells: Box<[AtomicU64]>,
    /// Held by whoever raises, so that [`raise_unless_passed`](Self::raise_unless_passed) is one step.
    raising: Mutex<()>,
}

impl Default for Fence {
    fn default() -> Self {
        Self::new()
    }
}

impl Fence {
    /// A fence that nothing has been raised on.
    pub fn new() -> Self {
        Self {
            counter: AtomicU64::new(1),
            floor: AtomicU64::new(0),
            is_shut: AtomicBool::new(false),
            cells: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
            raising: Mutex::new(()),
        }
    }

    /// The counter's value: a stamp for a load that begins now.
    pub fn stamp(&self) -> u64 {
        self.counter.load(Ordering::SeqCst)
    }

    /// The highest mark that applies to an entry: of the floor, its key's cell and its tags' cells.
    pub fn mark(&self, key_digest: u64, tags: &Tags) -> u64 {
        let floor = self.floor.load(Ordering::SeqCst);
        let key = self.cells[cell_of_digest(key_digest)].load(Ordering::SeqCst);
        let tags = tags.into_iter().map(|tag| self.cells[cell_of_tag(tag)].load(Ordering::SeqCst));
        tags.fold(floor.max(key), u64::max)
    }

    /// Whether a value whose load began at `stamp` may still be stored.
    pub fn admits(&self, stamp: u64, key_digest: u64, tags: &Tags) -> bool {
        !self.is_shut.load(Ordering::SeqCst) && self.is_unpassed(stamp, key_digest, tags)
    }

    /// Whether nothing of it was raised since `stamp`, be the fence shut or not.
    pub(crate) fn is_unpassed(&self, stamp: u64, key_digest: u64, tags: &Tags) -> bool {
        cfg!(any(mutant = "no_fence", fencing_off)) || self.mark(key_digest, tags) <= stamp
    }

    /// Raises the given cells past every stamp handed out so far; gives their new mark.
    pub fn raise(&self, cells: impl IntoIterator<Item = usize>) -> u64 {
        if cfg!(mutant = "cells_assigned") {
            let mark = self.counter.fetch_add(1, Ordering::SeqCst) + 1;
            cells.into_iter().for_each(|cell| self.cells[cell].store(mark, Ordering::SeqCst));
            return mark;
        }
        let _raising = self.raising.lock();
        self.raise_locked(cells)
    }

    /// Raises the floor past every stamp handed out so far: nothing that is being loaded may be
    /// stored.
    pub fn raise_floor(&self) -> u64 {
        let _raising = self.raising.lock();
        let mark = self.counter.fetch_add(1, Ordering::SeqCst) + 1;
        self.floor.fetch_max(mark, Ordering::SeqCst);
        mark
    }

    /// Whether nothing may be stored.
    pub(crate) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::SeqCst)
    }

    /// From now on nothing may be stored, until the fence is [reopened](Self::reopen).
    pub(crate) fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
    }

    /// What begins to be loaded from now on may be stored again.
    pub(crate) fn reopen(&self) {
        self.raise_floor();
        self.is_shut.store(false, Ordering::SeqCst);
    }

    /// In one step: notes of which keys neither the key's nor a tag's cell had been raised past
    /// `stamp`, and raises the cells of all of the keys. The caller may store those, and only those,
    /// under the mark that this returns.
    pub fn raise_unless_passed<'a>(
        &self,
        stamp: u64,
        entries: impl Iterator<Item = (u64, &'a Tags)> + Clone,
    ) -> (u64, Vec<bool>) {
        let raising = self.raising.lock();
        let unpassed =
            entries.clone().map(|(digest, tags)| self.is_unpassed(stamp, digest, tags)).collect();
        let _raising = (!cfg!(mutant = "update_apart")).then_some(raising);
        let mark = self.raise_locked(entries.map(|(digest, _)| cell_of_digest(digest)));
        (mark, unpassed)
    }

    fn raise_locked(&self, cells: impl IntoIterator<Item = usize>) -> u64 {
        let mark = self.counter.fetch_add(1, Ordering::SeqCst) + 1;
        for cell in cells {
            self.cells[cell].fetch_max(mark, Ordering::SeqCst);
        }
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Key, Tag};

    fn key() -> Key {
        Key::parse("p:k:v1").expect("a valid key")
    }

    #[test]
    fn a_load_from_before_a_raise_is_refused_and_one_from_after_is_not() {
        let fence = Fence::new();
        let tags = Tags::new(vec![Tag::new("p", "t").expect("a valid tag")]);
        for raise in [
            |fence: &Fence, _: &Tags| fence.raise([cell_of_digest(key().digest())]),
            |fence: &Fence, tags: &Tags| fence.raise(tags.into_iter().map(cell_of_tag)),
            |fence: &Fence, _: &Tags| fence.raise_floor(),
        ] {
            let before = fence.stamp();
            assert!(fence.admits(before, key().digest(), &tags));
            raise(&fence, &tags);
            assert!(!fence.admits(before, key().digest(), &tags));
            assert!(fence.admits(fence.stamp(), key().digest(), &tags));
        }
    }

    #[test]
    fn a_shut_fence_admits_nothing_and_a_reopened_one_what_begins_then() {
        let fence = Fence::new();
        fence.shut();
        let while_shut = fence.stamp();
        assert!(!fence.admits(while_shut, key().digest(), &Tags::NONE));
        fence.raise_floor();
        assert!(!fence.admits(fence.stamp(), key().digest(), &Tags::NONE));
        fence.reopen();
        assert!(!fence.admits(while_shut, key().digest(), &Tags::NONE));
        assert!(fence.admits(fence.stamp(), key().digest(), &Tags::NONE));
    }

    #[test]
    fn an_update_passes_only_where_nothing_was_raised_since_its_stamp() {
        let fence = Fence::new();
        let stamp = fence.stamp();
        let tags = Tags::new(vec![Tag::new("p", "t").expect("a valid tag")]);
        let entry = [(key().digest(), &tags)];
        let entries = || entry.iter().copied();
        assert_eq!(fence.raise_unless_passed(stamp, entries()), (fence.stamp(), vec![true]));
        assert_eq!(fence.raise_unless_passed(stamp, entries()).1, [false]);
        let stamp = fence.stamp();
        fence.raise(tags.into_iter().map(cell_of_tag));
        assert_eq!(fence.raise_unless_passed(stamp, entries()).1, [false], "its tag was raised");
    }
}
