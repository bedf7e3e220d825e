//! A storage that is left alone, and the calls that try it.

use std::sync::Arc;
use std::time::Duration;

use cache_core::cache::Cache;
use cache_core::handle::Handle;
use cache_core::node::{Abandoned, Node, TierDefinition};
use cache_core::policy::breaker::{BreakerOptions, BreakerState};
use cache_core::storage::StorageErrorKind;
use cache_core::testing::{ManualClock, Operation, TestStorage};
use shuttle::future::{spawn, yield_now};

use crate::check::check;
use crate::world::{Item, Stopped, UNTIMED, all, all_landed, memory, task, versions};

const OPEN_FOR: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Guarded {
    cache: Cache,
    items: Handle<Item>,
    far: TestStorage,
    clock: ManualClock,
}

impl Guarded {
    /// Over a storage whose breaker has opened, and whose time is over.
    async fn new(probes_max: u32) -> Self {
        let (clock, far) = (ManualClock::new(), TestStorage::new());
        let breaker = BreakerOptions::new(1, OPEN_FOR).probes_max(probes_max);
        let cache = Cache::builder()
            .clock(Arc::new(Stopped::of(&clock)))
            .storage("memory", memory())
            .storage_with("far", far.clone(), UNTIMED.breaker(Some(breaker)))
            .build()
            .expect("a cache");
        let definition = Item::definition()
            .tier(TierDefinition::new("memory"))
            .tier(TierDefinition::new("far"))
            .abandoned(Abandoned::Cancel);
        let items = cache.bind_as(definition, versions()).expect("a binding");
        far.fail_next(Operation::Get, 1, StorageErrorKind::Unavailable);
        items.get(&Item(100)).await.expect("the source's");
        clock.advance(OPEN_FOR);
        far.reset_calls();
        Self { cache, items, far, clock }
    }

    async fn state(&self) -> BreakerState {
        self.cache.stats().await.storages[0].health.breaker
    }

    async fn read(&self, id: u64) {
        self.items.get(&Item(id)).await.expect("the source's");
    }
}

/// However many come at once, no more try than may; the first that fails ends it.
#[test]
fn no_more_try_than_may() {
    check(|| async {
        let guarded = Guarded::new(1).await;
        guarded.far.fail_next(Operation::Get, 3, StorageErrorKind::Unavailable);
        let read = |id| task(&guarded, move |it| async move { it.read(id).await });
        all([read(1), read(2), read(3)]).await;
        assert_eq!(guarded.far.calls().get, 1);
        assert_eq!(guarded.state().await, BreakerState::Open);
    });
}

/// An answer from before it opened says nothing of the time since, in whichever order the answers
/// come.
#[test]
fn a_late_success_leaves_it_open() {
    check(|| async {
        let guarded = Guarded::new(1).await;
        guarded.read(0).await;
        assert_eq!(guarded.state().await, BreakerState::Closed);
        guarded.far.reset_calls();
        let gate = guarded.far.hold(Operation::Get);
        guarded.far.lose_next_answers(Operation::Get, 1, StorageErrorKind::Unavailable);
        let read = |id| task(&guarded, move |it| async move { it.read(id).await });
        let both_wait = task(&guarded, move |it| async move {
            while it.far.calls().get < 2 {
                yield_now().await;
            }
            gate.open();
        });
        all([read(1), read(2), both_wait]).await;
        all_landed(&guarded.cache).await;
        assert_eq!(guarded.state().await, BreakerState::Open);
    });
}

/// A probe that is given up at any moment leaves its place, so that the breaker closes all the same.
#[test]
fn one_that_is_given_up_shuts_nobody_out() {
    check(|| async {
        let guarded = Guarded::new(1).await;
        let gate = guarded.far.hold(Operation::Get);
        let probe = spawn({
            let it = guarded.clone();
            async move { it.read(1).await }
        });
        all([
            task(&guarded, |it| async move { it.read(2).await }),
            task(&gate, move |gate| async move {
                yield_now().await;
                probe.abort();
                gate.open();
            }),
        ])
        .await;
        all_landed(&guarded.cache).await;
        // The one that was given up is gone from the flights a step before it leaves its place.
        for id in 3..8 {
            guarded.read(id).await;
            yield_now().await;
        }
        assert_eq!(guarded.state().await, BreakerState::Closed);
    });
}

/// All that try have to succeed, and what lands meanwhile closes it: in every order it ends closed
/// or open, with nobody left to be waited for.
#[test]
fn probes_and_an_invalidation_that_lands_agree() {
    check(|| async {
        let guarded = Guarded::new(2).await;
        let read = |id| task(&guarded, move |it| async move { it.read(id).await });
        let invalidate = task(&guarded, |it| async move {
            // It tries like a read, or waits and lands whether the breaker is open or not.
            let _ = it.items.invalidate(&Item(1)).await.expect("an open cache");
        });
        all([read(1), read(2), invalidate]).await;
        while guarded.cache.stats().await.storages[0].pending_invalidations > 0 {
            yield_now().await;
        }
        all_landed(&guarded.cache).await;
        for id in 3..6 {
            guarded.read(id).await;
        }
        assert_eq!(guarded.state().await, BreakerState::Closed);
        guarded.clock.advance(OPEN_FOR);
        guarded.far.reset_calls();
        guarded.read(7).await;
        assert_eq!(guarded.far.calls().get, 1);
    });
}
