//! Two processes with memory that hear of each other: what one is told against its own loads.

use std::sync::Arc;

use cache_core::backplane::{EventLog, InProcessLog};
use cache_core::testing::Operation;
use shuttle::future::yield_now;

use crate::check::check;
use crate::world::{LABEL, Process, Stopped, Warm, World, all, task};

fn log() -> InProcessLog {
    InProcessLog::new().with_clock(Arc::new(Stopped::default()))
}

impl Process {
    /// Waits until all that stands in the log has been applied.
    async fn followed(&self, log: &InProcessLog) {
        loop {
            // More may come meanwhile, and be applied together with what is waited for.
            let end = log.end().await.expect("an end");
            let known = self.cache.stats().await.backplane.expect("a backplane");
            if known.position.as_ref() == Some(&end) {
                return;
            }
            yield_now().await;
        }
    }
}

impl World {
    /// Once everything was heard, neither memory holds what is older than promised.
    async fn settle_followed(&self, log: &InProcessLog) {
        for process in [&self.a, &self.b] {
            process.followed(log).await;
        }
        self.settle().await;
        for process in [&self.a, &self.b] {
            process.cache.close().await.expect("closes");
        }
    }
}

async fn a_message_against_readers(warm: Warm) {
    let log = log();
    let world = World::following(&log, warm).await;
    all([
        task(&world.b, |b| async move {
            b.get().await;
        }),
        task(&world.a, |a| async move { a.read().await }),
        task(&world.a, |a| async move { a.change().await }),
    ])
    .await;
    world.settle_followed(&log).await;
}

/// The end of an invalidation is told after the nearest storage: told with the farthest alone, the
/// other process reads the old value from the near one after it was told, and keeps it.
#[test]
fn a_message_while_the_nearest_storage_takes_its_time() {
    check(|| async {
        let log = log();
        let world = World::following(&log, Warm::All).await;
        let near = world.a.near.hold(Operation::Invalidate);
        all([
            task(&world.a, |a| async move { a.change().await }),
            task(&(world.b.clone(), near), |(b, near)| async move {
                while near.waiting() == 0 {
                    yield_now().await;
                }
                // Time for what was told so far to be heard.
                for _ in 0..8 {
                    yield_now().await;
                }
                b.get().await;
                near.open();
            }),
        ])
        .await;
        world.settle_followed(&log).await;
    });
}

#[test]
fn a_message_against_readers_all_tiers_warm() {
    check(|| a_message_against_readers(Warm::All));
}

#[test]
fn a_message_against_readers_far_tier_warm() {
    check(|| a_message_against_readers(Warm::Far));
}

#[test]
fn a_message_against_readers_cold() {
    check(|| a_message_against_readers(Warm::Nothing));
}

/// A message by tag, and changes of both.
#[test]
fn messages_of_both_against_each_other() {
    check(|| async {
        let log = log();
        let world = World::following(&log, Warm::All).await;
        all([
            task(&world.b, |b| async move { b.update().await }),
            task(&world.a, |a| async move {
                let by_tag = a.change_and(|a| async move { a.cache.invalidate_tag(LABEL).await });
                assert!(by_tag.await.is_done());
            }),
            task(&world.a, |a| async move {
                a.get().await;
            }),
        ])
        .await;
        world.settle_followed(&log).await;
    });
}

async fn a_lost_log_against_readers(warm: Warm) {
    let log = log();
    let world = World::following(&log, warm).await;
    all([
        task(&world.b, |b| async move {
            b.get().await;
        }),
        task(&world.a, |a| async move { a.change().await }),
        task(&log, |log| async move { log.lose_everything() }),
    ])
    .await;
    world.settle_followed(&log).await;
}

/// A log that was lost is a gap, and memory is forgotten whatever stood in it.
#[test]
fn a_lost_log_against_readers_all_tiers_warm() {
    check(|| a_lost_log_against_readers(Warm::All));
}

/// So is what readers were about to put there.
#[test]
fn a_lost_log_against_readers_far_tier_warm() {
    check(|| a_lost_log_against_readers(Warm::Far));
}
