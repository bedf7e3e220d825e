use crate::time::Slots;

/// Where a part of an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// It was in memory.
    Memory,
    /// It was read from the database for this request.
    Database,
    /// The venue was asked for it, for this request or one at the same time.
    Venue,
}

impl Source {
    /// The word by which programs print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Database => "database",
            Self::Venue => "venue",
        }
    }
}

/// Cuts `slots` by where they came from: what was fetched as `trace` says, the further away source
/// where there were two, the rest from memory.
pub(super) fn sources(slots: Slots, trace: &[(Slots, Source)]) -> Vec<(Slots, Source)> {
    let within = |(span, source): &(Slots, Source)| (span.intersection(slots), *source);
    let fetched: Vec<(Slots, Source)> =
        trace.iter().map(within).filter(|(span, _)| !span.is_empty()).collect();
    let mut edges: Vec<i64> = fetched.iter().flat_map(|(span, _)| [span.start, span.end]).collect();
    edges.extend([slots.start, slots.end]);
    edges.sort_unstable();
    edges.dedup();
    // How many spans of each source begin and end at an edge.
    let mut changes: Vec<(i64, Source, i64)> = Vec::with_capacity(fetched.len() * 2);
    for (span, source) in fetched {
        changes.extend([(span.start, source, 1), (span.end, source, -1)]);
    }
    changes.sort_unstable();
    let (mut database, mut venue) = (0, 0);
    let mut changes = changes.into_iter().peekable();
    let mut parts: Vec<(Slots, Source)> = Vec::new();
    for pair in edges.windows(2) {
        while let Some((_, source, change)) = changes.next_if(|(at, ..)| *at <= pair[0]) {
            match source {
                Source::Database => database += change,
                Source::Venue => venue += change,
                Source::Memory => {}
            }
        }
        let source = match (venue > 0, database > 0) {
            (true, _) => Source::Venue,
            (false, true) => Source::Database,
            (false, false) => Source::Memory,
        };
        match parts.last_mut() {
            Some((span, same)) if *same == source => span.end = pair[1],
            _ => parts.push((Slots::new(pair[0], pair[1]), source)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_slot_has_the_furthest_source(
            length in 0i64..60,
            trace in proptest::collection::vec((-10i64..60, 0i64..30, any::<bool>()), 0..8),
        ) {
            let slots = Slots::new(0, length);
            let trace: Vec<(Slots, Source)> = trace
                .into_iter()
                .map(|(start, length, venue)| {
                    let source = if venue { Source::Venue } else { Source::Database };
                    (Slots::new(start, start + length), source)
                })
                .collect();
            let parts = sources(slots, &trace);
            prop_assert!(parts.windows(2).all(|two| two[0].0.end == two[1].0.start && two[0].1 != two[1].1));
            let found: Vec<(i64, Source)> =
                parts.iter().flat_map(|(span, source)| span.iter().map(|slot| (slot, *source))).collect();
            let expected: Vec<(i64, Source)> = slots
                .iter()
                .map(|slot| {
                    let of = trace.iter().filter(|(span, _)| span.contains(slot));
                    (slot, of.map(|(_, source)| *source).max().unwrap_or(Source::Memory))
                })
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
