use std::sync::atomic::{AtomicU64, Ordering};

/// What all shards together may weigh. What is held is taken from it before it is stored, so that
/// the bound is exact at every moment.
#[derive(Debug)]
pub(crate) struct Budget {
    max: AtomicU64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(max: u64) -> Self {
        Self { max: AtomicU64::new(max), used: AtomicU64::new(0) }
    }

    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn resize(&self, max: u64) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Takes so much, if there is as much.
    pub(crate) fn take(&self, weight: u64) -> bool {
        let max = self.max();
        let taken = |used: u64| used.checked_add(weight).filter(|used| *used <= max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    pub(crate) fn give_back(&self, weight: u64) {
        self.used.fetch_sub(weight, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let budget = Budget::new(10);
        assert!(budget.take(4) && budget.take(6) && !budget.take(1) && budget.take(0));
        budget.give_back(6);
        assert!(!budget.take(u64::MAX) && budget.take(6));
        budget.resize(5);
        budget.give_back(6);
        assert!(budget.used() == 4 && budget.take(1) && !budget.take(1));
    }
}
