use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::cache::Cache;
use cache_core::clock::ManualClock;
use cache_core::error::{ConfigError, Error, Retry};
use cache_core::handle::SetOptions;
use cache_core::node::Node;
use cache_core::source::{LoadError, Loaded, NoSource};
use cache_core::testing::TestStorage;
use cache_macros::cached;
use cache_memory::Memory;

/// What loads ask: counts how often, and how often it was cloned.
#[derive(Debug, Default)]
struct Database {
    loads: Arc<AtomicU64>,
    clones: Arc<AtomicU64>,
}

impl Clone for Database {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self { loads: Arc::clone(&self.loads), clones: Arc::clone(&self.clones) }
    }
}

impl Database {
    async fn ask(&self) -> u64 {
        tokio::task::yield_now().await;
        self.loads.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn clones(&self) -> u64 {
        self.clones.load(Ordering::SeqCst)
    }
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("no connection for {0}")]
struct Unreachable(u64);

#[allow(clippy::expect_used)]
fn cache_at(clock: &ManualClock) -> Cache {
    let memory = Memory::builder().max_entries(100).build().expect("a valid memory");
    let storage = TestStorage::builder().clock(clock.clone()).build();
    Cache::builder()
        .clock(Arc::new(clock.clone()))
        .storage("memory", memory)
        .storage("test", storage)
        .build()
        .expect("a valid cache")
}

fn cache() -> Cache {
    cache_at(&ManualClock::new())
}

/// A user's name.
#[cached(
    cache = cache,
    key = "of:{shop}:user:{id}",
    version = "v2",
    tiers(memory(ttl = "30s"), test(ttl = "10m")),
    tags("users", "user:{id}"),
    skip(database),
    jitter = 0.25,
)]
async fn user_name(
    cache: &Cache,
    database: &Database,
    shop: &str,
    id: u64,
) -> Result<String, Unreachable> {
    let load = database.ask().await;
    if id == 0 {
        return Err(Unreachable(load));
    }
    Ok(format!("{shop} {id} {load}"))
}

#[tokio::test]
async fn calls_with_the_same_arguments_share_an_answer() {
    let (cache, database) = (cache(), Database::default());
    let first: Arc<String> = user_name(&cache, &database, "a", 1).await.expect("it loads");
    let again = user_name(&cache, &database, "a", 1).await.expect("it hits");
    assert_eq!(*first, "a 1 1");
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(*user_name(&cache, &database, "b", 1).await.expect("it loads"), "b 1 2");
    assert_eq!(*user_name(&cache, &database, "a", 2).await.expect("it loads"), "a 2 3");
    assert_eq!(user_name_uncached(&cache, &database, "a", 1).await, Ok("a 1 4".into()));
    assert_eq!(cache.nodes(), ["user_name"]);
}

#[tokio::test]
async fn calls_at_once_run_one_load_and_make_one_binding() {
    let (cache, database) = (cache(), Database::default());
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let (cache, database) = (cache.clone(), database.clone());
            tokio::spawn(async move { user_name(&cache, &database, "a", 1).await })
        })
        .collect();
    for call in calls {
        assert_eq!(*call.await.expect("no panic").expect("it loads"), "a 1 1");
    }
    assert_eq!(database.loads(), 1);
    assert_eq!(cache.nodes(), ["user_name"]);
}

#[tokio::test]
async fn a_hit_clones_nothing_that_the_load_would_need() {
    let (cache, database) = (cache(), Database::default());
    user_name(&cache, &database, "a", 1).await.expect("it loads");
    assert_eq!(database.clones(), 1);
    user_name(&cache, &database, "a", 1).await.expect("it hits");
    assert_eq!(database.clones(), 1);
}

#[tokio::test]
async fn errors_are_told_and_not_kept() {
    let (cache, database) = (cache(), Database::default());
    for load in 1..=2 {
        let error = user_name(&cache, &database, "a", 0).await.expect_err("it fails");
        let Error::Load { source, key, .. } = error else { panic!("{error}") };
        assert_eq!(source.inner().downcast_ref::<Unreachable>(), Some(&Unreachable(load)));
        assert_eq!(key.as_str(), "tiers:of:a:user:0:v2");
    }
}

#[tokio::test]
async fn entries_live_as_long_as_their_tiers_say() {
    let clock = ManualClock::new();
    let (cache, database) = (cache_at(&clock), Database::default());
    user_name(&cache, &database, "a", 1).await.expect("it loads");
    clock.advance(Duration::from_secs(31));
    user_name(&cache, &database, "a", 1).await.expect("the farther tier has it");
    assert_eq!(database.loads(), 1);
    clock.advance(Duration::from_secs(600));
    user_name(&cache, &database, "a", 1).await.expect("it loads");
    assert_eq!(database.loads(), 2);
}

