use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::mini::Mini;
use super::mode::{Mode, Turn};
use super::word::Word;
use crate::apart::Apart;
use crate::policy::Hit;
use crate::policy::queue::LossyQueue;

/// After how many sampled accesses for each entry of a small cache counts lose half their worth.
const EPOCH_ACCESSES: u64 = 10;

/// The mode that is best of late, and how that is found out.
///
/// One for all shards of a cache. Reading it costs two loads; a sampled access costs what four small
/// caches take.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Choice {
    epoch: AtomicU8,
    mode: AtomicU8,
    /// Which hashes are in the sample: those whose middle bits are below this.
    sample_below: AtomicU64,
    trial: Apart<Mutex<Trial>>,
    queue: Apart<LossyQueue>,
}

#[derive(Debug)]
struct Trial {
    minis: Vec<Mini>,
    entries: u64,
    scores: [f64; 4],
    accesses: u64,
}

/// How many sampled hits wait until something is brought in.
const QUEUED_MAX: usize = 256;

/// How many entries a small cache has for a cache of this many.
fn mini_entries(entries: u64) -> u64 {
    let small = (entries / 4).clamp(64, 256);
    small.max((entries / 64).min(1024)).min(entries).max(1)
}

impl Choice {
    pub(crate) fn new(entries: u64) -> Self {
        let choice = Self {
            epoch: AtomicU8::new(0),
            mode: AtomicU8::new(Mode::Guarded.number()),
            sample_below: AtomicU64::new(0),
            trial: Apart(Mutex::new(Trial::new(1))),
            queue: Apart(LossyQueue::new(QUEUED_MAX)),
        };
        choice.resize(entries);
        choice
    }

    /// Starts again for a cache of this many entries, with the mode as it is. With none nothing is
    /// sampled.
    pub(crate) fn resize(&self, entries: u64) {
        let mini = mini_entries(entries);
        let mut trial = self.trial.lock();
        *trial = Trial::new(mini);
        let below = (mini << 32).checked_div(entries).unwrap_or(0);
        self.sample_below.store(below, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn epoch(&self) -> u8 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// A hit, by what lies beside its entry.
    #[inline]
    pub(crate) fn hit(&self, meta: &AtomicU16) -> Hit {
        let (word, epoch) = (Word::of(meta), self.epoch());
        if word.is_full(epoch) {
            return Hit::Known;
        }
        word.hit(epoch).store(meta);
        Hit::Noted
    }

    pub(crate) fn turn(&self) -> Turn {
        let mode = Mode::from_number(self.mode.load(Ordering::Relaxed));
        Turn { mode, epoch: self.epoch() }
    }

    #[inline]
    fn is_sampled(&self, hash: u64) -> bool {
        u64::from((hash >> 16) as u32) < self.sample_below.load(Ordering::Relaxed)
    }

    /// Takes note of a hit, for whoever brings something in next: of very many hits before that some
    /// are lost. Waits for nobody, and allocates nothing.
    #[inline]
    pub(crate) fn on_hit(&self, hash: u64) {
        if self.is_sampled(hash) {
            self.queue.push(queued(hash));
        }
    }

    /// Takes note that what was not there has been brought in. Waits for nobody.
    pub(crate) fn on_insert(&self, hash: u64) {
        if !self.is_sampled(hash) {
            return;
        }
        match self.trial.try_lock() {
            Some(mut trial) => {
                self.drain(&mut trial);
                self.access(&mut trial, hash as u32);
            }
            None => {
                self.queue.push(queued(hash));
            }
        }
    }

    fn drain(&self, trial: &mut Trial) {
        for queued in self.queue.take() {
            self.access(trial, queued as u32);
        }
    }

    fn access(&self, trial: &mut Trial, hash: u32) {
        let mut turn = self.turn();
        let span = trial.entries * EPOCH_ACCESSES;
        for (nth, mini) in trial.minis.iter_mut().enumerate() {
            turn.mode = Mode::ALL[nth];
            let hit = mini.access(hash, turn);
            let score = &mut trial.scores[nth];
            *score += f64::from(u8::from(hit)) - *score / span as f64;
        }
        trial.accesses += 1;
        if trial.accesses.is_multiple_of(span) {
            self.epoch.store(turn.epoch.wrapping_add(1), Ordering::Relaxed);
        }
        let current = usize::from(self.mode.load(Ordering::Relaxed));
        let best = (0..4).fold(
            0,
            |best, nth| {
                if trial.scores[nth] > trial.scores[best] { nth } else { best }
            },
        );
        if trial.scores[best] > trial.scores[current] + (trial.entries as f64).sqrt() {
            self.mode.store(Mode::ALL[best].number(), Ordering::Relaxed);
        }
    }
}

impl Trial {
    fn new(entries: u64) -> Self {
        let minis = Mode::ALL.iter().map(|_| Mini::new(entries)).collect();
        Self { minis, entries, scores: [0.0; 4], accesses: 0 }
    }
}

/// Any hash, zero too, as what waits in the queue.
fn queued(hash: u64) -> u64 {
    1 << 32 | u64::from(hash as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_caches_are_as_large_as_they_have_to_be() {
        let sizes = [1, 10, 64, 100, 1000, 16_384, 100_000, 10_000_000].map(mini_entries);
        assert_eq!(sizes, [1, 10, 64, 64, 250, 256, 1024, 1024]);
    }

    #[test]
    fn a_clear_lead_changes_the_mode_and_a_small_one_does_not() {
        let choice = Choice::new(100);
        let lead = |scores: [f64; 4]| {
            choice.trial.lock().scores = scores;
            choice.on_insert(1 << 16);
            choice.turn().mode
        };
        // The small caches have 64 entries here, and the margin is the root of that.
        assert_eq!(lead([100.0, 107.0, 0.0, 0.0]), Mode::Guarded);
        assert_eq!(lead([100.0, 110.0, 0.0, 0.0]), Mode::Wide);
        assert_eq!(lead([100.0, 94.0, 0.0, 99.0]), Mode::Wide);
        assert_eq!(lead([0.0, 94.0, 110.0, 105.0]), Mode::Clock);
    }

    #[test]
    fn counts_age_with_accesses_and_hits_are_heard_of() {
        let choice = Choice::new(64);
        for turn in 0..640 {
            let hash = (turn % 32 + 1) << 16 | (turn % 32 + 1);
            // Hits wait for the next insert.
            if turn < 32 || turn % 100 == 0 { choice.on_insert(hash) } else { choice.on_hit(hash) }
        }
        choice.on_insert(77 << 16 | 77);
        assert_eq!(choice.epoch(), 1);
        let trial = choice.trial.lock();
        assert_eq!(trial.accesses, 641);
        assert!(trial.scores.iter().all(|score| *score > 300.0), "{:?}", trial.scores);
    }
}
