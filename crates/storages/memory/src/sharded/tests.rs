//! What the cache promises, case by case, against a plain map, and by many threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cache_core::clock::ManualClock;
use cache_core::memory::EvictionCause;
use proptest::prelude::*;

use crate::{EntryOptions, Policy, ShardedCache};

fn cache(entries_max: u64, policy: Policy) -> ShardedCache<u64, u64> {
    ShardedCache::builder().max_entries(entries_max).policy(policy).build().expect("a valid bound")
}

#[test]
fn shards_adapt_to_the_bound_and_add_up_to_it() {
    for (bound, shards) in [(1, 1), (1023, 1), (1024, 2), (3000, 4), (100_000, 64)] {
        let cache = cache(bound, Policy::Adaptive);
        assert_eq!((cache.shards(), cache.bound()), (shards, bound));
        for key in 0..bound * 3 {
            assert!(cache.insert(key, key));
            assert!(cache.len() <= bound || bound > 3000);
        }
        assert_eq!(cache.len(), bound);
    }
    let few = ShardedCache::<u64, u64>::builder().max_entries(100_000).shards(10).build();
    assert_eq!(few.expect("a valid bound").shards(), 8);
}

#[test]
fn an_entry_ends_by_its_time_or_when_nobody_uses_it() {
    let clock = ManualClock::new();
    let cache = ShardedCache::<u64, u64>::builder().max_entries(10).clock(clock.clone());
    let cache = cache.ttl(Duration::from_secs(100)).build().expect("a valid bound");
    let brief = EntryOptions::default().ttl(Duration::from_secs(10));
    let sliding = EntryOptions::default().idle(Duration::from_secs(20));
    assert!(cache.insert(1, 1) && cache.insert_with(2, 2, brief));
    assert!(cache.insert_with(3, 3, sliding) && cache.insert_with(4, 4, sliding));
    let held = || [1, 2, 3, 4].map(|key| cache.contains(&key));
    clock.advance(Duration::from_secs(10));
    assert_eq!(held(), [true, false, true, true]);
    assert_eq!((cache.get(&2), cache.remove(&2)), (None, None));
    for _ in 0..8 {
        assert_eq!(cache.get(&3), Some(3));
        clock.advance(Duration::from_secs(10));
    }
    // By now 90 s: one slides on, up to its last end.
    assert_eq!(held(), [true, false, true, false]);
    assert_eq!(cache.get(&3), Some(3));
    clock.advance(Duration::from_secs(10));
    assert_eq!(held(), [false; 4]);
    cache.maintain();
    assert!(cache.is_empty());
    assert_eq!((cache.stats().evicted_expired, cache.stats().evicted_explicit), (3, 1));
    assert!(!cache.insert_with(5, 5, EntryOptions::default().ttl(Duration::ZERO)));
}

#[test]
fn inserts_take_back_the_room_of_what_has_expired() {
    let clock = ManualClock::new();
    let cache = ShardedCache::<u64, u64>::builder().max_entries(500).clock(clock.clone());
    let cache = cache.ttl(Duration::from_secs(1)).build().expect("a valid bound");
    (0..400).for_each(|key| _ = cache.insert(key, key));
    clock.advance(Duration::from_secs(5));
    (1000..1100).for_each(|key| _ = cache.insert(key, key));
    assert_eq!((cache.len(), cache.stats().evicted_size), (100, 0));
}

#[test]
fn what_is_pinned_stays_until_it_is_unpinned() {
    for policy in Policy::ALL {
        let cache = cache(10, policy);
        for key in 0..10 {
            cache.insert(key, key);
        }
        assert!((0..9).all(|key| cache.pin(&key)) && !cache.pin(&77));
        for key in 100..200 {
            assert!(cache.insert(key, key), "{policy}");
        }
        assert!((0..9).all(|key| cache.get(&key) == Some(key)), "{policy}");
        assert!(cache.pin(&199));
        assert!(!cache.insert(300, 300), "{policy}: all that is there is pinned");
        assert!(cache.insert(3, 33) && cache.get(&3) == Some(33), "{policy}");
        assert!(cache.unpin(&3) && !cache.unpin(&3));
        assert!(cache.insert(300, 300) && cache.get(&3).is_none(), "{policy}");
        assert_eq!((cache.remove(&4), cache.len()), (Some(4), 9));
    }
}

