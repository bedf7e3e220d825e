//! A tier that cannot be reached for a while.

use cache_core::error::Error;
use cache_core::source::LoadError;
use cache_core::storage::StorageErrorKind;
use cache_core::testing::Operation;
use shuttle::future::yield_now;

use crate::check::check;
use crate::world::{ITEM, Process, Warm, World, all, bytes_of, task};

impl Process {
    /// The next invalidations of the far tier by this process fail.
    fn cut_off(&self, count: usize) {
        self.far.fail_next(Operation::Invalidate, count, StorageErrorKind::Unavailable);
    }

    /// Changes the source and invalidates; tells the version.
    async fn change_if_reached(&self) -> u64 {
        let version = self.source.change();
        let done = self.items.invalidate(&ITEM).await.expect("an open cache");
        if done.is_done() {
            self.source.promise(version);
        }
        version
    }

    /// Whether invalidations wait to land.
    async fn is_cut_off(&self) -> bool {
        self.cache.stats().await.storages.iter().any(|one| one.pending_invalidations > 0)
    }

    /// Waits until all invalidations have landed.
    async fn landed(&self) {
        while self.is_cut_off().await {
            yield_now().await;
        }
    }
}

/// Another process carries the old value nearer until the invalidation has landed everywhere; the
/// promise begins then.
#[test]
fn the_far_tier_is_cut_off() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        world.a.cut_off(1);
        all([
            task(&world.a, |a| async move { a.read().await }),
            task(&world.b, |b| async move { b.read().await }),
            task(&world.a, |a| async move {
                let version = a.change_if_reached().await;
                a.landed().await;
                a.source.promise(version);
            }),
        ])
        .await;
        world.settle().await;
    });
}

/// A second invalidation fails while the first one lands: it has to land, too, for what it is about
/// came to the storage after the first had been there.
#[test]
fn cut_off_again_while_the_first_lands() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        let a = &world.a;
        a.cut_off(1);
        a.change_if_reached().await;
        let second_round = a.near.hold(Operation::Invalidate);
        while second_round.waiting() == 0 && a.is_cut_off().await {
            yield_now().await;
        }
        all([
            task(&world.b, |b| async move { b.read().await }),
            task(a, |a| async move {
                a.cut_off(1);
                a.change_if_reached().await;
            }),
            task(&second_round, |second_round| async move {
                for _ in 0..3 {
                    yield_now().await;
                }
                second_round.open();
            }),
        ])
        .await;
        a.landed().await;
        world.source.promise(world.source.now());
        world.settle().await;
    });
}

/// Where nobody else is there, the process itself reads nothing old from the moment that its
/// invalidation came back, reached or not.
#[test]
fn the_process_itself_reads_nothing_old_meanwhile() {
    check(|| async {
        let world = World::new(Warm::All).await;
        world.a.cut_off(2);
        all([
            task(&world.a, |a| async move { a.read().await }),
            task(&world.a, |a| async move {
                let version = a.change_if_reached().await;
                a.source.promise(version);
                a.read().await;
            }),
        ])
        .await;
        world.a.read().await;
        world.a.landed().await;
        world.settle().await;
    });
}

/// Another process carries the old value nearer while an update can neither store nor invalidate in the
/// far tier: it promises nothing then, or its own process would find that value.
#[test]
fn an_update_that_does_not_reach_the_far_tier() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        world.a.far.fail_next(Operation::Stamps, 1, StorageErrorKind::Unavailable);
        world.a.cut_off(1);
        all([
            task(&world.b, |b| async move {
                let _ = b.get().await;
            }),
            task(&world.a, |a| async move {
                let source = a.source.clone();
                let change = || async move { Ok::<_, LoadError>(bytes_of(source.change())) };
                match a.items.update(&ITEM, change).await {
                    Ok(_) => a.source.promise(a.source.now()),
                    Err(error) => assert!(matches!(error, Error::Storage { .. }), "{error}"),
                }
                a.read().await;
                a.landed().await;
                a.source.promise(a.source.now());
            }),
        ])
        .await;
        world.settle().await;
    });
}
