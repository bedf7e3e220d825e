use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use cache_core::clock::{Clock, ManualClock, Timestamp};
use proptest::prelude::*;

use super::SyncCache;
use crate::Policy;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A cache that lives by a clock of its own, with a default TTL of a minute.
fn timed() -> (SyncCache<u64, u64>, ManualClock) {
    let clock = ManualClock::new();
    let builder = SyncCache::builder().clock(clock.clone()).default_ttl(seconds(60));
    (builder.build().expect("valid options"), clock)
}

#[test]
fn a_bound_or_ttl_of_zero_is_refused() {
    assert!(SyncCache::builder().max_entries(0).build::<u64, u64>().is_err());
    assert!(SyncCache::builder().default_ttl(Duration::ZERO).build::<u64, u64>().is_err());
}

#[test]
fn what_was_set_is_got_until_it_is_deleted_or_cleared() {
    let cache = SyncCache::builder().build().expect("valid options");
    cache.set("a".to_owned(), 1);
    cache.set("a".to_owned(), 2);
    cache.set("b".to_owned(), 3);
    let clone = cache.clone();
    assert_eq!((clone.get("a"), clone.get("b"), clone.get("c")), (Some(2), Some(3), None));
    assert!(cache.contains("a") && !cache.contains("c"));
    assert_eq!(cache.len(), 2);
    assert!(cache.delete("a") && !cache.delete("a"));
    assert_eq!((cache.get("a"), cache.len()), (None, 1));
    for turn in 0..1000 {
        cache.set("b".to_owned(), turn);
        cache.set("c".to_owned(), turn);
        cache.clear();
        assert!(cache.is_empty() && cache.get("b").is_none() && !cache.contains("c"));
    }
}

#[test]
fn an_entry_is_there_until_its_time_and_not_at_it() {
    let (cache, clock) = timed();
    cache.set(1, 10);
    cache.set_with_ttl(2, 20, seconds(5));
    clock.advance(Duration::from_millis(4_999));
    assert_eq!((cache.get(&2), cache.contains(&2), cache.len()), (Some(20), true, 2));
    clock.advance(Duration::from_millis(1));
    assert_eq!((cache.contains(&2), cache.get(&2)), (false, None));
    assert!(cache.entry(&2).is_none() && !cache.delete(&2));
    assert_eq!(cache.len(), 1);
    clock.advance(seconds(55));
    // An expired entry that nobody has looked at is not there either.
    assert!(!cache.delete(&1) && cache.is_empty());
}

#[test]
fn len_leaves_out_what_has_expired() {
    let (cache, clock) = timed();
    for key in 0..100 {
        cache.set_with_ttl(key, key, seconds(key + 1));
    }
    clock.advance(seconds(30));
    assert_eq!(cache.len(), 70);
    cache.set_with_ttl(1000, 0, seconds(1));
    clock.advance(seconds(20));
    cache.maintain();
    assert_eq!(cache.len(), 50);
    assert!(!cache.contains(&49) && cache.contains(&50));
}

#[test]
fn an_entry_tells_its_times() {
    let (cache, clock) = timed();
    let set = clock.wall();
    cache.set(1, 10);
    clock.advance(seconds(15));
    let entry = cache.entry(&1).expect("it is there");
    assert_eq!((entry.value, entry.created), (10, set));
    assert_eq!((entry.remaining, entry.expires), (Some(seconds(45)), set.after(seconds(60))));

    let cache = SyncCache::builder().build().expect("valid options");
    cache.set(1, 10);
    let entry = cache.entry(&1).expect("it is there");
    assert_eq!((entry.remaining, entry.expires), (None, Timestamp::NEVER));
}

#[test]
fn the_last_ttl_counts_and_one_of_zero_removes() {
    let (cache, clock) = timed();
    cache.set_with_ttl(1, 10, seconds(1));
    cache.set_with_ttl(1, 11, seconds(100));
    clock.advance(seconds(50));
    assert_eq!(cache.get(&1), Some(11));
    cache.set_with_ttl(1, 12, Duration::ZERO);
    assert_eq!((cache.get(&1), cache.len()), (None, 0));
}

#[test]
fn by_the_machines_clock_entries_expire_and_are_freed() {
    let cache = SyncCache::builder().default_ttl(Duration::from_millis(1)).build();
    let cache = cache.expect("valid options");
    cache.set(1, 10);
    cache.set_with_ttl(2, 20, seconds(3600));
    thread::sleep(Duration::from_millis(30));
    assert_eq!((cache.get(&1), cache.contains(&1)), (None, false));
    cache.maintain();
    assert_eq!((cache.len(), cache.get(&2)), (1, Some(20)));
    assert_eq!(cache.try_get_or_insert_with(1, || Err::<u64, _>("no")), Err(Arc::new("no")));
    assert_eq!(cache.get_or_insert_with(1, || 11), 11);
}

#[test]
fn the_machines_time_ends_nothing_under_another_clock() {
    let (cache, _clock) = timed();
    cache.set_with_ttl(1, 10, Duration::from_millis(1));
    thread::sleep(Duration::from_millis(30));
    cache.maintain();
    assert_eq!((cache.get(&1), cache.len()), (Some(10), 1));
}

