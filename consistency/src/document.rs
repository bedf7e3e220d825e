//! What is cached: documents that say of themselves which one and which version they are.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tiers::core::entry::Codec;
use tiers::core::key::KeyFields;
use tiers::core::node::{Node, NodeDefinition, TierDefinition};
use tiers::policy::write_behind::{Destination, WriteBehind};

use crate::history::Place;

/// How many keys each chain has. Few, so that all that happens meets.
pub(crate) const KEYS: usize = 48;
/// The keys from here on are changed by `set` alone, each by one process.
pub(crate) const OWNED_FROM: usize = 40;
/// How many tags the keys of a chain share.
pub(crate) const GROUPS: usize = 6;
/// How many documents of a chain a process may have queued: what is lost with it at most.
pub(crate) const QUEUED_MAX: usize = 8;
/// For how long they wait: long enough that much happens in between.
const DELAY: Duration = Duration::from_millis(500);
/// How long documents live: longer than any run, so that nothing ends but by invalidation.
const TTL: Duration = Duration::from_secs(3600);

/// A way through tiers.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    /// Nearest first, by the names in [`tier`].
    pub(crate) tiers: &'static [&'static str],
    /// Where its documents are written later. Each of them is by one process alone, in the order of its
    /// versions; all of them invalidate it.
    pub(crate) later: Option<Destination>,
}

/// The storages by the names under which each process registers them.
pub(crate) mod tier {
    /// Objects of the process.
    pub(crate) const MEMORY: &str = "memory";
    /// A file of the process alone.
    pub(crate) const OWN_FILE: &str = "own-file";
    /// A file of all processes.
    pub(crate) const FILE: &str = "file";
    pub(crate) const REDIS: &str = "redis";
    pub(crate) const POSTGRES: &str = "postgres";
}

/// All chains, in an order of tiers that fits every one of them.
pub(crate) const CHAINS: &[Chain] = &[
    Chain::at_once("whole", &[tier::MEMORY, tier::REDIS, tier::POSTGRES]),
    Chain::at_once("servers", &[tier::REDIS, tier::POSTGRES]),
    Chain::at_once("own", &[tier::MEMORY, tier::OWN_FILE, tier::REDIS]),
    Chain::at_once("file", &[tier::MEMORY, tier::FILE]),
    Chain::at_once("near-file", &[tier::FILE, tier::POSTGRES]),
    Chain::at_once("redis", &[tier::REDIS]),
    Chain::later("brought", &[tier::MEMORY, tier::REDIS, tier::POSTGRES], Destination::Storages),
    Chain::later("home", &[tier::MEMORY, tier::REDIS], Destination::Source),
];

impl Chain {
    const fn at_once(name: &'static str, tiers: &'static [&'static str]) -> Self {
        Self { name, tiers, later: None }
    }

    const fn later(
        name: &'static str,
        tiers: &'static [&'static str],
        destination: Destination,
    ) -> Self {
        Self { name, tiers, later: Some(destination) }
    }

    /// Whether nobody invalidates this key of it, so that the process which has queued it reads it.
    pub(crate) fn is_left_alone(&self, key: usize) -> bool {
        self.later == Some(Destination::Source) && key >= OWNED_FROM
    }

    /// The tiers that every process reaches.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &'static str> {
        self.tiers.iter().copied().filter(|name| !is_local(name))
    }

    /// How its documents are cached, through these of its tiers.
    pub(crate) fn definition(&self, tiers: impl Iterator<Item = &'static str>) -> NodeDefinition {
        NodeDefinition::new(self.name, format!("{}:{{key}}", self.name))
            .tiers(tiers.map(|name| TierDefinition::new(name).ttl(TTL)))
            .load_timeout(Some(Duration::from_secs(2)))
    }

    /// As [`definition`](Self::definition) through all of its tiers, with its queue.
    pub(crate) fn whole(&self) -> NodeDefinition {
        let definition = self.definition(self.tiers.iter().copied());
        let options = match self.later {
            None => return definition,
            Some(Destination::Storages) => WriteBehind::to_storages(),
            Some(Destination::Source) => WriteBehind::to_source(),
        };
        // A store that was given up for its time might come to the source after a newer one.
        let definition = definition.load_timeout(Some(Duration::from_secs(30)));
        definition.write_behind(options.queued_max(QUEUED_MAX).delay(DELAY))
    }
}

fn is_local(name: &str) -> bool {
    matches!(name, tier::MEMORY | tier::OWN_FILE)
}

/// The label of the tag that some keys of a chain share.
pub(crate) fn group_label(chain: usize, group: usize) -> String {
    format!("{}-group-{group}", CHAINS[chain].name)
}

/// The group of a key.
pub(crate) fn group_of(key: usize) -> usize {
    key % GROUPS
}

/// One document of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DocumentNode(pub(crate) Place);

/// A version of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    chain: usize,
    key: usize,
    pub(crate) version: u64,
    /// Follows from the rest, so that a document which was put together from two shows.
    body: Vec<u64>,
}

impl Document {
    pub(crate) fn new(place: Place, version: u64) -> Self {
        let Place { chain, key } = place;
        let length = version % 37;
        let seed = version.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((chain * KEYS + key) as u64);
        Self { chain, key, version, body: (0..length).map(|nth| seed.wrapping_add(nth)).collect() }
    }

    /// What is wrong with it as a document of this place.
    pub(crate) fn problem(&self, place: Place) -> Option<String> {
        if (self.chain, self.key) != (place.chain, place.key) {
            return Some(format!("it holds the document of {} {}", self.chain, self.key));
        }
        let whole = Self::new(place, self.version);
        (*self != whole).then(|| format!("version {} is not whole", self.version))
    }
}

impl Node for DocumentNode {
    type Value = Document;

    fn definition() -> NodeDefinition {
        CHAINS[0].whole()
    }

    fn key_fields(&self, fields: &mut KeyFields<'_>) {
        fields.push(self.0.key);
    }

    fn codec() -> Codec<Document> {
        Codec::message_pack()
    }

    fn tags(&self, labels: &mut Vec<String>) {
        if !CHAINS[self.0.chain].is_left_alone(self.0.key) {
            labels.push(group_label(self.0.chain, group_of(self.0.key)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_another_place_or_of_two_versions_is_told() {
        let place = Place { chain: 1, key: 7 };
        let document = Document::new(place, 36);
        assert_eq!(document.problem(place), None);
        assert!(document.problem(Place { chain: 1, key: 8 }).is_some());
        let mixed = Document { version: 35, ..document };
        assert!(mixed.problem(place).is_some());
    }

    #[test]
    fn two_chains_have_two_shared_tiers() {
        let shared = CHAINS.iter().filter(|chain| chain.shared().count() == 2).count();
        assert!(shared >= 2);
    }

    #[test]
    fn chains_write_later_to_both_and_no_more_than_their_bound() {
        let queued = CHAINS.iter().filter_map(|chain| chain.whole().write_behind);
        let queued: Vec<WriteBehind> = queued.collect();
        assert_eq!(
            queued.iter().map(|options| options.to).collect::<Vec<_>>(),
            [Destination::Storages, Destination::Source]
        );
        assert!(queued.iter().all(|options| options.queued_max == QUEUED_MAX));
    }
}
