//! The engines, each as its users run it, with its own default policy.

use std::sync::Arc;

use tiers::memory::ShardedCache;

/// What is cached: 100 bytes that are shared.
pub(super) type Value = Arc<[u8; 100]>;

/// One of them, under a name.
pub(super) struct Engine {
    pub(super) name: &'static str,
    pub(super) cache: Box<dyn Cached>,
}

/// Each does many accesses a call, so that the call through a pointer is not measured.
pub(super) trait Cached: Sync {
    fn insert(&self, key: u64);
    /// Asks for these keys.
    fn hits(&self, keys: &mut dyn Iterator<Item = u64>);
    /// Asks for three of four, and puts in each fourth.
    fn mixed(&self, keys: &mut dyn Iterator<Item = u64>);
    /// Asks for these, and puts in what is missed.
    fn read_through(&self, keys: &mut dyn Iterator<Item = u64>);
}

/// The loops over a cache; how it is asked, and how it is given, are inlined.
struct Loops<C, G, P> {
    cache: C,
    get: G,
    put: P,
}

fn value(key: u64) -> Value {
    Arc::new([key as u8; 100])
}

impl<C, G, P> Cached for Loops<C, G, P>
where
    C: Sync,
    G: Fn(&C, u64) -> Option<Value> + Sync,
    P: Fn(&C, u64, Value) + Sync,
{
    fn insert(&self, key: u64) {
        (self.put)(&self.cache, key, value(key));
    }

    fn hits(&self, keys: &mut dyn Iterator<Item = u64>) {
        for key in keys {
            std::hint::black_box((self.get)(&self.cache, key));
        }
    }

    fn mixed(&self, keys: &mut dyn Iterator<Item = u64>) {
        for (turn, key) in keys.enumerate() {
            if turn % 4 == 3 {
                self.insert(key);
            } else {
                std::hint::black_box((self.get)(&self.cache, key));
            }
        }
    }

    fn read_through(&self, keys: &mut dyn Iterator<Item = u64>) {
        for key in keys {
            if std::hint::black_box((self.get)(&self.cache, key)).is_none() {
                self.insert(key);
            }
        }
    }
}

fn engine<C: Sync + 'static>(
    name: &'static str,
    cache: C,
    get: impl Fn(&C, u64) -> Option<Value> + Sync + 'static,
    put: impl Fn(&C, u64, Value) + Sync + 'static,
) -> Engine {
    Engine { name, cache: Box::new(Loops { cache, get, put }) }
}

pub(super) const TIERS: &str = "tiers";
pub(super) const QUICK: &str = "quick_cache";
pub(super) const QUICK_SHARDED: &str = "quick_cache, as many shards";

/// All, with room for so many entries.
pub(super) fn all(entries: u64) -> anyhow::Result<Vec<Engine>> {
    let room = usize::try_from(entries)?;
    let tiers = ShardedCache::<u64, Value>::builder().max_entries(entries).build()?;
    let shards = tiers.shards();
    let options = quick_cache::OptionsBuilder::new()
        .estimated_items_capacity(room)
        .weight_capacity(entries)
        .shards(shards)
        .build()?;
    let sharded = quick_cache::sync::Cache::<u64, Value>::with_options(
        options,
        quick_cache::UnitWeighter,
        quick_cache::DefaultHashBuilder::default(),
        quick_cache::sync::DefaultLifecycle::default(),
    );
    let foyer: foyer_memory::Cache<u64, Value> =
        foyer_memory::CacheBuilder::new(room).build::<foyer_memory::CacheProperties>();
    Ok(vec![
        engine(
            TIERS,
            tiers,
            |cache, key| cache.get(&key),
            |cache, key, value| {
                cache.insert(key, value);
            },
        ),
        engine(
            QUICK,
            quick_cache::sync::Cache::<u64, Value>::new(room),
            |cache, key| cache.get(&key),
            |cache, key, value| cache.insert(key, value),
        ),
        engine(
            QUICK_SHARDED,
            sharded,
            |cache, key| cache.get(&key),
            |cache, key, value| cache.insert(key, value),
        ),
        engine(
            "moka",
            moka::sync::Cache::<u64, Value>::new(entries),
            |cache, key| cache.get(&key),
            |cache, key, value| cache.insert(key, value),
        ),
        engine(
            "mini-moka",
            mini_moka::sync::Cache::<u64, Value>::new(entries),
            |cache, key| cache.get(&key),
            |cache, key, value| cache.insert(key, value),
        ),
        engine(
            "foyer",
            foyer,
            |cache, key| cache.get(&key).map(|entry| Arc::clone(entry.value())),
            |cache, key, value| {
                cache.insert(key, value);
            },
        ),
        engine(
            "TinyUFO",
            tinyufo::TinyUfo::<u64, Value>::new(room, room),
            |cache, key| cache.get(&key),
            |cache, key, value| {
                cache.put(key, value, 1);
            },
        ),
    ])
}
