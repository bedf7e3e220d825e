use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::clock::{Clock, ManualClock, Tick};
use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::{Retry, TwseErrorKind};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The most that went in any span of a length, ends included.
fn most(gone: &[Tick], per: Duration) -> usize {
    let within =
        |start: &Tick| gone.iter().filter(|at| **at >= *start && **at <= start.after(per)).count();
    gone.iter().map(within).max().unwrap_or_default()
}

proptest! {
    #[test]
    fn no_span_ever_has_more_and_none_waits_in_vain(
        calls_max in 1usize..5,
        per in 1u64..6_000,
        steps in prop::collection::vec(0u64..2_000, 1..200),
    ) {
        let mut window = SlidingWindow::new(calls_max, ms(per));
        let (mut now, mut gone) = (10_000, Vec::new());
        for step in steps {
            now += step;
            let at = Tick::from_ms(now);
            let recent = gone.iter().filter(|gone: &&Tick| gone.after(ms(per)) >= at).count();
            match window.take(at) {
                Turn::Go => {
                    prop_assert!(recent < calls_max);
                    gone.push(at);
                }
                Turn::Wait(pause) => {
                    prop_assert!(recent >= calls_max);
                    // As told, and not before.
                    prop_assert_eq!(window.clone().take(at.after(pause)), Turn::Go);
                    prop_assert!(window.clone().take(at.after(pause - ms(1))) != Turn::Go);
                }
            }
        }
        prop_assert!(most(&gone, ms(per)) <= calls_max);
    }
}

/// Lets all tasks run as far as they get, then moves the clock on.
async fn drive(clock: &ManualClock, step: Duration) {
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
    clock.advance(step);
}

#[tokio::test]
async fn a_hundred_callers_at_once_go_three_in_five_seconds_and_in_their_order() {
    let clock = ManualClock::new();
    let limiter = Limiter::new(Arc::new(clock.clone())).with_wait_max(ms(1_000_000));
    let gone = Arc::new(Mutex::new(Vec::new()));
    let calls = (0..100).map(|number| {
        let (limiter, clock, gone) = (limiter.clone(), clock.clone(), Arc::clone(&gone));
        tokio::spawn(async move {
            limiter.acquire().await.unwrap();
            gone.lock().push((number, clock.monotonic()));
        })
    });
    let calls: Vec<_> = calls.collect();
    while calls.iter().any(|call| !call.is_finished()) {
        drive(&clock, ms(130)).await;
    }
    let gone = gone.lock().clone();
    let ticks: Vec<Tick> = gone.iter().map(|(_, at)| *at).collect();
    assert_eq!(most(&ticks, Duration::from_secs(5)), 3);
    assert!(gone.is_sorted_by_key(|(number, _)| *number));
    // Nor is time lost: 34 threes, at the pace of the clock's steps.
    let all = ticks[99].since(ticks[0]);
    assert!(all >= ms(33 * 5_200) && all <= ms(33 * (5_200 + 2 * 130)), "{all:?}");
}

#[tokio::test]
async fn who_goes_away_takes_nothing_with_him() {
    let clock = ManualClock::new();
    let limiter = Limiter::new(Arc::new(clock.clone()));
    for _ in 0..3 {
        limiter.acquire().await.unwrap();
    }
    let spawn = |limiter: Limiter| tokio::spawn(async move { limiter.acquire().await });
    let (gone, next) = (spawn(limiter.clone()), spawn(limiter));
    drive(&clock, Duration::ZERO).await;
    gone.abort();
    drive(&clock, ms(5_201)).await;
    next.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_ban_is_told_at_once_with_what_is_left_of_it() {
    let clock = ManualClock::new();
    let limiter = Limiter::new(Arc::new(clock.clone())).with_wait_max(ms(10_000));
    limiter.hold(TwseErrorKind::Banned, ms(3_600_000));
    clock.advance(ms(600_000));
    let error = limiter.acquire().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (TwseErrorKind::Banned, Retry::After(ms(3_000_000))));
    // A shorter one does not end it.
    limiter.hold(TwseErrorKind::RateLimited, ms(1));
    clock.advance(ms(2_999_999));
    let call = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire().await }
    });
    drive(&clock, ms(1)).await;
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_line_that_is_too_long_is_an_error_to_its_end() {
    let clock = ManualClock::new();
    let limiter = Limiter::new(Arc::new(clock.clone())).with_wait_max(ms(5_000));
    for _ in 0..3 {
        limiter.acquire().await.unwrap();
    }
    let error = limiter.acquire().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (TwseErrorKind::RateLimited, Retry::After(ms(5_201)))
    );
}

/// Allows so many, then names a pause, then is out of reach.
#[derive(Debug)]
struct Scripted {
    allowed: AtomicUsize,
    asked: AtomicUsize,
}

#[async_trait]
impl Allowance for Scripted {
    async fn take(&self) -> Result<Option<Duration>, Box<dyn Error + Send + Sync>> {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            asked if asked < self.allowed.load(Ordering::Relaxed) => Ok(None),
            asked if asked == self.allowed.load(Ordering::Relaxed) => Ok(Some(ms(700))),
            _ => Err("out of reach".into()),
        }
    }
}

#[tokio::test]
async fn what_the_host_shares_is_asked_first_and_its_failure_stops_nobody() {
    let clock = ManualClock::new();
    let host = Arc::new(Scripted { allowed: AtomicUsize::new(1), asked: AtomicUsize::new(0) });
    let limiter = Limiter::new(Arc::new(clock.clone())).with_allowance(host.clone());
    limiter.acquire().await.unwrap();
    let second = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire().await }
    });
    drive(&clock, ms(699)).await;
    drive(&clock, ms(1)).await;
    assert!(!second.is_finished(), "it waits for the pause");
    second.await.unwrap().unwrap();
    assert_eq!(host.asked.load(Ordering::Relaxed), 3);
}

/// As a storage's own limiter keeps it: any five seconds have three at most.
#[test]
fn the_hosts_rate_lets_three_go_in_five_seconds() {
    let (mut arrival, mut gone) = (None, Vec::new());
    for at in (0..60_000u64).step_by(10) {
        let (next, decision) = HOST_RATE.decide(arrival, at * 1000, 1);
        if decision.allowed {
            arrival = next;
            gone.push(Tick::from_ms(at));
        }
    }
    assert_eq!(most(&gone, ms(5_000)), 3);
    assert_eq!(gone.len(), 24);
}