#[test]
fn a_cache_bounded_by_bytes_goes_by_weight() {
    for policy in Policy::ALL {
        let cache = ShardedCache::<u64, u64>::builder().max_bytes(1000).policy(policy);
        let cache = cache.weigher(|_, value| *value as u32).build().expect("a valid bound");
        for key in 0..1000 {
            assert!(cache.insert(key, key % 90 + 10));
            assert!(cache.weight() <= 1000, "{policy}");
        }
        let mut sum = 0;
        cache.for_each(|_, value| sum += value);
        assert_eq!(cache.weight(), sum, "{policy}");
        assert!(cache.weight() > 800, "{policy}: {}", cache.weight());
        // As heavy as all: everything else goes. Heavier: what it outdates goes.
        assert!(cache.insert(7, 1000) && cache.len() == 1, "{policy}");
        assert!(cache.insert(7, 10) && cache.weight() == 10, "{policy}");
        assert!(!cache.insert(7, 1001) && cache.is_empty() && cache.weight() == 0, "{policy}");
    }
}

#[test]
fn the_bound_can_be_moved() {
    for policy in Policy::ALL {
        let cache = cache(4000, policy);
        (0..4000).for_each(|key| _ = cache.insert(key, key));
        assert_eq!(
            (cache.resize(1000), cache.len(), cache.bound()),
            (1000, 1000, 1000),
            "{policy}"
        );
        assert_eq!(cache.resize(3), 4, "each shard holds one");
        assert_eq!(cache.resize(8000), 8000);
        (0..20_000).for_each(|key| _ = cache.insert(key, key));
        assert_eq!(cache.len(), 8000, "{policy}");
    }
    let cache = ShardedCache::<u64, u64>::builder().max_bytes(100).build().expect("a valid bound");
    (0..100).for_each(|key| _ = cache.insert(key, key));
    assert_eq!((cache.resize(40), cache.weight()), (40, 40));
}

#[test]
fn who_leaves_is_told_with_the_cause_and_outside_of_locks() {
    let gone = Arc::new(Mutex::new(Vec::new()));
    let own: Arc<Mutex<Option<ShardedCache<u64, u64>>>> = Arc::default();
    let builder = ShardedCache::<u64, u64>::builder().max_entries(2).policy(Policy::Fifo);
    let cache = builder
        .on_departure({
            let (gone, own) = (Arc::clone(&gone), Arc::clone(&own));
            move |key, value, cause| {
                // It may call the cache.
                let own = own.lock().expect("no panic").clone();
                assert!(own.is_none_or(|cache| cache.peek(key) != Some(*value)));
                gone.lock().expect("no panic").push((*key, *value, cause));
            }
        })
        .build()
        .expect("a valid bound");
    *own.lock().expect("no panic") = Some(cache.clone());
    cache.insert(1, 10);
    cache.insert(1, 11);
    cache.insert(2, 20);
    cache.insert(3, 30);
    cache.remove(&2);
    cache.clear();
    let expected = [
        (1, 10, EvictionCause::Replaced),
        (1, 11, EvictionCause::Size),
        (2, 20, EvictionCause::Explicit),
        (3, 30, EvictionCause::Explicit),
    ];
    assert_eq!(*gone.lock().expect("no panic"), expected);
    *own.lock().expect("no panic") = None;
}

#[test]
fn policies_choose_as_their_names_say() {
    let left = |policy| {
        let cache = cache(4, policy);
        (0..4).for_each(|key| _ = cache.insert(key, key));
        for key in [0, 0, 0, 1, 1, 2, 3, 0, 2] {
            cache.get(&key);
        }
        cache.insert(4, 4);
        let mut left = Vec::new();
        cache.for_each(|key, _| left.push(*key));
        left.sort_unstable();
        left
    };
    assert_eq!(left(Policy::Fifo), [1, 2, 3, 4]);
    assert_eq!(left(Policy::Lru), [0, 2, 3, 4]);
    assert_eq!(left(Policy::Lfu), [0, 1, 2, 4]);
    // Everybody was used: the hand goes round once, and takes the oldest.
    assert_eq!(left(Policy::Sieve), [1, 2, 3, 4]);
}

