use crate::clock::Timestamp;
use crate::policy::breaker::BreakerState;
use crate::storage::StorageErrorKind;

/// How a storage has fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageHealth {
    /// Where its breaker stands; closed where it has none.
    pub breaker: BreakerState,
    /// How often the breaker has opened out of closed.
    pub breaker_opened: u64,
    /// Calls that were not made because the breaker was open.
    pub skipped: u64,
    /// Calls that were given up because they took too long.
    pub timeouts: u64,
    /// Calls that failed as a whole, those that took too long included.
    pub failures: u64,
    /// The last of them.
    pub last_failure: Option<LastFailure>,
}

/// A failed call of a storage, without what the driver said: that may name hosts and users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastFailure {
    /// When.
    pub at: Timestamp,
    /// What kind of failure.
    pub kind: StorageErrorKind,
    /// What the storage was doing.
    pub operation: &'static str,
}
