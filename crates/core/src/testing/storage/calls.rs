use parking_lot::Mutex;

/// An operation of [`Storage`](crate::storage::Storage).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Storage::get`](crate::storage::Storage::get).
    Get,
    /// [`Storage::get_many`](crate::storage::Storage::get_many).
    GetMany,
    /// [`Storage::stamps`](crate::storage::Storage::stamps).
    Stamps,
    /// [`Storage::write`](crate::storage::Storage::write).
    Write,
    /// [`Storage::invalidate`](crate::storage::Storage::invalidate).
    Invalidate,
    /// [`Storage::scan`](crate::storage::Storage::scan).
    Scan,
    /// [`Storage::maintain`](crate::storage::Storage::maintain).
    Maintain,
    /// [`Storage::stats`](crate::storage::Storage::stats).
    Stats,
    /// [`Storage::flush`](crate::storage::Storage::flush).
    Flush,
    /// [`Storage::close`](crate::storage::Storage::close).
    Close,
    /// [`Atomics::apply`](crate::atomics::Atomics::apply).
    Atomic,
}

impl Operation {
    /// Its name, as in errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "get_many",
            Self::Stamps => "stamps",
            Self::Write => "write",
            Self::Invalidate => "invalidate",
            Self::Scan => "scan",
            Self::Maintain => "maintain",
            Self::Stats => "stats",
            Self::Flush => "flush",
            Self::Close => "close",
            Self::Atomic => "atomic",
        }
    }
}

/// How often each operation was called, failed calls included, and over how many keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Calls of `get`.
    pub get: u64,
    /// Calls of `get_many`.
    pub get_many: u64,
    /// Keys in all of them.
    pub get_many_keys: u64,
    /// Calls of `stamps`.
    pub stamps: u64,
    /// Calls of `write`.
    pub write: u64,
    /// Writes in all of them.
    pub writes: u64,
    /// Calls of `invalidate`.
    pub invalidate: u64,
    /// Calls of `scan`.
    pub scan: u64,
    /// Calls of `maintain`.
    pub maintain: u64,
    /// Calls of `stats`.
    pub stats: u64,
    /// Calls of `flush`.
    pub flush: u64,
    /// Calls of `close`.
    pub close: u64,
    /// Steps on counters, locks and the like.
    pub atomic: u64,
}

impl Calls {
    /// Round trips that read or write entries: all calls but `maintain`, `stats`, `flush`, `close`.
    pub fn round_trips(&self) -> u64 {
        self.get + self.get_many + self.stamps + self.write + self.invalidate + self.scan
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Calls>);

impl Counters {
    pub(super) fn count(&self, operation: Operation, keys: usize) {
        let mut calls = self.0.lock();
        let counter = match operation {
            Operation::Get => &mut calls.get,
            Operation::GetMany => &mut calls.get_many,
            Operation::Stamps => &mut calls.stamps,
            Operation::Write => &mut calls.write,
            Operation::Invalidate => &mut calls.invalidate,
            Operation::Scan => &mut calls.scan,
            Operation::Maintain => &mut calls.maintain,
            Operation::Stats => &mut calls.stats,
            Operation::Flush => &mut calls.flush,
            Operation::Close => &mut calls.close,
            Operation::Atomic => &mut calls.atomic,
        };
        *counter += 1;
        match operation {
            Operation::GetMany => calls.get_many_keys += keys as u64,
            Operation::Write => calls.writes += keys as u64,
            _ => {}
        }
    }

    pub(super) fn snapshot(&self) -> Calls {
        *self.0.lock()
    }

    pub(super) fn reset(&self) {
        *self.0.lock() = Calls::default();
    }
}
