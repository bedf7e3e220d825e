//! Which entries were used: gathered in memory, written in batches, so that a read writes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use cache_core::key::Key;
use cache_core::storage::StorageError;
use mongodb::bson::doc;
use parking_lot::Mutex;

use crate::connection::STEP;
use crate::schema::field;
use crate::storage::Shared;

/// More keys are not remembered until the next writing: which are left out is up to chance.
const KEYS_MAX: usize = 20_000;

/// The keys that were used since they were written last.
#[derive(Debug, Default)]
pub(crate) struct Accesses {
    keys: Mutex<HashSet<Arc<str>>>,
}

impl Accesses {
    pub(crate) fn note(&self, key: &Key) {
        let mut keys = self.keys.lock();
        if keys.len() < KEYS_MAX && !keys.contains(key.as_str()) {
            keys.insert(Arc::clone(key.text()));
        }
    }

    fn take(&self) -> HashSet<Arc<str>> {
        std::mem::take(&mut *self.keys.lock())
    }
}

impl Shared {
    /// Writes which entries were used. What cannot be written is forgotten: it is a hint.
    pub(crate) async fn write_accesses(&self) -> Result<(), StorageError> {
        let keys: Vec<Arc<str>> = self.accesses.take().into_iter().collect();
        let mut call = self.connection.call("flush");
        for chunk in keys.chunks(STEP) {
            let ids: Vec<&str> = chunk.iter().map(|key| &**key).collect();
            let statement = doc! {
                "q": { "_id": { "$in": ids }, field::STAMP: { "$exists": true } },
                "u": { "$currentDate": { field::USED_AT: true } },
                "multi": true,
            };
            self.connection.update(&call, vec![statement], false).await?.whole()?;
            self.connection.renew(&mut call);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_noted_once_and_within_a_bound() {
        let accesses = Accesses::default();
        for number in 0..KEYS_MAX + 5 {
            let key = Key::parse(&format!("p:{number}:v1")).unwrap();
            accesses.note(&key);
            accesses.note(&key);
        }
        assert_eq!(accesses.take().len(), KEYS_MAX);
        assert_eq!(accesses.take().len(), 0);
    }
}