#[test]
fn what_was_dear_to_load_stays_longer() {
    for policy in Policy::ALL {
        let cache = cache(200, policy);
        let kept = |dear: u32| {
            cache.clear();
            for key in 0..2_000 {
                // A tenth of them; each comes once.
                let cost = if key % 10 == 0 { dear } else { 100 };
                cache.insert_with(key, key, EntryOptions::default().cost(cost));
                assert!(cache.len() <= 200, "{policy}");
            }
            (0..2_000).filter(|key| key % 10 == 0 && cache.contains(key)).count()
        };
        let (dear, cheap) = (kept(1000), kept(100));
        assert!(dear >= cheap + 10, "{policy}: {dear} of the dear ones, {cheap} of the cheap");
    }
}

/// Keys that all come to one shard under a hash that is known do not under one that is not.
#[test]
fn a_cache_cannot_be_flooded_by_whoever_does_not_know_its_seed() {
    let known = ahash::RandomState::with_seeds(1, 2, 3, 4);
    let is_of_first_shard = |key: &u64| std::hash::BuildHasher::hash_one(&known, key) >> 58 == 0;
    let keys: Vec<u64> = (0..).filter(is_of_first_shard).take(5_000).collect();
    let held = |cache: &dyn Fn(u64) -> bool| keys.iter().filter(|key| cache(**key)).count();
    let builder = ShardedCache::<u64, u64>::builder().max_entries(64 * 512);
    let flooded = builder.hasher(known.clone()).build().expect("a valid bound");
    keys.iter().for_each(|key| _ = flooded.insert(*key, *key));
    assert_eq!(held(&|key| flooded.contains(&key)), 512);
    let seeded = cache(64 * 512, Policy::Adaptive);
    keys.iter().for_each(|key| _ = seeded.insert(*key, *key));
    assert_eq!(held(&|key| seeded.contains(&key)), keys.len());
}

