//! A storage around another one, on which much goes wrong by chance, and by a seed again.

mod odds;
mod operations;

pub use odds::ChaosOdds;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::entry::Entry;
use crate::key::Key;
use crate::storage::Storage;

/// Passes calls on to another storage, with faults by chance: calls that take long, fail, are
/// carried out and lose their answers, or hang; batches of which a part fails, or that are answered
/// in part; entries that come out torn, flipped, or are those of another key.
///
/// A call that hangs does so until it is dropped, or until [`calm`](Self::calm). The same seed gives
/// the same chances in the same order of calls. Clones are the same storage.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use cache_core::key::Key;
/// use cache_core::storage::Storage;
/// use cache_core::testing::{ChaosOdds, ChaosStorage, ManualClock, TestStorage};
///
/// let odds = ChaosOdds { errors: 1.0, ..ChaosOdds::NONE };
/// let storage = ChaosStorage::new(TestStorage::new(), odds, 7, Arc::new(ManualClock::new()));
/// let key = Key::parse("app:user:7:v1").unwrap();
/// assert!(storage.get(&key).await.unwrap_err().is_transient());
/// storage.calm();
/// assert_eq!(storage.get(&key).await.unwrap().entry, None);
/// assert_eq!(storage.faults(), 1);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct ChaosStorage {
    around: Arc<Around>,
}

#[derive(Debug)]
struct Around {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    chance: Mutex<Chance>,
    /// Nothing goes wrong, and what hung goes on.
    is_calm: watch::Sender<bool>,
}

#[derive(Debug)]
struct Chance {
    random: fastrand::Rng,
    odds: ChaosOdds,
    /// What was read last, to be given as the entry of another key.
    seen: Option<(Key, Entry)>,
    faults: u64,
}

impl ChaosStorage {
    /// A storage around `storage`. Latencies are by `clock`, the seed is any number.
    pub fn new(storage: impl Storage, odds: ChaosOdds, seed: u64, clock: Arc<dyn Clock>) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self {
            around: Arc::new(Around {
                storage: Arc::new(storage),
                clock,
                chance: Mutex::new(Chance { random, odds, seen: None, faults: 0 }),
                is_calm: watch::Sender::new(false),
            }),
        }
    }

    /// From now on nothing goes wrong; what hangs goes on.
    pub fn calm(&self) {
        self.around.is_calm.send_replace(true);
    }

    /// From now on things go wrong again.
    pub fn storm(&self) {
        self.around.is_calm.send_replace(false);
    }

    /// How many faults there were so far; latencies are none.
    pub fn faults(&self) -> u64 {
        self.around.chance.lock().faults
    }

    /// Whether something happens whose odds these are.
    fn happens(&self, odds: impl FnOnce(&ChaosOdds) -> f64) -> bool {
        if *self.around.is_calm.borrow() {
            return false;
        }
        let mut chance = self.around.chance.lock();
        let odds = odds(&chance.odds);
        let happens = chance.random.f64() < odds;
        chance.faults += u64::from(happens);
        happens
    }

    fn latency(&self) -> Option<Duration> {
        if *self.around.is_calm.borrow() {
            return None;
        }
        let mut chance = self.around.chance.lock();
        let longest = u64::try_from(chance.odds.latency_max.as_millis()).unwrap_or(u64::MAX);
        let is_late = chance.random.f64() < chance.odds.latencies;
        (is_late && longest > 0).then(|| Duration::from_millis(chance.random.u64(1..=longest)))
    }

    async fn hang(&self) {
        let mut is_calm = self.around.is_calm.subscribe();
        // The sender lives as long as this borrow, so that the wait has no other end.
        let _ = is_calm.wait_for(|is_calm| *is_calm).await;
    }
}
