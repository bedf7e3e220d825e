//! What callers of a cache meet when its server fails or refuses: values from the source, and
//! nothing old.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_core::cache::Cache;
use cache_core::handle::Handle;
use cache_core::node::{DynamicNode, NodeDefinition, TierDefinition};
use cache_core::source::{LoadError, source_fn};
use cache_core::storage::Storage;
use tiers_servers::Redis as Server;

use crate::common::{blocking, eventually, options, server};

const TIMEOUT: Duration = Duration::from_millis(400);

/// A source whose values are its version, in so many digits.
#[derive(Clone, Default)]
struct Versions {
    version: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
}

impl Versions {
    fn bound(&self, cache: &Cache, tiers: &[&str], digits: usize) -> Handle<DynamicNode> {
        let own = self.clone();
        let source = source_fn(move |_: DynamicNode| {
            own.loads.fetch_add(1, Ordering::SeqCst);
            let version = own.version.load(Ordering::SeqCst);
            async move { Ok::<_, LoadError>(Bytes::from(format!("{version:0digits$}"))) }
        });
        let tiers = tiers.iter().map(|tier| TierDefinition::new(*tier));
        cache.bind_as(NodeDefinition::new("pages", "page:{n}").tiers(tiers), source).unwrap()
    }

    fn change(&self) -> u64 {
        self.version.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }
}

fn page(number: u64) -> DynamicNode {
    DynamicNode::new(format!("page:{number}"))
}

async fn read(pages: &Handle<DynamicNode>, number: u64) -> u64 {
    let begun = Instant::now();
    let value = pages.get(&page(number)).await.unwrap();
    // The read may wait for the server, and so may the fill.
    assert!(begun.elapsed() < 2 * TIMEOUT + Duration::from_secs(5), "{:?}", begun.elapsed());
    std::str::from_utf8(&value).unwrap().parse().unwrap()
}

async fn goes_on(leaves: impl Fn(&Server), returns: impl Fn(&Server)) {
    let server = server();
    let storage = options(&server.url()).timeout(TIMEOUT).open().await.unwrap();
    let cache = Cache::builder().storage("redis", storage.into_storage()).build().unwrap();
    let versions = Versions::default();
    let pages = versions.bound(&cache, &["redis"], 1);
    assert_eq!((read(&pages, 1).await, read(&pages, 1).await, versions.loads()), (0, 0, 1));

    leaves(&server);
    let changed = versions.change();
    assert!(!pages.invalidate(&page(1)).await.unwrap().is_done(), "it cannot be told");
    assert_eq!(read(&pages, 1).await, changed);
    let many = pages.get_many(&[page(1), page(2), page(3)]).await;
    assert!(many.iter().all(Result::is_ok), "{many:?}");

    returns(&server);
    eventually("it was told", || async {
        assert_eq!(read(&pages, 1).await, changed);
        cache.stats().await.storages[0].pending_invalidations == 0
    })
    .await;
    eventually("it is read from again", || async {
        let before = versions.loads();
        assert_eq!(read(&pages, 1).await, changed);
        versions.loads() == before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_by_the_source_while_the_server_is_dead() {
    goes_on(|server| blocking(|| server.kill()), |server| blocking(|| server.restart())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_by_the_source_while_the_server_stands_still() {
    goes_on(|server| blocking(|| server.pause()), |server| blocking(|| server.resume())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_for_the_server_goes_elsewhere() {
    let server = server();
    let small = options(&server.url()).value_bytes_max(1_000).open().await.unwrap();
    let large = options(&server.url()).key_prefix("large").open().await.unwrap();
    let cache = Cache::builder()
        .storage("redis", small.clone().into_storage())
        .storage("large", large.clone().into_storage())
        .build()
        .unwrap();
    let versions = Versions::default();
    let pages = versions.bound(&cache, &["redis", "large"], 1_001);
    for _ in 0..2 {
        assert_eq!(read(&pages, 1).await, 0);
    }
    assert_eq!(versions.loads(), 1, "the other tier has it");
    let key = pages.key(&page(1)).unwrap();
    assert_eq!(small.get(&key).await.unwrap().entry, None);
    assert!(large.get(&key).await.unwrap().entry.is_some());
    assert_eq!(pages.stats().tier("redis").unwrap().errors, 0);
}
