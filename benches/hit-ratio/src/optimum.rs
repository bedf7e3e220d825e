//! The optimum, after Belady (1966): who is wanted last goes, the newcomer included.

use std::collections::{BinaryHeap, HashMap, HashSet};

/// Never wanted again.
const NEVER: u32 = u32::MAX;

/// Hits of the best that a cache of each size could do.
pub(crate) fn hits(keys: &[u64], entries: u64) -> u64 {
    let entries = usize::try_from(entries).unwrap_or(usize::MAX);
    let next = next_uses(keys);
    let mut held: HashSet<u64> = HashSet::new();
    // Those held by their next use; what it says of one that was used since is not so any more, and
    // cannot come up, for that use has passed.
    let mut last: BinaryHeap<(u32, u64)> = BinaryHeap::new();
    let mut hits = 0;
    for (key, next) in keys.iter().zip(&next) {
        if held.contains(key) {
            hits += 1;
        } else if *next == NEVER {
            continue;
        } else if held.len() < entries {
            held.insert(*key);
        } else {
            match last.peek() {
                Some((latest, out)) if latest > next => {
                    held.remove(out);
                    last.pop();
                    held.insert(*key);
                }
                _ => continue,
            }
        }
        last.push((*next, *key));
    }
    hits
}

fn next_uses(keys: &[u64]) -> Vec<u32> {
    let mut next = vec![NEVER; keys.len()];
    let mut seen: HashMap<u64, u32> = HashMap::new();
    for (at, key) in (0_u32..).zip(keys).collect::<Vec<_>>().into_iter().rev() {
        if let Some(later) = seen.insert(*key, at) {
            next[at as usize] = later;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_best_there_is() {
        assert_eq!(hits(&[1, 2, 3, 1, 2, 3, 1, 2, 3], 2), 4);
        assert_eq!(hits(&[1, 2, 1, 2, 1, 2], 1), 2);
        assert_eq!(hits(&[1, 2, 3, 4], 2), 0);
        assert_eq!(hits(&[1, 1, 1, 2, 2], 5), 3);
        // A loop of 100 with room for 40: 40 of each round.
        let keys: Vec<u64> = (0..100).cycle().take(1000).collect();
        assert_eq!(hits(&keys, 40), 40 * 9);
    }
}
