use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cache_core::key::{Tag, Tags};
use cache_core::memory::{MemoryEntry, MemoryKey, Probe};
use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock};

use super::stripe::Sharded;
use super::uses::{UseCount, Uses};
use crate::sync::atomic::{self, Ordering};

/// What stands beside the map: who is there, by node, by digest of the key text and by tag.
///
/// The map can be asked by node only, and a question counts as a use and makes it work. Every entry in the map is
/// in here, and nothing else for longer than the step that brings or takes it, so that the index
/// is as bounded as the map is. No call holds more than one of its locks, or runs foreign code
/// under one but the equality of nodes.
#[derive(Default)]
pub(crate) struct Index {
    places: Sharded<RwLock<HashTable<Place>>>,
    /// Pairs of digest and hash. Both may collide, and a pair may be there more than once.
    digests: Sharded<Mutex<HashTable<(u64, u64)>>>,
    tags: Sharded<Mutex<HashMap<Tag, Bearers>>>,
    entries: AtomicU64,
    weight_bytes: AtomicU64,
    last_id: atomic::AtomicU64,
}

/// The hashes of the entries that bear a tag, with how many there are of each; in order, so that
/// they can be read in portions.
type Bearers = BTreeMap<u64, u32>;

/// How many bearers of a tag are read under its lock at once.
const BEARERS_PER_PORTION: usize = 1024;

/// An entry in the map, as the index knows it.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) key: Arc<MemoryKey>,
    pub(crate) entry: Arc<MemoryEntry>,
    pub(crate) id: u64,
    /// It is being removed because its time has passed.
    pub(crate) is_expired: bool,
}

/// A member where the index keeps it.
struct Place {
    member: Member,
    uses: UseCount,
}

/// What an entry counts for in a memory bounded by bytes.
pub(crate) fn weight_of(entry: &MemoryEntry) -> u32 {
    // Entries without weight would have no bound.
    entry.weight.max(1)
}

