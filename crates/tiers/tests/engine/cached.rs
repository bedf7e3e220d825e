//! Cached functions by way of the facade, across runs of a program.

use tiers::prelude::*;

use crate::support::World;

#[cached(cache = cache, key = "square:{number}", tiers(memory(ttl = "30s"), sqlite(ttl = "10m")))]
async fn square(cache: &Cache, number: u64) -> u64 {
    number * number
}

#[tokio::test]
async fn what_another_run_left_is_found_and_invalidated_before_any_call() {
    let world = World::new();
    let cache = world.cache().await;
    assert_eq!(*square(&cache, 7).await.expect("it loads"), 49);
    cache.close().await.expect("it closes");

    let cache = world.cache().await;
    let seven = square_node(&cache, 7).expect("it binds");
    assert_eq!(seven.peek().await.expect("it looks").as_deref(), Some(&49));
    assert_eq!(seven.invalidate().await.expect("it invalidates").entries, 1);
    assert_eq!(seven.peek().await.expect("it looks"), None);
    assert_eq!(*square(&cache, 7).await.expect("it loads"), 49);
    assert_eq!(seven.handle().stats().loads_succeeded, 1);
}
