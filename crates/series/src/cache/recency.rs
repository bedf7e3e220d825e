use std::collections::BTreeMap;

use cache_core::clock::Tick;

use crate::time::Slots;

/// When which chunks of a series were last read, as spans of their indices: a read marks a span,
/// whatever its length. Pure: time is passed in.
#[derive(Debug, Default)]
pub(super) struct Recency {
    /// First index of a span, with its end and when it was read. Disjoint.
    spans: BTreeMap<i64, (i64, Tick)>,
    last: Option<(Slots, Tick)>,
}

impl Recency {
    /// Chunks were read at `now`.
    pub(super) fn read(&mut self, indices: Slots, now: Tick) {
        // Who reads the same again and again costs a comparison.
        if indices.is_empty() || self.last == Some((indices, now)) {
            return;
        }
        self.last = Some((indices, now));
        self.cut(indices);
        self.spans.insert(indices.start, (indices.end, now));
    }

    /// When a chunk was last read; the clock's start if it never was.
    pub(super) fn of(&self, index: i64) -> Tick {
        self.read_at(index).unwrap_or(Tick::from_ms(0))
    }

    /// When a chunk was last read, if it ever was.
    pub(super) fn read_at(&self, index: i64) -> Option<Tick> {
        let (_, (end, at)) = self.spans.range(..=index).next_back()?;
        (index < *end).then_some(*at)
    }

    /// When any of them was last read.
    pub(super) fn latest(&self) -> Option<Tick> {
        self.spans.values().map(|(_, at)| *at).max()
    }

    /// Forgets when chunks outside of these indices were read, so that what is kept of them is no
    /// more than what is there.
    pub(super) fn keep(&mut self, indices: Slots) {
        self.cut(Slots::new(i64::MIN, indices.start));
        self.cut(Slots::new(indices.end, i64::MAX));
        self.last = None;
    }

    fn cut(&mut self, indices: Slots) {
        for edge in [indices.start, indices.end] {
            if let Some((start, (end, at))) = self.spans.range_mut(..edge).next_back() {
                let (start, whole_end, at) = (*start, *end, *at);
                if edge < whole_end {
                    *end = edge;
                    self.spans.insert(edge, (whole_end, at));
                }
                debug_assert!(start < edge);
            }
        }
        let gone: Vec<i64> =
            self.spans.range(indices.start..indices.end).map(|(start, _)| *start).collect();
        for start in gone {
            self.spans.remove(&start);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_of_times(
            reads in proptest::collection::vec((-20i64..20, 0i64..12, any::<bool>()), 1..40),
        ) {
            let (mut recency, mut plain) = (Recency::default(), BTreeMap::new());
            for (at, (start, length, keeps)) in (1u64..).zip(reads) {
                let indices = Slots::new(start, start + length);
                let now = Tick::from_ms(at);
                if keeps && length > 8 {
                    recency.keep(indices);
                    plain.retain(|index, _| indices.contains(*index));
                } else {
                    recency.read(indices, now);
                    recency.read(indices, now);
                    plain.extend(indices.iter().map(|index| (index, now)));
                }
                for index in -25..40 {
                    let expected = plain.get(&index).copied().unwrap_or(Tick::from_ms(0));
                    prop_assert_eq!(recency.of(index), expected);
                    prop_assert_eq!(recency.read_at(index), plain.get(&index).copied());
                }
                prop_assert_eq!(recency.latest(), plain.values().copied().max());
            }
        }
    }
}
