use std::sync::atomic::{AtomicU64, Ordering};

/// What was counted of single flight across processes; all zero where the node type does not ask
/// for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcrossStats {
    /// Leases that were taken.
    pub leases: u64,
    /// Loads that found their lease taken by another process, and waited.
    pub waited: u64,
    /// Loads that were spared: the tiers held the value once the lease was asked for.
    pub spared: u64,
    /// Leases that were lost while the load ran, which went on.
    pub lost: u64,
    /// Loads without a lease because the storage could not be asked.
    pub failed: u64,
    /// Loads without a lease because another process held it for longer than `wait_max`.
    pub timed_out: u64,
}

/// Counts it. A lease is a round trip, beside which these are nothing.
#[derive(Debug, Default)]
pub(crate) struct AcrossRecorder {
    leases: AtomicU64,
    waited: AtomicU64,
    spared: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
}

impl AcrossRecorder {
    pub(crate) fn leases(&self, count: u64) {
        self.leases.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn waited(&self, count: u64) {
        self.waited.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn spared(&self, count: u64) {
        self.spared.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, count: u64) {
        self.failed.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn timed_out(&self, count: u64) {
        self.timed_out.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> AcrossStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AcrossStats {
            leases: read(&self.leases),
            waited: read(&self.waited),
            spared: read(&self.spared),
            lost: read(&self.lost),
            failed: read(&self.failed),
            timed_out: read(&self.timed_out),
        }
    }
}
