//! A batch in parts that can each be one statement.

use std::collections::HashMap;

use cache_core::key::Key;
use foldhash::fast::RandomState;

/// Numbers writes by the part they belong to: within a part no key stands twice, and writes to one
/// key stand in parts that follow each other in their order. Nearly always all are 0.
pub fn waves<'a>(keys: impl Iterator<Item = &'a Key>) -> Vec<i16> {
    let mut next: HashMap<&Key, i16, RandomState> = HashMap::default();
    keys.map(|key| {
        let next = next.entry(key).or_insert(0);
        let wave = *next;
        *next = next.saturating_add(1);
        wave
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_to_one_key_follow_each_other() {
        let key = |name: &str| Key::parse(&format!("p:{name}:v1")).unwrap();
        let keys = [key("a"), key("b"), key("a"), key("c"), key("a"), key("b")];
        assert_eq!(waves(keys.iter()), [0, 0, 1, 0, 2, 1]);
        assert!(waves([].iter()).is_empty());
    }
}
