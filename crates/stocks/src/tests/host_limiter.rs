//! Processes of one host, which share a file, and with it what the markets allow their address.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cache_twse::TwseErrorKind;
use cache_twse::limiter::{HOST_RATE, Limiter};
use parking_lot::Mutex;
use tiers::clock::{Clock, ManualClock, Tick};
use tiers::prelude::*;
use tiers::sqlite::SqliteOptions;
use tokio::task::JoinHandle;

/// Each with a cache and a connection of its own. The file's clock and that of the limiters move
/// together; they are two so that it can be seen who waits for the latter.
struct Host {
    folder: tempfile::TempDir,
    file_clock: ManualClock,
    clock: ManualClock,
    gone: Arc<Mutex<Vec<Tick>>>,
    /// Who calls in each process.
    callers: Vec<Vec<JoinHandle<()>>>,
    caches: Vec<Cache>,
}

impl Host {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            file_clock: ManualClock::new(),
            clock: ManualClock::new(),
            gone: Arc::default(),
            callers: Vec::new(),
            caches: Vec::new(),
        }
    }

    /// A process in which so many call at once, held back for a while before it begins.
    async fn process(&mut self, callers: usize, held: Duration) {
        let path: &Path = self.folder.path();
        let options = SqliteOptions::new(path.join("shared.db"));
        let storage = options.clock(Arc::new(self.file_clock.clone())).open().await.unwrap();
        let cache = Cache::builder().storage("shared", storage).build().unwrap();
        let shared = cache.rate_limiter("shared", "twse", HOST_RATE).unwrap();
        let limiter = Limiter::new(Arc::new(self.clock.clone()))
            .with_wait_max(Duration::from_secs(3_600))
            .with_allowance(Arc::new(shared));
        limiter.hold(TwseErrorKind::RateLimited, held);
        let callers = (0..callers).map(|_| {
            let (limiter, clock) = (limiter.clone(), self.clock.clone());
            let gone = Arc::clone(&self.gone);
            tokio::spawn(async move {
                limiter.acquire().await.unwrap();
                gone.lock().push(clock.monotonic());
            })
        });
        self.callers.push(callers.collect());
        self.caches.push(cache);
    }

    /// Lets time pass until all have gone: only while the first of each process' line sleeps, so
    /// that nothing depends on how fast a machine is.
    async fn run(&mut self) -> Vec<Tick> {
        loop {
            let waiting = async {
                loop {
                    let is_over =
                        |callers: &Vec<JoinHandle<()>>| callers.iter().all(JoinHandle::is_finished);
                    let lines = self.callers.iter().filter(|callers| !is_over(callers)).count();
                    if self.clock.sleepers() == lines {
                        return lines;
                    }
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            };
            let lines = tokio::time::timeout(Duration::from_secs(60), waiting).await;
            if lines.expect("all wait for the clock") == 0 {
                break;
            }
            let step = Duration::from_millis(250);
            self.file_clock.advance(step);
            self.clock.advance(step);
        }
        for caller in std::mem::take(&mut self.callers).into_iter().flatten() {
            caller.await.unwrap();
        }
        for cache in &self.caches {
            cache.close().await.unwrap();
        }
        self.gone.lock().clone()
    }
}

/// The most that went in any five seconds, ends included.
fn most(gone: &[Tick]) -> usize {
    let five = Duration::from_secs(5);
    let within =
        |start: &Tick| gone.iter().filter(|at| **at >= *start && **at <= start.after(five)).count();
    gone.iter().map(within).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_of_two_processes_go_three_in_five_seconds() {
    let mut host = Host::new();
    for _ in 0..2 {
        host.process(50, Duration::ZERO).await;
    }
    let gone = host.run().await;
    assert_eq!(gone.len(), 100);
    assert_eq!(most(&gone), 3);
    // Nor is time lost: one each two and a half seconds.
    let all = gone[99].since(gone[0]);
    assert!(all <= Duration::from_millis(99 * 2_750), "{all:?}");
}

/// While nothing may go, nobody takes what the host shares: it would all be spent at once after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_pause_the_processes_of_a_host_do_not_go_all_at_once() {
    let mut host = Host::new();
    for _ in 0..6 {
        host.process(2, Duration::from_secs(60)).await;
    }
    let gone = host.run().await;
    assert_eq!((gone.len(), most(&gone)), (12, 3));
    let first = gone.iter().min().unwrap();
    assert!(first.since(Tick::from_ms(1_000_000)) >= Duration::from_secs(60));
}
