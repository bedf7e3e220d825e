//! Copies past their freshness, against what is invalidated meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::Cache;
use cache_core::error::Error;
use cache_core::handle::Handle;
use cache_core::node::{Abandoned, Node, TierDefinition};
use cache_core::policy::stale::StaleOptions;
use cache_core::source::{LoadError, Loaded, Source};
use cache_core::storage::InvalidationMode;
use cache_core::testing::{ManualClock, TestStorage};

use crate::check::check;
use crate::world::{
    ITEM, Item, Stopped, UNTIMED, Versions, all, all_landed, memory, task, version_of, versions,
};

const TTL: Duration = Duration::from_secs(5);

/// A source that can be away.
#[derive(Clone)]
struct Away {
    versions: Versions,
    is_away: Arc<AtomicBool>,
}

impl Source<Item> for Away {
    async fn load(&self, item: &Item) -> Result<Loaded<Bytes>, LoadError> {
        let loaded = self.versions.load(item).await?;
        if self.is_away.load(Ordering::SeqCst) {
            return Err(LoadError::message("away"));
        }
        Ok(loaded)
    }
}

/// A cache whose tiers hold the first version, past its freshness.
#[derive(Clone)]
struct Aged {
    cache: Cache,
    items: Handle<Item>,
    source: Away,
}

impl Aged {
    async fn new(tiers: &[&str], stale: StaleOptions, abandoned: Abandoned) -> Self {
        let clock = ManualClock::new();
        let source = Away { versions: versions(), is_away: Arc::default() };
        let cache = Cache::builder()
            .clock(Arc::new(Stopped::of(&clock)))
            .storage("memory", memory())
            .storage_with("far", TestStorage::new(), UNTIMED)
            .build()
            .expect("a cache");
        let tiers = tiers.iter().map(|name| TierDefinition::new(*name).ttl(TTL));
        let definition = Item::definition().tiers(tiers).stale(stale).abandoned(abandoned);
        let items = cache.bind_as(definition, source.clone()).expect("a binding");
        items.get(&ITEM).await.expect("the first version");
        clock.advance(TTL);
        Self { cache, items, source }
    }

    /// Gets what must be at least what had been promised when it began, where anything answers.
    async fn read(&self) {
        let promised = self.source.versions.promised();
        match self.items.get(&ITEM).await {
            Ok(given) => {
                let given = version_of(&given);
                assert!(given >= promised, "given {given} after {promised} was promised");
            }
            Err(Error::Load { .. }) => assert!(self.source.is_away.load(Ordering::SeqCst)),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn change(&self, mode: InvalidationMode) {
        let version = self.source.versions.change();
        let done = match mode {
            InvalidationMode::Remove => self.items.invalidate(&ITEM).await,
            InvalidationMode::Expire => self.items.expire(&ITEM).await,
        };
        assert!(done.expect("an open cache").is_done());
        if mode == InvalidationMode::Remove {
            self.source.versions.promise(version);
        }
    }
}

/// Readers are answered at once by what is loaded again behind them, until it is invalidated.
fn revalidated(tiers: &'static [&'static str]) {
    check(move || async move {
        let stale = StaleOptions::new().while_revalidate(Duration::from_secs(60));
        let aged = Aged::new(tiers, stale, Abandoned::Finish).await;
        all([
            task(&aged, |it| async move { it.read().await }),
            task(&aged, |it| async move {
                it.change(InvalidationMode::Remove).await;
                it.read().await;
            }),
            task(&aged, |it| async move {
                it.read().await;
                it.read().await;
            }),
        ])
        .await;
        all_landed(&aged.cache).await;
        aged.read().await;
    });
}

#[test]
fn while_it_is_loaded_again_in_memory() {
    revalidated(&["memory"]);
}

#[test]
fn while_it_is_loaded_again_from_storage() {
    revalidated(&["memory", "far"]);
}

/// Where the source is away a copy answers, but none that was removed; one that was expired may.
fn in_bad_times(tiers: &'static [&'static str]) {
    check(move || async move {
        let stale = StaleOptions::new().if_error(Duration::from_secs(60)).throttle(TTL);
        let aged = Aged::new(tiers, stale, Abandoned::Finish).await;
        aged.source.is_away.store(true, Ordering::SeqCst);
        all([
            task(&aged, |it| async move { it.read().await }),
            task(&aged, |it| async move {
                it.change(InvalidationMode::Expire).await;
                it.read().await;
                it.change(InvalidationMode::Remove).await;
                it.read().await;
            }),
            task(&aged, |it| async move { it.read().await }),
        ])
        .await;
        all_landed(&aged.cache).await;
        aged.read().await;
    });
}

#[test]
fn in_bad_times_from_memory() {
    in_bad_times(&["memory"]);
}

#[test]
fn in_bad_times_from_storage() {
    in_bad_times(&["memory", "far"]);
}

/// Sleeps end at once here, so that the soft timeout may come before or after the load; whoever is
/// answered by the copy leaves, and the load goes on.
#[test]
fn past_the_soft_timeout() {
    check(|| async {
        for abandoned in [Abandoned::Finish, Abandoned::Cancel] {
            let stale = StaleOptions::new()
                .if_error(Duration::from_secs(60))
                .soft_timeout(Duration::from_secs(1));
            let aged = Aged::new(&["memory", "far"], stale, abandoned).await;
            all([
                task(&aged, |it| async move { it.read().await }),
                task(&aged, |it| async move {
                    it.change(InvalidationMode::Remove).await;
                    it.read().await;
                }),
            ])
            .await;
            all_landed(&aged.cache).await;
            aged.read().await;
        }
    });
}
