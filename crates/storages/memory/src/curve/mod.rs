//! What the hit ratio would be with more memory, or less, or another policy: estimated on line.
//!
//! A sample of the keys, chosen by hash so that all accesses to a key are in it or none, goes through
//! small caches: as much smaller than the real one as the sample is smaller than all keys. How much
//! more or less they miss of the sample than the real cache did is taken for what they would of all.
//! After SHARDS (Waldspurger and others, FAST 2015) and the same authors' miniature simulations
//! (USENIX ATC 2017). Because it goes by misses, and by what the real cache missed of the same
//! sample, it does no harm if a very popular key happens to be in the sample, or not.

mod simulation;
mod tally;

use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::memory::{MissRatioCurve, MissRatioPoint};
use parking_lot::Mutex;

use crate::apart::Apart;
use crate::config::Policy as Name;
use crate::policy::queue::LossyQueue;
use simulation::Simulation;
use tally::{HITS, HITS_LOST, Tally};

/// The sizes that are tried with the policy that there is, in per cent.
const SIZES_PERCENT: [u32; 4] = [50, 100, 200, 400];

/// Of a hash, what goes into the small caches.
const HASH: u64 = u32::MAX as u64;
/// Set in what waits in the queue.
const HIT: u64 = 1 << 32;
const INSERT: u64 = 1 << 33;
const REMOVAL: u64 = 1 << 34;

/// Watches the accesses of one cache.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Curve {
    policy: Name,
    wanted: u64,
    /// Which hashes are in the sample: those below this.
    sample_below: AtomicU64,
    hits: Apart<Tally>,
    /// How many had been brought in when it began.
    inserted_before: AtomicU64,
    /// Of the hits in the sample those for which there was no room.
    hits_lost: Apart<Tally>,
    trial: Apart<Mutex<Trial>>,
    queue: Apart<LossyQueue>,
}

#[derive(Debug)]
struct Trial {
    policy: Name,
    simulations: Vec<Simulated>,
    /// What was taken from the queue: each simulation goes through all of it in turn, so that what it
    /// needs is fetched once.
    taken: Vec<u64>,
    /// What the real cache had of the sample: hits and inserts.
    hits: u64,
    inserts: u64,
}

#[derive(Debug)]
struct Simulated {
    point: MissRatioPoint,
    simulation: Simulation,
    /// What this one missed of the real cache's hits, and of its inserts.
    missed_hits: u64,
    missed_inserts: u64,
}

/// What the real cache has had, and what is known of the sample.
#[derive(Clone, Copy, Debug)]
struct Counted {
    hits: u64,
    misses: u64,
    hits_lost: u64,
    /// Which share of the keys it is.
    sampled: f64,
}

/// How many sampled accesses wait until something is brought in.
const QUEUED_MAX: usize = 2048;

/// Whoever brings something in goes through those that wait once there are so many. What a small cache
/// is made of has mostly been displaced from the processor's caches since the last time, so that one
/// at a time would be several times as dear.
const TAKEN_AT_ONCE: usize = 128;

/// For a large cache as many, however few are enough for a small one.
const LARGE: u64 = 1024;

/// How many entries stand for a cache of this many: all of them if it is small.
fn simulated(entries: u64, wanted: u64) -> u64 {
    if wanted == 0 {
        return 0;
    }
    (entries / 64).clamp(wanted, wanted.max(LARGE)).min(entries)
}

impl Curve {
    /// For a cache of this many entries, none as long as that is not known. `wanted` is how many
    /// entries are enough for a small cache; with none nothing is watched.
    pub(crate) fn new(policy: Name, entries: u64, wanted: u64) -> Self {
        let curve = Self {
            policy,
            wanted,
            sample_below: AtomicU64::new(0),
            hits: Apart(Tally::default()),
            inserted_before: AtomicU64::new(0),
            hits_lost: Apart(Tally::default()),
            trial: Apart(Mutex::new(Trial::new(policy, 0))),
            queue: Apart(LossyQueue::new(if wanted == 0 { 0 } else { QUEUED_MAX })),
        };
        curve.resize(entries, 0);
        curve
    }

