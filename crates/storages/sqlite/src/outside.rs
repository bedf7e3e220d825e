//! Values that lie outside of the database: rows hold references to them.
//!
//! The storage is then an index: tags, times, sizes, the fence and the bounds are kept here, and what
//! lies elsewhere is deleted after no row refers to it any more.

use std::fmt::Debug;

use bytes::Bytes;
use cache_core::key::Key;
use cache_core::storage::StorageError;
use tokio::sync::oneshot;

use crate::read::Read;
use crate::storage::Sqlite;

/// What stands in a row for a value that lies elsewhere: [`Entry::payload`] of what is written to
/// such an index, and of what is read from it.
///
/// [`Entry::payload`]: cache_core::entry::Entry::payload
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Which value. Never given to another one.
    pub id: u128,
    /// Its length in bytes, by which it counts.
    pub bytes: u64,
}

/// Where the values lie that rows refer to.
pub trait Values: Debug + Send + Sync + 'static {
    /// Deletes a value that no row refers to any more, and says whether it is gone; also if it was
    /// not there. Runs on a thread of the index' own and may block; what it could not delete it is
    /// asked for again.
    fn delete(&self, reference: Reference) -> bool;
}

/// A row of an index, as [`Sqlite::references`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referring {
    /// Where the next page begins.
    pub row: i64,
    /// The key; `None` for one that cannot be read.
    pub key: Option<Key>,
    /// What it refers to; `None` for an empty value, or one that is no reference.
    pub reference: Option<Reference>,
}

const REFERENCE_BYTES: usize = 24;

impl Reference {
    /// As it stands in a row.
    pub fn to_payload(self) -> Bytes {
        let mut bytes = [0; REFERENCE_BYTES];
        bytes[..16].copy_from_slice(&self.id.to_be_bytes());
        bytes[16..].copy_from_slice(&self.bytes.to_be_bytes());
        Bytes::copy_from_slice(&bytes)
    }

    /// Reads what stands in a row. `None` if it is none.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let (id, bytes) = payload.split_first_chunk::<16>()?;
        let bytes = u64::from_be_bytes(bytes.try_into().ok()?);
        Some(Self { id: u128::from_be_bytes(*id), bytes })
    }
}

/// Where values lie, and so what a payload says about their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Inside,
    Outside,
}

impl Place {
    /// The length of the value that a row with this payload has; `None` if it is no reference.
    pub(crate) fn size_bytes(self, payload: &[u8]) -> Option<u64> {
        match self {
            Self::Outside if !payload.is_empty() => {
                Reference::from_payload(payload).map(|reference| reference.bytes)
            }
            _ => Some(payload.len() as u64),
        }
    }
}

impl Sqlite {
    /// The rows of an index after the row `after`, at most `limit`, in the order of their numbers;
    /// those past their time too. A row keeps its number when its value is replaced.
    ///
    /// # Errors
    /// [`StorageError`] if the index could not be asked.
    pub async fn references(
        &self,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Referring>, StorageError> {
        const OPERATION: &str = "references";
        let (answer, answered) = oneshot::channel();
        let read = Read::References { after, limit, answer };
        self.shared().calls.read(OPERATION, read, 1, answered).await
    }

    /// Has [`Values::delete`] called for all that no row refers to now, and waits for it.
    ///
    /// # Errors
    /// [`StorageError`] if the storage is closed, or what was deleted could not be noted.
    pub async fn collect(&self) -> Result<(), StorageError> {
        self.shared().calls.collect("collect").await
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_reference_is_read_as_it_was_written(id: u128, bytes: u64) {
            let reference = Reference { id, bytes };
            let payload = reference.to_payload();
            prop_assert_eq!(Reference::from_payload(&payload), Some(reference));
            prop_assert_eq!(Place::Outside.size_bytes(&payload), Some(bytes));
            prop_assert_eq!(Place::Inside.size_bytes(&payload), Some(24));
        }

        #[test]
        fn what_is_no_reference_is_none(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            let is_reference = payload.len() == REFERENCE_BYTES;
            prop_assert_eq!(Reference::from_payload(&payload).is_some(), is_reference);
        }
    }
}
