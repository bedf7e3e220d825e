//! Locks, atomics and tasks: the machine's own, or under `--cfg shuttle` those of a checker that
//! runs one task at a time and chooses at each of them which one goes on.
//!
//! What is taken from here is a point at which the checker may switch. A lock that is held across
//! such a point must come from here too, or the checker stands still; whatever else (counters of
//! statistics, channels) is one step to it and stays as it is.

#[cfg(shuttle)]
mod checked;
#[cfg(not(shuttle))]
mod machine;

#[cfg(shuttle)]
pub(crate) use checked::{
    AbortHandle, JoinError, Mutex, Runtime, TaskLocal, atomic, panic_of, process_static, task_local,
};
#[cfg(not(shuttle))]
pub(crate) use machine::{
    AbortHandle, JoinError, Mutex, Runtime, atomic, panic_of, process_static, task_local,
};