    /// Starts again for a cache of this many entries, into which so many have been brought so far.
    pub(crate) fn resize(&self, entries: u64, inserted: u64) {
        let mut trial = self.trial.lock();
        let mini = simulated(entries, self.wanted);
        let below = (mini << 32).checked_div(entries).unwrap_or(0);
        *trial = Trial::new(self.policy, if below == 0 { 0 } else { mini });
        self.queue.take().for_each(drop);
        self.hits.reset();
        self.inserted_before.store(inserted, Ordering::Relaxed);
        self.hits_lost.reset();
        self.sample_below.store(below, Ordering::Relaxed);
    }

    fn sample_below(&self) -> u64 {
        self.sample_below.load(Ordering::Relaxed)
    }

    /// Takes note of a hit. Waits for nobody, and allocates nothing.
    #[inline]
    pub(crate) fn on_hit(&self, hash: u64) {
        let below = self.sample_below();
        if below == 0 {
            return;
        }
        self.hits.count(&HITS);
        // It waits for whoever brings something in next, or asks.
        if (hash & HASH) < below && !self.queue.push(HIT | hash & HASH) {
            self.hits_lost.count(&HITS_LOST);
        }
    }

    /// Takes note that what was not there has been brought in. Waits for nobody.
    pub(crate) fn on_insert(&self, hash: u64) {
        let below = self.sample_below();
        if below == 0 {
            return;
        }
        if (hash & HASH) < below {
            self.push(INSERT | hash & HASH);
        }
    }

    /// Takes note that something has gone that would have gone from any cache.
    pub(crate) fn on_removal(&self, hash: u32) {
        if u64::from(hash) < self.sample_below() {
            self.push(REMOVAL | u64::from(hash));
        }
    }

    fn push(&self, noted: u64) {
        let is_queued = self.queue.push(noted);
        if is_queued && self.queue.len() < TAKEN_AT_ONCE {
            return;
        }
        if let Some(mut trial) = self.trial.try_lock() {
            trial.drain(&self.queue);
            if !is_queued {
                self.queue.push(noted);
            }
        }
    }

    /// What is known so far, when so many have been brought in; `None` if nothing is watched.
    pub(crate) fn estimate(&self, inserted: u64) -> Option<MissRatioCurve> {
        let mut trial = self.trial.lock();
        let below = self.sample_below();
        if below == 0 {
            return None;
        }
        trial.drain(&self.queue);
        let counted = Counted {
            hits: self.hits.counted(),
            misses: inserted.saturating_sub(self.inserted_before.load(Ordering::Relaxed)),
            hits_lost: self.hits_lost.counted(),
            sampled: below as f64 / (1_u64 << 32) as f64,
        };
        Some(trial.estimate(counted))
    }
}

impl Simulated {
    fn go_through(&mut self, taken: &[u64]) {
        for noted in taken {
            let hash = *noted as u32;
            if noted & REMOVAL != 0 {
                self.simulation.remove(hash);
                continue;
            }
            let missed = u64::from(!self.simulation.access(hash));
            if noted & HIT != 0 {
                self.missed_hits += missed;
            } else {
                self.missed_inserts += missed;
            }
        }
    }
}

impl Trial {
    fn new(policy: Name, entries: u64) -> Self {
        let simulation = |policy: Name, size_percent: u32| {
            let entries = (entries * u64::from(size_percent)).div_ceil(100);
            Simulated {
                point: MissRatioPoint::new(policy.name(), size_percent),
                simulation: Simulation::new(policy, entries),
                missed_hits: 0,
                missed_inserts: 0,
            }
        };
        let sizes = SIZES_PERCENT.iter().map(|percent| simulation(policy, *percent));
        let others = Name::ALL.into_iter().filter(|other| *other != policy);
        let all = sizes.chain(others.map(|other| simulation(other, 100)));
        let simulations: Vec<_> = if entries == 0 { Vec::new() } else { all.collect() };
        Self { policy, simulations, taken: Vec::new(), hits: 0, inserts: 0 }
    }

    fn drain(&mut self, queue: &LossyQueue) {
        self.taken.clear();
        self.taken.extend(queue.take());
        let count = |kind| self.taken.iter().filter(|noted| **noted & kind != 0).count() as u64;
        self.hits += count(HIT);
        self.inserts += count(INSERT);
        for simulated in &mut self.simulations {
            simulated.go_through(&self.taken);
        }
    }

