use std::time::Duration;

use parking_lot::MutexGuard;
pub(crate) use parking_lot::{Condvar, Mutex};
pub(crate) use std::thread;

/// Sleeps until it is woken.
pub(crate) fn wait<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(&mut guard);
    guard
}

/// Sleeps until it is woken, at most for `time`.
pub(crate) fn wait_for<'a, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    condvar.wait_for(&mut guard, time);
    guard
}
