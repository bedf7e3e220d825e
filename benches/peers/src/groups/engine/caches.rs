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
    fn hits(&self, keys: Keys<'_>);
    /// Asks for three of four, and puts in each fourth.
    fn mixed(&self, keys: Keys<'_>);
    /// Asks for these, and puts in what is missed.
    fn read_through(&self, keys: Keys<'_>);
}

/// Keys that are asked for in turn, from somewhere in the middle on, again and again.
#[derive(Debug, Clone)]
pub(super) struct Keys<'a> {
    requests: &'a [u64],
    at: usize,
    left: u64,
}

impl<'a> Keys<'a> {
    pub(super) fn new(requests: &'a [u64], at: usize, count: u64) -> Self {
        Self { requests, at, left: count }
    }
}

impl Iterator for Keys<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        if self.at >= self.requests.len() {
            self.at = 0;
        }
        let key = *self.requests.get(self.at)?;
        self.at += 1;
        Some(key)
    }
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

    fn hits(&self, keys: Keys<'_>) {
        for key in keys {
            std::hint::black_box((self.get)(&self.cache, key));
        }
    }

    fn mixed(&self, keys: Keys<'_>) {
        for (turn, key) in keys.enumerate() {
            if turn % 4 == 3 {
                self.insert(key);
            } else {
                std::hint::black_box((self.get)(&self.cache, key));
            }
        }
    }

    fn read_through(&self, keys: Keys<'_>) {
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
pub(super) const TIERS_BORROWED: &str = "tiers, get_with";
pub(super) const QUICK: &str = "quick_cache";
pub(super) const QUICK_SHARDED: &str = "quick_cache, as many shards";

/// Makes one of them, with room for so many entries.
pub(super) type Maker = fn(u64) -> anyhow::Result<Engine>;

pub(super) const ALL: [Maker; 8] =
    [tiers, tiers_borrowed, quick, quick_sharded, moka, mini_moka, foyer, tinyufo];

fn sharded(entries: u64) -> anyhow::Result<ShardedCache<u64, Value>> {
    Ok(ShardedCache::builder().max_entries(entries).build()?)
}

fn tiers(entries: u64) -> anyhow::Result<Engine> {
    Ok(engine(
        TIERS,
        sharded(entries)?,
        |cache, key| cache.get(&key),
        |cache, key, value| {
            cache.insert(key, value);
        },
    ))
}

/// Whose reads borrow the value: here to see its first byte.
fn tiers_borrowed(entries: u64) -> anyhow::Result<Engine> {
    let cache = Borrowed { cache: sharded(entries)? };
    Ok(Engine { name: TIERS_BORROWED, cache: Box::new(cache) })
}

struct Borrowed {
    cache: ShardedCache<u64, Value>,
}

impl Borrowed {
    fn get(&self, key: u64) -> Option<u8> {
        std::hint::black_box(self.cache.get_with(&key, |value| value[0]))
    }
}

impl Cached for Borrowed {
    fn insert(&self, key: u64) {
        self.cache.insert(key, value(key));
    }

    fn hits(&self, keys: Keys<'_>) {
        for key in keys {
            self.get(key);
        }
    }

    fn mixed(&self, keys: Keys<'_>) {
        for (turn, key) in keys.enumerate() {
            if turn % 4 == 3 {
                self.insert(key);
            } else {
                self.get(key);
            }
        }
    }

    fn read_through(&self, keys: Keys<'_>) {
        for key in keys {
            if self.get(key).is_none() {
                self.insert(key);
            }
        }
    }
}

fn quick(entries: u64) -> anyhow::Result<Engine> {
    Ok(engine(
        QUICK,
        quick_cache::sync::Cache::<u64, Value>::new(usize::try_from(entries)?),
        |cache, key| cache.get(&key),
        |cache, key, value| cache.insert(key, value),
    ))
}

fn quick_sharded(entries: u64) -> anyhow::Result<Engine> {
    let options = quick_cache::OptionsBuilder::new()
        .estimated_items_capacity(usize::try_from(entries)?)
        .weight_capacity(entries)
        .shards(sharded(entries)?.shards())
        .build()?;
    let cache = quick_cache::sync::Cache::<u64, Value>::with_options(
        options,
        quick_cache::UnitWeighter,
        quick_cache::DefaultHashBuilder::default(),
        quick_cache::sync::DefaultLifecycle::default(),
    );
    Ok(engine(
        QUICK_SHARDED,
        cache,
        |cache, key| cache.get(&key),
        |cache, key, value| cache.insert(key, value),
    ))
}

fn moka(entries: u64) -> anyhow::Result<Engine> {
    Ok(engine(
        "moka",
        moka::sync::Cache::<u64, Value>::new(entries),
        |cache, key| cache.get(&key),
        |cache, key, value| cache.insert(key, value),
    ))
}

fn mini_moka(entries: u64) -> anyhow::Result<Engine> {
    Ok(engine(
        "mini-moka",
        mini_moka::sync::Cache::<u64, Value>::new(entries),
        |cache, key| cache.get(&key),
        |cache, key, value| cache.insert(key, value),
    ))
}

fn foyer(entries: u64) -> anyhow::Result<Engine> {
    let cache: foyer_memory::Cache<u64, Value> =
        foyer_memory::CacheBuilder::new(usize::try_from(entries)?)
            .build::<foyer_memory::CacheProperties>();
    Ok(engine(
        "foyer",
        cache,
        |cache, key| cache.get(&key).map(|entry| Arc::clone(entry.value())),
        |cache, key, value| {
            cache.insert(key, value);
        },
    ))
}

fn tinyufo(entries: u64) -> anyhow::Result<Engine> {
    let room = usize::try_from(entries)?;
    Ok(engine(
        "TinyUFO",
        tinyufo::TinyUfo::<u64, Value>::new(room, room),
        |cache, key| cache.get(&key),
        |cache, key, value| {
            cache.put(key, value, 1);
        },
    ))
}
