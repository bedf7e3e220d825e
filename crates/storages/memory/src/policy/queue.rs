use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many wait at most.
pub(crate) const QUEUED_MAX: usize = 256;

/// Sampled accesses on their way to whoever has the samples in hand; some are lost where many threads
/// come at once. Numbers other than zero.
#[derive(Debug)]
pub(crate) struct LossyQueue {
    len: AtomicUsize,
    places: [AtomicU64; QUEUED_MAX],
}

impl Default for LossyQueue {
    fn default() -> Self {
        Self { len: AtomicUsize::new(0), places: [const { AtomicU64::new(0) }; _] }
    }
}

impl LossyQueue {
    /// Says whether it is time to take them out.
    pub(crate) fn push(&self, number: u64) -> bool {
        // Not counted up without end while nobody comes to take them.
        if self.len.load(Ordering::Relaxed) >= QUEUED_MAX {
            return true;
        }
        let place = self.len.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.places.get(place) {
            place.store(number, Ordering::Relaxed);
        }
        place > QUEUED_MAX / 2
    }

    /// Takes out those that there are. For one at a time.
    pub(crate) fn take(&self) -> impl Iterator<Item = u64> + '_ {
        let queued = self.len.swap(0, Ordering::Relaxed).min(QUEUED_MAX);
        // Zero where whoever has the place has not come to fill it yet.
        self.places[..queued]
            .iter()
            .map(|place| place.swap(0, Ordering::Relaxed))
            .filter(|number| *number != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_full_loses_what_comes() {
        let queue = LossyQueue::default();
        let wants: Vec<bool> = (1..1000).map(|number| queue.push(number)).collect();
        assert_eq!(wants.iter().position(|wants| *wants), Some(QUEUED_MAX / 2 + 1));
        assert_eq!(queue.take().collect::<Vec<_>>(), (1..=256).collect::<Vec<u64>>());
        assert_eq!(queue.take().count(), 0);
        queue.push(7);
        assert_eq!(queue.take().collect::<Vec<_>>(), [7]);
    }
}