#[tokio::test]
async fn the_node_of_a_call_looks_sets_and_invalidates() {
    let (cache, database) = (cache(), Database::default());
    // Nobody has called the function yet.
    let one = user_name_node(&cache, "a", 1).expect("it binds");
    assert_eq!(one.peek().await.expect("it looks"), None);
    assert_eq!(one.handle().definition().version, "v2");
    assert_eq!(one.handle().definition().tags, ["users"]);

    user_name(&cache, &database, "a", 1).await.expect("it loads");
    assert_eq!(one.peek().await.expect("it looks").as_deref(), Some(&"a 1 1".to_owned()));
    let _ = one.invalidate().await.expect("it invalidates");
    assert_eq!(*user_name(&cache, &database, "a", 1).await.expect("it loads"), "a 1 2");
    let _ = one.expire().await.expect("it expires");
    assert_eq!(*user_name(&cache, &database, "a", 1).await.expect("it loads"), "a 1 3");
    let _ = cache.invalidate_tag("user:1").await.expect("it invalidates");
    assert_eq!(*user_name(&cache, &database, "a", 1).await.expect("it loads"), "a 1 4");

    let two = user_name_node(&cache, "a", 2).expect("it is bound");
    let set = one.handle().set_with(two.node(), "set".to_owned(), SetOptions::new()).await;
    set.expect("it sets");
    assert_eq!(*user_name(&cache, &database, "a", 2).await.expect("it hits"), "set");
    let _ = one
        .handle()
        .invalidate_many(&[one.node().clone(), two.into_node()])
        .await
        .expect("it invalidates");
    user_name(&cache, &database, "a", 2).await.expect("it loads");
    assert_eq!(database.loads(), 5);
}

#[tokio::test]
async fn the_node_alone_loads_nothing() {
    let cache = cache();
    let node = user_name_node(&cache, "a", 1).expect("it binds");
    let error = node.handle().get(node.node()).await.expect_err("there is no source");
    assert_eq!(error.retry(), Retry::Never);
    assert!(error.to_string().contains("has no source"), "{error}");
}

#[tokio::test]
async fn a_refresh_loads_whatever_the_cache_holds() {
    let (cache, database) = (cache(), Database::default());
    user_name(&cache, &database, "a", 1).await.expect("it loads");
    let fresh = user_name_refresh(&cache, &database, "a", 1).await.expect("it loads");
    assert_eq!(*fresh, "a 1 2");
    assert_eq!(*user_name(&cache, &database, "a", 1).await.expect("it hits"), "a 1 2");
}

#[cached(cache = cache, key = "found:{id}", tiers(memory), absent_ttl = "5s", skip(database))]
async fn found(cache: &Cache, database: Database, id: u8) -> Option<String> {
    let load = database.ask().await;
    if id == 0 {
        return None;
    }
    Some(format!("{load}"))
}

#[tokio::test]
async fn none_is_kept_as_a_negative_result() {
    let clock = ManualClock::new();
    let (cache, database) = (cache_at(&clock), Database::default());
    let ask = |id| found(&cache, database.clone(), id);
    assert_eq!(ask(1).await.expect("it loads").as_deref(), Some(&"1".to_owned()));
    assert_eq!(ask(0).await.expect("it loads"), None);
    assert_eq!(ask(0).await.expect("it is known"), None);
    assert_eq!(database.loads(), 2);
    clock.advance(Duration::from_secs(6));
    assert_eq!(found_refresh(&cache, database.clone(), 0).await.expect("it loads"), None);
    assert_eq!(database.loads(), 3);
}

#[cached(cache = cache, key = "loaded:{text}", tiers(memory(ttl = "1h")), codec = none)]
#[allow(clippy::needless_lifetimes)]
async fn loaded<'a>(
    cache: &'a Cache,
    mut text: String,
) -> Result<Loaded<Cow<'static, str>>, LoadError> {
    if text.is_empty() {
        return Ok(Loaded::absent());
    }
    text.push('!');
    Ok(Loaded::new(Cow::Owned(text)).ttl(Duration::from_secs(1)).tag("texts"))
}

#[tokio::test]
async fn a_load_may_say_more_of_its_value() {
    let clock = ManualClock::new();
    let cache = cache_at(&clock);
    let value = loaded(&cache, "a".into()).await.expect("it loads");
    assert_eq!(*value, "a!");
    let node = loaded_node(&cache, "a".into()).expect("it is bound");
    let entry = node.handle().entry(node.node()).await.expect("it looks").expect("it is there");
    assert_eq!(entry.tags, ["texts"]);
    assert_eq!(entry.remaining, Some(Duration::from_secs(1)));
}

struct Shop {
    cache: Cache,
    database: Database,
}

impl Shop {
    #[cached(cache = self.cache, key = "stock", tiers(memory), skip(self), name = "shop stock")]
    async fn stock(self: &Arc<Self>) -> u64 {
        self.database.ask().await
    }

