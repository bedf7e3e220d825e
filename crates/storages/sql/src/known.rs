//! What a process knows of a fence that lies in a server's tables.

use cache_core::fence::Stamp;
use parking_lot::Mutex;

/// The stamp where the fence has no identity: every fence refuses it.
pub const NO_STAMP: Stamp = Stamp { mark: 0, origin: 0 };

/// The highest stamp that the server has told this process.
///
/// An invalidation raises the counter before it removes anything, in a transaction of its own: a
/// statement may read the raised counter and still find what is about to be removed. A miss is none
/// the worse, for whatever is loaded is loaded after it. An entry that was found must not be given
/// that stamp, or what is made from it passes as newer than the invalidation; it is given the one
/// that was known before the statement was sent.
#[derive(Debug)]
pub struct Known(Mutex<Stamp>);

impl Default for Known {
    fn default() -> Self {
        Self(Mutex::new(NO_STAMP))
    }
}

impl Known {
    /// What is known now.
    pub fn before(&self) -> Stamp {
        *self.0.lock()
    }

    /// The server has told this.
    pub fn learn(&self, told: Stamp) {
        let mut known = self.0.lock();
        if known.origin != told.origin || known.mark < told.mark {
            *known = told;
        }
    }

    /// The stamp of an entry that was found, by a statement sent when `before` was known.
    pub fn of_hit(before: Stamp, told: Stamp) -> Stamp {
        let mark = if before.origin == told.origin { before.mark.min(told.mark) } else { 0 };
        Stamp { mark, ..told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_only_grows_until_the_server_is_another() {
        let known = Known::default();
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
