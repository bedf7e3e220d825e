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
    Event::Held { began, ended: began + 1, tier: "redis".to_owned(), place: PLACE, version }
}

fn violations(histories: &[History]) -> usize {
    check(histories, BOUND).violations.len()
}

#[test]
fn a_process_reads_nothing_older_than_its_own_promise() {
    assert_eq!(violations(&[history("a", &[done(10, 2), read(11, 2), read(12, 3)])]), 0);
    assert_eq!(violations(&[history("a", &[done(10, 2), read(11, 1)])]), 1);
    let own = Event::OwnDone { began: 9, at: 10, place: PLACE, version: 2 };
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
    let other = Event::Read { began: 50, ended: 51, place: Place { chain: 1, key: 5 }, version: 0 };
    assert_eq!(violations(&[history("a", &[done(10, 5), other])]), 0);
}

#[test]
fn what_was_never_put_in_is_a_violation_and_counts_are_summed() {
    let torn = Event::Torn { place: PLACE, what: "of another key".to_owned() };
    let tally = Event::Tally { operations: 3, failed: 1 };
    let verdict =
        check(&[history("a", &[torn, tally.clone()]), history("b", &[tally, read(1, 1)])], BOUND);
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
    // So is one that was refused.
    let refused = Event::NotBrought { place: PLACE, version: 1 };
    assert_eq!(violations(&[history("a", &with(&[refused]))]), 2);
    // A version that nobody brought is held against all of them.
    let other = Event::Brought { at: 19, place: PLACE, version: 2 };
    assert_eq!(violations(&[history("a", &[vec![other], seen.to_vec()].concat())]), 2);
}

fn accepted(key: usize, version: u64) -> Event {
    Event::Accepted { at: 10, place: Place { chain: 0, key }, version }
}

/// By the first life of process 0.
fn got(key: usize, version: u64) -> Event {
    Event::Stored { at: 50, process: 0, life: 0, place: Place { chain: 0, key }, version }
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
    let other = Event::Stored { at: 50, process: 0, life: 1, place: PLACE, version: 2 };
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
    assert_eq!(of_queue(&[], &[got(1, 2), got(1, 2), got(2, 1), got(1, 3)]).violations.len(), 0);
    assert_eq!(of_queue(&[], &[got(1, 3), got(1, 2)]).violations.len(), 1);
}

#[test]
fn what_the_source_does_not_have_is_given_by_its_own_process_alone_and_until_an_invalidation() {
    let place = Place { chain: 0, key: 5 };
    let seen = |events: &[Event], other: &[Event]| {
        let (own, other) = (history("history-0-0", events), history("history-1-0", other));
        let source = history("history-source", &[got(5, 2)]);
        check(&[own, other, source], BOUND).violations
    };
    // It was accepted at 10 and came to the source at 50; a read takes one.
    assert!(seen(&[accepted(5, 2), read(20, 2), read(60, 2)], &[read(49, 2)]).is_empty());
    assert_eq!(seen(&[accepted(5, 2)], &[read(48, 2)]).len(), 1);
    assert_eq!(seen(&[accepted(5, 2)], &[held(48, 2)]).len(), 1);
    assert!(seen(&[accepted(5, 2)], &[held(49, 2)]).is_empty());
    let invalidated = |began, at| Event::Done { began, at, versions: vec![(place, 1)] };
    assert_eq!(seen(&[accepted(5, 2), invalidated(11, 12), read(13, 2)], &[]).len(), 1);
    for (invalidation, began) in [((10, 12), 13), ((11, 12), 12), ((11, 12), 49)] {
        let (from, to) = invalidation;
        let events = [accepted(5, 2), invalidated(from, to), read(began, 2)];
        assert!(seen(&events, &[]).is_empty(), "{invalidation:?} {began}");
    }
}
