use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cache_core::key::Tag;
use cache_core::memory::{MemoryEntry, MemoryKey};
use hashbrown::HashTable;

use crate::sharded::{Annex, Slab};

/// The other ways to find a shard's entries: by digest of the key text and by tag. Changed in the
/// same step as the entries, under the same lock, so that it holds what they hold.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Only where anybody has looked for a digest: those who hold the node find it without.
    digests: Option<HashTable<u32>>,
    tags: HashMap<Tag, Bearers>,
    weight_bytes: u64,
}

/// The slots of the entries that bear a tag.
#[derive(Debug)]
enum Bearers {
    /// As most tags that name a single thing have it.
    One(u32),
    Many(HashSet<u32>),
}

type Entries = Slab<Arc<MemoryKey>, Arc<MemoryEntry>>;

/// What an entry counts for in a memory bounded by bytes.
pub(super) fn weight_of(entry: &MemoryEntry) -> u32 {
    // Entries without weight would have no bound.
    entry.weight.max(1)
}

fn digest_of(slab: &Entries, slot: u32) -> u64 {
    entry(slab, slot).map_or(0, |entry| entry.digest)
}

fn entry(slab: &Entries, slot: u32) -> Option<&MemoryEntry> {
    slab.pair(slot).map(|pair| &*pair.1)
}

impl Annex<Arc<MemoryKey>, Arc<MemoryEntry>> for Index {
    fn added(&mut self, slot: u32, slab: &Entries) {
        let Some(added) = entry(slab, slot) else { return };
        self.weight_bytes += u64::from(weight_of(added));
        if let Some(digests) = &mut self.digests {
            digests.insert_unique(added.digest, slot, |slot| digest_of(slab, *slot));
        }
        for tag in &added.tags {
            match self.tags.get_mut(tag) {
                Some(bearers) => bearers.add(slot),
                None => _ = self.tags.insert(tag.clone(), Bearers::One(slot)),
            }
        }
    }

    fn removed(&mut self, slot: u32, slab: &Entries) {
        let Some(removed) = entry(slab, slot) else { return };
        self.weight_bytes -= u64::from(weight_of(removed));
        if let Some(digests) = &mut self.digests
            && let Ok(place) = digests.find_entry(removed.digest, |held| *held == slot)
        {
            place.remove();
        }
        for tag in &removed.tags {
            if self.tags.get_mut(tag).is_some_and(|bearers| bearers.strike(slot)) {
                self.tags.remove(tag);
            }
        }
    }
}

impl Index {
    pub(super) fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    pub(super) fn knows_digests(&self) -> bool {
        self.digests.is_some()
    }

    /// Finds entries by digest from now on.
    pub(super) fn learn_digests(&mut self, slab: &Entries) {
        let mut digests = HashTable::with_capacity(slab.len());
        for slot in slab.slots() {
            if let Some(held) = entry(slab, slot) {
                digests.insert_unique(held.digest, slot, |slot| digest_of(slab, *slot));
            }
        }
        self.digests = Some(digests);
    }

    /// The slots of entries that may have this digest, if it [knows](Self::knows_digests) digests.
    pub(super) fn with_digest(&self, digest: u64) -> impl Iterator<Item = u32> + '_ {
        self.digests.iter().flat_map(move |digests| digests.iter_hash(digest).copied())
    }

    /// The slots of the entries that bear this tag.
    pub(super) fn with_tag<'a>(&'a self, tag: &Tag) -> Box<dyn Iterator<Item = u32> + 'a> {
        match self.tags.get(tag) {
            None => Box::new(std::iter::empty()),
            Some(Bearers::One(slot)) => Box::new(std::iter::once(*slot)),
            Some(Bearers::Many(slots)) => Box::new(slots.iter().copied()),
        }
    }

    /// How many digests and tag memberships are held.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        let bearers = self.tags.values().map(|bearers| match bearers {
            Bearers::One(_) => 1,
            Bearers::Many(slots) => slots.len(),
        });
        (self.digests.as_ref().map_or(0, HashTable::len), bearers.sum())
    }
}

impl Bearers {
    fn add(&mut self, slot: u32) {
        match self {
            Self::One(other) => *self = Self::Many(HashSet::from([*other, slot])),
            Self::Many(slots) => _ = slots.insert(slot),
        }
    }

    /// Says whether nobody is left.
    fn strike(&mut self, slot: u32) -> bool {
        match self {
            Self::One(one) => *one == slot,
            Self::Many(slots) => {
                slots.remove(&slot);
                slots.is_empty()
            }
        }
    }
}
