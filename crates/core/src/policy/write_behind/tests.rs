//! The queue beside a plain list of all that was accepted.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::Tick;

const DELAY: Duration = Duration::from_millis(10);

const fn at(ms: u64) -> Tick {
    Tick::from_ms(ms)
}

fn options() -> WriteBehind {
    WriteBehind::to_storages().queued_max(4).batch_max(2).delay(DELAY)
}

fn queue() -> WriteQueue<u8, u64> {
    WriteQueue::new(options())
}

#[test]
fn what_waits_is_written_after_its_delay_oldest_first_in_batches() {
    let mut queue = queue();
    for (key, now) in [(1, 0), (2, 1), (3, 2)] {
        assert_eq!(queue.push(key, u64::from(key), at(now)), Pushed::Added);
    }
    assert_eq!(queue.next_due(), Some(at(10)));
    assert!(queue.take(at(9)).is_empty());
    let keys = |jobs: Vec<Job<u8, u64>>| jobs.into_iter().map(|job| job.key).collect::<Vec<_>>();
    assert_eq!(keys(queue.take(at(12))), [1, 2]);
    assert_eq!(keys(queue.take(at(12))), [3]);
    assert_eq!((queue.len(), queue.next_due()), (3, None), "they are on their way");
}

#[test]
fn of_a_key_the_newest_is_written_in_the_time_of_the_oldest() {
    let mut queue = queue();
    queue.push(1, 7, at(0));
    assert_eq!(queue.push(1, 8, at(9)), Pushed::Coalesced);
    assert_eq!((queue.len(), queue.listed(&1)), (1, Some(&8)));
    let jobs = queue.take(at(10));
    assert_eq!((jobs.len(), jobs[0].value), (1, 8));
}

#[test]
fn a_newer_value_waits_for_the_one_on_its_way() {
    let mut queue = queue();
    queue.push(1, 7, at(0));
    let job = queue.take(at(10)).remove(0);
    assert_eq!(queue.push(1, 8, at(10)), Pushed::Added);
    assert!(queue.take(at(99)).is_empty());
    assert_eq!((queue.len(), queue.listed(&1)), (2, Some(&8)));
    assert!(queue.landed(&1, job.id).is_outdated);
    assert_eq!(queue.take(at(99))[0].value, 8);
}

#[test]
fn what_fails_comes_again_after_growing_pauses_until_its_time_is_over() {
    let mut queue = WriteQueue::new(options().retry_for(Duration::from_secs(1)));
    queue.push(1_u8, 7_u64, at(0));
    let mut now = at(10);
    let mut pauses = Vec::new();
    loop {
        let job = queue.take(now).remove(0);
        match queue.failed(&1, job.id, now, false, 1.0) {
            Failed::Retried => {
                let due = queue.next_due().expect("it waits");
                pauses.push(due.since(now).as_millis());
                now = due;
            }
            failed => {
                assert_eq!((failed, queue.len()), (Failed::GivenUp, 0));
                break;
            }
        }
    }
    assert_eq!(pauses, [100, 200, 400, 800]);
    assert!(now.since(at(0)) >= Duration::from_secs(1));
    queue.push(1, 7, now);
    let job = queue.take(at(99_999)).remove(0);
    assert_eq!(queue.failed(&1, job.id, now, true, 0.0), Failed::GivenUp, "it can never be");
}

#[test]
fn a_failed_value_leaves_its_place_to_a_newer_one() {
    let mut queue = queue();
    queue.push(1, 7, at(0));
    let job = queue.take(at(10)).remove(0);
    queue.push(1, 8, at(11));
    let up_to = queue.hasten(None, at(11));
    assert_eq!(queue.failed(&1, job.id, at(12), false, 0.0), Failed::Superseded);
    assert!(!queue.is_settled(None, up_to.min(job.id)), "the newer one stands for it");
    assert_eq!(queue.next_due(), Some(at(62)), "and comes after the pause");
    assert_eq!(queue.take(at(62))[0].value, 8);
}

