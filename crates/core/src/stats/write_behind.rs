use std::sync::atomic::{AtomicU64, Ordering};

/// What was counted of write-behind; all zero where the node type does not ask for it.
///
/// Whatever was accepted is queued, or has become one of the others:
/// `accepted = queued + coalesced + written + refused + withdrawn + given_up`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteBehindStats {
    /// Values that wait or are being written now: what is lost if the process dies.
    pub queued: u64,
    /// Values that were accepted.
    pub accepted: u64,
    /// Values whose place a newer one of the same key has taken before they were written.
    pub coalesced: u64,
    /// Values that came to where they go.
    pub written: u64,
    /// Values that were kept out when they were written: something was invalidated since they were
    /// accepted, something newer stood there, or they were too large.
    pub refused: u64,
    /// Values that were invalidated, or set anew, in this process before they were written.
    pub withdrawn: u64,
    /// Values that could not be written until their time was over.
    pub given_up: u64,
    /// Tries that failed and were followed by another one.
    pub retried: u64,
    /// Values for which there was no room in time, and which were not accepted.
    pub turned_away: u64,
}

/// Counts it.
#[derive(Debug, Default)]
pub(crate) struct WriteBehindRecorder {
    accepted: AtomicU64,
    coalesced: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    withdrawn: AtomicU64,
    given_up: AtomicU64,
    retried: AtomicU64,
    turned_away: AtomicU64,
}

macro_rules! counted {
    ($($counter:ident),+) => {
        impl WriteBehindRecorder {
            $(
                pub(crate) fn $counter(&self, count: u64) {
                    self.$counter.fetch_add(count, Ordering::Relaxed);
                }
            )+

            /// All of it, but how many are queued.
            pub(crate) fn snapshot(&self) -> WriteBehindStats {
                WriteBehindStats {
                    queued: 0,
                    $($counter: self.$counter.load(Ordering::Relaxed),)+
                }
            }
        }
    };
}

counted!(accepted, coalesced, written, refused, withdrawn, given_up, retried, turned_away);
