#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::cache::Cache;
use crate::handle::Handle;
use crate::node::{DynamicNode, NodeDefinition, TierDefinition};
use crate::source::{LoadError, source_fn};
use crate::storage::Storage;

/// How long a storage may take until it is used again.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// A source whose values are its version.
#[derive(Clone, Default)]
struct Versions {
    version: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
}

impl Versions {
    fn bound(&self, cache: &Cache) -> Handle<DynamicNode> {
        let own = self.clone();
        let source = source_fn(move |_: DynamicNode| {
            own.loads.fetch_add(1, Ordering::SeqCst);
            let version = own.version.load(Ordering::SeqCst);
            async move { Ok::<_, LoadError>(Bytes::from(version.to_string())) }
        });
        let pages = NodeDefinition::new("pages", "page:{n}").tiers([TierDefinition::new("server")]);
        cache.bind_as(pages, source).unwrap()
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

async fn read(pages: &Handle<DynamicNode>, number: u64, read_max: Duration) -> u64 {
    let begun = Instant::now();
    let value = pages.get(&page(number)).await.unwrap();
    assert!(begun.elapsed() < read_max, "a read took {:?}", begun.elapsed());
    std::str::from_utf8(&value).unwrap().parse().unwrap()
}

/// What callers of a cache meet when the server of its only storage fails: values from the source,
/// each in less than `read_max`, and nothing old; and the storage's again when it is back.
///
/// `leaves` hurts the server so that no call of the storage succeeds, `returns` undoes that. The
/// storage is fresh, and its calls take no longer than about half of `read_max` before they fail.
///
/// # Panics
/// If it is otherwise.
pub async fn reads_go_on_by_the_source(
    storage: Arc<dyn Storage>,
    read_max: Duration,
    leaves: impl AsyncFnOnce(),
    returns: impl AsyncFnOnce(),
) {
    let cache = Cache::builder().storage("server", storage).build().unwrap();
    let versions = Versions::default();
    let pages = versions.bound(&cache);
    let read = |number| read(&pages, number, read_max);
    assert_eq!((read(1).await, read(1).await, versions.loads()), (0, 0, 1));

    leaves().await;
    let changed = versions.change();
    assert!(!pages.invalidate(&page(1)).await.unwrap().is_done(), "it cannot be told");
    assert_eq!(read(1).await, changed);
    let many = pages.get_many(&[page(1), page(2), page(3)]).await;
    assert!(many.iter().all(Result::is_ok), "{many:?}");

    returns().await;
    let begun = Instant::now();
    while cache.stats().await.storages[0].pending_invalidations > 0 {
        assert_eq!(read(1).await, changed);
        assert!(begun.elapsed() < PATIENCE, "it is not told");
        tokio::time::sleep(PAUSE).await;
    }
    loop {
        let before = versions.loads();
        assert_eq!(read(1).await, changed);
        if versions.loads() == before {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it is not read from again");
        tokio::time::sleep(PAUSE).await;
    }
}
