use hashbrown::HashTable;

/// Hashes of what was evicted, the oldest forgotten first.
///
/// Kept as a ring with places that may be vacant, since one that comes back is taken out of the
/// middle.
#[derive(Debug, Default)]
pub(super) struct History {
    places: HashTable<(u32, u64)>,
    ring: std::collections::VecDeque<Option<u32>>,
    /// The number of the ring's first place.
    first: u64,
}

fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl History {
    pub(super) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    pub(super) fn push(&mut self, hash: u32) {
        self.take(hash);
        let number = self.first + self.ring.len() as u64;
        self.ring.push_back(Some(hash));
        self.places.insert_unique(spread(hash), (hash, number), |place| spread(place.0));
    }

    /// Takes out a hash; says whether it was there.
    pub(super) fn take(&mut self, hash: u32) -> bool {
        let Ok(place) = self.places.find_entry(spread(hash), |place| place.0 == hash) else {
            return false;
        };
        let number = place.remove().0.1;
        self.ring[(number - self.first) as usize] = None;
        self.drop_vacant();
        true
    }

    /// Forgets the oldest until there are no more than so many.
    pub(super) fn shrink(&mut self, len_max: u64) {
        while self.len() > len_max {
            if let Some(hash) = self.ring.front().copied().flatten() {
                self.take(hash);
            }
            self.drop_vacant();
        }
    }

    fn drop_vacant(&mut self) {
        while self.ring.front().is_some_and(Option::is_none) {
            self.ring.pop_front();
            self.first += 1;
        }
        // Vacant places in the middle are bounded by those that are not.
        if self.ring.len() > 64 && self.ring.len() > self.places.len() * 2 {
            self.ring.retain(Option::is_some);
            self.first = 0;
            self.places.clear();
            for (number, hash) in (0..).zip(self.ring.iter().flatten()) {
                let place = (*hash, number);
                self.places.insert_unique(spread(*hash), place, |place| spread(place.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_a_queue_from_which_one_can_be_taken(
            steps in proptest::collection::vec((0..3_u8, 0..200_u32), 1..600),
        ) {
            let (mut history, mut model) = (History::default(), Vec::new());
            for (what, hash) in steps {
                match what {
                    0 => {
                        model.retain(|held| *held != hash);
                        model.push(hash);
                        history.push(hash);
                    }
                    1 => {
                        let was_there = model.contains(&hash);
                        model.retain(|held| *held != hash);
                        prop_assert_eq!(history.take(hash), was_there);
                    }
                    _ => {
                        let len_max = hash as usize;
                        model.drain(..model.len().saturating_sub(len_max));
                        history.shrink(len_max as u64);
                    }
                }
                let held: Vec<u32> = history.ring.iter().flatten().copied().collect();
                prop_assert_eq!(&held, &model);
                prop_assert!(history.ring.len() <= (model.len() * 2).max(64));
            }
        }
    }
}
