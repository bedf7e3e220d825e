//! Closing while others call: everybody gets an answer.

use std::time::Duration;

use cache_core::error::Error;

use crate::check::check;
use crate::world::{ITEM, Warm, World, all, all_landed, task};

#[test]
fn callers_of_a_cache_that_closes_get_an_answer() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        all([
            task(&world.a, |a| async move {
                let answer = a.items.get(&ITEM).await;
                let ended =
                    matches!(&answer, Ok(_) | Err(Error::Closed | Error::LoadCancelled { .. }));
                assert!(ended, "{answer:?}");
            }),
            task(&world.a, |a| async move {
                let answer = a.items.invalidate(&ITEM).await;
                assert!(matches!(&answer, Ok(_) | Err(Error::Closed)), "{answer:?}");
            }),
            task(&world.a, |a| async move {
                // What an invalidation could not tell a storage that was closed is lost, and said.
                let _ = a.cache.close_within(Duration::from_secs(1)).await;
                assert!(matches!(a.items.get(&ITEM).await, Err(Error::Closed)));
            }),
        ])
        .await;
        all_landed(&world.a.cache).await;
    });
}
