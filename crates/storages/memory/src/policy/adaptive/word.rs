//! What the policy knows of an entry: sixteen bits beside it.

use std::sync::atomic::{AtomicU16, Ordering};

const RECENT_MAX: u16 = 3;
const COUNT_MAX: u16 = 15;
/// A count older than this many epochs is worth nothing.
const AGE_MAX: u8 = 3;

const COUNT_SHIFT: u16 = 2;
const EPOCH_SHIFT: u16 = 6;
const MAIN: u16 = 1 << 14;

/// Two bits of recent hits, four of a count, eight of the epoch of that count, and one that says in
/// which of the two queues it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u16);

/// What a count is worth after some epochs.
pub(super) fn aged(count: u8, age: u8) -> u8 {
    if age > AGE_MAX { 0 } else { count >> age }
}

impl Word {
    pub(super) fn new(count: u8, epoch: u8, is_main: bool) -> Self {
        let count = u16::from(count).min(COUNT_MAX) << COUNT_SHIFT;
        let main = if is_main { MAIN } else { 0 };
        Self(count | u16::from(epoch) << EPOCH_SHIFT | main)
    }

    pub(super) fn of(meta: &AtomicU16) -> Self {
        Self(meta.load(Ordering::Relaxed))
    }

    pub(super) fn store(self, meta: &AtomicU16) {
        meta.store(self.0, Ordering::Relaxed);
    }

    pub(super) fn recent(self) -> u8 {
        (self.0 & RECENT_MAX) as u8
    }

    pub(super) fn is_main(self) -> bool {
        self.0 & MAIN != 0
    }

    pub(super) fn age(self, epoch: u8) -> u8 {
        epoch.wrapping_sub((self.0 >> EPOCH_SHIFT) as u8)
    }

    /// Its count as of now.
    pub(super) fn count(self, epoch: u8) -> u8 {
        aged((self.0 >> COUNT_SHIFT & COUNT_MAX) as u8, self.age(epoch))
    }

    /// Whether a hit in this epoch would leave it as it is.
    #[inline]
    pub(super) fn is_full(self, epoch: u8) -> bool {
        const FULL: u16 = RECENT_MAX | COUNT_MAX << COUNT_SHIFT;
        self.0 & !MAIN == FULL | u16::from(epoch) << EPOCH_SHIFT
    }

    /// After a hit.
    pub(super) fn hit(self, epoch: u8) -> Self {
        let recent = u16::from(self.recent()) + 1;
        let counted = Self::new(self.count(epoch) + 1, epoch, self.is_main());
        Self(counted.0 | recent.min(RECENT_MAX))
    }

    /// With one of its recent hits spent.
    pub(super) fn spent(self) -> Self {
        Self(self.0 - 1)
    }

    /// In the main queue, with or without its recent hits.
    pub(super) fn in_main(self, keeps_recent: bool) -> Self {
        let kept = if keeps_recent { self.0 } else { self.0 & !RECENT_MAX };
        Self(kept | MAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_full_stays_as_it_is() {
        let mut word = Word::new(1, 200, true);
        for _ in 0..14 {
            let next = word.hit(200);
            assert!(next != word && !word.is_full(200));
            word = next;
        }
        assert!(word.hit(200) == word && word.is_full(200) && word.is_main());
        assert!(!word.is_full(201) && Word(word.0 & !MAIN).is_full(200));
        assert_eq!((word.recent(), word.count(200)), (3, 15));
        assert_eq!((word.count(201), word.count(203), word.count(204)), (7, 1, 0));
        let later = word.hit(202);
        assert_eq!((later.count(202), later.age(202)), (4, 0));
        assert_eq!(word.spent().recent(), 2);
    }

    #[test]
    fn moving_to_the_main_queue_may_spend_its_hits() {
        let word = Word::new(3, 9, false).hit(9);
        assert!(!word.is_main());
        let (kept, spent) = (word.in_main(true), word.in_main(false));
        assert!(kept.is_main() && spent.is_main());
        assert_eq!((kept.recent(), spent.recent(), spent.count(9)), (1, 0, 4));
    }
}
