//! Every operation beside a plain model: what each kind of name means in a few words.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// A step of a test: who takes it, what it does, how much time passes before.
#[derive(Clone, Debug)]
enum Step {
    Add { delta: i64, ttl: Option<u64>, renew: bool },
    Count,
    Swap { expects_current: bool, removes: bool, ttl: Option<u64> },
    Acquire { who: usize, ttl: u64 },
    Extend { who: usize, ttl: u64 },
    Release { who: usize },
    Remove,
}

const RETENTION: Duration = Duration::from_secs(3600);

fn ttl() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (1_u64..200).prop_map(Some)]
}

fn counter_step() -> impl Strategy<Value = Step> {
    let delta = prop_oneof![-5_i64..5, Just(i64::MAX), Just(i64::MIN)];
    prop_oneof![
        4 => (delta, ttl(), any::<bool>())
            .prop_map(|(delta, ttl, renew)| Step::Add { delta, ttl, renew }),
        2 => Just(Step::Count),
        1 => Just(Step::Remove),
    ]
}

fn register_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (any::<bool>(), any::<bool>(), ttl()).prop_map(|(expects_current, removes, ttl)| {
            Step::Swap { expects_current, removes, ttl }
        }),
        1 => Just(Step::Remove),
    ]
}

fn lock_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_usize..3, 1_u64..200).prop_map(|(who, ttl)| Step::Acquire { who, ttl }),
        2 => (0_usize..3, 1_u64..200).prop_map(|(who, ttl)| Step::Extend { who, ttl }),
        2 => (0_usize..3).prop_map(|who| Step::Release { who }),
    ]
}

fn ms(ttl: u64) -> Duration {
    Duration::from_millis(ttl)
}

/// Carries a step out on a slot that is kept.
fn run(kept: &mut Option<Slot>, operation: &Operation, now_ms: u64) -> Answer {
    let (change, answer) = operation.apply(kept.as_ref(), now_ms * 1000);
    match change {
        Change::Keep => {}
        Change::Put(slot) => *kept = Some(slot),
        Change::Remove => *kept = None,
    }
    answer
}

