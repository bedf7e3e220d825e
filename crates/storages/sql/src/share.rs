//! How much of its bound a process has stored since maintenance last ran.

use std::sync::atomic::{AtomicU64, Ordering};

/// Entries and bytes that were stored, as a share of the bounds that they fill.
#[derive(Debug, Default)]
pub struct StoredShare {
    parts: AtomicU64,
}

/// The whole bound, in parts.
const WHOLE: u64 = 1 << 40;
/// The share at which maintenance is due: a hundredth.
const DUE: u64 = WHOLE / 100;

impl StoredShare {
    /// Notes what was stored under the bounds `entries_max` and `bytes_max`. True once for each
    /// hundredth of either: maintenance is due.
    pub fn note(&self, entries: u64, entries_max: u64, bytes: u64, bytes_max: u64) -> bool {
        let of_bound = |part: u64, bound: u64| {
            u64::try_from(u128::from(part) * u128::from(WHOLE) / u128::from(bound.max(1)))
                .unwrap_or(WHOLE)
                .min(WHOLE)
        };
        let share = of_bound(entries, entries_max).max(of_bound(bytes, bytes_max));
        let before = self.parts.fetch_add(share, Ordering::Relaxed);
        let is_due = before.saturating_add(share) >= DUE;
        if is_due {
            self.parts.store(0, Ordering::Relaxed);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundredth_of_either_bound_is_due() {
        let share = StoredShare::default();
        let due = (0..1_000).filter(|_| share.note(1, 1_000, 1, u64::MAX)).count();
        assert_eq!(due, 90, "every eleventh, for the shares are rounded down");
        assert!(share.note(1, u64::MAX, 5, 500), "bytes count, too");
        assert!(share.note(1, 64, 0, 1), "a small bound is looked at with every entry");
        assert!(share.note(u64::MAX, 1, u64::MAX, 0));
    }
}
