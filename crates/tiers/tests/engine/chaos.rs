//! Around every tier much goes wrong by chance: the caller sees what the policy promises, and
//! nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tiers::cache::StorageOptions;
use tiers::clock::Clock;
use tiers::core::testing::{ChaosOdds, ChaosStorage, ManualClock, TestStorage};
use tiers::policy::breaker::BreakerOptions;
use tiers::policy::stale::StaleOptions;
use tiers::policy::write_behind::WriteBehind;
use tiers::prelude::*;

use crate::support::{User, UserNode, memory, user, within};

const USERS: u64 = 6;
const OPERATIONS: u64 = 150;
/// By the manual clock. An operation makes a dozen calls at most, each of which ends in a second.
const LONGEST: Duration = Duration::from_secs(60);

/// Of each user a version that only grows; every tenth load fails.
#[derive(Clone, Default)]
struct Grows(Arc<State>);

#[derive(Default)]
struct State {
    versions: [AtomicU64; USERS as usize],
    /// What nobody may read less than.
    promised: [AtomicU64; USERS as usize],
    loads: AtomicU64,
}

impl Grows {
    fn change(&self, id: u64) -> u64 {
        self.0.versions[id as usize].fetch_add(1, Ordering::SeqCst) + 1
    }

    fn promise(&self, id: u64, version: u64) {
        self.0.promised[id as usize].fetch_max(version, Ordering::SeqCst);
    }

    fn promised(&self, id: u64) -> u64 {
        self.0.promised[id as usize].load(Ordering::SeqCst)
    }

