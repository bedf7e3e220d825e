use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Notes which entries were used, for the policy to be told when it has to choose.
///
/// The map learns of a use by being asked, which makes it do its housekeeping by and by, and that
/// allocates. So a hit is answered from the index and noted here, at the cost of an atomic or two,
/// and the map is told before it evicts. Nothing is noted twice until it has been told: what is
/// noted is bounded by the entries held, and the room for it is made by inserts.
pub(crate) struct Uses {
    /// Hashes of entries in the order of their first use since they were told of.
    queue: Mutex<VecDeque<u64>>,
    /// The queue's capacity.
    room: AtomicUsize,
    /// Orders last uses; stands still where the policy does not ask for them.
    moment: AtomicU64,
    is_ordered: bool,
}

/// The uses of one entry that the map has not been told of.
#[derive(Default)]
pub(crate) struct UseCount {
    count: AtomicU8,
    last: AtomicU64,
}

/// What is told of an entry at once. More would tell the policy little: it hears of a frequent
/// entry each time.
const COUNTED_MAX: u8 = 4;

impl Uses {
    /// `is_ordered` if the order of last uses matters, and not just of first ones.
    pub(crate) fn new(is_ordered: bool) -> Self {
        Self {
            queue: Mutex::default(),
            room: AtomicUsize::new(0),
            moment: AtomicU64::new(0),
            is_ordered,
        }
    }

    /// Makes room to note the uses of this many entries.
    pub(crate) fn make_room(&self, entries: u64) {
        let wanted = usize::try_from(entries).unwrap_or(usize::MAX);
        if self.room.load(Ordering::Relaxed) < wanted {
            let mut queue = self.queue.lock();
            let missing = wanted.saturating_sub(queue.len());
            queue.reserve(missing);
            self.room.store(queue.capacity(), Ordering::Relaxed);
        }
    }

    /// Notes one use. Allocates nothing and waits for nobody; where many compete, some go unnoted.
    pub(crate) fn note(&self, hash: u64, entry: &UseCount) {
        if self.is_ordered {
            let moment = self.moment.load(Ordering::Relaxed);
            if moment == 0 || entry.last.load(Ordering::Relaxed) != moment {
                let next = self.moment.fetch_add(1, Ordering::Relaxed) + 1;
                entry.last.store(next, Ordering::Relaxed);
            }
        }
        let count = entry.count.load(Ordering::Relaxed);
        if count >= COUNTED_MAX {
            return;
        }
        // Where this fails somebody else has counted, or the map is being told.
        let counted =
            entry.count.compare_exchange(count, count + 1, Ordering::Relaxed, Ordering::Relaxed);
        if counted == Ok(0) && !self.enqueue(hash) {
            entry.count.store(0, Ordering::Relaxed);
        }
    }

    fn enqueue(&self, hash: u64) -> bool {
        let Some(mut queue) = self.queue.try_lock() else { return false };
        let has_room = queue.len() < queue.capacity();
        if has_room {
            queue.push_back(hash);
        }
        has_room
    }

    /// How many entries have uses that have not been told.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().len()
    }

    /// Takes out the hashes of up to this many entries that were used.
    pub(crate) fn drain(&self, entries_max: usize) -> Vec<u64> {
        let mut queue = self.queue.lock();
        let portion = queue.len().min(entries_max);
        queue.drain(..portion).collect()
    }
}

impl UseCount {
    /// Takes out the last moment and the number of uses, if there were any.
    pub(crate) fn take(&self) -> Option<(u64, u8)> {
        let count = self.count.swap(0, Ordering::Relaxed);
        (count > 0).then(|| (self.last.load(Ordering::Relaxed), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_counted_up_to_a_number_and_told_once() {
        let (uses, entry) = (Uses::new(true), UseCount::default());
        uses.make_room(1);
        for _ in 0..100 {
            uses.note(7, &entry);
        }
        assert_eq!(uses.drain(10), [7]);
        assert_eq!(entry.take().map(|taken| taken.1), Some(COUNTED_MAX));
        assert_eq!((uses.drain(10), entry.take()), (Vec::new(), None));
        uses.note(7, &entry);
        assert_eq!(uses.drain(10), [7]);
    }

    #[test]
    fn without_room_a_use_goes_unnoted_and_the_next_one_does_not() {
        let (uses, entry) = (Uses::new(false), UseCount::default());
        uses.note(7, &entry);
        assert_eq!((uses.drain(10), entry.take()), (Vec::new(), None));
        uses.make_room(1);
        uses.note(7, &entry);
        assert_eq!(uses.drain(10), [7]);
    }

    #[test]
    fn the_last_use_orders() {
        let (uses, one, two) = (Uses::new(true), UseCount::default(), UseCount::default());
        uses.make_room(2);
        uses.note(1, &one);
        uses.note(2, &two);
        uses.note(1, &one);
        assert!(one.take().map(|taken| taken.0) > two.take().map(|taken| taken.0));
    }
}
