//! Processes that load one node at a time, over a storage for tests and a clock that is moved by
//! hand.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::atomics::{AtomicName, Operation, Owner};
use crate::cache::Cache;
use crate::clock::{Clock, ManualClock};
use crate::error::ConfigError;
use crate::handle::Handle;
use crate::key::Key;
use crate::node::{Abandoned, Across, DynamicNode, NodeDefinition, TierDefinition};
use crate::source::{LoadError, source_fn};
use crate::storage::{Storage, StorageErrorKind};
use crate::testing::{Gate, Operation as Call, TestStorage};

const TTL: Duration = Duration::from_millis(300);

/// A source that all processes ask, whose loads take as long as they are told.
#[derive(Clone)]
struct Loads {
    clock: ManualClock,
    took: Duration,
    count: Arc<AtomicU64>,
    gate: Option<Gate>,
}

impl Loads {
    fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    async fn load(self, node: DynamicNode) -> Result<Bytes, LoadError> {
        self.count.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        self.clock.sleep(self.took).await;
        Ok(Bytes::from(node.key().to_owned()))
    }
}

struct Process {
    storage: TestStorage,
    cache: Cache,
    pages: Handle<DynamicNode>,
}

struct World {
    clock: ManualClock,
    store: TestStorage,
    loads: Loads,
}

fn definition() -> NodeDefinition {
    NodeDefinition::new("page", "page:{*path}")
        .tier(TierDefinition::new("shared"))
        .across(Across::new("shared").ttl(TTL))
        .load_timeout(None)
}

fn page() -> DynamicNode {
    DynamicNode::new("page:a")
}

impl World {
    fn new(took: Duration) -> Self {
        let clock = ManualClock::new();
        let store = TestStorage::builder().clock(clock.clone()).build();
        let loads = Loads { clock: clock.clone(), took, count: Arc::default(), gate: None };
        Self { clock, store, loads }
    }

    fn process(&self) -> Process {
        self.process_as(definition())
    }

    fn process_as(&self, definition: NodeDefinition) -> Process {
        let storage = self.store.second_client();
        let cache = Cache::builder()
            .clock(Arc::new(self.clock.clone()))
            .storage("shared", storage.clone())
            .build()
            .unwrap();
        let loads = self.loads.clone();
        let source = source_fn(move |node| loads.clone().load(node));
        let pages = cache.bind_as(definition, source).unwrap();
        Process { storage, cache, pages }
    }

    /// Moves the clock in small steps until `future` is done.
    async fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        for _ in 0..200_000 {
            if let Some(done) = futures_util::FutureExt::now_or_never(&mut future) {
                return done;
            }
            self.clock.advance(Duration::from_millis(1));
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
        panic!("not done after a long time");
    }

    async fn pass(&self, duration: Duration) {
        self.drive(self.clock.sleep(duration)).await;
    }

