//! Sixteen threads for as long as `TIERS_MEMORY_SOAK_SECONDS` says; a moment if it says nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{EntryOptions, Policy, ShardedCache};

const THREADS: u64 = 16;
const KEYS: u64 = 20_000;
const PINNED: u64 = 50;

fn duration() -> Duration {
    let seconds = std::env::var("TIERS_MEMORY_SOAK_SECONDS");
    let seconds = seconds.ok().and_then(|seconds| seconds.parse().ok());
    seconds.map_or(Duration::from_millis(100), Duration::from_secs)
}

/// What a thread does, by chance; keys and values belong together throughout.
fn step(cache: &ShardedCache<u64, Arc<u64>>, chance: u64) {
    let key = PINNED + (chance >> 20) % KEYS;
    let brief = EntryOptions::default().ttl(Duration::from_millis(20));
    match chance >> 58 {
        0 => _ = cache.remove(&key),
        1 => _ = cache.insert_with(key, Arc::new(key), brief),
        2 => _ = cache.pin(&key) && cache.unpin(&key),
        3..16 => _ = cache.insert(key, Arc::new(key)),
        16 if chance.is_multiple_of(5_000) => cache.maintain(),
        _ => match cache.get(&key) {
            Some(value) => assert_eq!(*value, key),
            None => _ = cache.insert(key, Arc::new(key)),
        },
    }
}

#[test]
fn sixteen_threads_never_exceed_the_bound_and_lose_nothing_pinned() {
    for (policy, by_weight) in
        [(Policy::Adaptive, false), (Policy::Adaptive, true), (Policy::Lru, false)]
    {
        let cache = ShardedCache::<u64, Arc<u64>>::builder().policy(policy);
        let cache = if by_weight { cache.max_bytes(4 << 20) } else { cache.max_entries(4_000) };
        let cache = cache.weigher(|key, _| 700 + (*key % 600) as u32).build();
        let cache = cache.expect("a valid bound");
        for key in 0..PINNED {
            assert!(cache.insert(key, Arc::new(key)) && cache.pin(&key));
        }
        let (stop, steps) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for seed in 1..=THREADS {
                let (cache, stop, steps) = (&cache, &stop, &steps);
                scope.spawn(move || {
                    let mut chance = seed;
                    while !stop.load(Ordering::Relaxed) {
                        for _ in 0..100 {
                            chance = chance.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(seed);
                            step(cache, chance);
                        }
                        steps.fetch_add(100, Ordering::Relaxed);
                    }
                });
            }
            let end = Instant::now() + duration() / 3;
            while Instant::now() < end || steps.load(Ordering::Relaxed) < 100_000 {
                let missing = (0..PINNED).find(|key| cache.peek(key).is_none());
                if missing.is_some() || cache.weight() > cache.bound() {
                    stop.store(true, Ordering::Relaxed);
                    panic!(
                        "{policy}: {missing:?} is missing, {} of {}",
                        cache.weight(),
                        cache.bound()
                    );
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(cache.weight() > cache.bound() / 2, "{policy}: it was never full");
        let mut weight = 0;
        cache.for_each(|key, value| {
            assert_eq!(key, &**value);
            weight += if by_weight { 700 + key % 600 } else { 1 };
        });
        cache.maintain();
        assert!(cache.weight() <= cache.bound() && weight <= cache.bound(), "{policy}");
    }
}
