//! Whether what the processes saw is what was promised to them.
//!
//! - After an invalidation has returned done at a version, its own process reads nothing older, in
//!   any read that begins later.
//! - No other process does in a read that begins later than the bound after it.
//! - No shared tier holds anything older, whoever looks, from the moment of the return.
//! - No value comes out that was never put in.

use std::collections::HashMap;

use std::time::Duration;

use crate::history::{Event, History, Place};

/// What was checked, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) operations: u64,
    pub(crate) failed: u64,
    pub(crate) reads: u64,
    pub(crate) looks: u64,
    /// Invalidations and changes that promised something.
    pub(crate) promises: u64,
    pub(crate) violations: Vec<String>,
}

/// Versions that were promised, by when; each holds from its time on.
#[derive(Debug, Default)]
struct Promises(HashMap<Place, Vec<(u64, u64)>>);

impl Promises {
    fn add(&mut self, at: u64, place: Place, version: u64) {
        self.0.entry(place).or_default().push((at, version));
    }

    /// Sorts by time, and gives each the highest version up to its time.
    fn settle(&mut self) {
        for promises in self.0.values_mut() {
            promises.sort_unstable();
            let mut highest = 0;
            for (_, version) in promises {
                highest = highest.max(*version);
                *version = highest;
            }
        }
    }

    /// The promise that holds for what begins at this time, and when it was given.
    fn before(&self, place: Place, began: u64) -> Option<(u64, u64)> {
        let promises = self.0.get(&place)?;
        let later = promises.partition_point(|(at, _)| *at < began);
        later.checked_sub(1).map(|last| promises[last])
    }
}

/// Checks all histories of one run; `bound` is how late other processes' memory may follow.
pub(crate) fn check(histories: &[History], bound: Duration) -> Verdict {
    let mut verdict = Verdict::default();
    let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let mut all = Promises::default();
    let mut own: Vec<Promises> = Vec::new();
    for history in histories {
        let mut of_process = Promises::default();
        for event in &history.events {
            match event {
                Event::Done { at, versions } => {
                    verdict.promises += 1;
                    for (place, version) in versions {
                        all.add(*at, *place, *version);
                        of_process.add(*at, *place, *version);
                    }
                }
                Event::OwnDone { at, place, version } => {
                    verdict.promises += 1;
                    of_process.add(*at, *place, *version);
                }
                _ => {}
            }
        }
        of_process.settle();
        own.push(of_process);
    }
    all.settle();
    for (history, own) in histories.iter().zip(&own) {
        check_one(history, own, &all, bound, &mut verdict);
    }
    verdict
}

fn check_one(history: &History, own: &Promises, all: &Promises, bound: u64, verdict: &mut Verdict) {
    let mut broken = |what: String| verdict.violations.push(format!("{}: {what}", history.name));
    for event in &history.events {
        match event {
            Event::Read { began, ended, place, version } => {
                verdict.reads += 1;
                let of_own = own.before(*place, *began);
                let of_all = began.checked_sub(bound).and_then(|began| all.before(*place, began));
                for (promise, whose) in [(of_own, "its own"), (of_all, "another process'")] {
                    if let Some((at, promised)) = promise.filter(|(_, least)| version < least) {
                        broken(format!(
                            "a read of {place:?} from {began} to {ended} gave version {version}, \
                             {:.3} ms after {whose} promise of {promised}",
                            (began - at) as f64 / 1e6,
                        ));
                        break;
                    }
                }
            }
            Event::Held { began, tier, place, version } => {
                verdict.looks += 1;
                if let Some((at, promised)) =
                    all.before(*place, *began).filter(|(_, least)| version < least)
                {
                    broken(format!(
                        "{tier} held version {version} of {place:?} at {began}, {:.3} ms after the \
                         promise of {promised}",
                        (began - at) as f64 / 1e6,
                    ));
                }
            }
            Event::Torn { place, what } => broken(format!("{place:?}: {what}")),
            Event::Tally { operations, failed } => {
                verdict.operations += operations;
                verdict.failed += failed;
            }
            Event::Done { .. } | Event::OwnDone { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { chain: 0, key: 5 };
    const BOUND: Duration = Duration::from_nanos(100);

    fn history(name: &str, events: &[Event]) -> History {
        History { name: name.to_owned(), events: events.to_vec() }
    }

    fn done(at: u64, version: u64) -> Event {
        Event::Done { at, versions: vec![(PLACE, version)] }
    }

    fn read(began: u64, version: u64) -> Event {
        Event::Read { began, ended: began + 1, place: PLACE, version }
    }

    fn held(began: u64, version: u64) -> Event {
        Event::Held { began, tier: "redis".to_owned(), place: PLACE, version }
    }

    fn violations(histories: &[History]) -> usize {
        check(histories, BOUND).violations.len()
    }

    #[test]
    fn a_process_reads_nothing_older_than_its_own_promise() {
        assert_eq!(violations(&[history("a", &[done(10, 2), read(11, 2), read(12, 3)])]), 0);
        assert_eq!(violations(&[history("a", &[done(10, 2), read(11, 1)])]), 1);
        let own = Event::OwnDone { at: 10, place: PLACE, version: 2 };
        assert_eq!(violations(&[history("a", &[own.clone(), read(11, 1)])]), 1);
        assert_eq!(violations(&[history("a", &[own]), history("b", &[read(500, 1)])]), 0);
    }

    #[test]
    fn a_read_that_began_before_may_be_older() {
        assert_eq!(violations(&[history("a", &[done(10, 2), read(9, 1), read(10, 1)])]), 0);
    }

    #[test]
    fn other_processes_follow_within_the_bound() {
        let first = history("a", &[done(10, 2)]);
        let early = history("b", &[read(60, 1), read(110, 1)]);
        let late = history("b", &[read(111, 1)]);
        assert_eq!(violations(&[history("a", &[done(10, 2)]), early]), 0);
        assert_eq!(violations(&[first, late]), 1);
    }

    #[test]
    fn a_shared_tier_holds_nothing_older_at_once() {
        let promise = history("a", &[done(10, 2)]);
        let looks = history("b", &[held(9, 1), held(11, 2)]);
        assert_eq!(violations(&[history("a", &[done(10, 2)]), looks]), 0);
        assert_eq!(violations(&[promise, history("b", &[held(11, 1)])]), 1);
    }

    #[test]
    fn a_later_promise_of_an_older_version_takes_nothing_back() {
        let promises = [done(10, 5), done(20, 3), read(30, 4)];
        assert_eq!(violations(&[history("a", &promises)]), 1);
    }

    #[test]
    fn keys_are_apart() {
        let other =
            Event::Read { began: 50, ended: 51, place: Place { chain: 1, key: 5 }, version: 0 };
        assert_eq!(violations(&[history("a", &[done(10, 5), other])]), 0);
    }

    #[test]
    fn what_was_never_put_in_is_a_violation_and_counts_are_summed() {
        let torn = Event::Torn { place: PLACE, what: "of another key".to_owned() };
        let tally = Event::Tally { operations: 3, failed: 1 };
        let verdict = check(
            &[history("a", &[torn, tally.clone()]), history("b", &[tally, read(1, 1)])],
            BOUND,
        );
        assert_eq!((verdict.operations, verdict.failed, verdict.reads), (6, 2, 1));
        assert_eq!(verdict.violations.len(), 1);
        assert!(verdict.violations[0].contains("of another key"));
    }
}