    /// Lets tasks run until `holds`, without moving the clock.
    async fn until(&self, holds: impl Fn() -> bool) {
        for _ in 0..100_000 {
            if holds() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("it never came to hold");
    }

    /// A lease of another process, which dies with it.
    async fn dead_holder(&self, process: &Process, ttl: Duration) -> Owner {
        let (name, owner) = (lease(process), Owner::random());
        let operation = Operation::Acquire { owner, ttl, retention: Duration::ZERO };
        self.store.atomics().unwrap().apply(&name, &operation).await.unwrap();
        owner
    }
}

fn lease(process: &Process) -> AtomicName {
    let key: Key = process.pages.key(&page()).unwrap();
    AtomicName::of_load(&key).unwrap()
}

async fn get(process: &Process) -> Bytes {
    let bytes = process.pages.get(&page()).await.unwrap();
    Bytes::clone(&bytes)
}

#[tokio::test]
async fn one_load_for_many_callers_in_many_processes() {
    let world = World::new(Duration::from_millis(100));
    let processes: Vec<Process> = (0..4).map(|_| world.process()).collect();
    let mut callers = JoinSet::new();
    for process in &processes {
        for _ in 0..25 {
            let pages = process.pages.clone();
            callers.spawn(async move { pages.get(&page()).await });
        }
    }
    for answer in world.drive(callers.join_all()).await {
        assert_eq!(&answer.unwrap()[..], b"page:a");
    }
    assert_eq!(world.loads.count(), 1);
    let stats: Vec<_> = processes.iter().map(|process| process.pages.stats().across).collect();
    assert_eq!(stats.iter().map(|stats| stats.leases).sum::<u64>(), 1, "{stats:?}");
    assert_eq!(stats.iter().map(|stats| stats.waited).sum::<u64>(), 3, "{stats:?}");
    assert_eq!(stats.iter().map(|stats| stats.spared).sum::<u64>(), 3, "{stats:?}");
    world.until(|| world.store.atomics_stored() == 0).await;
}

#[tokio::test]
async fn who_comes_after_a_load_that_it_did_not_see_finds_its_value() {
    let world = World::new(Duration::from_millis(1));
    let (first, second) = (world.process(), world.process());
    // The second reads the tiers before the first fills them, and asks for the lease after.
    let gate = second.storage.hold(Call::Atomic);
    let pages = second.pages.clone();
    let late = tokio::spawn(async move { pages.get(&page()).await });
    gate.arrived(1).await;
    world.drive(get(&first)).await;
    world.until(|| world.store.atomics_stored() == 0).await;
    gate.open();
    world.drive(late).await.unwrap().unwrap();
    assert_eq!(world.loads.count(), 1);
    assert_eq!(second.pages.stats().across.spared, 1);
}

#[tokio::test]
async fn the_next_takes_over_from_a_holder_that_died_at_its_end() {
    let world = World::new(Duration::from_millis(1));
    let process = world.process();
    world.dead_holder(&process, Duration::from_secs(2)).await;
    let began = world.clock.monotonic();
    world.drive(get(&process)).await;
    let took = world.clock.monotonic().since(began);
    assert!(took >= Duration::from_secs(2), "it loaded beside the holder, after {took:?}");
    assert!(took < Duration::from_millis(2400), "it came late, after {took:?}");
    assert_eq!(world.loads.count(), 1);
    let stats = process.pages.stats().across;
    assert_eq!((stats.waited, stats.leases, stats.timed_out), (1, 1, 0));
}

#[tokio::test]
async fn a_load_longer_than_its_lease_is_not_repeated() {
    let world = World::new(TTL * 10);
    let (first, second) = (world.process(), world.process());
    let both = async { futures_util::join!(get(&first), get(&second)) };
    world.drive(both).await;
    assert_eq!(world.loads.count(), 1);
    assert_eq!(first.pages.stats().across.lost, 0);
}

#[tokio::test]
async fn while_the_storage_of_leases_is_down_each_process_loads_by_itself() {
    let world = World::new(Duration::from_millis(50));
    let (first, second) = (world.process(), world.process());
    for process in [&first, &second] {
        process.storage.fail_next(Call::Atomic, 1_000_000, StorageErrorKind::Unavailable);
    }
    let both = async { futures_util::join!(get(&first), get(&second)) };
    world.drive(both).await;
    assert_eq!(world.loads.count(), 2);
    let stats = first.pages.stats().across;
    assert_eq!((stats.failed, stats.leases), (1, 0));
    first.storage.heal();
    second.storage.heal();
    assert!(first.pages.invalidate(&page()).await.unwrap().is_done());
    let both = async { futures_util::join!(get(&first), get(&second)) };
    world.drive(both).await;
    assert_eq!(world.loads.count(), 3, "it is back");
}

#[tokio::test]
async fn a_storage_that_hangs_costs_a_lease_its_time_and_no_more() {
    let world = World::new(Duration::from_millis(50));
    let process = world.process();
    let _held = process.storage.hold(Call::Atomic);
    let begun = world.clock.monotonic();
    world.drive(get(&process)).await;
    // The ten seconds of an operation, and as long again for what may have been taken.
    let took = world.clock.monotonic().since(begun);
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert_eq!((process.pages.stats().across.failed, world.loads.count()), (1, 1));
    assert!(process.cache.stats().await.storages[0].health.timeouts > 0);
}

#[tokio::test]
async fn a_storage_that_is_left_alone_is_not_asked_for_leases() {
    let world = World::new(Duration::from_millis(50));
    let process = world.process();
    process.storage.fail_next(Call::Get, 5, StorageErrorKind::Unavailable);
    // The breaker opens at the fifth failure in a row.
    let asked = |calls: u64| {
        let process = &process;
        async move {
            for _ in 0..calls {
                process.pages.peek(&page()).await.unwrap();
            }
        }
    };
    asked(5).await;
    let before = process.storage.calls().atomic;
    world.drive(get(&process)).await;
    assert_eq!(process.storage.calls().atomic, before);
    assert_eq!(process.pages.stats().across.failed, 1);
    // What fails of it counts like every other call.
    world.pass(Duration::from_secs(5)).await;
    process.storage.fail_next(Call::Atomic, 1, StorageErrorKind::Unavailable);
    let failures = process.cache.stats().await.storages[0].health.failures;
    assert!(process.pages.invalidate(&page()).await.unwrap().is_done());
    world.drive(get(&process)).await;
    assert!(process.cache.stats().await.storages[0].health.failures > failures);
}

#[tokio::test]
async fn a_load_whose_lease_is_lost_goes_on_and_another_may_begin() {
    let world = World::new(TTL * 4);
    let (first, second) = (world.process(), world.process());
    let pages = first.pages.clone();
    let slow = tokio::spawn(async move { pages.get(&page()).await });
    world.until(|| world.loads.count() == 1).await;
    first.storage.fail_next(Call::Atomic, 1_000_000, StorageErrorKind::Unavailable);
    world.drive(get(&second)).await;
    world.drive(slow).await.unwrap().unwrap();
    assert_eq!(world.loads.count(), 2);
    assert_eq!(first.pages.stats().across.lost, 1);
    assert_eq!(second.pages.stats().across.lost, 0);
}

#[tokio::test]
async fn a_load_that_is_cancelled_leaves_its_lease_free() {
    let mut world = World::new(Duration::from_millis(1));
    let gate = Gate::new();
    world.loads.gate = Some(gate.clone());
    let first = world.process_as(definition().abandoned(Abandoned::Cancel));
    let second = world.process();
    let pages = first.pages.clone();
    let caller = tokio::spawn(async move { pages.get(&page()).await });
    gate.arrived(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    world.until(|| world.store.atomics_stored() == 0).await;
    gate.open();
    world.drive(get(&second)).await;
    assert_eq!(second.pages.stats().across.waited, 0);
}

#[tokio::test]
async fn a_failed_load_leaves_its_lease_to_who_waits() {
    let world = World::new(Duration::from_millis(50));
    let (failing, second) = (world.process(), world.process());
    let clock = world.clock.clone();
    let failed = async {
        failing
            .pages
            .get_with(&page(), move || async move {
                clock.sleep(Duration::from_millis(50)).await;
                Err::<Bytes, _>(LoadError::message("no"))
            })
            .await
    };
    let both = async {
        futures_util::join!(failed, async {
            world.until(|| world.store.atomics_stored() == 1).await;
            get(&second).await
        })
    };
    let (failed, _) = world.drive(both).await;
    assert!(failed.is_err());
    assert_eq!((world.loads.count(), second.pages.stats().across.waited), (1, 1));
}

#[tokio::test]
async fn nobody_waits_longer_than_it_is_told_to() {
    let world = World::new(Duration::from_millis(1));
    let wait_max = Duration::from_secs(3);
    let across = Across::new("shared").ttl(TTL).wait_max(wait_max);
    let process = world.process_as(definition().across(across));
    world.dead_holder(&process, Duration::from_secs(3600)).await;
    let began = world.clock.monotonic();
    world.drive(get(&process)).await;
    let took = world.clock.monotonic().since(began);
    assert!(took >= wait_max && took < wait_max + Duration::from_millis(100), "{took:?}");
    assert_eq!(process.pages.stats().across.timed_out, 1);
}

#[tokio::test]
async fn who_waits_can_be_woken() {
    let world = World::new(Duration::from_millis(1));
    let process = world.process();
    let owner = world.dead_holder(&process, Duration::from_secs(3600)).await;
    let pages = process.pages.clone();
    let waiting = tokio::spawn(async move { pages.get(&page()).await });
    world.until(|| process.pages.stats().across.waited == 1).await;
    world.pass(Duration::from_secs(2)).await;
    let release = Operation::Release { owner, retention: Duration::ZERO };
    world.store.atomics().unwrap().apply(&lease(&process), &release).await.unwrap();
    assert_eq!(world.loads.count(), 0);
    // The clock stands still from here.
    let before = world.clock.sleepers();
    assert!(before >= 1);
    process.cache.wake_waiting();
    world.until(|| world.loads.count() == 1).await;
    world.drive(waiting).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refresh_by_name_asks_the_source_whoever_loads() {
    let world = World::new(Duration::from_millis(1));
    let process = world.process();
    world.dead_holder(&process, Duration::from_secs(3600)).await;
    world.drive(process.pages.refresh(&page())).await.unwrap();
    assert_eq!((world.loads.count(), process.pages.stats().across.waited), (1, 0));
}

#[tokio::test]
async fn what_others_load_keeps_back_no_other_node_of_the_call() {
    let world = World::new(Duration::from_millis(1));
    let process = world.process();
    let owner = world.dead_holder(&process, Duration::from_secs(3600)).await;
    let nodes = ["page:b", "page:a", "page:c"].map(DynamicNode::new);
    let pages = process.pages.clone();
    let all = tokio::spawn({
        let nodes = nodes.clone();
        async move { pages.get_many(&nodes).await }
    });
    let stored = |node: &DynamicNode| {
        let key = process.pages.key(node).unwrap();
        world.store.stored(&key).is_some()
    };
    world
        .drive(async {
            while !(stored(&nodes[0]) && stored(&nodes[2])) {
                tokio::task::yield_now().await;
                world.clock.sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    assert!(!all.is_finished() && !stored(&nodes[1]));
    let release = Operation::Release { owner, retention: Duration::ZERO };
    world.store.atomics().unwrap().apply(&lease(&process), &release).await.unwrap();
    for (node, answer) in nodes.iter().zip(world.drive(all).await.unwrap()) {
        assert_eq!(&answer.unwrap()[..], node.key().as_bytes());
    }
    assert_eq!(world.loads.count(), 3);
}

#[tokio::test]
async fn what_cannot_be_is_told_when_it_is_bound() {
    let world = World::new(Duration::ZERO);
    let process = world.process();
    let bind = |definition: NodeDefinition| {
        let mut definition = definition;
        (definition.name, definition.key) = ("other".to_owned(), "other:{id}".to_owned());
        let source = source_fn(|_: DynamicNode| async { Ok::<_, LoadError>(Bytes::new()) });
        process.cache.bind_as::<DynamicNode>(definition, source).unwrap_err()
    };
    let unknown = bind(definition().across(Across::new("nowhere")));
    assert!(matches!(unknown, ConfigError::UnknownStorage { .. }), "{unknown}");
    let short = bind(definition().across(Across::new("shared").ttl(Duration::from_millis(10))));
    assert!(short.to_string().contains("across.ttl"), "{short}");
    let short = bind(definition().across(Across::new("shared").wait_max(Duration::ZERO)));
    assert!(short.to_string().contains("across.wait_max"), "{short}");
    let bare = TestStorage::builder().atomics(false).build();
    let cache = Cache::builder().storage("shared", bare).build().unwrap();
    let source = source_fn(|_: DynamicNode| async { Ok::<_, LoadError>(Bytes::new()) });
    let unable = cache.bind_as::<DynamicNode>(definition(), source).unwrap_err();
    assert!(matches!(unable, ConfigError::NoAtomics { .. }), "{unable}");
}
