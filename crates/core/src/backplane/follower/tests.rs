use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::backplane::Position;

const OWN: u64 = 1;

fn options() -> Backplane {
    Backplane::on("log")
}

fn follower() -> Follower {
    Follower::new(OWN, "app", &options(), at(0))
}

fn at(seconds: u64) -> Tick {
    Tick::from_ms(seconds * 1_000)
}

fn key(name: u64) -> Key {
    Key::parse(&format!("app:{name}:v1")).expect("a key")
}

fn told(origin: u64, number: u64) -> Told {
    Told {
        operation: Operation { origin, number },
        selector: Selector::Keys(vec![key(number)]),
        mode: InvalidationMode::Remove,
        cause: Cause::Invalidated,
    }
}

fn from(sender: u64, message: Message) -> Bytes {
    Event { sender, prefix: "app".to_owned(), message }.to_bytes()
}

fn page(events: &[Bytes]) -> Page {
    Page::new(events.to_vec(), Position::numbered(1, 1))
}

fn hello(sender: u64, near: &str, far: &str) -> Bytes {
    let order = vec![(near.to_owned(), far.to_owned())];
    from(sender, Message::Hello { heartbeat: Duration::from_secs(1), order })
}

fn read(follower: &mut Follower, seconds: u64, events: &[Bytes]) -> Vec<Action> {
    follower.page(at(seconds), at(seconds), &page(events), 0.0)
}

/// The keys that are to be invalidated.
fn applied(actions: &[Action]) -> Vec<Key> {
    let mut keys = Vec::new();
    for action in actions {
        if let Action::Apply(Change { selector: Selector::Keys(some), .. }) = action {
            keys.extend(some.clone());
        }
    }
    keys.sort_unstable();
    keys
}

#[test]
fn what_others_have_finished_is_applied_once() {
    let mut follower = follower();
    let event = from(2, Message::Final(told(2, 7)));
    assert_eq!(applied(&read(&mut follower, 1, std::slice::from_ref(&event))), [key(7)]);
    assert_eq!(read(&mut follower, 1, &[event]), []);
    assert_eq!(follower.counts().applied, 1);
}

#[test]
fn own_events_and_those_of_other_caches_are_passed_over() {
    let mut follower = follower();
    let foreign =
        Event { sender: 2, prefix: "other".to_owned(), message: Message::Final(told(2, 1)) };
    let own = from(OWN, Message::Final(told(OWN, 1)));
    assert_eq!(read(&mut follower, 1, &[own, foreign.to_bytes()]), []);
    assert_eq!(follower.counts().received, 2);
}

#[test]
fn like_changes_of_a_page_are_one() {
    let mut follower = follower();
    let tag = |label| Tag::new("app", label).expect("a tag");
    let by_tag = |number, label| {
        from(
            2,
            Message::Final(Told {
                selector: Selector::AnyTag(vec![tag(label)]),
                ..told(2, number)
            }),
        )
    };
    let expired = Told { mode: InvalidationMode::Expire, ..told(2, 3) };
    let all = |number| {
        let selector = Selector::Namespace("app".to_owned());
        from(2, Message::Final(Told { selector, ..told(2, number) }))
    };
    let events = [
        from(2, Message::Final(told(2, 1))),
        by_tag(5, "a"),
        from(3, Message::Final(told(3, 2))),
        from(2, Message::Final(expired)),
        by_tag(6, "b"),
        all(8),
        all(9),
    ];
    let actions = read(&mut follower, 1, &events);
    assert_eq!(actions.len(), 4, "{actions:?}");
    let keys = |keys: &[u64]| Selector::Keys(keys.iter().map(|name| key(*name)).collect());
    let has = |selector: Selector, mode| {
        let change = Change { selector, mode, cause: Cause::Invalidated };
        assert!(actions.contains(&Action::Apply(change.clone())), "no {change:?}");
    };
    has(keys(&[1, 2]), InvalidationMode::Remove);
    has(keys(&[3]), InvalidationMode::Expire);
    has(Selector::AnyTag(vec![tag("a"), tag("b")]), InvalidationMode::Remove);
    has(Selector::Namespace("app".to_owned()), InvalidationMode::Remove);
}

