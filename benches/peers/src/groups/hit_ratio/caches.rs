//! Who is asked. Sharded caches have one shard where that can be chosen: with one thread, more would
//! only do harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foyer_memory::{CacheBuilder, CacheProperties, EvictionConfig, LfuConfig, S3FifoConfig};
use moka::policy::EvictionPolicy;
use tiers::memory::Policy;
use tiers::prelude::*;

/// A cache: its name, and how many of the counted requests it answers when it holds so many entries
/// and has seen the others before.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) hits: fn(usize, &[u64], &[u64]) -> anyhow::Result<u64>,
}

pub(super) const CACHES: &[Contender] = &[
    Contender {
        name: "tiers",
        hits: |entries, filling, counted| tiers(entries, Policy::Adaptive, filling, counted),
    },
    Contender {
        name: "tiers, LRU",
        hits: |entries, filling, counted| tiers(entries, Policy::Lru, filling, counted),
    },
    Contender { name: "moka", hits: moka },
    Contender { name: "quick_cache", hits: quick_cache },
    Contender {
        name: "foyer, S3-FIFO",
        hits: |entries, filling, counted| {
            foyer(entries, S3FifoConfig::default().into(), filling, counted)
        },
    },
    Contender {
        name: "foyer, LFU",
        hits: |entries, filling, counted| {
            foyer(entries, LfuConfig::default().into(), filling, counted)
        },
    },
    Contender { name: "TinyUFO", hits: tinyufo },
];

/// Asks for all of them; `has` says whether the cache has it, and puts it in otherwise.
fn count(filling: &[u64], counted: &[u64], mut has: impl FnMut(u64) -> bool) -> u64 {
    for key in filling {
        has(*key);
    }
    counted.iter().filter(|key| has(**key)).count() as u64
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Node)]
#[node(key = "page:{id}", value = u64, codec = none, tiers(memory))]
struct Page {
    id: u64,
}

/// Read through a handle.
fn tiers(entries: usize, policy: Policy, filling: &[u64], counted: &[u64]) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let memory = Memory::builder().max_entries(entries as u64).policy(policy).build()?;
    let cache =
        Cache::builder().storage("memory", memory).runtime(runtime.handle().clone()).build()?;
    let loads = Arc::new(AtomicU64::new(0));
    let pages = cache.bind::<Page>(source_fn({
        let loads = Arc::clone(&loads);
        move |page: Page| {
            loads.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, LoadError>(page.id) }
        }
    }))?;
    runtime.block_on(async {
        for id in filling {
            pages.get(&Page { id: *id }).await?;
        }
        let before = loads.load(Ordering::Relaxed);
        for id in counted {
            pages.get(&Page { id: *id }).await?;
        }
        Ok(counted.len() as u64 - (loads.load(Ordering::Relaxed) - before))
    })
}

fn moka(entries: usize, filling: &[u64], counted: &[u64]) -> anyhow::Result<u64> {
    let cache = moka::sync::Cache::builder()
        .max_capacity(entries as u64)
        .eviction_policy(EvictionPolicy::tiny_lfu())
        .build();
    Ok(count(filling, counted, |key| {
        let has = cache.get(&key).is_some();
        if !has {
            cache.insert(key, key);
            // Otherwise it holds up to 64 entries more than its bound, a lot for a small cache.
            cache.run_pending_tasks();
        }
        has
    }))
}

fn quick_cache(entries: usize, filling: &[u64], counted: &[u64]) -> anyhow::Result<u64> {
    let options = quick_cache::OptionsBuilder::new()
        .estimated_items_capacity(entries)
        .weight_capacity(entries as u64)
        .shards(1)
        .build()?;
    let cache = quick_cache::sync::Cache::with_options(
        options,
        quick_cache::UnitWeighter,
        quick_cache::DefaultHashBuilder::default(),
        quick_cache::sync::DefaultLifecycle::default(),
    );
    Ok(count(filling, counted, |key| {
        let has = cache.get(&key).is_some();
        if !has {
            cache.insert(key, key);
        }
        has
    }))
}

fn foyer(
    entries: usize,
    eviction: EvictionConfig,
    filling: &[u64],
    counted: &[u64],
) -> anyhow::Result<u64> {
    let cache = CacheBuilder::new(entries)
        .with_shards(1)
        .with_eviction_config(eviction)
        .build::<CacheProperties>();
    Ok(count(filling, counted, |key: u64| {
        let has = cache.get(&key).is_some();
        if !has {
            cache.insert(key, key);
        }
        has
    }))
}

fn tinyufo(entries: usize, filling: &[u64], counted: &[u64]) -> anyhow::Result<u64> {
    let cache = tinyufo::TinyUfo::new(entries, entries);
    Ok(count(filling, counted, |key: u64| {
        let has = cache.get(&key).is_some();
        if !has {
            cache.put(key, key, 1);
        }
        has
    }))
}