#[test]
fn a_small_cache_drops_the_least_recently_used_at_once() {
    let cache = SyncCache::builder().max_entries(3).policy(Policy::Lru).build();
    let cache = cache.expect("valid options");
    for key in [1, 2, 3] {
        cache.set(key, key);
    }
    // Looking whether it is there is no use.
    assert!(cache.contains(&2));
    assert_eq!(cache.get(&1), Some(1));
    cache.set(4, 4);
    let there = [1, 2, 3, 4].map(|key| cache.contains(&key));
    assert_eq!((there, cache.len()), ([true, false, true, true], 3));
}

#[test]
fn the_bound_holds_under_sets_from_many_threads() {
    let cache = SyncCache::builder().max_entries(320).build().expect("valid options");
    thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for turn in 0..3000 {
                    cache.set(turn * 4 + thread, turn);
                    assert!(cache.inner.map.iter().count() <= 320 + 10 * 4 + 4);
                }
            });
        }
    });
    assert_eq!(cache.len(), 320);
}

#[test]
fn of_many_who_ask_at_once_one_makes_the_value() {
    let (cache, clock) = timed();
    cache.set(1, 0);
    cache.set(2, 0);
    // What has expired is made anew, once too.
    clock.advance(seconds(60));
    let made = AtomicUsize::new(0);
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (cache, made, barrier) = (&cache, &made, &barrier);
            scope.spawn(move || {
                let make = |value| {
                    thread::sleep(Duration::from_millis(10));
                    made.fetch_add(1, Ordering::SeqCst);
                    value
                };
                barrier.wait();
                if thread % 2 == 0 {
                    assert_eq!(cache.get_or_insert_with(1, || make(7)), 7);
                } else {
                    let got = cache.try_get_or_insert_with(2, || Ok::<_, ()>(make(8)));
                    assert_eq!(got, Ok(8));
                }
            });
        }
    });
    assert_eq!(made.into_inner(), 2);
    // It lives for the default TTL from then.
    clock.advance(Duration::from_millis(59_999));
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(7), Some(8)));
    clock.advance(Duration::from_millis(1));
    assert_eq!((cache.contains(&1), cache.contains(&2)), (false, false));
}

#[test]
fn a_failed_or_panicked_init_leaves_nothing_behind() {
    let (cache, _clock) = timed();
    assert_eq!(cache.try_get_or_insert_with(1, || Err::<u64, _>("no")), Err(Arc::new("no")));
    let other = cache.clone();
    let (sender, receiver) = mpsc::channel();
    let panicking = thread::spawn(move || {
        other.get_or_insert_with(1, || {
            let _ = sender.send(());
            panic!("as it should")
        })
    });
    receiver.recv().expect("init runs");
    assert_eq!(cache.get_or_insert_with(1, || 5), 5);
    assert!(panicking.join().is_err());
    assert_eq!(cache.get(&1), Some(5));
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, u64, Option<u64>),
    Get(u8),
    Entry(u8),
    Contains(u8),
    Delete(u8),
    Insert(u8, u64),
    Clear,
    Len,
    Maintain,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..6_u8;
    prop_oneof![
        4 => (key.clone(), any::<u64>(), proptest::option::of(0..90_u64))
            .prop_map(|(key, value, ttl)| Step::Set(key, value, ttl)),
        3 => key.clone().prop_map(Step::Get),
        1 => key.clone().prop_map(Step::Entry),
        2 => key.clone().prop_map(Step::Contains),
        1 => key.clone().prop_map(Step::Delete),
        2 => (key, any::<u64>()).prop_map(|(key, value)| Step::Insert(key, value)),
        1 => Just(Step::Clear),
        2 => Just(Step::Len),
        1 => Just(Step::Maintain),
        3 => (1..40_u64).prop_map(Step::Advance),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_cache_does_what_a_plain_map_does(steps in proptest::collection::vec(step(), 1..60)) {
        let (cache, clock) = timed();
        let (mut model, mut now) = (BTreeMap::<u64, (u64, u64)>::new(), 0);
        for step in steps {
            model.retain(|_, (_, end)| now < *end);
            match step {
                Step::Set(key, value, ttl) => {
                    let key = u64::from(key);
                    match ttl {
                        None => cache.set(key, value),
                        Some(ttl) => cache.set_with_ttl(key, value, seconds(ttl)),
                    }
                    model.insert(key, (value, now + ttl.unwrap_or(60)));
                }
                Step::Get(key) => {
                    let key = u64::from(key);
                    prop_assert_eq!(cache.get(&key), model.get(&key).map(|held| held.0));
                }
                Step::Entry(key) => {
                    let key = u64::from(key);
                    let got = cache.entry(&key).map(|entry| (entry.value, entry.remaining));
                    let held = model.get(&key);
                    let held = held.map(|(value, end)| (*value, Some(seconds(end - now))));
                    prop_assert_eq!(got, held);
                }
                Step::Contains(key) => {
                    let key = u64::from(key);
                    prop_assert_eq!(cache.contains(&key), model.contains_key(&key));
                }
                Step::Delete(key) => {
                    let key = u64::from(key);
                    prop_assert_eq!(cache.delete(&key), model.remove(&key).is_some());
                }
                Step::Insert(key, value) => {
                    let key = u64::from(key);
                    let held = model.entry(key).or_insert((value, now + 60));
                    prop_assert_eq!(cache.get_or_insert_with(key, || value), held.0);
                }
                Step::Clear => {
                    cache.clear();
                    model.clear();
                }
                Step::Len => prop_assert_eq!(cache.len(), model.len() as u64),
                Step::Maintain => cache.maintain(),
                Step::Advance(by) => {
                    clock.advance(seconds(by));
                    now += by;
                }
            }
        }
    }
}
