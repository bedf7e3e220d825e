//! The cache beside a plain map of every slot, over requests, failures, live updates and restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_series::admit::Rules;
use cache_series::cache::{SeriesError, Subscription};
use cache_series::coverage::{Backoff, Kind, State};
use cache_series::request::{Completeness, Request, Window};
use cache_series::row::Candle;
use cache_series::store::Scope;
use cache_series::time::{Slots, Time};
use cache_series::venue::{Limits, VenueErrorKind};
use proptest::prelude::*;

use crate::venue::{TestVenue, candle};
use crate::world::{MINUTES, NOW, World, at, plain_options, range, rows};

const PAGE: i64 = 100;
/// Where all of it happens.
const BEGIN: i64 = NOW - 1_500;
const RULES: Rules = Rules::DEFAULT;

#[derive(Clone, Copy, Debug)]
enum Step {
    Range {
        start: i64,
        length: i64,
        best: bool,
    },
    Last(u64),
    Since {
        start: i64,
        count: u64,
    },
    Until {
        end: i64,
        count: u64,
    },
    Fail(usize),
    Wait(u64),
    /// The feed tells that the slot that was over last has closed, with a row of its own or the
    /// venue's.
    Close {
        own: bool,
    },
    /// The venue revises a row, or takes it back.
    Revise {
        back: i64,
        gone: bool,
    },
    Restart,
    Forget,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let slot = -1_500i64..60;
    prop_oneof![
        6 => (slot.clone(), 1i64..700, any::<bool>())
            .prop_map(|(start, length, best)| Step::Range { start, length, best }),
        2 => (1u64..300).prop_map(Step::Last),
        1 => (slot.clone(), 1u64..200).prop_map(|(start, count)| Step::Since { start, count }),
        1 => (slot, 1u64..200).prop_map(|(end, count)| Step::Until { end, count }),
        2 => (1usize..4).prop_map(Step::Fail),
        4 => prop_oneof![1u64..4, 5u64..200, 3_000u64..100_000].prop_map(Step::Wait),
        2 => any::<bool>().prop_map(|own| Step::Close { own }),
        1 => (1i64..200, any::<bool>()).prop_map(|(back, gone)| Step::Revise { back, gone }),
        1 => Just(Step::Restart),
        1 => Just(Step::Forget),
        1 => Just(Step::Clear),
    ]
}

/// What is known of a slot, and its row.
type Slot = (State, Option<Candle>);

/// Every slot in a plain map: as it is stored, and what memory knows besides.
#[derive(Default)]
struct Plain {
    stored: BTreeMap<i64, Slot>,
    failed: BTreeMap<i64, State>,
    /// How often in a row a page has failed.
    failures: BTreeMap<i64, u8>,
}

impl Plain {
    fn state(&self, slot: i64) -> Option<State> {
        let stored = self.stored.get(&slot).map(|(state, _)| *state);
        self.failed.get(&slot).copied().or(stored)
    }

    fn is_missing(&self, slot: i64, now: Time) -> bool {
        self.state(slot).is_none_or(|state| state.is_due(now))
    }

    /// What a call for a page has to ask for.
    fn wanted(&self, page: i64, now: Time) -> Slots {
        let end = RULES.closed_end(MINUTES, now).min((page + 1) * PAGE);
        let missing = (page * PAGE..end).filter(|slot| self.is_missing(*slot, now));
        missing.fold(Slots::default(), |hull, slot| hull.hull(Slots::one(slot)))
    }

    fn answered(&mut self, asked: Slots, venue: &BTreeMap<i64, Candle>, now: Time) {
        self.failures.remove(&asked.start.div_euclid(PAGE));
        let settled = MINUTES.closed_end(now.before(RULES.settle));
        let last = asked.iter().rfind(|slot| venue.contains_key(slot));
        let first_nothing = last.map_or(asked.start, |last| last + 1);
        for slot in asked {
            let known = self.stored.get(&slot).copied();
            let before = known.map(|known| known.0);
            let row = venue.get(&slot).copied();
            let new: Slot = if slot >= first_nothing {
                match before {
                    Some(before @ (State::Fetched | State::Closed)) => {
                        (before, known.and_then(|known| known.1))
                    }
                    before => {
                        let state = RULES.empty.after_empty(before, now);
                        let kept = known.and_then(|known| known.1).filter(|_| state.has_rows());
                        (state, kept)
                    }
                }
            } else if slot < settled {
                (State::Fetched, row)
            } else {
                let check_at = MINUTES.end_of(slot).after(RULES.settle);
                (State::Settling { check_at }, row)
            };
            self.merge(slot, new);
        }
    }

