//! What a process knows of the fence, which itself lies in the server's tables.

use cache_core::fence::{CELLS, Stamp};
use parking_lot::Mutex;

/// Cells share advisory locks, so that a transaction needs no more than the 64 for which every
/// server has room: a power of two that divides the number of cells.
const STRIPES: i16 = 32;

const _: () = assert!(CELLS.is_multiple_of(STRIPES as usize));

/// The stamp where the fence has no identity: every fence refuses it.
pub(crate) const NO_STAMP: Stamp = Stamp { mark: 0, origin: 0 };

/// The locks of some cells, in the order in which they are taken.
pub(crate) fn stripes_of(cells: &[i16]) -> Vec<i32> {
    let mut stripes: Vec<i32> = cells.iter().map(|cell| i32::from(cell % STRIPES)).collect();
    stripes.sort_unstable();
    stripes.dedup();
    stripes
}

/// The locks of all cells.
pub(crate) fn all_stripes() -> Vec<i32> {
    (0..i32::from(STRIPES)).collect()
}

/// The highest stamp that the server has told this process.
///
/// A statement reads the counter, which is a sequence, after it has taken its snapshot of the
/// entries: the counter may tell of an invalidation whose removal the snapshot does not show. A
/// miss is none the worse, for whatever is loaded is loaded after it. An entry that was found must
/// not be given that stamp, or what is made from it passes as newer than the invalidation; it is
/// given the one that was known before the statement was sent.
#[derive(Debug)]
pub(crate) struct Known(Mutex<Stamp>);

impl Known {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(NO_STAMP))
    }

    /// What is known now.
    pub(crate) fn before(&self) -> Stamp {
        *self.0.lock()
    }

    /// The server has told this.
    pub(crate) fn learn(&self, told: Stamp) {
        let mut known = self.0.lock();
        if known.origin != told.origin || known.mark < told.mark {
            *known = told;
        }
    }

    /// The stamp of an entry that was found, by a statement sent when `before` was known.
    pub(crate) fn of_hit(before: Stamp, told: Stamp) -> Stamp {
        let mark = if before.origin == told.origin { before.mark.min(told.mark) } else { 0 };
        Stamp { mark, ..told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_taken_in_one_order() {
        assert_eq!(stripes_of(&[4095, 0, 32, 1, 33]), [0, 1, 31]);
        assert!(all_stripes().len() <= 64 && all_stripes().is_sorted());
    }

    #[test]
    fn what_is_known_only_grows_until_the_server_is_another() {
        let known = Known::new();
        let stamp = |mark, origin| Stamp { mark, origin };
        known.learn(stamp(5, 1));
        known.learn(stamp(3, 1));
        assert_eq!(known.before(), stamp(5, 1));
        known.learn(stamp(2, 9));
        assert_eq!(known.before(), stamp(2, 9));
    }

    #[test]
    fn an_entry_that_was_found_has_no_stamp_of_later() {
        let stamp = |mark, origin| Stamp { mark, origin };
        assert_eq!(Known::of_hit(stamp(4, 1), stamp(7, 1)), stamp(4, 1));
        assert_eq!(Known::of_hit(stamp(9, 1), stamp(7, 1)), stamp(7, 1));
        assert_eq!(Known::of_hit(stamp(9, 2), stamp(7, 1)), stamp(0, 1));
    }
}