#[test]
fn a_gap_and_an_event_that_cannot_be_read_forget_everything_first() {
    let mut follower = follower();
    let event = from(2, Message::Final(told(2, 7)));
    let mut newer = event.to_vec();
    newer[2] = 9;
    let mut lost = page(std::slice::from_ref(&event));
    lost.gap = true;
    let actions = follower.page(at(1), at(1), &lost, 0.0);
    assert_eq!(actions[0], Action::Forget);
    assert_eq!(applied(&actions), [key(7)]);
    let actions = read(&mut follower, 1, &[Bytes::from(newer)]);
    assert_eq!(actions, [Action::Forget]);
    assert_eq!((follower.counts().gaps, follower.counts().unreadable), (2, 1));
}

#[test]
fn silence_is_acted_on_once_and_ends_with_what_was_missed() {
    let mut follower = follower();
    assert_eq!(follower.tick(at(5)), []);
    assert_eq!(follower.tick(at(6)), [Action::Distrust]);
    assert_eq!(follower.tick(at(60)), []);
    let event = from(2, Message::Final(told(2, 7)));
    let mut first = page(std::slice::from_ref(&event));
    first.more = true;
    let actions = follower.page(at(60), at(60), &first, 0.0);
    assert!(!actions.contains(&Action::Trust), "there is more to be read");
    let actions = read(&mut follower, 61, &[]);
    assert_eq!(actions, [Action::Trust]);
    let in_one = {
        assert_eq!(follower.tick(at(99)), [Action::Distrust]);
        read(&mut follower, 99, &[from(2, Message::Final(told(2, 8)))])
    };
    assert!(matches!(&in_one[..], [Action::Apply(_), Action::Trust]), "{in_one:?}");
    assert_eq!(follower.counts().silences, 2);
}

#[test]
fn a_read_that_began_long_ago_does_not_count_as_heard_now() {
    let mut follower = follower();
    let _ = follower.page(at(1), at(6), &page(&[]), 0.0);
    assert_eq!(follower.tick(at(7)), [Action::Distrust]);
}

#[test]
fn memory_that_is_to_live_on_does() {
    let options = options().silence(Silence::LiveOn);
    let mut follower = Follower::new(OWN, "app", &options, at(0));
    assert_eq!(follower.tick(at(60)), []);
    assert!(!follower.is_trusted());
    assert_eq!(read(&mut follower, 61, &[]), []);
    assert!(follower.is_trusted());
}

#[test]
fn an_intent_without_an_end_is_finished() {
    let mut follower = follower();
    assert_eq!(read(&mut follower, 1, &[from(2, Message::Intent(told(2, 7)))]), []);
    let _ = read(&mut follower, 5, &[]);
    assert_eq!(follower.tick(at(5)), []);
    assert_eq!(follower.tick(at(6)), [Action::Finish(told(2, 7))]);
    assert_eq!(follower.tick(at(7)), []);
    // Its end comes all the same.
    let _ = read(&mut follower, 7, &[from(2, Message::Intent(told(2, 7)))]);
    let _ = read(&mut follower, 11, &[]);
    assert_eq!(follower.tick(at(13)), []);
}

#[test]
fn an_intent_is_not_finished_where_its_end_was_told_by_anybody_in_any_order() {
    let finals = [from(2, Message::Final(told(2, 7))), from(3, Message::Final(told(2, 7)))];
    for end in finals {
        for turned in [false, true] {
            let mut events = vec![from(2, Message::Intent(told(2, 7))), end.clone()];
            if turned {
                events.reverse();
            }
            let mut follower = follower();
            assert_eq!(applied(&read(&mut follower, 1, &events)), [key(7)]);
            let _ = read(&mut follower, 99, &[]);
            assert_eq!(follower.tick(at(99)), []);
        }
    }
}

#[test]
fn nothing_is_finished_while_ends_may_be_unread() {
    let mut follower = follower();
    let _ = read(&mut follower, 1, &[from(2, Message::Intent(told(2, 7)))]);
    assert_eq!(follower.tick(at(60)), [Action::Distrust]);
    let actions = read(&mut follower, 61, &[from(2, Message::Final(told(2, 7)))]);
    assert!(matches!(&actions[..], [Action::Apply(_), Action::Trust]), "{actions:?}");
    assert_eq!(follower.tick(at(62)), []);
}

