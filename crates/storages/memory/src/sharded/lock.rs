use std::ops::Deref;

#[cfg(not(shuttle))]
use super::bias::{Bias, Entered};
#[cfg(not(shuttle))]
use super::places;
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The lock of one shard, on cache lines of its own. Its readers take no lock while nobody writes.
///
/// In this order, so that what each read looks at lies together: the favour, the lock's word, and
/// what its value begins with.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct ShardLock<T> {
    /// Under the checker of interleavings, which checks the favour by itself, the lock is a plain one.
    #[cfg(not(shuttle))]
    bias: Bias,
    lock: RwLock<T>,
}

/// A read.
#[derive(Debug)]
pub(crate) enum ReadGuard<'a, T> {
    #[cfg(not(shuttle))]
    Favoured(Favoured<'a, T>),
    Locked(RwLockReadGuard<'a, T>),
}

/// A read without the lock.
#[cfg(not(shuttle))]
#[derive(Debug)]
pub(crate) struct Favoured<'a, T> {
    value: &'a T,
    _entered: Entered<'a>,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            #[cfg(not(shuttle))]
            Self::Favoured(favoured) => favoured.value,
            Self::Locked(guard) => guard,
        }
    }
}

#[cfg(shuttle)]
impl<T> ShardLock<T> {
    pub(crate) fn new(shard: T) -> Self {
        Self { lock: RwLock::new(shard) }
    }

    pub(crate) fn read(&self) -> ReadGuard<'_, T> {
        ReadGuard::Locked(self.lock.read())
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.lock.write()
    }

    pub(crate) fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.lock.try_write()
    }
}

#[cfg(not(shuttle))]
impl<T> ShardLock<T> {
    pub(crate) fn new(shard: T) -> Self {
        Self { bias: Bias::default(), lock: RwLock::new(shard) }
    }

    /// The way without a lock is in line, so that nothing of it is kept in memory.
    #[inline(always)]
    pub(crate) fn read(&self) -> ReadGuard<'_, T> {
        match self.enter() {
            Some(favoured) => ReadGuard::Favoured(favoured),
            None => ReadGuard::Locked(self.read_locked()),
        }
    }

    #[inline(always)]
    fn enter(&self) -> Option<Favoured<'_, T>> {
        let entered = self.bias.enter(places::own()?)?;
        #[expect(unsafe_code, reason = "readers that take no lock are what it is about")]
        // SAFETY: whoever gets a `&mut T` holds the lock for writing, and has gone through
        // `revoke` before: it ended the favour, and waited until no place names this lock. Having
        // been entered after its name was put there and the favour seen again, this read is
        // waited for until `_entered` is dropped, which is with the reference, after it. What was
        // written before is seen, for the favour was given under the lock, after those writes.
        // Several threads have it only if they have the `RwLock<T>`, which is for `T: Sync` alone.
        let value = unsafe { &*self.lock.data_ptr() };
        Some(Favoured { value, _entered: entered })
    }

    #[inline(never)]
    fn read_locked(&self) -> RwLockReadGuard<'_, T> {
        let guard = self.lock.read();
        if places::looks() {
            self.bias.favour();
        }
        guard
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        let guard = self.lock.write();
        self.revoke();
        guard
    }

    pub(crate) fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let guard = self.lock.try_write()?;
        self.revoke();
        Some(guard)
    }

    fn revoke(&self) {
        self.bias.revoke(places::given, |turns| {
            if turns < 64 {
                std::hint::spin_loop();
            } else {
                // The reader may be waiting for this processor.
                std::thread::yield_now();
            }
        });
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn readers_are_favoured_until_somebody_writes() {
        let lock = ShardLock::new(1);
        for _ in 0..32 {
            assert_eq!(*lock.read(), 1);
        }
        assert!(matches!(lock.read(), ReadGuard::Favoured(_)));
        // Within a read the place is taken: a read of another lock takes that lock.
        let other = ShardLock::new(2);
        let outer = lock.read();
        assert!(matches!(other.read(), ReadGuard::Locked(_)));
        drop(outer);
        *lock.write() += 1;
        assert!(matches!(lock.read(), ReadGuard::Locked(_)));
        assert_eq!(*lock.read(), 2);
    }

    #[test]
    fn nobody_reads_amid_a_write() {
        let (lock, stop) = (ShardLock::new([0_u64; 64]), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let read = lock.read();
                        let first = read[0];
                        assert!(read.iter().all(|word| *word == first), "{:?}", *read);
                    }
                });
            }
            for turn in 1..3_000 {
                lock.write().iter_mut().for_each(|word| *word = turn);
                // Long enough for readers to be favoured again.
                for _ in 0..20 {
                    drop(lock.read());
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
