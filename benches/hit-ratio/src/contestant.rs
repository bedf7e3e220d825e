//! Who is measured: every policy of the engine, and peers as their users run them.

use std::hash::RandomState;

use cache_memory::{Policy, ShardedCache};
use foyer_memory::{CacheBuilder, CacheProperties, EvictionConfig, LfuConfig, S3FifoConfig};

/// A cache of keys alone.
pub(crate) trait Contestant {
    /// Asks for a key, and brings it in if it is not there. Says whether it was.
    fn access(&mut self, key: u64) -> bool;
}

/// Makes one with room for so many entries.
pub(crate) type Make = fn(u64) -> Box<dyn Contestant>;

struct Ours(ShardedCache<u64, ()>);
struct QuickCache(quick_cache::sync::Cache<u64, ()>);
struct Moka(moka::sync::Cache<u64, ()>);
struct MiniMoka(mini_moka::sync::Cache<u64, ()>);
struct TinyUfo(tinyufo::TinyUfo<u64, ()>);
struct Foyer(foyer_memory::Cache<u64, ()>);

impl Contestant for Ours {
    fn access(&mut self, key: u64) -> bool {
        let hit = self.0.get_with(&key, |()| ()).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        hit
    }
}

impl Contestant for QuickCache {
    fn access(&mut self, key: u64) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        hit
    }
}

impl Contestant for Moka {
    fn access(&mut self, key: u64) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        hit
    }
}

impl Contestant for MiniMoka {
    fn access(&mut self, key: u64) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        hit
    }
}

impl Contestant for TinyUfo {
    fn access(&mut self, key: u64) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.put(key, (), 1);
        }
        hit
    }
}

impl Contestant for Foyer {
    fn access(&mut self, key: u64) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        hit
    }
}

fn ours(policy: Policy, entries: u64) -> Box<dyn Contestant> {
    let cache = ShardedCache::builder().max_entries(entries.max(1)).policy(policy).build();
    match cache {
        Ok(cache) => Box::new(Ours(cache)),
        // A bound that is not zero is all that it asks for.
        Err(error) => unreachable!("{error}"),
    }
}

fn moka(policy: moka::policy::EvictionPolicy, entries: u64) -> Box<dyn Contestant> {
    let cache = moka::sync::Cache::builder().max_capacity(entries).eviction_policy(policy);
    Box::new(Moka(cache.build()))
}

/// With one shard, as the engine has for small caches; more would only do harm with one thread.
fn foyer(policy: EvictionConfig, entries: u64) -> Box<dyn Contestant> {
    let cache = CacheBuilder::new(room(entries)).with_shards(1).with_eviction_config(policy);
    Box::new(Foyer(cache.build::<CacheProperties>()))
}

fn room(entries: u64) -> usize {
    usize::try_from(entries).unwrap_or(usize::MAX)
}

/// The default policy; what `--quick` measures alone.
pub(crate) const DEFAULT: (&str, Make) = ("adaptive", |entries| ours(Policy::Adaptive, entries));

/// All, the default first.
pub(crate) const ALL: &[(&str, Make)] = &[
    DEFAULT,
    ("tinylfu", |entries| ours(Policy::TinyLfu, entries)),
    ("s3fifo", |entries| ours(Policy::S3Fifo, entries)),
    ("sieve", |entries| ours(Policy::Sieve, entries)),
    ("arc", |entries| ours(Policy::Arc, entries)),
    ("lru", |entries| ours(Policy::Lru, entries)),
    ("lfu", |entries| ours(Policy::Lfu, entries)),
    ("fifo", |entries| ours(Policy::Fifo, entries)),
    ("quick_cache", |entries| Box::new(QuickCache(quick_cache::sync::Cache::new(room(entries))))),
    ("moka-tinylfu", |entries| moka(moka::policy::EvictionPolicy::tiny_lfu(), entries)),
    ("moka-lru", |entries| moka(moka::policy::EvictionPolicy::lru(), entries)),
    ("foyer-lfu", |entries| foyer(LfuConfig::default().into(), entries)),
    ("foyer-s3fifo", |entries| foyer(S3FifoConfig::default().into(), entries)),
    ("mini-moka", |entries| {
        let hasher = RandomState::new();
        let cache = mini_moka::sync::Cache::builder().max_capacity(entries);
        Box::new(MiniMoka(cache.build_with_hasher(hasher)))
    }),
    ("tinyufo", |entries| Box::new(TinyUfo(tinyufo::TinyUfo::new(room(entries), room(entries))))),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_holds_what_is_used_all_the_time() {
        for (name, make) in ALL {
            let mut cache = make(1000);
            let hits = (0..20_000_u64).filter(|turn| cache.access(turn % 50)).count();
            assert!(hits > 19_000, "{name}: {hits}");
        }
    }
}
