//! Counters, locks and the like as programs use them, over a storage for tests and a clock that is
//! moved by hand.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::cache::Cache;
use crate::clock::{Clock, ManualClock};
use crate::error::{ConfigError, Error};
use crate::storage::StorageErrorKind;
use crate::testing::{Operation as Call, TestStorage};

/// Two processes over one store.
struct World {
    clock: ManualClock,
    storages: [TestStorage; 2],
    caches: [Cache; 2],
}

fn cache(clock: &ManualClock, storage: TestStorage) -> Cache {
    let builder = Cache::builder().clock(Arc::new(clock.clone())).storage("shared", storage);
    builder.build().unwrap()
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let first = TestStorage::builder().clock(clock.clone()).build();
        let storages = [first.clone(), first.second_client()];
        let caches = storages.clone().map(|storage| cache(&clock, storage));
        Self { clock, storages, caches }
    }

    fn lock(&self, process: usize) -> Lock {
        self.caches[process].lock("shared", "job").unwrap().ttl(Duration::from_millis(300))
    }

    /// Moves the clock in small steps, and lets tasks run at each, until `future` is done.
    async fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        for _ in 0..100_000 {
            if let Some(done) = futures_util::FutureExt::now_or_never(&mut future) {
                return done;
            }
            self.clock.advance(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
        panic!("not done after a long time");
    }

    /// Lets so much time pass in small steps.
    async fn pass(&self, duration: Duration) {
        for _ in 0..duration.as_millis() {
            self.clock.advance(Duration::from_millis(1));
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn a_lock_extends_itself_for_as_long_as_its_guard_lives() {
    let world = World::new();
    let guard = world.lock(0).try_acquire().await.unwrap().unwrap();
    world.pass(Duration::from_secs(3)).await;
    assert!(guard.is_held());
    assert!(world.lock(1).try_acquire().await.unwrap().is_none());
    let token = guard.token();
    assert!(guard.release().await.unwrap());
    let next = world.lock(1).try_acquire().await.unwrap().unwrap();
    assert!(next.token() > token);
}

#[tokio::test]
async fn a_lock_tells_when_it_was_lost() {
    let world = World::new();
    let guard = world.lock(0).try_acquire().await.unwrap().unwrap();
    let began = world.clock.monotonic();
    world.storages[0].fail_next(Call::Atomic, 1_000_000, StorageErrorKind::Unavailable);
    world.drive(guard.lost()).await;
    let took = world.clock.monotonic().since(began);
    assert!(took <= Duration::from_millis(301), "{took:?}");
    assert!(!guard.is_held());
    world.clock.advance(Duration::from_millis(1));
    let other = world.lock(1).try_acquire().await.unwrap().unwrap();
    world.storages[0].heal();
    assert!(!guard.release().await.unwrap(), "it was another's already");
    assert!(other.is_held());
    assert!(world.lock(0).try_acquire().await.unwrap().is_none(), "another's was given back");
}

#[tokio::test]
async fn a_lock_survives_calls_that_fail_for_a_while() {
    let world = World::new();
    let guard = world.lock(0).try_acquire().await.unwrap().unwrap();
    world.storages[0].fail_next(Call::Atomic, 2, StorageErrorKind::Unavailable);
    world.storages[0].lose_next_answers(Call::Atomic, 1, StorageErrorKind::Unavailable);
    world.pass(Duration::from_secs(1)).await;
    assert!(guard.is_held());
    assert!(world.lock(1).try_acquire().await.unwrap().is_none());
}

#[tokio::test]
async fn an_extension_that_hangs_does_not_hide_the_loss() {
    let world = World::new();
    let guard = world.lock(0).try_acquire().await.unwrap().unwrap();
    let gate = world.storages[0].hold(Call::Atomic);
    world.drive(guard.lost()).await;
    assert!(!guard.is_held());
    gate.open();
    // The extension that hung comes too late, and takes nothing from the next owner.
    world.pass(Duration::from_millis(10)).await;
    assert!(world.lock(1).try_acquire().await.unwrap().is_some());
    assert!(!guard.is_held());
}

#[tokio::test]
async fn a_guard_that_is_dropped_gives_the_lock_back() {
    let world = World::new();
    drop(world.lock(0).try_acquire().await.unwrap().unwrap());
    let before = world.clock.monotonic();
    let guard = world.drive(world.lock(1).acquire()).await.unwrap();
    let waited = world.clock.monotonic().since(before);
    assert!(waited < Duration::from_millis(200), "it waited for the end: {waited:?}");
    drop(guard);
}

#[tokio::test]
async fn a_caller_that_goes_away_half_way_leaves_the_lock_free() {
    let world = World::new();
    let gate = world.storages[0].hold_answers(Call::Atomic);
    let lock = world.lock(0);
    let caller = tokio::spawn(async move { lock.try_acquire().await });
    gate.arrived(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.open();
    let before = world.clock.monotonic();
    drop(world.drive(world.lock(1).acquire()).await.unwrap());
    let waited = world.clock.monotonic().since(before);
    assert!(waited < Duration::from_millis(200), "it waited for the end: {waited:?}");
}

#[tokio::test]
async fn a_lock_whose_answer_was_lost_is_given_back() {
    let world = World::new();
    world.storages[0].lose_next_answers(Call::Atomic, 1, StorageErrorKind::Unavailable);
    let error = world.lock(0).try_acquire().await.unwrap_err();
    assert!(matches!(error, Error::Storage { .. }), "{error}");
    let before = world.clock.monotonic();
    drop(world.drive(world.lock(1).acquire()).await.unwrap());
    let waited = world.clock.monotonic().since(before);
    assert!(waited < Duration::from_millis(200), "it waited for the end: {waited:?}");
}

#[tokio::test]
async fn waiting_for_a_lock_can_end_without_it() {
    let world = World::new();
    let guard = world.lock(0).try_acquire().await.unwrap().unwrap();
    let waited = world.drive(world.lock(1).acquire_within(Duration::from_secs(2))).await;
    assert!(waited.unwrap().is_none());
    let waiting = {
        let lock = world.lock(1);
        tokio::spawn(async move { lock.acquire().await })
    };
    world.pass(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    let token = guard.token();
    guard.release().await.unwrap();
    let next = world.drive(waiting).await.unwrap().unwrap();
    assert!(next.token() > token);
}

#[tokio::test]
async fn counters_and_registers_are_shared_between_processes() {
    let world = World::new();
    let [first, second] =
        world.caches.each_ref().map(|cache| cache.counter("shared", "visits").unwrap());
    assert_eq!(first.get().await.unwrap(), None);
    assert_eq!(first.add(2).await.unwrap(), 2);
    assert_eq!(second.add(3).await.unwrap(), 5);
    assert!(matches!(second.add(i64::MAX).await, Err(Error::Overflow { .. })));
    assert!(first.remove().await.unwrap());
    let [first, second] =
        world.caches.each_ref().map(|cache| cache.register("shared", "leader").unwrap());
    let Swapped::Done(version) = first.put_if_absent("a").await.unwrap() else {
        panic!("nothing was there")
    };
    let Swapped::Conflict(Some(found)) = second.put_if_absent("b").await.unwrap() else {
        panic!("something was there")
    };
    assert_eq!((&found.value[..], found.version), (&b"a"[..], version));
    let next = second.compare_and_swap(Some(version), Some("b".into())).await.unwrap();
    assert!(matches!(next, Swapped::Done(_)));
    let late = first.compare_and_swap(Some(version), None).await.unwrap();
    assert!(matches!(late, Swapped::Conflict(Some(_))));
}

#[tokio::test]
async fn an_addition_whose_answer_was_lost_is_told_and_not_repeated() {
    let world = World::new();
    let counter = world.caches[0].counter("shared", "visits").unwrap();
    world.storages[0].lose_next_answers(Call::Atomic, 1, StorageErrorKind::Unavailable);
    counter.add(1).await.unwrap_err();
    assert_eq!(counter.get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_limiter_holds_over_processes() {
    let world = World::new();
    let rate = Rate::per_second(10).burst(2);
    let [first, second] =
        world.caches.each_ref().map(|cache| cache.rate_limiter("shared", "api", rate).unwrap());
    assert!(first.acquire().await.unwrap().allowed);
    assert!(second.acquire().await.unwrap().allowed);
    let refused = first.acquire().await.unwrap();
    assert_eq!((refused.allowed, refused.retry_after), (false, Some(Duration::from_millis(100))));
    world.clock.advance(Duration::from_millis(100));
    assert_eq!(second.peek().await.unwrap().remaining, 1);
    assert!(second.acquire().await.unwrap().allowed);
    assert!(first.reset().await.unwrap());
    assert!(second.acquire_many(2).await.unwrap().allowed);
}

#[tokio::test]
async fn clearing_the_cache_leaves_them_and_closing_it_refuses_them() {
    let world = World::new();
    let counter = world.caches[0].counter("shared", "visits").unwrap();
    let guard = world.lock(0).try_acquire().await.unwrap().unwrap();
    counter.add(1).await.unwrap();
    assert!(world.caches[0].clear().await.unwrap().is_done());
    assert_eq!(counter.get().await.unwrap(), Some(1));
    assert!(world.lock(1).try_acquire().await.unwrap().is_none());
    world.caches[0].close().await.unwrap();
    assert!(matches!(counter.get().await, Err(Error::Closed)));
    // Nothing extends it any more, and it is told.
    world.drive(guard.lost()).await;
    assert!(world.lock(1).try_acquire().await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_wrong_is_told_when_it_is_made() {
    let clock = ManualClock::new();
    let bare = TestStorage::builder().atomics(false).build();
    let cache = cache(&clock, bare);
    let unknown = cache.counter("nowhere", "n").unwrap_err();
    assert!(matches!(unknown, ConfigError::NotRegistered { .. }), "{unknown}");
    let unable = cache.lock("shared", "n").unwrap_err();
    assert!(matches!(unable, ConfigError::NoAtomics { .. }), "{unable}");
    let world = World::new();
    for name in ["", "a\nb", &"x".repeat(600)] {
        let wrong = world.caches[0].register("shared", name).unwrap_err();
        assert!(matches!(wrong, ConfigError::Name { .. }), "{wrong}");
    }
    let wrong = world.caches[0].rate_limiter("shared", "n", Rate::per_second(0)).unwrap_err();
    assert!(matches!(wrong, ConfigError::Option { .. }), "{wrong}");
}
