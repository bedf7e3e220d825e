//! Feeds with everything that happens to them, beside what a venue has.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::admit::Rules;
use crate::chunk::Chunk;
use crate::coverage::{Coverage, State};
use crate::row::Candle;
use crate::time::{Alignment, Grid, Slots, Time, Timeframe};

const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);

fn at(slot: i64) -> Time {
    MINUTES.start_of(slot)
}

/// The row of a slot, at first, then growing until it is whole.
fn row(slot: i64, share: u8) -> Candle {
    Candle::flat(slot as f64 + 1.0, f64::from(share))
}

const WHOLE: u8 = 100;

fn feed() -> Feed<Candle> {
    Feed::new(MINUTES, Rules::DEFAULT)
}

/// Bug 5 of the model: a row that was still growing was stored.
#[test]
fn bug_5_only_closed_rows_are_stored() {
    let mut feed = feed();
    let open = feed.receive(at(5), row(5, 10), false).unwrap();
    assert_eq!(feed.open(), Some((5, &row(5, 10))));
    assert_eq!(open.apply(&Chunk::empty(0)), None);
    let closed = feed.receive(at(5), row(5, WHOLE), true).unwrap();
    let chunk = closed.apply(&Chunk::empty(0)).unwrap();
    assert_eq!((chunk.get(5), feed.open()), (Some(row(5, WHOLE)), None));
    let check_at = at(6).after(Duration::from_secs(60));
    assert_eq!(chunk.state(5), Some(State::Settling { check_at }));
}

/// Bug 11 of the model: rows that were missed while the connection was lost stayed missing, and a
/// row that had stopped growing unheard counted as whole.
#[test]
fn bug_11_a_lost_connection_leaves_a_hole_that_is_asked_for() {
    let (mut feed, mut chunk) = (feed(), Chunk::empty(0));
    let mut store = |update: Update<Candle>| {
        if let Some(next) = update.apply(&chunk) {
            chunk = next;
        }
        chunk.clone()
    };
    store(feed.receive(at(5), row(5, WHOLE), true).unwrap());
    feed.receive(at(6), row(6, 50), false).unwrap();
    feed.disconnected();
    assert_eq!(feed.open(), None);
    store(feed.receive(at(9), row(9, 10), false).unwrap());
    let chunk = store(feed.receive(at(9), row(9, WHOLE), true).unwrap());
    let missing = chunk.coverage().missing(Slots::new(5, 10), at(6));
    assert_eq!(missing, [Slots::new(6, 9)]);
}

#[test]
fn what_tells_nothing_changes_nothing() {
    let mut feed = feed();
    feed.receive(at(5), row(5, 10), false).unwrap();
    let off = at(5).after(Duration::from_millis(1));
    assert_eq!(feed.receive(off, row(5, 20), false), Err(LiveError::Unaligned { time: off }));
    assert_eq!(feed.receive(at(4), row(4, 20), false), Err(LiveError::Late { time: at(4) }));
    let bad = Candle { low: 99.0, ..row(5, 20) };
    assert!(matches!(feed.receive(at(5), bad, true), Err(LiveError::Impossible { .. })));
    assert_eq!((feed.open(), feed.closed()), (Some((5, &row(5, 10))), None));
    // The closing of an earlier slot that comes late is taken, and leaves the open one.
    let late = feed.receive(at(4), row(4, WHOLE), true);
    assert!(matches!(late, Ok(Update::Closed { slot: 4, .. })));
    assert_eq!(feed.open(), Some((5, &row(5, 10))));
    assert_eq!(feed.receive(at(4), row(4, 1), false), Err(LiveError::Late { time: at(4) }));
}

#[derive(Clone, Debug)]
enum Event {
    /// The venue's slot grows, or closes and the next begins; heard or lost.
    Grow {
        share: u8,
        heard: bool,
    },
    Close {
        heard: bool,
    },
    /// The last message comes once more.
    Again,
    Disconnect,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0u8..WHOLE, any::<bool>()).prop_map(|(share, heard)| Event::Grow { share, heard }),
        3 => (0u8..4).prop_map(|lost| Event::Close { heard: lost > 0 }),
        1 => Just(Event::Again),
        1 => Just(Event::Disconnect),
    ]
}

proptest! {
    /// A subscriber gets every closed row once, whole and in order, whatever was lost or repeated.
    #[test]
    fn a_subscriber_misses_nothing_and_gets_nothing_twice(
        history in 0i64..5,
        events in proptest::collection::vec(event(), 0..80),
    ) {
        let mut feed = feed();
        let mut cursor = Cursor::after(history);
        let (mut venue, mut last) = (history, None);
        let mut stored = Chunk::empty(0);
        let mut seen: Vec<(i64, Candle)> = Vec::new();
        for event in events {
            let message = match event {
                Event::Grow { share, heard } => heard.then(|| (venue, row(venue, share), false)),
                Event::Close { heard } => {
                    venue += 1;
                    heard.then(|| (venue - 1, row(venue - 1, WHOLE), true))
                }
                Event::Again => last,
                Event::Disconnect => {
                    feed.disconnected();
                    None
                }
            };
            let Some((slot, row_now, closed)) = message else { continue };
            last = message;
            let Ok(update) = feed.receive(at(slot), row_now, closed) else { continue };
            stored = update.apply(&stored).unwrap_or(stored);
            let mut delivery = cursor.offer(&update);
            if let Delivery::ReadFirst(slots) = delivery {
                // What a read through the cache brings: the venue's closed rows.
                seen.extend(slots.iter().map(|slot| (slot, row(slot, WHOLE))));
                cursor.read_up_to(slots.end);
                prop_assert_eq!(cursor.next(), slot);
                delivery = cursor.offer(&update);
            }
            match (delivery, &update) {
                (Delivery::Deliver, Update::Closed { slot, row, .. }) => seen.push((*slot, *row)),
                (Delivery::Deliver, Update::Open { slot, .. }) => {
                    prop_assert!(*slot <= venue && *slot >= cursor.next());
                }
                (delivery, _) => prop_assert_eq!(delivery, Delivery::Repeat),
            }
        }
        let slots: Vec<i64> = seen.iter().map(|(slot, _)| *slot).collect();
        prop_assert_eq!(slots, (history..cursor.next()).collect::<Vec<_>>());
        prop_assert!(seen.iter().all(|(slot, candle)| *candle == row(*slot, WHOLE)));
        prop_assert!(stored.iter().all(|(slot, candle)| candle == row(slot, WHOLE)));
        prop_assert!(stored.coverage().iter().all(|(slots, _)| slots.end <= venue));
    }
}

#[test]
fn what_closed_does_not_replace_what_is_final() {
    let fetched = Coverage::from_iter([(Slots::one(5), State::Fetched)]);
    let known = Chunk::build(0, [(5, row(5, WHOLE))], fetched).unwrap();
    let late = feed().receive(at(5), row(5, 7), true).unwrap();
    assert_eq!(late.apply(&known), Some(known));
}
