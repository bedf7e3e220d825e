//! A source, two shared storages and two processes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64 as Untracked;
use std::time::Duration;

use bytes::Bytes;
use cache_core::backplane::{Backplane, InProcessLog};
use cache_core::cache::{Cache, Invalidation, StorageOptions};
use cache_core::clock::{Clock, ManualClock, Tick, Timestamp};
use cache_core::entry::Codec;
use cache_core::error::Error;
use cache_core::handle::Handle;
use cache_core::key::KeyFields;
use cache_core::node::{Node, NodeDefinition, TierDefinition};
use cache_core::policy::write_behind::WriteBehind;
use cache_core::source::{LoadError, Loaded, Source};
use cache_core::testing::TestStorage;
use cache_memory::Memory;
use futures_util::future::{BoxFuture, FutureExt, pending};
use shuttle::future::{JoinHandle, spawn, yield_now};
use shuttle::sync::atomic::{AtomicU64, Ordering};

/// One of few things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Item(pub(crate) u64);

pub(crate) const ITEM: Item = Item(1);

/// Time stands still, and every sleep ends at once: no call may be timed.
pub(crate) const UNTIMED: StorageOptions =
    StorageOptions::DEFAULT.operation_timeout(None).sweep_timeout(None);

/// The label that every entry bears.
pub(crate) const LABEL: &str = "item";

impl Node for Item {
    type Value = Bytes;

    fn definition() -> NodeDefinition {
        NodeDefinition::new("Item", "item:{id}").tag(LABEL).load_timeout(None)
    }

    fn key_fields(&self, fields: &mut KeyFields<'_>) {
        fields.push(self.0);
    }

    fn codec() -> Codec<Bytes> {
        Codec::bytes()
    }
}

/// A time that stands still; sleeps let others go on, and end: but those of an hour and more.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    clock: ManualClock,
    /// Whoever sleeps lets the time pass that he sleeps.
    passes: bool,
}

impl Stopped {
    /// At the time of a clock that a scenario moves.
    pub(crate) fn of(clock: &ManualClock) -> Self {
        Self { clock: clock.clone(), passes: false }
    }

    /// A time that passes where somebody sleeps, and at once.
    fn passing() -> Self {
        Self { clock: ManualClock::new(), passes: true }
    }
}

impl Clock for Stopped {
    fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    fn monotonic(&self) -> Tick {
        self.clock.monotonic()
    }

    fn resolution(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if duration >= ENDLESS {
            return pending().boxed();
        }
        if self.passes {
            self.clock.advance(duration);
        }
        yield_now().boxed()
    }
}

/// A sleep that never ends.
pub(crate) const ENDLESS: Duration = Duration::from_secs(3_600);

/// The source: a version that only grows, the same for all items.
#[derive(Clone)]
pub(crate) struct Versions(Arc<State>);

struct State {
    version: AtomicU64,
    /// The newest version of which it was said that nothing older is there any more.
    promised: Untracked,
    loads: Untracked,
    /// How many stores from now on are made, and told to have failed.
    answers_to_lose: Untracked,
}

impl Versions {
    pub(crate) fn now(&self) -> u64 {
        self.0.version.load(Ordering::SeqCst)
    }

    pub(crate) fn change(&self) -> u64 {
        self.0.version.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn promise(&self, version: u64) {
        self.0.promised.fetch_max(version, Ordering::SeqCst);
    }

    pub(crate) fn promised(&self) -> u64 {
        self.0.promised.load(Ordering::SeqCst)
    }

    /// The next stores are made, and nobody hears of it.
    pub(crate) fn lose_next_answers(&self, count: u64) {
        self.0.answers_to_lose.store(count, Ordering::SeqCst);
    }

    pub(crate) fn loads(&self) -> u64 {
        self.0.loads.load(Ordering::SeqCst)
    }
}

impl Source<Item> for Versions {
    async fn load(&self, _: &Item) -> Result<Loaded<Bytes>, LoadError> {
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        let version = self.now();
        // The answer takes its time.
        yield_now().await;
        Ok(Loaded::new(bytes_of(version)))
    }

