use super::CHUNK_SLOTS;

const WORDS: usize = CHUNK_SLOTS as usize / 64;

/// Which slots of a chunk have a row: a bit each, with counts by word, so that the place of a row
/// among the rows, and of a slot among the slots, are found without a search over all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    words: [u64; WORDS],
    /// Rows before each word.
    before: [u16; WORDS],
    rows: u16,
}

impl Presence {
    pub(super) fn from_words(words: [u64; WORDS]) -> Self {
        let mut before = [0; WORDS];
        let mut rows = 0;
        for (count, word) in before.iter_mut().zip(words) {
            *count = rows;
            rows += word.count_ones() as u16;
        }
        Self { words, before, rows }
    }

    pub(super) fn from_places(places: impl IntoIterator<Item = usize>) -> Self {
        let mut words = [0u64; WORDS];
        for place in places {
            words[place / 64] |= 1 << (place % 64);
        }
        Self::from_words(words)
    }

    /// How many slots have a row.
    pub fn len(&self) -> usize {
        usize::from(self.rows)
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// A bit for each slot, 64 a word, the lowest first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether the slot at this place of the chunk has a row.
    pub fn has(&self, place: usize) -> bool {
        self.words.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// How many slots before this place have a row.
    pub fn rank(&self, place: usize) -> usize {
        let Some(word) = self.words.get(place / 64) else { return self.len() };
        let below = word & ((1u64 << (place % 64)) - 1);
        usize::from(self.before[place / 64]) + below.count_ones() as usize
    }

    /// The place of the slot that has the row so manieth, counted from 0.
    pub fn select(&self, row: usize) -> Option<usize> {
        if row >= self.len() {
            return None;
        }
        let index = self.before.partition_point(|before| usize::from(*before) <= row) - 1;
        let mut word = self.words[index];
        for _ in usize::from(self.before[index])..row {
            word &= word - 1;
        }
        Some(index * 64 + word.trailing_zeros() as usize)
    }

    /// The places of the slots that have a row, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.iter_from(0)
    }

    /// The places from this one on of the slots that have a row, in order.
    pub fn iter_from(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        let first = place / 64;
        self.words.iter().enumerate().skip(first).flat_map(move |(index, word)| {
            let mut left = if index == first { word & (u64::MAX << (place % 64)) } else { *word };
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let place = index * 64 + left.trailing_zeros() as usize;
                    left &= left - 1;
                    place
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_counts_as_a_plain_set_does(
            places in proptest::collection::btree_set(0..CHUNK_SLOTS as usize, 0..600),
            place in 0..CHUNK_SLOTS as usize + 70,
        ) {
            let presence = Presence::from_places(places.iter().copied());
            prop_assert_eq!(presence.len(), places.len());
            prop_assert_eq!(presence.has(place), places.contains(&place));
            prop_assert_eq!(presence.rank(place), places.range(..place).count());
            prop_assert_eq!(presence.iter().collect::<BTreeSet<_>>(), places.clone());
            let later: Vec<usize> = places.range(place..).copied().collect();
            prop_assert_eq!(presence.iter_from(place).collect::<Vec<_>>(), later);
            let ordered: Vec<usize> = places.into_iter().collect();
            prop_assert_eq!(presence.iter().collect::<Vec<_>>(), ordered.clone());
            prop_assert_eq!(presence.select(place), ordered.get(place).copied());
        }
    }
}