    #[cached(cache = self.cache, key = "price:{article}:{type}", tiers(memory), skip(self))]
    async fn price(
        self: Arc<Self>,
        article: &'static str,
        r#type: char,
    ) -> Result<Price, Unreachable> {
        let _ = (article, r#type);
        Ok(Self::priced(self.database.ask().await))
    }

    fn priced(price: u64) -> Price {
        Price(price)
    }

    /// Without `self`.
    #[cached(associated, cache = from.cache, key = "name", tiers(memory), skip(from))]
    pub(crate) async fn name(from: &Arc<Self>) -> String {
        format!("shop {}", from.database.ask().await)
    }
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Price(u64);

#[derive(Clone)]
struct Cloned {
    cache: Cache,
    database: Database,
}

impl Cloned {
    #[cached(cache = &self.cache, key = "cloned:{bound}", tiers(memory), skip(self))]
    async fn answer(&self, bound: u64) -> u64 {
        self.database.ask().await + bound
    }
}

#[tokio::test]
async fn methods_are_cached_too() {
    let shop = Arc::new(Shop { cache: cache(), database: Database::default() });
    assert_eq!(*shop.stock().await.expect("it loads"), 1);
    assert_eq!(*shop.stock().await.expect("it hits"), 1);
    let _ = shop.stock_node().expect("it is bound").invalidate().await.expect("it invalidates");
    assert_eq!(*shop.stock().await.expect("it loads"), 2);
    assert_eq!(*shop.stock_refresh().await.expect("it loads"), 3);
    assert_eq!(*Arc::clone(&shop).price("a", 'b').await.expect("it loads"), Price(4));
    assert_eq!(*Arc::clone(&shop).price("a", 'b').await.expect("it hits"), Price(4));
    assert_eq!(*Shop::name(&shop).await.expect("it loads"), "shop 5");
    let _ =
        Shop::name_node(&shop).expect("it is bound").invalidate().await.expect("it invalidates");
    assert_eq!(*Shop::name(&shop).await.expect("it loads"), "shop 6");
    assert_eq!(shop.cache.nodes(), ["shop stock", "price", "name"]);
    let key = shop.clone().price_node("a:", 'b').expect("it is bound");
    let key = key.handle().key(key.node()).expect("a valid key");
    assert_eq!(key.name(), "price:a%3A:b");

    let cloned = Cloned { cache: cache(), database: Database::default() };
    assert_eq!(*cloned.answer(1).await.expect("it loads"), 2);
    assert_eq!(*cloned.answer(1).await.expect("it hits"), 2);
    assert_eq!(cloned.database.clones(), 1);
    let _ = cloned.answer_node(1).expect("it is bound").expire().await.expect("it expires");
    assert_eq!(*cloned.answer(1).await.expect("it loads"), 3);
}

#[cached(cache = cache, key = "nobody", tiers(elsewhere))]
async fn nowhere(cache: &Cache) -> u8 {
    1
}

#[cached(cache = cache, key = "fibonacci:{n}", tiers(memory))]
async fn fibonacci(cache: &Cache, n: u64) -> Result<u64, Error> {
    if n < 2 {
        return Ok(n);
    }
    Ok(*boxed_fibonacci(cache, n - 1).await? + *boxed_fibonacci(cache, n - 2).await?)
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn boxed_fibonacci(cache: &Cache, n: u64) -> BoxFuture<'_, Result<Arc<u64>, Error>> {
    Box::pin(fibonacci(cache, n))
}

#[tokio::test]
async fn what_cannot_be_bound_is_an_error_of_the_call() {
    let error = nowhere(&cache()).await.expect_err("no such storage");
    assert!(matches!(error, Error::Config(ConfigError::UnknownStorage { .. })), "{error}");
    assert_eq!(error.retry(), Retry::Never);
    let cache = cache();
    cache.close().await.expect("it closes");
    assert!(matches!(fibonacci(&cache, 1).await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_cached_function_may_call_itself() {
    assert_eq!(*fibonacci(&cache(), 50).await.expect("it loads"), 12_586_269_025);
}

#[derive(cache_macros::Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "own:{id}", value = String, tiers(memory))]
struct Own {
    id: u64,
}

#[tokio::test]
async fn a_type_is_bound_once_whoever_comes_first() {
    let cache = cache();
    let named = Own::definition();
    let mut other = named.clone();
    other.name = "other".into();
    let first = cache.bind_as::<Own>(other, NoSource).expect("it binds");
    let found = cache.handle_or_bind::<Own, NoSource>(|| panic!("it is bound")).expect("found");
    assert_eq!(found.definition(), first.definition());
    assert_eq!(cache.nodes(), ["other"]);

    let taken = cache_at(&ManualClock::new());
    let mut definition =
        user_name_node(&cache, "a", 1).expect("it binds").handle().definition().clone();
    definition.name = "own name".into();
    taken.bind_as::<Own>(definition, NoSource).expect("it binds");
    let error = user_name_node(&taken, "a", 1).expect_err("its keys are taken");
    assert!(matches!(error, Error::Config(ConfigError::KeysOverlap { .. })), "{error}");
}
