//! How an invalidation ends entries.

use cache_core::storage::InvalidationMode;

/// What becomes of the entries that an invalidation finds.
///
/// An entry that is only made stale keeps its token, and can be replaced by what was made of it
/// while it was fresh, even by somebody who knew of the raised fence already. So the fence is raised
/// once more: what is put after that is refused, unless it was made of something read later; and
/// what was put before is found fresh and older than the second raise, and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They go.
    Remove,
    /// They stay, stale.
    Expire,
    /// Those go that are fresh, by the second raise of an expiry.
    RemoveFresh,
}

impl Ending {
    /// What an invalidation does, each with a raise of its own before it.
    pub const fn of(mode: InvalidationMode) -> &'static [Self] {
        match mode {
            InvalidationMode::Remove => &[Self::Remove],
            InvalidationMode::Expire => &[Self::Expire, Self::RemoveFresh],
        }
    }

    /// Whether stale entries are left as they are.
    pub const fn spares_stale(self) -> bool {
        matches!(self, Self::Expire | Self::RemoveFresh)
    }
}
