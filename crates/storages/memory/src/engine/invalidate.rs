use std::sync::Arc;

use cache_core::key::Tag;
use cache_core::memory::{EvictionCause, MemoryEntry, MemoryKey, MemorySelector};
use cache_core::storage::InvalidationMode;

use super::index::Index;
use super::keyed::{KeyedEngine, mixed};
use crate::sharded::{Departures, Shard, ShardLock};

type Lock = ShardLock<Shard<Arc<MemoryKey>, Arc<MemoryEntry>, Index>>;

/// An entry as it was seen: where it stood, and which it was.
type Seen = (u32, Arc<MemoryEntry>);

/// How many entries are removed under one hold of a lock.
const PORTION: usize = 1024;

impl KeyedEngine {
    /// Removes or expires what is named. The fence was raised before: what comes into a shard after
    /// it has been looked at was checked after the raise, and stays.
    pub(super) fn end_all(&self, what: &MemorySelector<'_>, mode: InvalidationMode) -> u64 {
        match what {
            MemorySelector::Node(probe) => {
                let lock = self.shards.shard(mixed(probe.hash));
                self.end_found(lock, mode, |shard| {
                    shard.find(mixed(probe.hash), |key| probe.is(key)).into_iter().collect()
                })
            }
            MemorySelector::Digest(digest) => {
                self.shards.shards().iter().for_each(learn_digests);
                self.end_in_all(mode, |shard| {
                    let has_digest =
                        |slot: &u32| shard.pair(*slot).is_some_and(|pair| pair.1.digest == *digest);
                    shard.annex().with_digest(*digest).filter(has_digest).collect()
                })
            }
            MemorySelector::AnyTag(tags) => {
                let end_tag = |(nth, tag): (usize, &Tag)| {
                    // Bearers of an earlier tag have been ended, and are not counted twice.
                    self.end_in_all(mode, |shard| bearers(shard, tag, &tags[..nth], &[]))
                };
                tags.iter().enumerate().map(end_tag).sum()
            }
            MemorySelector::AllTags(tags) => {
                let Some((first, rest)) = tags.split_first() else { return 0 };
                self.end_in_all(mode, |shard| bearers(shard, first, &[], rest))
            }
            MemorySelector::Where(meant) => self.end_where(mode, meant),
            MemorySelector::All => match mode {
                InvalidationMode::Remove => self.shards.clear(),
                InvalidationMode::Expire => {
                    self.end_in_all(mode, |shard| shard.pairs().map(|(slot, _)| slot).collect())
                }
            },
        }
    }

    fn end_in_all(
        &self,
        mode: InvalidationMode,
        find: impl Fn(&Shard<Arc<MemoryKey>, Arc<MemoryEntry>, Index>) -> Vec<u32>,
    ) -> u64 {
        self.shards.shards().iter().map(|lock| self.end_found(lock, mode, &find)).sum()
    }

    /// Ends what is found in a shard. Whatever is being stored there is stored before it is looked
    /// at, for that takes the lock.
    fn end_found(
        &self,
        lock: &Lock,
        mode: InvalidationMode,
        find: impl Fn(&Shard<Arc<MemoryKey>, Arc<MemoryEntry>, Index>) -> Vec<u32>,
    ) -> u64 {
        let shard = lock.read();
        let slots = find(&shard);
        let seen = |slot| Some((slot, Arc::clone(&shard.pair(slot)?.1)));
        let seen: Vec<Seen> = slots.into_iter().filter_map(seen).collect();
        drop(shard);
        self.end(lock, mode, &seen)
    }

    /// Ends those of the seen that are still there.
    fn end(&self, lock: &Lock, mode: InvalidationMode, seen: &[Seen]) -> u64 {
        if mode == InvalidationMode::Expire {
            seen.iter().for_each(|(_, entry)| entry.expire());
            return seen.len() as u64;
        }
        let mut ended = 0;
        for portion in seen.chunks(PORTION) {
            let mut departures = Departures::default();
            let mut shard = lock.write();
            for (slot, entry) in portion {
                if shard.pair(*slot).is_some_and(|pair| Arc::ptr_eq(&pair.1, entry)) {
                    shard.remove(*slot, EvictionCause::Explicit, &mut departures);
                }
            }
            drop(shard);
            self.shards.departed(&departures);
            ended += departures.len() as u64;
        }
        ended
    }

    /// The same by predicate, which is asked outside of all locks, of what was there when it began.
    fn end_where(
        &self,
        mode: InvalidationMode,
        meant: impl Fn(&MemoryKey, &MemoryEntry) -> bool,
    ) -> u64 {
        let there = |lock: &Lock| -> Vec<(Arc<MemoryKey>, Seen)> {
            let shard = lock.read();
            let pair = |(slot, (key, entry)): (u32, &(Arc<MemoryKey>, Arc<MemoryEntry>))| {
                (Arc::clone(key), (slot, Arc::clone(entry)))
            };
            shard.pairs().map(pair).collect()
        };
        let there: Vec<_> = self.shards.shards().iter().map(there).collect();
        let mut ended = 0;
        for (lock, there) in self.shards.shards().iter().zip(there) {
            let meant = |(key, seen): (Arc<MemoryKey>, Seen)| meant(&key, &seen.1).then_some(seen);
            let seen: Vec<Seen> = there.into_iter().filter_map(meant).collect();
            ended += self.end(lock, mode, &seen);
        }
        ended
    }
}

/// Has entries found by digest from now on, once somebody looks for one.
pub(super) fn learn_digests(lock: &Lock) {
    if !lock.read().annex().knows_digests() {
        let mut shard = lock.write();
        let (annex, slab) = shard.annex_mut();
        if !annex.knows_digests() {
            annex.learn_digests(slab);
        }
    }
}

/// The slots of those that bear a tag, none of one kind of others and all of another.
fn bearers(
    shard: &Shard<Arc<MemoryKey>, Arc<MemoryEntry>, Index>,
    tag: &Tag,
    none_of: &[Tag],
    all_of: &[Tag],
) -> Vec<u32> {
    let is_meant = |slot: &u32| {
        shard.pair(*slot).is_some_and(|(_, entry)| {
            !none_of.iter().any(|tag| entry.tags.contains(tag))
                && all_of.iter().all(|tag| entry.tags.contains(tag))
        })
    };
    shard.annex().with_tag(tag).filter(is_meant).collect()
}