impl Index {
    /// An id larger than every one before.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The largest id handed out so far.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id.load(Ordering::SeqCst)
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    pub(crate) fn weight_bytes(&self) -> u64 {
        self.weight_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn find(&self, probe: &Probe<'_>) -> Option<Member> {
        let places = self.places.of(probe.hash).read();
        let place = places.find(probe.hash, |place| probe.is(&place.member.key));
        place.map(|place| place.member.clone())
    }

    /// The entry of a node, noted as used.
    pub(crate) fn hit(&self, probe: &Probe<'_>, uses: &Uses) -> Option<Arc<MemoryEntry>> {
        let places = self.places.of(probe.hash).read();
        let place = places.find(probe.hash, |place| probe.is(&place.member.key))?;
        uses.note(probe.hash, &place.uses);
        Some(Arc::clone(&place.member.entry))
    }

    /// Takes out the uses of the entries with this hash: the last moment, how many, whose.
    pub(crate) fn take_uses(&self, hash: u64, taken: &mut Vec<(u64, u8, Arc<MemoryKey>)>) {
        let places = self.places.of(hash).read();
        for place in places.iter_hash(hash).filter(|place| place.member.key.hash == hash) {
            if let Some((last, count)) = place.uses.take() {
                taken.push((last, count, Arc::clone(&place.member.key)));
            }
        }
    }

    /// Those with this hash: mostly one.
    pub(crate) fn with_hash(&self, hash: u64) -> Vec<Member> {
        let places = self.places.of(hash).read();
        let members = places.iter_hash(hash).map(|place| &place.member);
        members.filter(|member| member.key.hash == hash).cloned().collect()
    }

    /// All there are, a shard at a time.
    pub(crate) fn shards(&self) -> impl Iterator<Item = Vec<Member>> {
        let members = |places: &HashTable<Place>| {
            places.iter().map(|place| place.member.clone()).collect::<Vec<_>>()
        };
        self.places.iter().map(move |places| members(&places.read()))
    }

    /// Puts a member in the place of the one with the same key, which is given back.
    pub(crate) fn put(&self, member: Member) -> Option<Member> {
        let hash = member.key.hash;
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.weight_bytes.fetch_add(u64::from(weight_of(&member.entry)), Ordering::Relaxed);
        let mut places = self.places.of(hash).write();
        let replaced = match places.find_mut(hash, |place| place.member.key == member.key) {
            Some(place) => Some(std::mem::replace(&mut place.member, member)),
            None => {
                let place = Place { member, uses: UseCount::default() };
                places.insert_unique(hash, place, |place| place.member.key.hash);
                None
            }
        };
        drop(places);
        self.count_out(replaced)
    }

    /// Takes out the member with this id; another one with the same key stays.
    pub(crate) fn take(&self, hash: u64, id: u64) -> Option<Member> {
        let mut places = self.places.of(hash).write();
        let taken = places.find_entry(hash, |place| place.member.id == id).ok();
        let taken = taken.map(|place| place.remove().0.member);
        drop(places);
        self.count_out(taken)
    }

    fn count_out(&self, member: Option<Member>) -> Option<Member> {
        if let Some(member) = &member {
            self.entries.fetch_sub(1, Ordering::Relaxed);
            let weight = u64::from(weight_of(&member.entry));
            self.weight_bytes.fetch_sub(weight, Ordering::Relaxed);
        }
        member
    }

    /// Notes why the member is about to be removed. Its stripe is held by the caller.
    pub(crate) fn mark_expired(&self, hash: u64, id: u64) {
        let mut places = self.places.of(hash).write();
        if let Some(place) = places.find_mut(hash, |place| place.member.id == id) {
            place.member.is_expired = true;
        }
    }

    /// Makes an entry with this hash found by its digest and tags.
    pub(crate) fn enroll(&self, hash: u64, digest: u64, tags: &Tags) {
        let mut digests = self.digests.of(digest).lock();
        digests.insert_unique(digest, (digest, hash), |(digest, _)| *digest);
        drop(digests);
        for tag in tags {
            let mut bearers = self.tags.of(tag.digest()).lock();
            *bearers.entry(tag.clone()).or_default().entry(hash).or_default() += 1;
        }
    }

    /// Undoes one [`enroll`](Self::enroll).
    pub(crate) fn strike(&self, hash: u64, digest: u64, tags: &Tags) {
        let mut digests = self.digests.of(digest).lock();
        if let Ok(pair) = digests.find_entry(digest, |pair| *pair == (digest, hash)) {
            pair.remove();
        }
        drop(digests);
        for tag in tags {
            let mut tags = self.tags.of(tag.digest()).lock();
            let Some(bearers) = tags.get_mut(tag) else { continue };
            if let Some(count) = bearers.get_mut(&hash) {
                *count -= 1;
                if *count == 0 {
                    bearers.remove(&hash);
                }
            }
            if bearers.is_empty() {
                tags.remove(tag);
            }
        }
    }

    /// The hashes of the entries with this digest.
    pub(crate) fn with_digest(&self, digest: u64) -> Vec<u64> {
        let digests = self.digests.of(digest).lock();
        let pairs = digests.iter_hash(digest).filter(|pair| pair.0 == digest);
        let mut hashes: Vec<u64> = pairs.map(|pair| pair.1).collect();
        drop(digests);
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    /// The hashes of the entries that bear this tag. Those that come meanwhile may be left out.
    pub(crate) fn with_tag<'a>(&'a self, tag: &'a Tag) -> impl Iterator<Item = u64> + 'a {
        let mut after = None;
        let portions = std::iter::from_fn(move || {
            if cfg!(mutant = "index_drained") {
                let drained = self.tags.of(tag.digest()).lock().remove(tag)?;
                return Some(drained.into_keys().collect());
            }
            let tags = self.tags.of(tag.digest()).lock();
            let start = after.map_or(Unbounded, Excluded);
            let bearers = tags.get(tag)?.range((start, Unbounded));
            let portion: Vec<u64> = bearers.take(BEARERS_PER_PORTION).map(|(h, _)| *h).collect();
            after = Some(*portion.last()?);
            Some(portion)
        });
        portions.flatten()
    }

    /// How many members, digests and tag memberships are held, for tests.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let members = self.places.iter().map(|shard| shard.read().len()).sum();
        let digests = self.digests.iter().map(|shard| shard.lock().len()).sum();
        let bearers = |bearers: &Bearers| bearers.values().map(|n| *n as usize).sum::<usize>();
        let tags = self.tags.iter().map(|shard| {
            let shard = shard.lock();
            assert!(shard.values().all(|bearers| !bearers.is_empty()), "an empty set was kept");
            shard.values().map(bearers).sum::<usize>()
        });
        (members, digests, tags.sum())
    }
}