#[test]
fn a_withdrawn_value_is_neither_read_nor_written_nor_tried_again() {
    let mut queue = queue();
    queue.push(1, 7, at(0));
    queue.push(2, 9, at(0));
    assert_eq!(queue.withdraw(|key, _| *key == 1), 1);
    assert_eq!((queue.len(), queue.listed(&1)), (1, None));
    let job = queue.take(at(10)).remove(0);
    assert_eq!(job.key, 2);
    assert_eq!(queue.withdraw_key(&2, |_| true), 0, "it is on its way");
    assert_eq!(queue.listed(&2), None);
    assert_eq!(queue.failed(&2, job.id, at(10), false, 0.0), Failed::Withdrawn);
    assert!(queue.is_empty() && queue.next_due().is_none());
}

#[test]
fn what_newer_values_stand_for_is_overdue_when_its_time_is_over() {
    let mut queue = WriteQueue::new(options().retry_for(DELAY * 10));
    queue.push(1, 7, at(0));
    let up_to = queue.hasten(None, at(0));
    let job = queue.take(at(0)).remove(0);
    queue.push(1, 8, at(5));
    assert_eq!(queue.overdue(None, up_to, at(0), at(200)), None, "its own end is to come");
    assert_eq!(queue.failed(&1, job.id, at(5), false, 0.0), Failed::Superseded);
    assert!(!queue.is_settled(Some(&1), up_to), "it stands for the first");
    assert_eq!(queue.overdue(Some(&1), up_to, at(0), at(99)), None);
    assert_eq!(queue.overdue(Some(&1), up_to, at(0), at(100)), Some(1));
    assert_eq!(queue.overdue(None, up_to, at(5), at(200)), None, "accepted before");
}

#[test]
fn an_unlisted_value_is_written_and_not_read() {
    let mut queue = queue();
    queue.push(1, 7, at(0));
    queue.unlist(|_, _| true);
    assert_eq!(queue.listed(&1), None);
    let job = queue.take(at(10)).remove(0);
    assert!(!queue.is_listed(&1, job.id));
    queue.push(1, 8, at(10));
    assert_eq!(queue.listed(&1), Some(&8), "accepted after it");
    assert!(!queue.unlist_key(&1, |_| false) && queue.unlist_key(&1, |_| true));
    assert_eq!(queue.listed(&1), None);
    assert!(!queue.landed(&1, job.id).was_withdrawn);
}

#[test]
fn a_flush_is_over_when_all_from_before_it_is_and_no_later() {
    let mut queue = queue();
    queue.push(1, 7, at(0));
    queue.push(2, 8, at(0));
    let up_to = queue.hasten(Some(&1), at(5));
    assert_eq!(queue.next_due(), Some(at(5)), "that key alone comes at once");
    let all = queue.hasten(None, at(5));
    let jobs = queue.take(at(5));
    assert_eq!(jobs.len(), 2);
    queue.push(3, 9, at(5));
    queue.landed(&jobs[0].key, jobs[0].id);
    assert!(queue.is_settled(Some(&1), up_to) && !queue.is_settled(None, all));
    queue.landed(&jobs[1].key, jobs[1].id);
    assert!(queue.is_settled(None, all), "the third came later");
}

#[derive(Clone, Debug)]
enum Step {
    Push(u8),
    Take,
    Land(prop::sample::Index),
    Fail(prop::sample::Index, bool),
    Withdraw(u8),
    Pass(u64),
    Hasten,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_u8..4).prop_map(Step::Push),
        3 => Just(Step::Take),
        3 => any::<prop::sample::Index>().prop_map(Step::Land),
        2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, ever)| Step::Fail(at, ever)),
        1 => (0_u8..4).prop_map(Step::Withdraw),
        3 => (0_u64..30).prop_map(Step::Pass),
        1 => Just(Step::Hasten),
    ]
}

/// What is known of a key: the newest that was accepted, unless it was withdrawn, settled or lost;
/// and the newest that was ever handed out to be written.
#[derive(Default)]
struct Known {
    newest: Option<u64>,
    handed: u64,
    on_its_way: Option<u64>,
    is_withdrawn: bool,
}

