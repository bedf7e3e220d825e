//! Whether what the processes saw is what was promised to them.
//!
//! - After an invalidation has returned done at a version, its own process reads nothing older, in
//!   any read that begins later.
//! - No other process does in a read that begins later than the bound after it.
//! - No shared tier holds anything older, whoever looks, from the moment of the return.
//! - A version that a caller brought, to be written later, is held against those invalidations alone
//!   that began when it had been accepted.
//! - No value comes out that was never put in.
//! - What a process has accepted for the source comes there in its order. A process that has closed
//!   has lost nothing of it, one that was killed no more than its queue holds, and nothing that a flush
//!   has said to be written.

use std::collections::HashMap;
use std::time::Duration;

use crate::document::QUEUED_MAX;
use crate::history::{Event, History, Place, name_of};

/// What was checked, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) operations: u64,
    pub(crate) failed: u64,
    pub(crate) reads: u64,
    pub(crate) looks: u64,
    /// Invalidations and changes that promised something.
    pub(crate) promises: u64,
    /// What was accepted for the source.
    pub(crate) accepted: u64,
    /// Documents of which the last that was accepted never came there.
    pub(crate) lost: u64,
    pub(crate) violations: Vec<String>,
}

/// Versions that were promised, by when; each holds from its time on.
#[derive(Debug, Default)]
struct Promises(HashMap<Place, Vec<Promise>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Promise {
    /// When the invalidation returned, and began.
    at: u64,
    began: u64,
    version: u64,
    /// The highest version up to this one.
    highest: u64,
}

impl Promises {
    fn add(&mut self, began: u64, at: u64, place: Place, version: u64) {
        let promise = Promise { at, began, version, highest: version };
        self.0.entry(place).or_default().push(promise);
    }

    /// Sorts by time, and notes the highest version up to each.
    fn settle(&mut self) {
        for promises in self.0.values_mut() {
            promises.sort_unstable();
            let mut highest = 0;
            for promise in promises {
                highest = highest.max(promise.version);
                promise.highest = highest;
            }
        }
    }

    /// The promise that is broken if this version was found by what began at this time: when it was
    /// given, and of which version.
    fn broken_by(
        &self,
        place: Place,
        began: u64,
        version: u64,
        brought: &Brought,
    ) -> Option<(u64, u64)> {
        let promises = self.0.get(&place)?;
        let before = &promises[..promises.partition_point(|promise| promise.at < began)];
        let last = before.last().filter(|last| version < last.highest)?;
        let Some(brought_at) = brought.0.get(&(place, version)) else {
            return Some((last.at, last.highest));
        };
        // One that had begun when it was brought promises nothing of it.
        let is_broken =
            |promise: &&Promise| version < promise.version && *brought_at < promise.began;
        let broken = before.iter().rev().find(is_broken)?;
        Some((broken.at, broken.version))
    }
}

/// By when versions were brought by their callers, to be written to the storages later. Whoever brings
/// one that is older than what has been invalidated by then has it stored.
#[derive(Debug, Default)]
struct Brought(HashMap<(Place, u64), u64>);

impl Brought {
    fn of(histories: &[History]) -> Self {
        let mut brought = HashMap::new();
        for event in histories.iter().flat_map(|history| &history.events) {
            match event {
                // If nobody is told more, it was killed meanwhile.
                Event::Brings { place, version } => {
                    brought.entry((*place, *version)).or_insert(u64::MAX);
                }
                Event::Brought { at, place, version } => {
                    brought.insert((*place, *version), *at);
                }
                _ => {}
            }
        }
        Self(brought)
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
                Event::Done { began, at, versions } => {
                    verdict.promises += 1;
                    for (place, version) in versions {
                        all.add(*began, *at, *place, *version);
                        of_process.add(*began, *at, *place, *version);
                    }
                }
                Event::OwnDone { at, place, version } => {
                    verdict.promises += 1;
                    of_process.add(*at, *at, *place, *version);
                }
                _ => {}
            }
        }
        of_process.settle();
        own.push(of_process);
    }
    all.settle();
    let brought = Brought::of(histories);
    let stored = stored(histories, &mut verdict);
    let none = HashMap::new();
    for (history, own) in histories.iter().zip(&own) {
        check_one(history, (own, &all, bound), &brought, &mut verdict);
        check_queue(history, stored.get(&history.name).unwrap_or(&none), &mut verdict);
    }
    verdict
}

/// The newest versions that the source got from each life of a process, by its name. They come in
/// order.
fn stored(histories: &[History], verdict: &mut Verdict) -> HashMap<String, HashMap<Place, u64>> {
    let mut stored: HashMap<String, HashMap<Place, u64>> = HashMap::new();
    for event in histories.iter().flat_map(|history| &history.events) {
        let Event::Stored { process, life, place, version } = event else { continue };
        let name = name_of(*process, *life);
        let newest = stored.entry(name.clone()).or_default().entry(*place).or_default();
        if version < newest {
            let what = format!("the source got version {version} of {place:?} after {newest}");
            verdict.violations.push(format!("{name}: {what}"));
        }
        *newest = (*newest).max(*version);
    }
    stored
}