    async fn store(&self, _: &Item, value: &Bytes) -> Result<(), LoadError> {
        yield_now().await;
        self.0.version.fetch_max(version_of(value), Ordering::SeqCst);
        let lose = |left: u64| left.checked_sub(1);
        match self.0.answers_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose) {
            Ok(_) => Err(LoadError::message("the answer is lost")),
            Err(_) => Ok(()),
        }
    }
}

pub(crate) fn bytes_of(version: u64) -> Bytes {
    Bytes::copy_from_slice(&version.to_be_bytes())
}

pub(crate) fn version_of(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

/// Which tiers hold the first version when a scenario begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Warm {
    Nothing,
    Far,
    All,
}

/// One process, with its own clients of the storages.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) cache: Cache,
    pub(crate) items: Handle<Item>,
    pub(crate) near: TestStorage,
    pub(crate) far: TestStorage,
    pub(crate) source: Versions,
}

/// Two processes over the same source and storages. The second has no memory: no messages go
/// between them, and its memory would be bounded by its TTL alone.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) a: Process,
    pub(crate) b: Process,
    pub(crate) source: Versions,
}

pub(crate) fn versions() -> Versions {
    Versions(Arc::new(State {
        version: AtomicU64::new(1),
        promised: Untracked::new(0),
        loads: Untracked::new(0),
        answers_to_lose: Untracked::new(0),
    }))
}

impl World {
    pub(crate) async fn new(warm: Warm) -> Self {
        let (near, far) = (TestStorage::new(), TestStorage::new());
        let source = versions();
        let b = Process::new(&near, &far, &source, Item::definition(), false, None);
        match warm {
            Warm::Nothing => {}
            Warm::All => assert_eq!(b.get().await, 1),
            Warm::Far => {
                assert_eq!(b.get().await, 1);
                near.lose_everything();
            }
        }
        let a = Process::new(&near, &far, &source, Item::definition(), true, None);
        Self { a, b, source }
    }

    /// Two processes that write later what they accept.
    pub(crate) fn queueing(options: WriteBehind) -> Self {
        let (near, far) = (TestStorage::new(), TestStorage::new());
        let source = versions();
        let definition = || Item::definition().write_behind(options);
        let a = Process::new(&near, &far, &source, definition(), true, None);
        let b = Process::new(&near, &far, &source, definition(), false, None);
        Self { a, b, source }
    }

    /// Two processes with memory each, which hear of each other by this log. The memory of the second
    /// is warm if all tiers are.
    pub(crate) async fn following(log: &InProcessLog, warm: Warm) -> Self {
        let (near, far) = (TestStorage::new(), TestStorage::new());
        let source = versions();
        let process = || Process::new(&near, &far, &source, Item::definition(), true, Some(log));
        let (a, b) = (process(), process());
        for process in [&a, &b] {
            process.cache.backplane_joined().await;
        }
        match warm {
            Warm::Nothing => {}
            Warm::All => assert_eq!(b.get().await, 1),
            Warm::Far => {
                let other = Process::new(&near, &far, &source, Item::definition(), false, None);
                assert_eq!(other.get().await, 1);
                other.cache.close().await.expect("closes");
                near.lose_everything();
            }
        }
        Self { a, b, source }
    }

    /// Nothing older than what was promised is stored or given any more.
    pub(crate) async fn settle(&self) {
        self.settle_storages();
        for process in [&self.a, &self.b] {
            process.read().await;
            all_landed(&process.cache).await;
        }
    }

    /// Nothing older than what was promised is stored any more.
    pub(crate) fn settle_storages(&self) {
        let promised = self.source.promised();
        let key = self.a.items.key(&ITEM).expect("a key");
        for (name, storage) in [("far", &self.a.far), ("near", &self.a.near)] {
            if let Some(entry) = storage.stored(&key) {
                let stored = version_of(&entry.payload);
                assert!(stored >= promised, "{name} stores {stored} after {promised} was promised");
            }
        }
    }
}

