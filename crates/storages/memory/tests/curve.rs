//! What the engine estimates of itself on the shipped traces, beside what replays show.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::collections::HashSet;
use std::thread;

use cache_memory::{Policy, ShardedCache};
use tiers_traces::{Trace, shipped};

/// One sample is right by a few points, for what the adaptive policy does is not the same each time;
/// the mean over these is to be right by less.
const SEEDS: u64 = 4;
const ERROR_MAX: f64 = 0.02;

type Cache = ShardedCache<u64, (), ahash::RandomState>;

/// Replays a trace; gives the share of hits too.
fn replayed(trace: &Trace, policy: Policy, entries: u64, seed: u64, curve: u64) -> (Cache, f64) {
    let cache = ShardedCache::builder().max_entries(entries).policy(policy).curve_entries(curve);
    let hasher = ahash::RandomState::with_seeds(seed, 2, 3, 4);
    let cache = cache.hasher(hasher).build().expect("a valid bound");
    let mut hits = 0_u32;
    for key in &trace.keys {
        if cache.get_with(key, |()| ()).is_some() {
            hits += 1;
        } else {
            cache.insert(*key, ());
        }
    }
    (cache, f64::from(hits) / trace.keys.len() as f64)
}

#[test]
fn estimates_are_near_what_replays_show() {
    thread::scope(|scope| {
        for trace in shipped() {
            scope.spawn(move || estimates_of(&trace));
        }
    });
}

/// At a tenth of the keys: every size, and every policy.
fn estimates_of(trace: &Trace) {
    let entries = trace.keys.iter().collect::<HashSet<_>>().len() as u64 / 10;
    let curves: Vec<_> = (0..SEEDS)
        .map(|seed| {
            let curve_entries = cache_memory::CURVE_ENTRIES_DEFAULT;
            let (cache, ratio) = replayed(trace, Policy::Adaptive, entries, seed, curve_entries);
            let curve = cache.curve().expect("it is watched");
            // Of its own hits all but the last few dozens are known.
            let own = curve.hit_ratio("adaptive", 100).expect("a point");
            assert!((own - ratio).abs() < 0.002, "{}: {own}, not {ratio}", trace.name);
            curve
        })
        .collect();
    for point in &curves[0].points {
        let policy: Policy = point.policy.parse().expect("a policy");
        let size = (entries * u64::from(point.size_percent)).div_ceil(100);
        // What is adaptive differs from one replay to the other; nothing else does much.
        let replays = if policy == Policy::Adaptive { SEEDS } else { 1 };
        let truth = (0..replays).map(|seed| replayed(trace, policy, size, seed, 0).1).sum::<f64>();
        let truth = truth / replays as f64;
        let ratio = |curve: &cache_core::memory::MissRatioCurve| {
            curve.hit_ratio(point.policy, point.size_percent).expect("a point")
        };
        let estimated = curves.iter().map(ratio).sum::<f64>() / SEEDS as f64;
        assert!(
            (estimated - truth).abs() <= ERROR_MAX,
            "{} at {entries}, {point:?}: {estimated:.4}, replayed {truth:.4}",
            trace.name
        );
    }
}
