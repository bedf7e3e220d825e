//! Locks, and single flight across processes: one at a time, whoever goes away, and nothing old
//! where a lease is lost.

use std::sync::Arc;
use std::time::Duration;

use cache_core::cache::Cache;
use cache_core::clock::{Clock, ManualClock, Tick, Timestamp};
use cache_core::handle::Handle;
use cache_core::node::{Abandoned, Across, Node, NodeDefinition, TierDefinition};
use cache_core::testing::TestStorage;
use futures_util::future::{BoxFuture, Either, FutureExt, select};
use shuttle::future::yield_now;
use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::check::check;
use crate::world::{ITEM, Item, Stopped, Versions, all, all_landed, task, version_of, versions};

/// A time that leaps to the end of whatever sleep comes to its turn: what has not come to its own
/// meanwhile is late.
#[derive(Clone, Debug, Default)]
struct Leaping(ManualClock);

impl Clock for Leaping {
    fn wall(&self) -> Timestamp {
        self.0.wall()
    }

    fn monotonic(&self) -> Tick {
        self.0.monotonic()
    }

    fn resolution(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (clock, end) = (self.0.clone(), self.0.monotonic().after(duration));
        async move {
            yield_now().await;
            clock.advance(end.since(clock.monotonic()));
        }
        .boxed()
    }
}

fn definition() -> NodeDefinition {
    let across = Across::new("shared").ttl(Duration::from_millis(300));
    Item::definition().tier(TierDefinition::new("shared")).across(across)
}

fn process(
    store: &TestStorage,
    clock: &Arc<dyn Clock>,
    definition: NodeDefinition,
    source: &Versions,
) -> (Cache, Handle<Item>) {
    let storage = store.client_with(Arc::clone(clock)).build();
    let builder = Cache::builder().clock(Arc::clone(clock)).storage("shared", storage);
    let cache = builder.build().expect("a cache");
    let items = cache.bind_as(definition, source.clone()).expect("a binding");
    (cache, items)
}

/// Waits until nothing is held any more.
async fn all_given_back(store: &TestStorage) {
    while store.atomics_stored() > 0 {
        yield_now().await;
    }
}

async fn read(items: &Handle<Item>) -> u64 {
    version_of(&items.get(&ITEM).await.expect("a value"))
}

#[test]
fn one_process_at_a_time_loads() {
    check(|| async {
        let (store, source) = (TestStorage::new(), versions());
        let clock: Arc<dyn Clock> = Arc::new(Stopped::default());
        let (a, a_items) = process(&store, &clock, definition(), &source);
        let (b, b_items) = process(&store, &clock, definition(), &source);
        let get = |items: &Handle<Item>| {
            task(items, |items| async move { assert_eq!(read(&items).await, 1) })
        };
        all([get(&a_items), get(&b_items), get(&a_items)]).await;
        assert_eq!(source.loads(), 1, "one for all processes");
        for cache in [&a, &b] {
            all_landed(cache).await;
        }
        all_given_back(&store).await;
    });
}

#[test]
fn who_goes_away_leaves_its_lease_to_the_next() {
    check(|| async {
        let (store, source) = (TestStorage::new(), versions());
        let clock: Arc<dyn Clock> = Arc::new(Stopped::default());
        let cancelled = definition().abandoned(Abandoned::Cancel);
        let (a, a_items) = process(&store, &clock, cancelled, &source);
        let (b, b_items) = process(&store, &clock, definition(), &source);
        let leave = |turns: usize| {
            task(&a_items, move |items| async move {
                let patience = async {
                    for _ in 0..turns {
                        yield_now().await;
                    }
                };
                let get = std::pin::pin!(items.get(&ITEM));
                if let Either::Left((got, _)) = select(get, std::pin::pin!(patience)).await {
                    assert_eq!(version_of(&got.expect("a value")), 1);
                }
            })
        };
        let stay = task(&b_items, |items| async move { assert_eq!(read(&items).await, 1) });
        all([leave(1), leave(4), stay]).await;
        for cache in [&a, &b] {
            all_landed(cache).await;
        }
        all_given_back(&store).await;
    });
}

#[test]
fn a_lease_that_is_lost_brings_nothing_old_back() {
    check(|| async {
        let (store, source) = (TestStorage::new(), versions());
        let clock: Arc<dyn Clock> = Arc::new(Leaping::default());
        let (a, a_items) = process(&store, &clock, definition(), &source);
        let (b, b_items) = process(&store, &clock, definition(), &source);
        let load = |items: &Handle<Item>| {
            let source = source.clone();
            task(items, move |items| async move {
                let promised = source.promised();
                let got = read(&items).await;
                assert!(got >= promised, "given {got} after {promised} was promised");
            })
        };
        let change = {
            let source = source.clone();
            task(&b_items, move |items| async move {
                let version = source.change();
                let done = items.invalidate(&ITEM).await.expect("an open cache");
                assert!(done.is_done());
                source.promise(version);
            })
        };
        all([load(&a_items), load(&b_items), change]).await;
        for cache in [&a, &b] {
            all_landed(cache).await;
        }
        let (promised, key) = (source.promised(), a_items.key(&ITEM).expect("a key"));
        if let Some(entry) = store.stored(&key) {
            let stored = version_of(&entry.payload);
            assert!(stored >= promised, "{stored} is stored after {promised} was promised");
        }
    });
}

#[test]
fn a_lock_has_one_holder_and_is_never_left_behind() {
    check(|| async {
        let (store, source) = (TestStorage::new(), versions());
        let clock: Arc<dyn Clock> = Arc::new(Stopped::default());
        let (a, _) = process(&store, &clock, definition(), &source);
        let (b, _) = process(&store, &clock, definition(), &source);
        let inside = Arc::new(AtomicBool::new(false));
        let last = Arc::new(AtomicU64::new(0));
        let hold = |cache: &Cache, drops: bool| {
            let (inside, last) = (Arc::clone(&inside), Arc::clone(&last));
            task(cache, move |cache| async move {
                let lock = cache.lock("shared", "job").expect("a lock").retention(Duration::ZERO);
                let guard = lock.acquire().await.expect("an open cache");
                assert!(!inside.swap(true, Ordering::SeqCst), "two hold it at once");
                let before = last.swap(guard.token(), Ordering::SeqCst);
                // The clock stands still, and a lock that was given back is forgotten.
                assert!(guard.token() >= before);
                yield_now().await;
                assert!(guard.is_held());
                inside.store(false, Ordering::SeqCst);
                if drops {
                    drop(guard);
                } else {
                    assert!(guard.release().await.expect("an open cache"));
                }
            })
        };
        let leave = task(&b, |cache| async move {
            let lock = cache.lock("shared", "job").expect("a lock").retention(Duration::ZERO);
            let attempt = std::pin::pin!(lock.try_acquire());
            // It may have taken the lock already when nobody waits for it any more.
            drop(select(attempt, std::pin::pin!(yield_now())).await);
        });
        all([hold(&a, true), hold(&b, false), leave]).await;
        all_given_back(&store).await;
    });
}