/// What became of what a life has accepted.
fn check_queue(history: &History, stored: &HashMap<Place, u64>, verdict: &mut Verdict) {
    let mut accepted: HashMap<Place, u64> = HashMap::new();
    let mut has_closed = false;
    let has = |place: &Place, version: &u64| stored.get(place).is_some_and(|got| got >= version);
    for event in &history.events {
        match event {
            Event::Accepted { place, version } => {
                verdict.accepted += 1;
                let newest = accepted.entry(*place).or_default();
                *newest = (*newest).max(*version);
            }
            Event::Flushed { place, version } if !has(place, version) => {
                let what = format!("the source never got version {version} of {place:?}");
                verdict.violations.push(format!("{}: {what}, which was flushed", history.name));
            }
            Event::Closed => has_closed = true,
            _ => {}
        }
    }
    let lost = accepted.iter().filter(|(place, version)| !has(place, version)).count();
    verdict.lost += lost as u64;
    let (bound, ending) = if has_closed { (0, "closed") } else { (QUEUED_MAX, "ended") };
    if lost > bound {
        let what = format!("{lost} queued documents are lost, and it has {ending}");
        verdict.violations.push(format!("{}: {what}", history.name));
    }
}

/// Holds what a life has read and seen against the promises of its own process and of all, of which the
/// others hold after the bound.
fn check_one(
    history: &History,
    (own, all, bound): (&Promises, &Promises, u64),
    brought: &Brought,
    verdict: &mut Verdict,
) {
    let mut broken = |what: String| verdict.violations.push(format!("{}: {what}", history.name));
    for event in &history.events {
        match event {
            Event::Read { began, ended, place, version } => {
                verdict.reads += 1;
                let late = began.saturating_sub(bound);
                let of_own = own.broken_by(*place, *began, *version, brought);
                let of_all = all.broken_by(*place, late, *version, brought);
                for (broke, whose) in [(of_own, "its own"), (of_all, "another process'")] {
                    if let Some((at, promised)) = broke {
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
                if let Some((at, promised)) = all.broken_by(*place, *began, *version, brought) {
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
            Event::Done { .. }
            | Event::OwnDone { .. }
            | Event::Brings { .. }
            | Event::Brought { .. }
            | Event::Accepted { .. }
            | Event::Flushed { .. }
            | Event::Closed
            | Event::Stored { .. } => {}
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
        Event::Done { began: at - 2, at, versions: vec![(PLACE, version)] }
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

    #[test]
    fn what_is_brought_after_an_invalidation_began_is_none_of_its_promise() {
        let brings = Event::Brings { place: PLACE, version: 1 };
        let brought = |at| Event::Brought { at, place: PLACE, version: 1 };
        let seen = [done(20, 3), held(21, 1), read(400, 1)];
        let with = |events: &[Event]| [std::slice::from_ref(&brings), events, &seen[..]].concat();
        // It began at 18.
        assert_eq!(violations(&[history("a", &with(&[brought(17)]))]), 2);
        assert_eq!(violations(&[history("a", &with(&[brought(18)]))]), 0);
        // Of one that was killed nobody knows.
        assert_eq!(violations(&[history("a", &with(&[]))]), 0);
        // The next one promises it, though its version is lower, and so does not what came before.
        let next = [brought(19), done(30, 2), read(31, 1), read(29, 1)];
        assert_eq!(violations(&[history("a", &with(&next))]), 2);
        // A version that nobody brought is held against all of them.
        let other = Event::Brought { at: 19, place: PLACE, version: 2 };
        assert_eq!(violations(&[history("a", &[vec![other], seen.to_vec()].concat())]), 2);
    }

    fn accepted(key: usize, version: u64) -> Event {
        Event::Accepted { place: Place { chain: 0, key }, version }
    }

    /// By the first life of process 0.
    fn got(key: usize, version: u64) -> Event {
        Event::Stored { process: 0, life: 0, place: Place { chain: 0, key }, version }
    }

    fn of_queue(process: &[Event], source: &[Event]) -> Verdict {
        check(&[history("history-0-0", process), history("history-source", source)], BOUND)
    }

    #[test]
    fn a_process_that_was_killed_loses_its_queue_and_no_more() {
        let all = QUEUED_MAX + 1;
        let events: Vec<Event> = (0..all).map(|key| accepted(key, 2)).collect();
        let verdict = of_queue(&events, &[got(0, 2)]);
        assert_eq!((verdict.accepted, verdict.lost), (all as u64, QUEUED_MAX as u64));
        assert_eq!(verdict.violations.len(), 0);
        // What was stored is older, or of another life.
        let other = Event::Stored { process: 0, life: 1, place: PLACE, version: 2 };
        for source in [vec![], vec![got(0, 1)], vec![other]] {
            assert_eq!(of_queue(&events, &source).violations.len(), 1);
        }
    }

    #[test]
    fn a_process_that_has_closed_has_lost_nothing_and_neither_has_a_flush() {
        let closed = [accepted(1, 2), Event::Closed];
        assert_eq!(of_queue(&closed, &[got(1, 1)]).violations.len(), 1);
        assert_eq!(of_queue(&closed, &[got(1, 3)]).violations.len(), 0);
        let flushed = Event::Flushed { place: Place { chain: 0, key: 1 }, version: 2 };
        let flushed = [accepted(1, 2), flushed];
        assert_eq!(of_queue(&flushed, &[]).violations.len(), 1);
        assert_eq!(of_queue(&flushed, &[got(1, 2)]).violations.len(), 0);
    }

    #[test]
    fn the_source_gets_versions_in_their_order_and_may_get_one_twice() {
        assert_eq!(
            of_queue(&[], &[got(1, 2), got(1, 2), got(2, 1), got(1, 3)]).violations.len(),
            0
        );
        assert_eq!(of_queue(&[], &[got(1, 3), got(1, 2)]).violations.len(), 1);
    }
}