    fn check(&self, promised: u64, id: u64, answer: &Result<Arc<User>, Error>) {
        match answer {
            Ok(found) => {
                assert_eq!(found.id, id, "an entry of another key");
                let newest = self.0.versions[id as usize].load(Ordering::SeqCst);
                let version = found.version;
                assert!(
                    (promised..=newest).contains(&version),
                    "given {version} of {id} after {promised} was promised, of {newest}"
                );
            }
            // Typed, and of the source alone: a tier that fails is a miss.
            Err(Error::Load { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

impl Source<UserNode> for Grows {
    async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
        if self.0.loads.fetch_add(1, Ordering::SeqCst) % 10 == 9 {
            return Err(LoadError::message("the source has its day"));
        }
        let version = self.0.versions[node.id as usize].load(Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(Loaded::new(User { id: node.id, version }))
    }
}

/// One process over storages of its own, through chaos.
#[derive(Clone)]
struct Process {
    cache: Cache,
    users: Handle<UserNode>,
    tiers: [ChaosStorage; 2],
    source: Grows,
    clock: ManualClock,
}

impl Process {
    fn new(storages: [&TestStorage; 2], source: &Grows, clock: &ManualClock, seed: u64) -> Self {
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let odds = ChaosOdds::all(0.06, Duration::from_millis(300));
        let around = |at: usize| {
            let client = storages[at].second_client();
            ChaosStorage::new(client, odds, seed + at as u64, Arc::clone(&shared))
        };
        let tiers = [around(0), around(1)];
        let second = Some(Duration::from_secs(1));
        let options = StorageOptions::new()
            .operation_timeout(second)
            .sweep_timeout(second)
            .breaker(Some(BreakerOptions::new(3, Duration::from_secs(2))));
        let cache = Cache::builder()
            .clock(shared)
            .storage("memory", memory())
            .storage_with("near", tiers[0].clone(), options)
            .storage_with("far", tiers[1].clone(), options)
            .build()
            .expect("a valid cache");
        let ttl = Duration::from_secs(20);
        let chain = ["memory", "near", "far"].map(|name| TierDefinition::new(name).ttl(ttl));
        let definition = UserNode::definition()
            .tiers(chain)
            .stale(StaleOptions::new().if_error(Duration::from_secs(20)))
            .write_behind(WriteBehind::to_storages().queued_max(4));
        let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
        Self { cache, users, tiers, source: source.clone(), clock: clock.clone() }
    }

    async fn step(&self, random: &mut fastrand::Rng) {
        let id = random.u64(0..USERS);
        let node = user(id);
        match random.u8(0..100) {
            0..50 => {
                let promised = self.source.promised(id);
                self.source.check(promised, id, &self.users.get(&node).await);
            }
            50..65 => {
                let promised: Vec<u64> = (0..USERS).map(|id| self.source.promised(id)).collect();
                let nodes: Vec<UserNode> = (0..USERS).map(user).collect();
                let answers = self.users.get_many(&nodes).await;
                for ((id, promised), answer) in (0..).zip(promised).zip(&answers) {
                    self.source.check(promised, id, answer);
                }
            }
            65..85 => {
                let version = self.source.change(id);
                let told = if random.bool() {
                    self.users.invalidate(&node).await
                } else {
                    self.cache.invalidate_tag(&format!("user:{id}")).await
                };
                // Reached or not: this process reads nothing older.
                let _ = told.expect("the cache is open");
                self.source.promise(id, version);
            }
            85..93 => {
                let source = self.source.clone();
                let change = move || async move {
                    let version = source.change(id);
                    Ok::<_, LoadError>(User { id, version })
                };
                match self.users.update(&node, change).await {
                    Ok(updated) => {
                        let version = updated.expect("a value").version;
                        self.source.promise(id, version);
                    }
                    Err(Error::Storage { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            93..97 => {
                let promised = self.source.promised(id);
                self.source.check(promised, id, &self.users.refresh(&node).await);
            }
            _ => {
                let versions: Vec<u64> = (0..USERS).map(|id| self.source.change(id)).collect();
                let _ = self.cache.clear().await.expect("the cache is open");
                for (id, version) in (0..).zip(versions) {
                    self.source.promise(id, version);
                }
            }
        }
    }

    /// Many steps, each of which ends in its time.
    async fn steps(self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..OPERATIONS {
            let begun = self.clock.monotonic();
            self.step(&mut random).await;
            let took = self.clock.monotonic().since(begun);
            assert!(took < LONGEST, "a step took {took:?}");
        }
    }
}

/// Lets time pass, a little for every few steps of the others.
async fn tick(clock: ManualClock, over: Arc<AtomicBool>) {
    while !over.load(Ordering::SeqCst) {
        clock.advance(Duration::from_millis(100));
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_caller_sees_only_what_is_promised() {
    for seed in 0..2 {
        let clock = ManualClock::new();
        let storage = || TestStorage::builder().clock(clock.clone()).build();
        let (near, far) = (storage(), storage());
        let source = Grows::default();
        let process = Process::new([&near, &far], &source, &clock, 100 * seed);
        let over = Arc::new(AtomicBool::new(false));
        let ticking = tokio::spawn(tick(clock.clone(), Arc::clone(&over)));
        let tasks: Vec<_> =
            (0..3).map(|task| tokio::spawn(process.clone().steps(1_000 * seed + task))).collect();
        for task in tasks {
            within(task).await.expect("no panic");
        }
        let faults: u64 = process.tiers.iter().map(ChaosStorage::faults).sum();
        assert!(faults > 100, "{faults} faults");
        let storages = process.cache.stats().await.storages;
        assert!(storages.iter().all(|report| report.health.timeouts > 0), "{storages:?}");

        // When the storm is over all that waits lands, and the storages are good again.
        process.tiers.iter().for_each(ChaosStorage::calm);
        within(async {
            let waits = async || {
                let storages = process.cache.stats().await.storages;
                storages.iter().any(|report| report.pending_invalidations > 0)
            };
            while waits().await {
                tokio::task::yield_now().await;
            }
        })
        .await;
        for id in 0..USERS {
            let key = process.users.key(&user(id)).expect("a valid key");
            let promised = source.promised(id);
            for storage in [&near, &far] {
                let Some(entry) = storage.stored(&key) else { continue };
                let stored: User = UserNode::codec().decode(&entry.payload).expect("is whole");
                assert!(stored.version >= promised, "{} of {id}, {promised}", stored.version);
            }
        }
        over.store(true, Ordering::SeqCst);
        within(ticking).await.expect("no panic");
    }
}

/// Two processes share the storages: what is promised by the one, once it has landed, holds for the
/// other.
#[tokio::test]
async fn what_has_landed_holds_for_other_processes() {
    for seed in 0..2 {
        let clock = ManualClock::new();
        let storage = || TestStorage::builder().clock(clock.clone()).build();
        let (near, far) = (storage(), storage());
        let source = Grows::default();
        let one = Process::new([&near, &far], &source, &clock, 10 + 100 * seed);
        let other = Process::new([&near, &far], &source, &clock, 20 + 100 * seed);
        let over = Arc::new(AtomicBool::new(false));
        let ticking = tokio::spawn(tick(clock.clone(), Arc::clone(&over)));
        let is_enough = Arc::new(AtomicBool::new(false));
        let reads = tokio::spawn({
            let (other, over) = (other.clone(), Arc::clone(&is_enough));
            async move {
                let mut random = fastrand::Rng::with_seed(seed);
                while !over.load(Ordering::SeqCst) {
                    // Without its memory, which hears of nothing yet.
                    let id = random.u64(0..USERS);
                    let _ = other.users.refresh(&user(id)).await;
                    let _ = other.users.get_many(&[user(id), user((id + 1) % USERS)]).await;
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..40 {
            let id = random.u64(0..USERS);
            let version = source.change(id);
            let told = within(one.users.invalidate(&user(id))).await.expect("is open");
            if told.is_done() {
                source.promise(id, version);
            }
            let key = one.users.key(&user(id)).expect("a valid key");
            let promised = source.promised(id);
            for storage in [&near, &far] {
                let Some(entry) = storage.stored(&key) else { continue };
                let stored: User = UserNode::codec().decode(&entry.payload).expect("is whole");
                assert!(stored.version >= promised, "{} of {id}, {promised}", stored.version);
            }
        }
        // Time passes until the last read has ended.
        is_enough.store(true, Ordering::SeqCst);
        within(reads).await.expect("no panic");
        over.store(true, Ordering::SeqCst);
        within(ticking).await.expect("no panic");
    }
}

/// Of each user one writer, so that the newest is the last one that was accepted: this process reads
/// nothing older, whatever becomes of the writes.
#[tokio::test]
async fn what_is_queued_is_read_until_it_lands_or_is_told_to_be_lost() {
    for seed in 0..2 {
        let clock = ManualClock::new();
        let storage = || TestStorage::builder().clock(clock.clone()).build();
        let (near, far) = (storage(), storage());
        let source = Grows::default();
        let process = Process::new([&near, &far], &source, &clock, 1_000 + 100 * seed);
        let over = Arc::new(AtomicBool::new(false));
        let ticking = tokio::spawn(tick(clock.clone(), Arc::clone(&over)));
        let write = |ids: std::ops::Range<u64>, seed: u64| {
            let process = process.clone();
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..OPERATIONS {
                    process.write(random.u64(ids.clone()), &mut random).await;
                }
            })
        };
        let writers = [write(0..3, 7 + seed), write(3..USERS, 70 + seed)];
        let reader = tokio::spawn({
            let process = process.clone();
            async move {
                for id in (0..USERS).cycle().take(500) {
                    let promised = process.source.promised(id);
                    process.source.check(promised, id, &process.users.get(&user(id)).await);
                }
            }
        });
        for task in writers.into_iter().chain([reader]) {
            within(task).await.expect("no panic");
        }
        process.tiers.iter().for_each(ChaosStorage::calm);
        let _ = within(process.users.flush()).await.expect("is open");
        let stats = process.users.stats().write_behind;
        let settled = stats.coalesced + stats.written + stats.refused + stats.withdrawn;
        assert_eq!((stats.accepted, stats.queued), (settled + stats.given_up, 0), "{stats:?}");
        assert!(stats.written > 0 && stats.retried > 0 && stats.withdrawn > 0, "{stats:?}");
        over.store(true, Ordering::SeqCst);
        within(ticking).await.expect("no panic");
    }
}

impl Process {
    /// Changes the source, and then the cache.
    async fn write(&self, id: u64, random: &mut fastrand::Rng) {
        let version = self.source.change(id);
        if random.u8(..5) == 0 {
            let _ = self.users.invalidate(&user(id)).await.expect("the cache is open");
            self.source.promise(id, version);
            return;
        }
        match self.users.write_behind(&user(id), User { id, version }).await {
            Ok(()) => self.source.promise(id, version),
            Err(Error::Storage { .. } | Error::QueueFull { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}
