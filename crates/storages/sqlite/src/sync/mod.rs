//! Locks and threads of the machinery around SQLite: the machine's own, or under `--cfg shuttle`
//! those of a checker that runs one thread at a time and chooses which one goes on.
//!
//! What SQLite itself does is not run under the checker, and its connections keep their own locks.

#[cfg(shuttle)]
mod checked;
#[cfg(not(shuttle))]
mod machine;

#[cfg(shuttle)]
pub(crate) use checked::{Condvar, Mutex, thread, wait, wait_for};
#[cfg(not(shuttle))]
pub(crate) use machine::{Condvar, Mutex, thread, wait, wait_for};
