//! The peers, each with a TTL and a count of its hits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hitbox_backend::format::BincodeFormat;
use hitbox_fn::prelude::{PolicyConfig, cached};
use hitbox_moka::MokaBackend;
use multi_tier_cache::traits::CacheBackend as _;
use multi_tier_cache::{CacheManager, CacheTier, L1Cache, MokaCacheConfig};

use super::{Article, ENTRIES_MAX, KEYS, Named, TTL, shared, text};

/// Hits of those who do not count them.
#[derive(Debug, Default)]
struct Hits(AtomicU64);

impl Hits {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One tier of memory.
pub(super) struct ByCachet {
    cache: cachet::Cache<Article, Arc<String>>,
    hits: Hits,
}

impl ByCachet {
    pub(super) async fn filled(nodes: &[Article]) -> anyhow::Result<Self> {
        let cache = cachet::Cache::builder::<Article, Arc<String>>(tick::Clock::new_tokio())
            .memory_with(|memory| memory.max_capacity(ENTRIES_MAX))
            .ttl(TTL)
            .build();
        for node in nodes {
            cache.insert(node.clone(), cachet::CacheEntry::new(shared(node.id))).await?;
        }
        Ok(Self { cache, hits: Hits::default() })
    }

    pub(super) async fn hit(
        &self,
        node: &Article,
    ) -> anyhow::Result<cachet::CacheEntry<Arc<String>>> {
        let entry = self.cache.get(node).await?.context("cachet missed")?;
        self.hits.add();
        Ok(entry)
    }
}

/// A cached function over memory, in the quickest of its formats: its memory holds encoded values.
pub(super) struct ByHitbox {
    cache: hitbox_fn::Cache<MokaBackend<BincodeFormat>>,
    hits: Hits,
}

static HITBOX_LOADS: AtomicU64 = AtomicU64::new(0);

#[cached]
async fn article(node: Article) -> String {
    HITBOX_LOADS.fetch_add(1, Ordering::Relaxed);
    text(node.id)
}

impl ByHitbox {
    pub(super) async fn filled(nodes: &[Article]) -> anyhow::Result<Self> {
        let memory = MokaBackend::builder().max_entries(ENTRIES_MAX).value_format(BincodeFormat);
        let cache = hitbox_fn::Cache::builder()
            .backend(memory.build())
            .policy(PolicyConfig::builder().ttl(TTL).build())
            .build();
        for node in nodes {
            let value = article(node.clone()).cache(&cache).await;
            ensure!(value == text(node.id), "hitbox gave another value");
        }
        Ok(Self { cache, hits: Hits::default() })
    }

    pub(super) async fn hit(&self, node: &Article) -> String {
        let value = article(node.clone()).cache(&self.cache).await;
        self.hits.add();
        value
    }

    /// Whether all were hits.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let loads = HITBOX_LOADS.load(Ordering::Relaxed);
        ensure!(loads == KEYS, "hitbox loaded {loads} times");
        Ok(())
    }
}

/// Its synchronous cache.
pub(super) struct ByMoka {
    cache: moka::sync::Cache<Article, Arc<String>>,
    hits: Hits,
}

impl ByMoka {
    pub(super) fn filled(nodes: &[Article]) -> Self {
        let cache =
            moka::sync::Cache::builder().max_capacity(ENTRIES_MAX).time_to_live(TTL).build();
        for node in nodes {
            cache.insert(node.clone(), shared(node.id));
        }
        cache.run_pending_tasks();
        Self { cache, hits: Hits::default() }
    }

    pub(super) fn hit(&self, node: &Article) -> anyhow::Result<Arc<String>> {
        let value = self.cache.get(node).context("moka missed")?;
        self.hits.add();
        Ok(value)
    }
}

/// It knows no TTL: values are held with the time at which they end, as its users do it.
pub(super) struct ByQuickCache {
    cache: quick_cache::sync::Cache<Article, Dated>,
    hits: Hits,
}

#[derive(Clone)]
struct Dated {
    value: Arc<String>,
    until: Instant,
}

impl ByQuickCache {
    pub(super) fn filled(nodes: &[Article]) -> Self {
        let cache = quick_cache::sync::Cache::new(ENTRIES_MAX as usize);
        let until = Instant::now() + TTL;
        for node in nodes {
            cache.insert(node.clone(), Dated { value: shared(node.id), until });
        }
        Self { cache, hits: Hits::default() }
    }

    pub(super) fn hit(&self, node: &Article) -> anyhow::Result<Arc<String>> {
        let dated = self.cache.get(node).context("quick_cache missed")?;
        ensure!(Instant::now() < dated.until, "quick_cache held what has expired");
        self.hits.add();
        Ok(dated.value)
    }
}

/// One tier of memory. Its keys are text and its values bytes; it counts by itself.
pub(super) struct ByMultiTierCache {
    cache: CacheManager,
}

impl ByMultiTierCache {
    pub(super) async fn filled(named: &[Named]) -> anyhow::Result<Self> {
        let config =
            MokaCacheConfig { max_capacity: ENTRIES_MAX, time_to_live: TTL, time_to_idle: TTL };
        let memory = Arc::new(L1Cache::new(config)?);
        for node in named {
            memory.set_with_ttl(&node.name, Bytes::from(text(0)), TTL).await?;
        }
        let tiers = vec![CacheTier::new(memory, 1, false, 1, 1.0)];
        Ok(Self { cache: CacheManager::new_with_tiers(tiers, None)? })
    }

    pub(super) async fn hit(&self, name: &str) -> anyhow::Result<Bytes> {
        self.cache.get(name).await?.context("multi-tier-cache missed")
    }

    pub(super) fn misses(&self) -> u64 {
        self.cache.get_stats().misses
    }
}
