//! Readers that take no lock as long as nobody writes.
//!
//! A lock's reader says in a place of its own thread that it is about to read, and looks again
//! whether readers are still favoured: then it may read. A writer, which holds the lock, ends the
//! favour, and waits until no place names this lock. So a hit touches no line that other threads
//! write. After BRAVO (Dice and Kogan, USENIX ATC 2019).

use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Where one thread says which lock it reads under; zero if none. On lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Place(AtomicUsize);

/// Whether the readers of a lock are favoured.
#[derive(Debug, Default)]
pub(super) struct Bias {
    is_on: AtomicBool,
    writes: AtomicU32,
    /// How many writes there had been when a reader last looked.
    writes_seen: AtomicU32,
}

/// A read without the lock, until it is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'a>(&'a Place);

/// The checker takes sequentially consistent accesses for acquiring and releasing ones and no more;
/// a fence stands there for what they promise beyond.
fn in_one_order() {
    #[cfg(loom)]
    crate::sync::atomic::fence(Ordering::SeqCst);
}

impl Place {
    #[cfg(not(any(shuttle, loom)))]
    pub(super) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
}

impl Bias {
    /// What names this lock in a place: never zero.
    #[inline]
    fn name(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Begins a read without the lock, if readers are favoured and the place is free.
    #[inline]
    pub(super) fn enter<'a>(&self, place: &'a Place) -> Option<Entered<'a>> {
        if !self.is_on.load(Ordering::Relaxed) || place.0.load(Ordering::Relaxed) != 0 {
            return None;
        }
        // Of this and the writer's end of the favour one is first in the order of all such steps: the
        // writer finds the name, or the reader finds that the favour has ended.
        place.0.swap(self.name(), Ordering::SeqCst);
        in_one_order();
        let entered = Entered(place);
        (cfg!(mutant = "bias_unchecked") || self.is_on.load(Ordering::SeqCst)).then_some(entered)
    }

    /// Favours readers from now on if nobody has written since this was last called. For a reader
    /// that holds the lock.
    pub(super) fn favour(&self) {
        let writes = self.writes.load(Ordering::Relaxed);
        if self.writes_seen.swap(writes, Ordering::Relaxed) == writes {
            self.is_on.store(true, Ordering::SeqCst);
        }
    }

    /// Ends the favour, and waits for those who read without the lock. For a writer that holds it.
    pub(super) fn revoke<'a>(&self, places: impl FnOnce() -> &'a [Place], wait: impl Fn(u32)) {
        // Counted without a race: only writers do, one at a time.
        let writes = self.writes.load(Ordering::Relaxed);
        self.writes.store(writes.wrapping_add(1), Ordering::Relaxed);
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        self.is_on.store(false, Ordering::SeqCst);
        in_one_order();
        for place in places() {
            let mut turns = 0;
            while place.0.load(Ordering::SeqCst) == self.name() {
                wait(turns);
                turns += 1;
            }
        }
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Release);
    }
}

#[cfg(test)]
#[cfg(any(shuttle, loom))]
mod tests {
    #[cfg(loom)]
    use loom::{sync::Arc, thread};
    #[cfg(shuttle)]
    use {shuttle::thread, std::sync::Arc};

    use super::*;

    struct Model {
        bias: Bias,
        places: [Place; 2],
        /// Stands for the lock; the model has one writer.
        is_locked: AtomicBool,
        /// What is guarded, in two halves: whoever sees them differ has read amid a write.
        halves: [AtomicU32; 2],
    }

    impl Model {
        fn new() -> Self {
            Self {
                bias: Bias::default(),
                places: Default::default(),
                is_locked: AtomicBool::new(false),
                halves: Default::default(),
            }
        }

        fn read(&self, nth: usize) {
            if let Some(_entered) = self.bias.enter(&self.places[nth]) {
                let halves = self.halves.each_ref().map(|half| half.load(Ordering::Relaxed));
                assert_eq!(halves[0], halves[1], "read amid a write");
            }
        }

        /// Does something under the lock, if it is free.
        fn locked(&self, work: impl FnOnce()) {
            let (free, held) = (Ordering::Acquire, Ordering::Relaxed);
            if self.is_locked.compare_exchange(false, true, free, held).is_ok() {
                work();
                self.is_locked.store(false, Ordering::Release);
            }
        }

        fn write(&self) {
            self.locked(|| {
                self.bias.revoke(|| &self.places, |_| thread::yield_now());
                for half in &self.halves {
                    half.store(half.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                }
            });
        }

        fn favour(&self) {
            self.locked(|| (0..2).for_each(|_| self.bias.favour()));
        }
    }

    /// Readers without the lock, of whom one favours them again, beside writes.
    fn scenario(readers: usize, writes: usize) {
        let model = Arc::new(Model::new());
        model.favour();
        let readers: Vec<_> = (0..readers)
            .map(|nth| {
                let model = Arc::clone(&model);
                thread::spawn(move || {
                    model.read(nth);
                    if nth == 0 {
                        model.favour();
                    }
                    model.read(nth);
                })
            })
            .collect();
        (0..writes).for_each(|_| model.write());
        readers.into_iter().for_each(|reader| reader.join().expect("no panic"));
    }

    #[cfg(shuttle)]
    #[test]
    fn nobody_reads_amid_a_write() {
        shuttle::check_random(|| scenario(2, 2), 20_000);
        shuttle::check_pct(|| scenario(2, 2), 20_000, 3);
    }

    /// With the orders that a machine may let memory have, too.
    #[cfg(loom)]
    #[test]
    fn nobody_reads_amid_a_write() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| scenario(1, 2));
        model.preemption_bound = Some(2);
        model.check(|| scenario(2, 1));
    }
}