#[test]
fn policies_that_resist_scans_keep_what_is_used() {
    let kept = |policy| {
        let cache = cache(200, policy);
        let read_through = |key: u64| {
            if cache.get(&key).is_none() {
                cache.insert(key, key);
            }
        };
        for _ in 0..20 {
            (0..100).for_each(read_through);
        }
        (1000..1400).for_each(read_through);
        (0..100_u64).filter(|key| cache.peek(key).is_some()).count()
    };
    for policy in [Policy::Adaptive, Policy::TinyLfu, Policy::Lfu, Policy::Arc, Policy::S3Fifo] {
        assert!(kept(policy) >= 80, "{policy}: {}", kept(policy));
    }
    assert_eq!((kept(Policy::Lru), kept(Policy::Fifo)), (0, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, u64),
    Get(u64),
    Remove(u64),
    Pin(u64),
    Unpin(u64),
    Resize(u64),
    Advance(u64),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..40_u64;
    prop_oneof![
        12 => (key.clone(), 1..20_u64).prop_map(|(key, ttl)| Step::Insert(key, ttl)),
        8 => key.clone().prop_map(Step::Get),
        3 => key.clone().prop_map(Step::Remove),
        1 => key.clone().prop_map(Step::Pin),
        1 => key.prop_map(Step::Unpin),
        1 => (1..30_u64).prop_map(Step::Resize),
        2 => (1..8_u64).prop_map(Step::Advance),
        1 => Just(Step::Clear),
    ]
}

/// What a cache may hold: never anything but the last value of a key, never more than the bound,
/// always what is pinned.
fn agrees(policy: Policy, by_weight: bool, steps: &[Step]) {
    let clock = ManualClock::new();
    let builder = ShardedCache::<u64, u64>::builder().policy(policy).clock(clock.clone());
    let builder = if by_weight { builder.max_bytes(20) } else { builder.max_entries(20) };
    let cache = builder.weigher(|key, _| (*key % 3) as u32).build().expect("a valid bound");
    let (mut model, mut pinned) = (HashMap::new(), HashMap::new());
    let (mut now, mut version, mut bound) = (0, 0, 20);
    let second = Duration::from_secs(1);
    for step in steps {
        match step {
            Step::Insert(key, ttl) => {
                version += 1;
                let options = EntryOptions::default().ttl(second * *ttl as u32);
                let end = now + ttl;
                if cache.insert_with(*key, version, options) {
                    model.insert(*key, (version, end));
                    if let Some(pin) = pinned.get_mut(key) {
                        *pin = (version, end);
                    }
                } else {
                    model.remove(key);
                    pinned.remove(key);
                }
            }
            Step::Get(key) => {
                let got = cache.get(key);
                assert_eq!(got, cache.peek(key));
                let may = model.get(key).filter(|held| held.1 > now).map(|held| held.0);
                assert!(got.is_none() || got == may, "{key}: {got:?}, not {may:?}");
            }
            Step::Remove(key) => {
                let was = cache.peek(key);
                assert_eq!(cache.remove(key), was);
                model.remove(key);
                pinned.remove(key);
            }
            Step::Pin(key) => {
                if cache.peek(key).is_some() && cache.pin(key) {
                    pinned.insert(*key, model[key]);
                }
            }
            Step::Unpin(key) => {
                assert!(cache.unpin(key) || !pinned.contains_key(key));
                pinned.remove(key);
            }
            Step::Resize(to) => bound = cache.resize(*to),
            Step::Advance(seconds) => {
                clock.advance(second * *seconds as u32);
                now += seconds;
            }
            Step::Clear => {
                cache.clear();
                model.clear();
                pinned.clear();
            }
        }
        pinned.retain(|_, pin| pin.1 > now);
        for (key, pin) in &pinned {
            assert_eq!(cache.peek(key), Some(pin.0), "{key} was pinned");
        }
        let (mut held, mut weight) = (0, 0);
        cache.for_each(|key, value| {
            assert_eq!(model.get(key).map(|held| held.0), Some(*value));
            held += 1;
            weight += (key % 3).max(1);
        });
        // What is pinned may be more than a bound that was made smaller.
        let most = if by_weight { weight } else { held };
        assert!(most <= bound.max(20), "{most} of {bound}");
        assert!(cache.len() >= held && cache.weight() >= most);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_a_plain_map_could(steps in proptest::collection::vec(step(), 1..150)) {
        for policy in Policy::ALL {
            agrees(policy, false, &steps);
            agrees(policy, true, &steps);
        }
    }
}

#[test]
fn many_threads_never_exceed_the_bound_and_lose_nothing_pinned() {
    for policy in Policy::ALL {
        for by_weight in [false, true] {
            let builder = ShardedCache::<u64, Arc<u64>>::builder().policy(policy);
            let builder =
                if by_weight { builder.max_bytes(2 << 20) } else { builder.max_entries(2000) };
            let cache = builder.weigher(|_, _| 1 << 10).build().expect("a valid bound");
            let bound = cache.bound();
            for key in 0..10 {
                cache.insert(key, Arc::new(key));
                assert!(cache.pin(&key));
            }
            let (stop, most) = (AtomicBool::new(false), AtomicU64::new(0));
            thread::scope(|scope| {
                let watch = scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        most.fetch_max(cache.weight(), Ordering::Relaxed);
                        assert!((0..10).all(|key| cache.contains(&key)), "{policy}");
                    }
                });
                let workers: Vec<_> = (0..4_u64)
                    .map(|seed| {
                        let cache = &cache;
                        scope.spawn(move || {
                            let mut state = seed + 1;
                            for _ in 0..10_000 {
                                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                                let key = 10 + (state >> 33) % 6000;
                                match state >> 60 {
                                    0 => _ = cache.remove(&key),
                                    1..5 => _ = cache.insert(key, Arc::new(key)),
                                    _ => match cache.get(&key) {
                                        Some(value) => assert_eq!(*value, key),
                                        None => _ = cache.insert(key, Arc::new(key)),
                                    },
                                }
                            }
                        })
                    })
                    .collect();
                for worker in workers {
                    worker.join().expect("no panic");
                }
                stop.store(true, Ordering::Relaxed);
                watch.join().expect("no panic");
            });
            let most = most.into_inner();
            assert!(most <= bound, "{policy}: {most} of {bound}");
            let mut held = 0;
            cache.for_each(|key, value| {
                assert_eq!(key, &**value);
                held += 1;
            });
            assert_eq!(cache.len(), held, "{policy}");
        }
    }
}
