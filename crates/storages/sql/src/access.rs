//! Uses of entries that wait to be written.

use std::collections::HashMap;
use std::sync::Arc;

use cache_core::key::Key;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// When entries were last used, gathered between two batches of writes; bounded. Beyond the bound
/// uses of further keys are not noted, which makes eviction a little less exact and nothing else.
#[derive(Debug)]
pub struct AccessLog {
    uses: Mutex<HashMap<Arc<str>, i64, RandomState>>,
    keys_max: usize,
}

impl AccessLog {
    /// A log of at most `keys_max` keys.
    pub fn new(keys_max: usize) -> Self {
        Self { uses: Mutex::default(), keys_max }
    }

    /// Notes a use of `key` at `at`, in the storage's own unit of time.
    pub fn note(&self, key: &Key, at: i64) {
        let mut uses = self.uses.lock();
        if let Some(last) = uses.get_mut(key.as_str()) {
            *last = at.max(*last);
        } else if uses.len() < self.keys_max {
            uses.insert(Arc::clone(key.text()), at);
        }
    }

    /// Takes at most `limit` of what was noted, in the order of their keys, so that those who
    /// write them lock their rows in one order.
    pub fn take(&self, limit: usize) -> Vec<(Arc<str>, i64)> {
        let mut uses = self.uses.lock();
        let mut taken: Vec<_> = if uses.len() <= limit {
            std::mem::take(&mut *uses).into_iter().collect()
        } else {
            let keys: Vec<_> = uses.keys().take(limit).cloned().collect();
            keys.into_iter().filter_map(|key| uses.remove_entry(&key)).collect()
        };
        drop(uses);
        taken.sort_unstable();
        taken
    }

    /// How many keys were used since the last batch.
    pub fn len(&self) -> usize {
        self.uses.lock().len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::parse(&format!("p:{name}:v1")).unwrap()
    }

    #[test]
    fn the_last_use_counts_and_the_log_is_bounded() {
        let log = AccessLog::new(2);
        for (name, at) in [("b", 5), ("a", 1), ("b", 3), ("c", 9), ("a", 7)] {
            log.note(&key(name), at);
        }
        assert_eq!(log.len(), 2, "a third key is not noted");
        let taken: Vec<_> =
            log.take(10).into_iter().map(|(key, at)| (key.to_string(), at)).collect();
        assert_eq!(taken, [("p:a:v1".to_owned(), 7), ("p:b:v1".to_owned(), 5)]);
        assert!(log.is_empty() && log.take(10).is_empty());
    }

    #[test]
    fn a_batch_is_no_larger_than_asked() {
        let log = AccessLog::new(100);
        for at in 0..7 {
            log.note(&key(&at.to_string()), at);
        }
        assert_eq!((log.take(5).len(), log.take(5).len(), log.take(5).len()), (5, 2, 0));
    }
}
