use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Sampled accesses on their way to whoever has the samples in hand; some are lost where many threads
/// come at once. Numbers other than zero.
#[derive(Debug)]
pub(crate) struct LossyQueue {
    len: AtomicUsize,
    places: Box<[AtomicU64]>,
}

impl LossyQueue {
    /// Where so many wait at most.
    pub(crate) fn new(room: usize) -> Self {
        let places = (0..room).map(|_| AtomicU64::new(0)).collect();
        Self { len: AtomicUsize::new(0), places }
    }

    /// Says whether there was room.
    pub(crate) fn push(&self, number: u64) -> bool {
        // Not counted up without end while nobody comes to take them.
        if self.len.load(Ordering::Relaxed) >= self.places.len() {
            return false;
        }
        let place = self.places.get(self.len.fetch_add(1, Ordering::Relaxed));
        place.map(|place| place.store(number, Ordering::Relaxed)).is_some()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed).min(self.places.len())
    }

    /// Takes out those that there are. For one at a time.
    pub(crate) fn take(&self) -> impl Iterator<Item = u64> + '_ {
        let queued = self.len.swap(0, Ordering::Relaxed).min(self.places.len());
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
        let queue = LossyQueue::new(256);
        assert_eq!((1..1000).filter(|number| queue.push(*number)).count(), 256);
        assert_eq!(queue.len(), 256);
        assert_eq!(queue.take().collect::<Vec<_>>(), (1..=256).collect::<Vec<u64>>());
        assert_eq!(queue.take().count(), 0);
        assert!(queue.push(7));
        assert_eq!(queue.take().collect::<Vec<_>>(), [7]);
    }
}