    /// A slot gets what tells more; of two that tell as much the newer, and a row rather than none.
    fn merge(&mut self, slot: i64, (state, row): Slot) {
        let merged = match self.stored.get(&slot) {
            None => (state, row),
            Some((known, had)) => {
                let settling = |state: &State| matches!(state, State::Settling { .. });
                let as_much = known.compare(state).is_eq() || (settling(known) && settling(&state));
                if row.is_some() && had.is_none() && known.has_rows() {
                    (state, row)
                } else if as_much {
                    (known.merge(state), row.or(*had))
                } else if known.compare(state).is_lt() {
                    (state, row)
                } else {
                    (*known, *had)
                }
            }
        };
        self.stored.insert(slot, merged);
        // What memory alone knows stays only where it tells more.
        if self.failed.get(&slot).is_some_and(|state| !state.compare(merged.0).is_gt()) {
            self.failed.remove(&slot);
        }
    }

    /// Memory alone is forgotten.
    fn forget(&mut self) {
        self.failed.clear();
        self.failures.clear();
    }

    fn failed(&mut self, asked: Slots, now: Time) {
        let failures = self.failures.entry(asked.start.div_euclid(PAGE)).or_default();
        *failures += 1;
        let failures = *failures;
        for slot in asked {
            let state = Backoff::FAILED.after_failure(self.state(slot), now, failures);
            if self.state(slot) != Some(state) {
                self.failed.insert(slot, state);
            }
        }
    }

    fn row(&self, slot: i64) -> Option<Candle> {
        self.stored.get(&slot).and_then(|(_, row)| *row)
    }

    fn kind(&self, slot: i64) -> Kind {
        match self.state(slot) {
            None => Kind::Unknown,
            Some(state) => state.kind(self.row(slot).is_some()),
        }
    }
}

struct Run {
    world: World,
    plain: Plain,
    live: Option<Subscription<Candle>>,
    failures: usize,
}

impl Run {
    fn now(&self) -> Time {
        self.world.series().now()
    }

    /// Takes in what the venue was asked for since, each of it justified; tells whether any failed.
    fn take_calls(&mut self) -> Result<bool, TestCaseError> {
        let mut has_failed = false;
        let now = self.now();
        let venue = self.world.venue.look(|said| said.rows.clone());
        for asked in self.world.venue.calls() {
            let page = asked.start.div_euclid(PAGE);
            prop_assert_eq!(asked, self.plain.wanted(page, now), "not more and not less");
            if self.failures > 0 {
                self.failures -= 1;
                has_failed = true;
                self.plain.failed(asked, now);
            } else {
                self.plain.answered(asked, &venue, now);
            }
        }
        Ok(has_failed)
    }