#[test]
fn intents_are_bounded_and_the_oldest_is_finished_for_a_new_one() {
    let mut follower = follower();
    for number in 0..INTENTS_MAX as u64 {
        let second = number.min(1);
        assert_eq!(read(&mut follower, second, &[from(2, Message::Intent(told(2, number)))]), []);
    }
    let actions = read(&mut follower, 2, &[from(2, Message::Intent(told(2, 1 << 40)))]);
    assert_eq!(actions, [Action::Finish(told(2, 0))]);
    assert_eq!(follower.intents.len(), INTENTS_MAX);
}

#[test]
fn what_is_known_of_finished_operations_is_bounded() {
    let mut follower = follower();
    for number in 0..2 * FINISHED_MAX as u64 {
        let _ = read(&mut follower, 1, &[from(2, Message::Final(told(2, number)))]);
    }
    assert_eq!(follower.finished.known.len(), FINISHED_MAX);
    assert_eq!(follower.finished.in_order.len(), FINISHED_MAX);
}

#[test]
fn others_are_greeted_once_and_their_orders_are_known_until_they_leave() {
    let mut follower = follower();
    let order = |pairs: &[(&str, &str)]| {
        let pair = |(near, far): &(&str, &str)| ((*near).to_owned(), (*far).to_owned());
        Action::Order(pairs.iter().map(pair).collect())
    };
    let actions = read(&mut follower, 1, &[hello(2, "a", "b")]);
    assert_eq!(actions, [Action::Greet, order(&[("a", "b")])]);
    assert_eq!(read(&mut follower, 1, &[hello(2, "a", "b")]), []);
    let actions = read(&mut follower, 1, &[hello(3, "a", "b"), hello(4, "b", "c")]);
    let last = actions.last().expect("an order");
    assert_eq!(*last, order(&[("a", "b"), ("b", "c")]));
    assert_eq!(follower.peers(), 3);
    let actions = read(&mut follower, 2, &[from(4, Message::Goodbye)]);
    assert_eq!(actions, [order(&[("a", "b")])]);
    let _ = read(&mut follower, 30, &[hello(3, "a", "b")]);
    assert_eq!(follower.tick(at(30)), [order(&[("a", "b")])], "one of two has gone");
    let _ = read(&mut follower, 60, &[]);
    assert_eq!(follower.tick(at(60)), [order(&[])]);
    assert_eq!(follower.peers(), 0);
}

proptest! {
    /// Whatever the order, and however often each comes: what was told is applied, and nothing is
    /// left to be finished.
    #[test]
    fn order_and_number_of_events_do_not_matter(
        numbers in prop::collection::hash_set(0_u64..50, 1..20),
        seed in any::<u64>(),
        pages in 1_usize..6,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut events: Vec<Bytes> = numbers
            .iter()
            .flat_map(|number| {
                let message = [Message::Intent(told(2, *number)), Message::Final(told(2, *number))];
                message.map(|message| from(2, message))
            })
            .collect();
        for at in 0..events.len() {
            if random.bool() {
                events.push(events[at].clone());
            }
        }
        random.shuffle(&mut events);
        let mut follower = follower();
        let mut keys = Vec::new();
        for part in events.chunks(events.len().div_ceil(pages)) {
            keys.extend(applied(&read(&mut follower, 1, part)));
        }
        let _ = read(&mut follower, 99, &[]);
        prop_assert_eq!(follower.tick(at(99)), []);
        keys.sort_unstable();
        let mut expected: Vec<Key> = numbers.into_iter().map(key).collect();
        expected.sort_unstable();
        prop_assert_eq!(keys, expected);
    }

    /// Bytes of any kind in a log are never more than a gap.
    #[test]
    fn arbitrary_events_panic_nobody(events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..9)) {
        let events: Vec<Bytes> = events.into_iter().map(Bytes::from).collect();
        let actions = read(&mut follower(), 1, &events);
        prop_assert_eq!(actions.contains(&Action::Forget), !events.is_empty());
    }
}