proptest! {
    #[test]
    fn it_is_bounded_loses_nothing_and_keeps_the_order_of_each_key(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut queue = queue();
        let mut keys: HashMap<u8, Known> = HashMap::new();
        let mut jobs: Vec<Job<u8, u64>> = Vec::new();
        let (mut now, mut version) = (at(0), 0);
        for step in steps {
            match step {
                Step::Push(key) => {
                    version += 1;
                    let has_room = queue.has_room_for(&key);
                    let pushed = queue.push(key, version, now);
                    prop_assert_eq!(pushed == Pushed::Full, !has_room);
                    if has_room {
                        let known = keys.entry(key).or_default();
                        known.newest = Some(version);
                    }
                }
                Step::Take => {
                    let taken = queue.take(now);
                    prop_assert!(taken.len() <= 2);
                    for job in taken {
                        let known = keys.entry(job.key).or_default();
                        prop_assert!(known.on_its_way.is_none(), "two of a key at once");
                        prop_assert!(job.value >= known.handed, "an older one after a newer one");
                        prop_assert_eq!(Some(job.value), known.newest, "it is the newest");
                        (known.handed, known.on_its_way) = (job.value, Some(job.value));
                        known.is_withdrawn = false;
                        jobs.push(job);
                    }
                }
                Step::Land(index) if !jobs.is_empty() => {
                    let job = jobs.swap_remove(index.index(jobs.len()));
                    let known = keys.entry(job.key).or_default();
                    let landed = queue.landed(&job.key, job.id);
                    prop_assert_eq!(landed.was_withdrawn, known.is_withdrawn);
                    prop_assert_eq!(landed.is_outdated, known.newest.is_some_and(|v| v > job.value));
                    known.on_its_way = None;
                    known.newest = known.newest.filter(|newest| *newest > job.value);
                }
                Step::Fail(index, permanent) if !jobs.is_empty() => {
                    let job = jobs.swap_remove(index.index(jobs.len()));
                    let known = keys.entry(job.key).or_default();
                    let is_outdated = known.newest.is_some_and(|newest| newest > job.value);
                    let expected = match (known.is_withdrawn, is_outdated, permanent) {
                        (true, _, _) => Failed::Withdrawn,
                        (_, true, _) => Failed::Superseded,
                        (_, _, true) => Failed::GivenUp,
                        // Its time is a minute, and no case is so long.
                        _ => Failed::Retried,
                    };
                    prop_assert_eq!(queue.failed(&job.key, job.id, now, permanent, 0.5), expected);
                    known.on_its_way = None;
                    if matches!(expected, Failed::GivenUp) || known.is_withdrawn && !is_outdated {
                        known.newest = None;
                    }
                }
                Step::Withdraw(key) => {
                    let known = keys.entry(key).or_default();
                    let waits = known.newest.is_some() && known.newest != known.on_its_way;
                    prop_assert_eq!(queue.withdraw(|one, _| *one == key), usize::from(waits));
                    known.newest = None;
                    known.is_withdrawn = known.on_its_way.is_some();
                }
                Step::Pass(ms) => now = now.after(Duration::from_millis(ms)),
                Step::Hasten => {
                    queue.hasten(None, now);
                    prop_assert!(queue.next_due().is_none_or(|due| due <= now));
                }
                Step::Land(_) | Step::Fail(..) => {}
            }
            prop_assert!(queue.len() <= 4);
            let on_their_way = keys.values().filter(|known| known.on_its_way.is_some()).count();
            let waiting = keys
                .values()
                .filter(|known| known.newest.is_some() && known.newest != known.on_its_way)
                .count();
            prop_assert_eq!(queue.len(), on_their_way + waiting);
            for (key, known) in &keys {
                prop_assert_eq!(queue.listed(key).copied(), known.newest);
            }
        }
        // All that is left comes out in the end.
        for job in jobs {
            queue.landed(&job.key, job.id);
        }
        let end = now.after(Duration::from_secs(3600));
        while !queue.is_empty() {
            let jobs = queue.take(end);
            prop_assert!(!jobs.is_empty());
            for job in jobs {
                queue.landed(&job.key, job.id);
            }
        }
        prop_assert!(queue.is_settled(None, u64::MAX) && queue.next_due().is_none());
    }
}