impl Process {
    fn new(
        near: &TestStorage,
        far: &TestStorage,
        source: &Versions,
        mut definition: NodeDefinition,
        with_memory: bool,
        log: Option<&InProcessLog>,
    ) -> Self {
        let (near, far) = (near.second_client(), far.second_client());
        // What failed is tried again after a while.
        let clock = match definition.write_behind {
            Some(_) => Stopped::passing(),
            None => Stopped::default(),
        };
        let mut builder = Cache::builder()
            .clock(Arc::new(clock))
            .storage_with("near", near.clone(), UNTIMED)
            .storage_with("far", far.clone(), UNTIMED);
        if let Some(log) = log {
            let backplane = Backplane::from(log.clone())
                .heartbeat(ENDLESS)
                .silent_after(2 * ENDLESS)
                .append_timeout(ENDLESS);
            builder = builder.backplane(backplane);
        }
        if with_memory {
            builder = builder.storage("memory", memory());
            definition = definition.tier(TierDefinition::new("memory"));
        }
        let definition =
            definition.tier(TierDefinition::new("near")).tier(TierDefinition::new("far"));
        let cache = builder.build().expect("a cache");
        let items = cache.bind_as(definition, source.clone()).expect("a binding");
        Self { cache, items, near, far, source: source.clone() }
    }

    pub(crate) async fn get(&self) -> u64 {
        version_of(&self.items.get(&ITEM).await.expect("a value"))
    }

    /// Gets what must be at least what had been promised when it began.
    pub(crate) async fn read(&self) {
        let promised = self.source.promised();
        let got = self.get().await;
        assert!(got >= promised, "given {got} after {promised} was promised");
    }

    /// Changes the source, then invalidates by `invalidate`, then promises.
    pub(crate) async fn change_and<F>(&self, invalidate: impl FnOnce(Self) -> F) -> Invalidation
    where
        F: Future<Output = Result<Invalidation, Error>>,
    {
        let version = self.source.change();
        let done = invalidate(self.clone()).await.expect("an open cache");
        if done.is_done() {
            self.source.promise(version);
        }
        done
    }

    /// Changes the source, and invalidates the item.
    pub(crate) async fn change(&self) {
        let done = self.change_and(|it| async move { it.items.invalidate(&ITEM).await }).await;
        assert!(done.is_done());
    }

    /// Accepts a version to be written later.
    pub(crate) async fn accept(&self, version: u64) {
        self.items.write_behind(&ITEM, bytes_of(version)).await.expect("has room");
    }

    /// Waits until what was accepted has been written, or will not be.
    pub(crate) async fn flush(&self) {
        let _ = self.items.flush().await.expect("an open cache");
    }

    /// Changes source and cache by an update.
    pub(crate) async fn update(&self) {
        let source = self.source.clone();
        let change = || async move { Ok::<_, LoadError>(bytes_of(source.change())) };
        let updated = self.items.update(&ITEM, change).await.expect("an open cache");
        self.source.promise(version_of(&updated.expect("a value")));
    }
}

/// A cache with memory alone.
pub(crate) fn only_memory(
    definition: NodeDefinition,
    source: impl Source<Item>,
) -> (Cache, Handle<Item>) {
    let builder = Cache::builder().clock(Arc::new(Stopped::default())).storage("memory", memory());
    let cache = builder.build().expect("a cache");
    let definition = definition.tier(TierDefinition::new("memory"));
    let items = cache.bind_as(definition, source).expect("a binding");
    (cache, items)
}

pub(crate) fn memory() -> Memory {
    Memory::builder().max_entries(64).build().expect("a memory")
}

/// Waits until no load is in the air. One may be for a moment after its callers were answered: from
/// memory, which it has filled, or by the error of a ring, whose end does not wait.
pub(crate) async fn all_landed(cache: &Cache) {
    while cache.loads_in_flight() > 0 {
        yield_now().await;
    }
}

/// Runs tasks at the same time and waits for all of them.
pub(crate) async fn all<const N: usize>(tasks: [BoxFuture<'static, ()>; N]) {
    let tasks: Vec<JoinHandle<()>> = tasks.into_iter().map(spawn).collect();
    for task in tasks {
        task.await.expect("a task that is not cancelled");
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}

/// A task that does something with its own clone.
pub(crate) fn task<T: Clone, F>(with: &T, act: impl FnOnce(T) -> F) -> BoxFuture<'static, ()>
where
    F: Future<Output = ()> + Send + 'static,
{
    act(with.clone()).boxed()
}