    async fn read(&mut self, request: Request) -> Result<(), TestCaseError> {
        let result = self.world.series().read(request).await;
        // What was sent is let come, although nobody waits for it.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let has_failed = self.take_calls()?;
        let now = self.now();
        match result {
            // A request that gave up answers without what was sent by then and came later.
            Ok(_) if has_failed && request.completeness == Completeness::Strict => {}
            Ok(reading) => {
                let slots = reading.slots();
                let expected: Vec<(i64, Candle)> =
                    slots.iter().filter_map(|slot| Some((slot, self.plain.row(slot)?))).collect();
                prop_assert_eq!(rows(&reading), expected);
                let missing = slots
                    .iter()
                    .filter(|slot| matches!(self.plain.kind(*slot), Kind::Unknown | Kind::Failed));
                let missing = missing.count() as u64;
                prop_assert_eq!(reading.report().missing_slots(), missing);
                if request.completeness == Completeness::Strict {
                    prop_assert_eq!(missing, 0);
                    // Nothing of it is due any more, but where the venue has just failed.
                    let due = slots.iter().find(|slot| self.plain.is_missing(*slot, now));
                    prop_assert_eq!(due, None);
                }
            }
            Err(SeriesError::Incomplete { report, .. }) => {
                let kind =
                    |slot: &i64| matches!(self.plain.kind(*slot), Kind::Unknown | Kind::Failed);
                let missing = report.slots.iter().filter(kind).count() as u64;
                prop_assert!(report.missing_slots() >= missing.max(1));
            }
            // Rows were counted further back than the request allows.
            Err(SeriesError::Request { .. }) => {
                let counts = !matches!(request.window, Window::Range { .. });
                prop_assert!(counts);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Range { start, length, best } => {
                let request = range(Slots::new(NOW + start, NOW + start + length));
                let best_effort = request.with_completeness(Completeness::BestEffort);
                self.read(if best { best_effort } else { request }).await?;
            }
            Step::Last(count) => self.read(Request::last(count).with_slots_max(3_000)).await?,
            Step::Since { start, count } => {
                self.read(Request::since(at(NOW + start), Some(count))).await?;
            }
            Step::Until { end, count } => {
                self.read(Request::until(at(NOW + end), Some(count)).with_slots_max(3_000)).await?;
            }
            Step::Fail(count) => {
                self.failures += count;
                self.world.venue.fail_next(count, VenueErrorKind::Unavailable);
            }
            Step::Wait(seconds) => self.world.clock.advance(Duration::from_secs(seconds)),
            Step::Close { own } => self.close(own).await?,
            Step::Revise { back, gone } => {
                let slot = MINUTES.closed_end(self.now()) - back;
                self.world.venue.change(|said| {
                    said.rows.remove(&slot);
                    if !gone {
                        said.rows.insert(slot, Candle::flat(slot as f64, 7.0));
                    }
                });
            }
            Step::Restart => {
                self.live = None;
                self.world.restart();
                self.plain.forget();
            }
            Step::Forget => {
                self.world.cache.forget(&Scope::all());
                self.plain.forget();
            }
            Step::Clear => {
                self.world.cache.clear(&Scope::all()).await.unwrap();
                self.plain = Plain::default();
            }
        }
        Ok(())
    }

    async fn close(&mut self, own: bool) -> Result<(), TestCaseError> {
        if self.live.is_none() {
            // A history of one slot that is not read before it is known.
            let request = range(Slots::new(BEGIN, BEGIN));
            self.live = Some(self.world.series().subscribe(request).await.unwrap());
            self.take_calls()?;
            self.world.venue.connected().await;
        }
        let slot = MINUTES.closed_end(self.now()) - 1;
        let theirs = self.world.venue.look(|said| said.rows.get(&slot).copied());
        let row = theirs.filter(|_| !own).unwrap_or_else(|| Candle::flat(slot as f64, 9.0));
        let before = self.world.series().stats();
        self.world.venue.tell(at(slot), row, true);
        let (heard, stored) = (before.feed_messages, before.chunks_stored);
        loop {
            let now = self.world.series().stats();
            if now.feed_messages > heard && now.chunks_stored > stored {
                break;
            }
            tokio::task::yield_now().await;
        }
        let check_at = MINUTES.end_of(slot).after(RULES.settle);
        self.plain.merge(slot, (State::Settling { check_at }, Some(row)));
        Ok(())
    }

    /// Every slot is in both what it is.
    async fn compare(&self) -> Result<(), TestCaseError> {
        let now = self.now();
        let from = BEGIN - 2 * PAGE;
        let known = self.world.series().known(at(from), at(NOW + 3_000)).await.unwrap();
        // What is over, and beyond it what the feed has told to be closed.
        let mut to = RULES.closed_end(MINUTES, now);
        let is_told =
            |slot: &i64| self.plain.stored.get(slot).is_some_and(|(state, _)| state.has_rows());
        to += (to..MINUTES.closed_end(now)).take_while(is_told).count() as i64;
        to = to.min(NOW + 3_000);
        let found: Vec<(i64, Kind)> =
            known.iter().flat_map(|span| span.slots.iter().map(|slot| (slot, span.kind))).collect();
        let expected: Vec<(i64, Kind)> =
            (from..to).map(|slot| (slot, self.plain.kind(slot))).collect();
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(found.len(), expected.len());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_slot_is_what_a_plain_map_says(
        sparse in 1i64..9,
        quiet in proptest::option::of((-1_500i64..3_000, 50i64..400)),
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let quiet = quiet.map_or_else(Slots::default, |(start, length)| Slots::new(NOW + start, NOW + start + length));
        let has = |slot: &i64| slot % sparse == 0 && !quiet.contains(*slot);
        let venue = TestVenue::new([]);
        venue.change(|said| {
            // One after the other, so that it is known which of them failed.
            said.limits = Limits::calls(1);
            said.rows = (BEGIN..NOW + 3_000).filter(has).map(|slot| (slot, candle(slot))).collect();
        });
        // Each failure is one of its page, and of no other.
        let options = plain_options().with_outage_after(u32::MAX);
        let world = World::with(venue, options);
        let mut run = Run { world, plain: Plain::default(), live: None, failures: 0 };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for step in steps {
                run.step(step).await?;
                run.compare().await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
