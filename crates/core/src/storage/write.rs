use crate::clock::Timestamp;
use crate::entry::{Entry, Token};
use crate::fence::Stamp;
use crate::key::Key;

/// One write to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: Key,
    /// What is to be done.
    pub action: WriteAction,
}

/// What a write does. Check and change are one atomic step in each.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteAction {
    /// Stores what a load brought: refused where the floor, or the cell of the key or of one of
    /// the entry's tags, is above the stamp, or the stored entry has a larger one. An old entry of
    /// the key is replaced with its tags.
    Fill {
        /// What to store.
        entry: Entry,
        /// From this storage's own miss, or [`stamps`](super::Storage::stamps).
        stamp: Stamp,
    },
    /// Raises the cell of the key and stores whatever was there: it beats every load of the key
    /// that began before. Cells of tags are not raised, or a busy tag would refuse every load.
    Set {
        /// What to store.
        entry: Entry,
    },
    /// Raises as [`Set`](Self::Set) does, but stores only if neither the floor, nor the cell of the
    /// key or of any old or new tag, had passed the stamp; otherwise removes what is there and
    /// answers [`Outcome::Fenced`].
    Update {
        /// What to store.
        entry: Entry,
        /// Taken before the source was changed.
        stamp: Stamp,
    },
    /// Compare and put: stores if the key's entry has this token, or if there is none and `None`
    /// was expected, and the fence admits the stamp as for [`Fill`](Self::Fill). Raises nothing.
    ///
    /// What takes the place of an entry may be made of it. An invalidation that has raised the fence
    /// and is yet to end that entry, or has only just made it stale, ends what was put there too, or
    /// lets it be refused.
    PutIfUnchanged {
        /// What to store.
        entry: Entry,
        /// What must be there: [`Entry::token`] of what was read.
        expected: Option<Token>,
        /// From the same read.
        stamp: Stamp,
    },
    /// Moves the times of exactly the entry that was read; a shorter time is taken too. Raises
    /// nothing.
    ///
    /// An entry that an invalidation has made stale ([`InvalidationMode::Expire`]) is not touched:
    /// the answer is [`Outcome::ConditionFailed`], for whoever read it before must not make it fresh
    /// again. Who learned after it that the value still holds fills it anew.
    ///
    /// [`InvalidationMode::Expire`]: super::InvalidationMode::Expire
    Touch {
        /// The entry that was read.
        token: Token,
        /// Its new end of freshness.
        fresh_until: Timestamp,
        /// Its new end.
        kept_until: Timestamp,
    },
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Done.
    Stored,
    /// Refused by the fence or by a newer entry. The value may still be handed to its caller.
    Fenced,
    /// Larger than the storage takes; nothing was changed, except that a [`WriteAction::Set`] or
    /// [`WriteAction::Update`] removed what was there.
    TooLarge,
    /// The entry was not the expected one, or not there.
    ConditionFailed,
}
