use crate::key::{Key, KeyPattern, Tag};

/// What an invalidation or a scan means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selector {
    /// These keys.
    Keys(Vec<Key>),
    /// Entries that bear at least one of these tags.
    AnyTag(Vec<Tag>),
    /// Entries that bear all of these tags; none if the list is empty.
    AllTags(Vec<Tag>),
    /// Keys of one cache that match a pattern.
    Pattern(KeyPattern),
    /// Every key of the cache with this prefix.
    Namespace(String),
}

/// What happens to the entries that an invalidation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvalidationMode {
    /// They go, with any copy that was kept for bad times.
    Remove,
    /// They are no longer fresh, but kept until their time for readers that accept stale values.
    /// Their `fresh_until` becomes 0, by which a later touch tells them.
    Expire,
}

/// What an invalidation found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Invalidated {
    /// How many entries were removed or expired, counting one that was past its time or not as the
    /// storage finds it cheaper.
    pub entries: u64,
}

impl Selector {
    /// Whether an entry with this key and these tags is meant.
    pub fn selects(&self, key: &Key, tags: &crate::key::Tags) -> bool {
        match self {
            Self::Keys(keys) => keys.contains(key),
            Self::AnyTag(wanted) => wanted.iter().any(|tag| tags.contains(tag)),
            Self::AllTags(wanted) => {
                !wanted.is_empty() && wanted.iter().all(|tag| tags.contains(tag))
            }
            Self::Pattern(pattern) => pattern.matches(key),
            Self::Namespace(prefix) => key.prefix() == prefix,
        }
    }

    /// The fence cells that an invalidation of this raises; `None` where it raises the floor.
    ///
    /// Of [`AllTags`](Self::AllTags) one cell is enough: whatever bears all bears the first.
    pub fn cells(&self) -> Option<Vec<usize>> {
        use crate::fence::{cell_of_key, cell_of_tag};
        let mut cells: Vec<usize> = match self {
            Self::Keys(keys) => keys.iter().map(cell_of_key).collect(),
            Self::AnyTag(tags) => tags.iter().map(cell_of_tag).collect(),
            Self::AllTags(tags) => tags.iter().min().map(cell_of_tag).into_iter().collect(),
            Self::Pattern(_) | Self::Namespace(_) => return None,
        };
        cells.sort_unstable();
        cells.dedup();
        Some(cells)
    }
}
