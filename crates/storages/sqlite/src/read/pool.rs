//! Connections that read: some that callers use on their own thread, one for each reader thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use crate::maintain::{AccessLog, Tallies};

/// A connection with what is noted while it is used.
#[derive(Debug)]
pub(crate) struct Slot {
    /// `None` once the storage is closed.
    pub(crate) connection: Option<Connection>,
    pub(crate) accesses: AccessLog,
    pub(crate) tallies: Tallies,
}

#[derive(Debug)]
pub(crate) struct Pool {
    at_once: Box<[Mutex<Slot>]>,
    threads: Box<[Mutex<Slot>]>,
}

thread_local! {
    /// Where this thread begins to look, so that threads keep to connections whose statements and
    /// pages are in their processor's cache.
    static FIRST: Cell<Option<usize>> = const { Cell::new(None) };
}

static NEXT_FIRST: AtomicUsize = AtomicUsize::new(0);

impl Pool {
    pub(crate) fn new(at_once: Vec<Connection>, threads: Vec<Connection>) -> Self {
        let share = at_once.len() + threads.len();
        let slots = |connections: Vec<Connection>| {
            let slot = |connection| {
                Mutex::new(Slot {
                    connection: Some(connection),
                    accesses: AccessLog::new(share),
                    tallies: Tallies::default(),
                })
            };
            connections.into_iter().map(slot).collect()
        };
        Self { at_once: slots(at_once), threads: slots(threads) }
    }

    /// A connection for use on this thread, if one is free; waits for nothing.
    pub(crate) fn try_slot(&self) -> Option<MutexGuard<'_, Slot>> {
        let first = FIRST.with(|first| {
            first.get().unwrap_or_else(|| {
                let next = NEXT_FIRST.fetch_add(1, Ordering::Relaxed);
                first.set(Some(next));
                next
            })
        });
        let count = self.at_once.len();
        (0..count).find_map(|step| self.at_once[(first + step) % count].try_lock())
    }

    /// The connection of a reader thread.
    pub(crate) fn thread_slot(&self, index: usize) -> MutexGuard<'_, Slot> {
        self.threads[index].lock()
    }

    /// Every slot that nobody uses at the moment.
    pub(crate) fn idle_slots(&self) -> impl Iterator<Item = MutexGuard<'_, Slot>> {
        self.at_once.iter().chain(&self.threads).filter_map(Mutex::try_lock)
    }

    /// Closes every connection; waits for those in use.
    pub(crate) fn close(&self) {
        for slot in self.at_once.iter().chain(&self.threads) {
            slot.lock().connection = None;
        }
    }
}
