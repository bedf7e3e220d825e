//! Which entries were used, and when: gathered in memory, written in batches, so that a read writes
//! nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::key::Key;
use cache_core::storage::StorageError;
use mongodb::bson::{DateTime, doc};
use parking_lot::Mutex;

use crate::connection::STEP;
use crate::schema::field;
use crate::storage::Shared;

/// More keys are not remembered until the next writing: which are left out is up to chance.
const KEYS_MAX: usize = 20_000;

/// The keys that were used since they were written last.
#[derive(Debug, Default)]
pub(crate) struct Accesses {
    keys: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Accesses {
    pub(crate) fn note(&self, key: &Key) {
        let now = Instant::now();
        let mut keys = self.keys.lock();
        if let Some(used) = keys.get_mut(key.as_str()) {
            *used = now;
        } else if keys.len() < KEYS_MAX {
            keys.insert(Arc::clone(key.text()), now);
        }
    }

    fn take(&self) -> HashMap<Arc<str>, Instant> {
        std::mem::take(&mut *self.keys.lock())
    }
}

impl Shared {
    /// Writes which entries were used. What cannot be written is forgotten: it is a hint.
    pub(crate) async fn write_accesses(&self) -> Result<(), StorageError> {
        let keys: Vec<(Arc<str>, Instant)> = self.accesses.take().into_iter().collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut call = self.connection.call("flush");
        let (here, there) = (Instant::now(), self.now(&call).await?);
        for chunk in keys.chunks(STEP) {
            let used =
                chunk.iter().map(|(key, used)| (key, before(there, here.duration_since(*used))));
            let statements = used.map(|(key, used)| {
                doc! {
                    "q": { "_id": &**key, field::USED_AT: { "$lt": used } },
                    "u": { "$set": { field::USED_AT: used } },
                }
            });
            self.connection.update(&call, statements.collect(), false).await?.whole()?;
            self.connection.renew(&mut call);
        }
        Ok(())
    }
}

/// So long before a moment.
fn before(moment: DateTime, span: Duration) -> DateTime {
    let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_millis(moment.timestamp_millis().saturating_sub(ms))
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

    #[test]
    fn the_last_use_counts() {
        let accesses = Accesses::default();
        let key = Key::parse("p:k:v1").unwrap();
        accesses.note(&key);
        let first = Instant::now();
        accesses.note(&key);
        assert!(accesses.take()[key.as_str()] >= first);
        let moment = DateTime::from_millis(1_000);
        assert_eq!(before(moment, Duration::from_millis(300)).timestamp_millis(), 700);
        assert_eq!(before(moment, Duration::MAX).timestamp_millis(), 1_000 - i64::MAX);
    }
}