proptest! {
    #[test]
    fn a_counter_is_a_number_with_an_end(
        steps in prop::collection::vec((counter_step(), 0_u64..120), 1..60),
    ) {
        let (mut kept, mut now) = (None, 1_000_000_u64);
        let mut model: Option<(i64, Option<u64>)> = None;
        for (step, pause) in steps {
            now += pause;
            model = model.filter(|(_, end)| end.is_none_or(|end| end > now));
            match step {
                Step::Add { delta, ttl, renew } => {
                    let operation = Operation::Add { delta, ttl: ttl.map(ms), renew };
                    let answer = run(&mut kept, &operation, now);
                    match model.map_or(0, |(count, _)| count).checked_add(delta) {
                        None => prop_assert_eq!(answer, Answer::Overflow),
                        Some(sum) => {
                            let new_end = ttl.map(|ttl| now + ttl);
                            let end = match model {
                                Some((_, end)) if !renew => end,
                                _ => new_end,
                            };
                            model = Some((sum, end));
                            prop_assert_eq!(answer, Answer::Count(Some(sum)));
                        }
                    }
                }
                Step::Remove => {
                    let answer = run(&mut kept, &Operation::Remove, now);
                    prop_assert_eq!(answer, Answer::Removed(model.take().is_some()));
                }
                _ => {
                    let answer = run(&mut kept, &Operation::Count, now);
                    prop_assert_eq!(answer, Answer::Count(model.map(|(count, _)| count)));
                }
            }
        }
    }

    #[test]
    fn a_register_is_swapped_by_whoever_knows_its_version(
        steps in prop::collection::vec((register_step(), 0_u64..120), 1..60),
    ) {
        let (mut kept, mut now) = (None, 1_000_000_u64);
        let mut model: Option<(Bytes, Version, Option<u64>)> = None;
        for (number, (step, pause)) in steps.into_iter().enumerate() {
            now += pause;
            model = model.filter(|(_, _, end)| end.is_none_or(|end| end > now));
            let found = model.clone().map(|(value, version, _)| Versioned { value, version });
            match step {
                Step::Swap { expects_current, removes, ttl } => {
                    let current = model.as_ref().map(|(_, version, _)| *version);
                    let other = Some(Version::random());
                    let expected = if expects_current { current } else { other };
                    let version = Version::random();
                    let value = Bytes::from(vec![number as u8]);
                    let put = (!removes).then(|| value.clone());
                    let swap =
                        Operation::Swap { expected, version, value: put, ttl: ttl.map(ms) };
                    let answer = run(&mut kept, &swap, now);
                    if !expects_current {
                        prop_assert_eq!(answer, Answer::Conflict(found));
                        continue;
                    }
                    prop_assert_eq!(answer, Answer::Swapped);
                    let end = ttl.map(|ttl| now + ttl);
                    model = (!removes).then_some((value, version, end));
                    if !removes {
                        // Its answer was lost, and it comes again.
                        prop_assert_eq!(run(&mut kept, &swap, now), Answer::Swapped);
                    }
                }
                _ => {
                    let answer = run(&mut kept, &Operation::Remove, now);
                    prop_assert_eq!(answer, Answer::Removed(model.take().is_some()));
                }
            }
            let found = model.clone().map(|(value, version, _)| Versioned { value, version });
            prop_assert_eq!(run(&mut kept, &Operation::Read, now), Answer::Register(found));
        }
    }

    #[test]
    fn a_lock_has_one_holder_until_its_end_and_its_token_grows(
        steps in prop::collection::vec((lock_step(), 0_u64..120), 1..80),
    ) {
        let owners: [Owner; 3] = std::array::from_fn(|_| Owner::random());
        let (mut kept, mut now) = (None, 1_000_000_u64);
        let mut held: Option<(usize, u64, u64)> = None;
        let mut last_token = 0;
        for (step, pause) in steps {
            now += pause;
            held = held.filter(|(_, end, _)| *end > now);
            match step {
                Step::Acquire { who, ttl } => {
                    let owner = owners[who];
                    let acquire = Operation::Acquire { owner, ttl: ms(ttl), retention: RETENTION };
                    let answer = run(&mut kept, &acquire, now);
                    match held {
                        Some((holder, end, _)) if holder != who => {
                            prop_assert_eq!(answer, Answer::Held { remaining: ms(end - now) });
                        }
                        Some((_, _, token)) => {
                            prop_assert_eq!(answer, Answer::Acquired { token });
                            held = Some((who, now + ttl, token));
                        }
                        None => {
                            let Answer::Acquired { token } = answer else {
                                return Err(TestCaseError::fail(format!("{answer:?}")));
                            };
                            prop_assert!(token > last_token, "{token} after {last_token}");
                            last_token = token;
                            held = Some((who, now + ttl, token));
                        }
                    }
                }
                Step::Extend { who, ttl } => {
                    let owner = owners[who];
                    let extend = Operation::Extend { owner, ttl: ms(ttl), retention: RETENTION };
                    let holds = held.is_some_and(|(holder, ..)| holder == who);
                    prop_assert_eq!(run(&mut kept, &extend, now), Answer::Extended(holds));
                    if let Some((holder, _, token)) = held.filter(|_| holds) {
                        held = Some((holder, now + ttl, token));
                    }
                }
                Step::Release { who } => {
                    let release = Operation::Release { owner: owners[who], retention: RETENTION };
                    let holds = held.is_some_and(|(holder, ..)| holder == who);
                    prop_assert_eq!(run(&mut kept, &release, now), Answer::Released(holds));
                    held = held.filter(|_| !holds);
                }
                _ => {}
            }
        }
    }
}
