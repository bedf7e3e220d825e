//! Traces against contestants.

use std::collections::HashSet;

use crate::contestant::{self, Make};
use crate::optimum;
use crate::reference::Reference;
use crate::trace::Trace;

/// One trace at one size.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) trace: String,
    pub(crate) entries: u64,
    pub(crate) accesses: u64,
    /// The ratio of the optimum, in per cent, as are the others.
    pub(crate) optimum: f64,
    pub(crate) ratios: Vec<(&'static str, f64)>,
    /// The best of those that the default policy is held against, if there are any.
    pub(crate) best: Option<f64>,
}

/// A size in entries, or in per cent of a trace's distinct keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Size {
    Entries(u64),
    Share(f64),
}

/// Where nothing is said.
pub(crate) const SIZES_DEFAULT: [Size; 3] =
    [Size::Share(2.0), Size::Share(10.0), Size::Share(30.0)];

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = match text.strip_suffix('%') {
            Some(share) => share.parse().ok().filter(|s| *s > 0.0 && *s <= 100.0).map(Self::Share),
            None => text.parse().ok().filter(|entries| *entries > 0).map(Self::Entries),
        };
        size.ok_or_else(|| format!("`{text}` is neither a number of entries nor a share as `10%`"))
    }
}

fn ratio(keys: &[u64], make: Make, entries: u64) -> f64 {
    let mut contestant = make(entries);
    let hits = keys.iter().filter(|key| contestant.access(**key)).count();
    100.0 * hits as f64 / keys.len() as f64
}

/// How many entries the sizes are for this trace; without sizes, those that the reference has.
pub(crate) fn entries(trace: &Trace, sizes: &[Size], reference: &Reference) -> Vec<u64> {
    let known = reference.sizes(&trace.name);
    if sizes.is_empty() && !known.is_empty() {
        return known;
    }
    let sizes = if sizes.is_empty() { &SIZES_DEFAULT } else { sizes };
    let distinct = trace.keys.iter().collect::<HashSet<_>>().len() as f64;
    let in_entries = |size: &Size| match size {
        Size::Entries(entries) => *entries,
        Size::Share(share) => ((distinct * share / 100.0) as u64).max(1),
    };
    sizes.iter().map(in_entries).collect()
}

/// Replays a trace at one size.
pub(crate) fn replay(
    trace: &Trace,
    entries: u64,
    contestants: &[(&'static str, Make)],
    reference: &Reference,
) -> Point {
    let known = reference.point(&trace.name, entries);
    let keys = &trace.keys;
    let is_alone = contestants.len() == 1;
    let optimum = match known {
        Some(known) if is_alone => known.optimum,
        _ => 100.0 * optimum::hits(keys, entries) as f64 / keys.len() as f64,
    };
    let ratios: Vec<_> =
        contestants.iter().map(|(name, make)| (*name, ratio(keys, *make, entries))).collect();
    let others = ratios.iter().filter(|(name, _)| *name != contestant::DEFAULT.0);
    let best_here = others.map(|(_, ratio)| *ratio).reduce(f64::max);
    Point {
        trace: trace.name.clone(),
        entries,
        accesses: keys.len() as u64,
        optimum,
        ratios,
        best: known.map(|known| known.best).or(best_here),
    }
}

impl Point {
    /// What the default policy reached.
    pub(crate) fn ours(&self) -> f64 {
        let ours = self.ratios.iter().find(|(name, _)| *name == contestant::DEFAULT.0);
        ours.map_or(f64::NAN, |(_, ratio)| *ratio)
    }

    /// Its share of the optimum, in per cent; all of it where there is nothing to be had.
    pub(crate) fn share(&self) -> f64 {
        if self.optimum > 0.0 { 100.0 * self.ours() / self.optimum } else { 100.0 }
    }

    /// Whether the default policy is near the best of the others: 97 % of it, or within a point;
    /// three points where there are fewer than 20 accesses for each entry, for nothing can be learnt
    /// there. `None` where there are no others.
    pub(crate) fn is_near_best(&self) -> Option<bool> {
        let best = self.best?;
        let is_short = self.accesses < 20 * self.entries;
        let points = if is_short { 3.0 } else { 1.0 };
        Some(self.ours() >= 0.97 * best || self.ours() >= best - points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(accesses: u64, ours: f64, best: f64) -> Point {
        Point {
            trace: "t".to_owned(),
            entries: 10,
            accesses,
            optimum: 80.0,
            ratios: vec![(contestant::DEFAULT.0, ours), ("other", best)],
            best: Some(best),
        }
    }

    #[test]
    fn near_the_best_is_a_share_or_a_point() {
        let near = |accesses, ours, best| point(accesses, ours, best).is_near_best();
        assert_eq!(near(1000, 58.3, 60.0), Some(true));
        assert_eq!(near(1000, 58.1, 60.0), Some(false));
        assert_eq!(near(1000, 9.1, 10.0), Some(true));
        assert_eq!(near(1000, 8.9, 10.0), Some(false));
        assert_eq!(near(199, 7.1, 10.0), Some(true));
        assert_eq!(near(200, 7.1, 10.0), Some(false));
        assert_eq!(point(1, 40.0, 60.0).share(), 50.0);
    }

    #[test]
    fn sizes_are_entries_or_shares() {
        assert_eq!("10".parse(), Ok(Size::Entries(10)));
        assert_eq!("2.5%".parse(), Ok(Size::Share(2.5)));
        for wrong in ["0", "-1", "0%", "101%", "x", ""] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        let trace = Trace { name: "t".to_owned(), keys: (0..100).chain(0..100).collect() };
        let sizes = [Size::Entries(7), Size::Share(20.0)];
        assert_eq!(entries(&trace, &sizes, &Reference::default()), [7, 20]);
    }

    #[test]
    fn a_replay_measures_everybody_at_the_size() {
        let trace = Trace { name: "t".to_owned(), keys: (0..50).cycle().take(500).collect() };
        let point = replay(&trace, 50, contestant::ALL, &Reference::default());
        assert_eq!(point.ratios.len(), contestant::ALL.len());
        assert_eq!((point.ours(), point.optimum), (90.0, 90.0));
    }
}
