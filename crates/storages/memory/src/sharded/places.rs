//! The places of the threads of this process, for readers without a lock.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bias::Place;

/// So many threads have a place at a time; those that come when none is free take ordinary locks.
const PLACES: usize = 128;

static ALL: [Place; PLACES] = [const { Place::new() }; PLACES];
/// Places beyond have never been given out.
static GIVEN: AtomicUsize = AtomicUsize::new(0);
/// Those that were given back.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A thread's own place, given back when the thread ends.
struct Own {
    nth: Option<usize>,
}

thread_local! {
    static OWN: Own = Own::new();
    /// The same as it is looked up with each read, at the cost of a load: none before the thread has
    /// got it, and after it was given back.
    static PLACE: Cell<Option<&'static Place>> = const { Cell::new(None) };
    /// Counts ordinary reads.
    static READS: Cell<u32> = const { Cell::new(0) };
}

impl Own {
    fn new() -> Self {
        let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let nth = free.pop().or_else(|| {
            let given = GIVEN.load(Ordering::SeqCst);
            // Before the place is used: a writer that does not see it comes before, and has ended
            // the favour by then.
            (given < PLACES).then(|| GIVEN.store(given + 1, Ordering::SeqCst))?;
            Some(given)
        });
        Self { nth }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        PLACE.set(None);
        if let Some(nth) = self.nth {
            FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(nth);
        }
    }
}

/// This thread's place, if it has one.
#[inline]
pub(super) fn own() -> Option<&'static Place> {
    PLACE.get().or_else(take)
}

/// Gets this thread a place, if it has none.
#[cold]
fn take() -> Option<&'static Place> {
    let place = OWN.try_with(|own| own.nth).ok().flatten().map(|nth| &ALL[nth]);
    PLACE.set(place);
    place
}

/// Whether this ordinary read is one of those that look whether readers could be favoured: each
/// eighth of a thread.
pub(super) fn looks() -> bool {
    let reads = READS.get().wrapping_add(1);
    READS.set(reads);
    reads.is_multiple_of(8)
}

/// All that may be in use.
pub(super) fn given() -> &'static [Place] {
    &ALL[..GIVEN.load(Ordering::SeqCst)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_by_threads_that_end() {
        for _ in 0..10 * PLACES {
            let own = std::thread::spawn(|| own().is_some()).join();
            assert!(own.is_ok_and(|has_place| has_place), "all places were kept");
        }
        assert!(given().len() <= PLACES);
    }
}