    fn estimate(&self, counted: Counted) -> MissRatioCurve {
        let Counted { hits, misses, hits_lost, sampled } = counted;
        let accesses = hits + misses;
        // Before the real cache has missed anything, there is nothing to go by but the sample.
        let factor =
            if self.inserts == 0 { 1.0 / sampled } else { misses as f64 / self.inserts as f64 };
        // Those that were lost would have been missed as often as the others.
        let of_hits = 1.0 + hits_lost as f64 / self.hits.max(1) as f64;
        let point = |simulated: &Simulated| {
            let point = simulated.point.clone();
            if point.policy == self.policy.name() && point.size_percent == 100 {
                return point.with_hits(hits);
            }
            let missed = simulated.missed_inserts as f64 + simulated.missed_hits as f64 * of_hits;
            point.with_hits(accesses.saturating_sub((missed * factor).round() as u64))
        };
        let points = self.simulations.iter().map(point).collect();
        MissRatioCurve::new(accesses, hits, self.hits + self.inserts, points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_caches_are_simulated_whole() {
        let sizes = [10, 256, 5000, 24_000, 1 << 30].map(|entries| simulated(entries, 256));
        assert_eq!(sizes, [10, 256, 256, 375, 1024]);
        assert_eq!(simulated(1 << 30, 5000), 5000);
    }

    #[test]
    fn where_all_is_sampled_the_curve_is_exact() {
        let curve = Curve::new(Name::Lru, 100, 256);
        let mut held = std::collections::VecDeque::new();
        let (mut hits, mut misses) = (0, 0);
        for turn in 0..100_000_u64 {
            // Half of a loop of 60, half of one of 1000.
            let hash = if turn % 2 == 0 { turn / 2 % 60 } else { 1000 + turn / 2 % 150 };
            match held.iter().position(|other| *other == hash) {
                Some(at) => {
                    held.remove(at);
                    hits += 1;
                    curve.on_hit(hash);
                }
                None => {
                    misses += 1;
                    curve.on_insert(hash);
                }
            }
            held.push_back(hash);
            held.drain(..held.len().saturating_sub(100));
        }
        let estimate = curve.estimate(misses).expect("it is watched");
        assert!(estimate.hits.abs_diff(hits) < 128, "{estimate:?} for {hits} and {misses}");
        assert!(estimate.accesses.abs_diff(100_000) < 128);
        let ratio = |policy, size| estimate.hit_ratio(policy, size).expect("a point");
        // The loop of 60 comes round after 120 accesses, of 60 keys each side.
        assert!(ratio("lru", 50) < 0.01 && (ratio("lru", 200) - 0.5).abs() < 0.01, "{estimate:?}");
        assert!(ratio("lru", 400) > 0.99);
        assert!(ratio("adaptive", 100) > 0.3 && estimate.hit_ratio("lru", 25).is_none());
    }

    /// Nothing comes in, so that most hits find no room to wait in.
    #[test]
    fn hits_that_were_lost_count_as_the_others() {
        let curve = Curve::new(Name::Lru, 100, 256);
        (0..60).for_each(|hash| curve.on_insert(hash));
        (0..600_000).for_each(|turn| curve.on_hit(turn % 60));
        let estimate = curve.estimate(60).expect("it is watched");
        let ratio = |policy, size| estimate.hit_ratio(policy, size).expect("a point");
        // A loop of 60 is too long for half, and all that there is for the rest.
        assert!(ratio("lru", 50) < 0.01, "{estimate:?}");
        assert!(ratio("lru", 100) > 0.99 && ratio("fifo", 100) > 0.99, "{estimate:?}");
    }

    #[test]
    fn what_is_removed_is_not_hit_at_any_size() {
        let curve = Curve::new(Name::Lru, 10, 256);
        for turn in 0..10_000_u64 {
            curve.on_insert(turn % 5);
            curve.on_removal((turn % 5) as u32);
        }
        let estimate = curve.estimate(10_000).expect("it is watched");
        assert_eq!(estimate.hit_ratio("lru", 400), Some(0.0), "{estimate:?}");
    }

    #[test]
    fn with_no_entries_nothing_is_watched() {
        for curve in [Curve::new(Name::Lru, 100, 0), Curve::new(Name::Lru, 0, 256)] {
            curve.on_hit(1);
            curve.on_insert(1);
            curve.on_removal(1);
            assert_eq!(curve.estimate(1), None);
        }
    }
}
