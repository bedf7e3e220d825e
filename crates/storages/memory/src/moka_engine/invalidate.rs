use cache_core::memory::{MemoryEntry, MemoryKey, MemorySelector};
use cache_core::storage::InvalidationMode;

use super::MokaEngine;
use super::index::Member;

impl MokaEngine {
    /// Removes or expires what is named. The fence was raised before.
    pub(crate) fn end_all(&self, what: &MemorySelector<'_>, mode: InvalidationMode) -> u64 {
        // What gets a larger id is checked after the fence was raised, and stays.
        let last_id = self.index().last_id();
        match what {
            MemorySelector::Node(probe) => {
                self.end(probe.hash, mode, |member| member.id <= last_id && probe.is(&member.key))
            }
            MemorySelector::Digest(digest) => {
                let is_meant =
                    |member: &Member| member.id <= last_id && member.entry.digest == *digest;
                let hashes = self.index().with_digest(*digest);
                hashes.into_iter().map(|hash| self.end(hash, mode, is_meant)).sum()
            }
            MemorySelector::AnyTag(tags) => {
                let end_tag = |(nth, tag)| {
                    // Bearers of an earlier tag have been ended, and are not counted twice.
                    let earlier = &tags[..nth];
                    let is_meant = |member: &Member| {
                        let borne = &member.entry.tags;
                        member.id <= last_id
                            && borne.contains(tag)
                            && !earlier.iter().any(|tag| borne.contains(tag))
                    };
                    let hashes = self.index().with_tag(tag);
                    hashes.map(|hash| self.end(hash, mode, is_meant)).sum::<u64>()
                };
                tags.iter().enumerate().map(end_tag).sum()
            }
            MemorySelector::AllTags(tags) => {
                let Some(first) = tags.first() else { return 0 };
                let is_meant = |member: &Member| {
                    member.id <= last_id && tags.iter().all(|tag| member.entry.tags.contains(tag))
                };
                let hashes = self.index().with_tag(first);
                hashes.map(|hash| self.end(hash, mode, is_meant)).sum()
            }
            MemorySelector::Where(meant) => self.end_where(mode, last_id, meant),
            MemorySelector::All => self.end_where(mode, last_id, |_, _| true),
        }
    }

    /// Removes or expires, of the entries with this hash, those that are meant.
    fn end(&self, hash: u64, mode: InvalidationMode, meant: impl Fn(&Member) -> bool) -> u64 {
        let members;
        let _stripe = self.stripes.lock(hash);
        members = self.index().with_hash(hash);
        let mut ended = 0;
        for member in members.iter().filter(|member| meant(member)) {
            match mode {
                InvalidationMode::Remove => {
                    ended += u64::from(self.remove(member));
                }
                InvalidationMode::Expire => {
                    member.entry.expire();
                    ended += 1;
                }
            }
        }
        ended
    }

    /// The same for every entry there is.
    fn end_where(
        &self,
        mode: InvalidationMode,
        last_id: u64,
        meant: impl Fn(&MemoryKey, &MemoryEntry) -> bool,
    ) -> u64 {
        // No index leads to what has been admitted and is not stored yet: wait until it is.
        self.stripes.pass_barrier();
        let mut ended = 0;
        for members in self.index().shards() {
            let members = members.iter().filter(|member| member.id <= last_id);
            for member in members.filter(|member| meant(&member.key, &member.entry)) {
                ended += self.end(member.key.hash, mode, |held| held.id == member.id);
            }
        }
        ended
    }
}
