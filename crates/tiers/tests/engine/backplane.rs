//! Two processes that hear of each other: what one invalidates leaves the other's memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tiers::backplane::{
    BackplaneStats, Cause, Event, EventLog, InProcessLog, Message, Operation, Page, Position,
    Silence, Told,
};
use tiers::core::testing::TestStorage;
use tiers::node::PeerChange;
use tiers::prelude::*;
use tiers::storage::{InvalidationMode, Reach, Selector, StorageError};

use crate::support::{UserNode, Versions, World, memory, user, within};

/// Storages that both processes share, the log between them, and the source.
struct Shared {
    world: World,
    near: TestStorage,
    far: TestStorage,
    log: InProcessLog,
    source: Versions,
}

struct Process {
    cache: Cache,
    users: Handle<UserNode>,
}

impl Shared {
    fn new() -> Self {
        let world = World::new();
        let storage =
            || TestStorage::builder().clock(world.clock.clone()).reach(Reach::Shared).build();
        let log = InProcessLog::new().with_clock(Arc::new(world.clock.clone()));
        Self { near: storage(), far: storage(), log, source: Versions::new(), world }
    }

    fn builder(&self) -> tiers::cache::CacheBuilder {
        Cache::builder()
            .clock(Arc::new(self.world.clock.clone()))
            .storage("memory", memory())
            .storage("near", self.near.second_client())
            .storage("far", self.far.second_client())
    }

    async fn process(&self, backplane: impl Into<Backplane>) -> Process {
        self.started(self.builder().backplane(backplane)).await
    }

    async fn started(&self, builder: tiers::cache::CacheBuilder) -> Process {
        let cache = builder.build().expect("a valid cache");
        within(cache.backplane_joined()).await;
        let users = cache.bind_as::<UserNode>(on(&["memory", "near", "far"]), self.source.clone());
        Process { users: users.expect("binds"), cache }
    }

    async fn two(&self) -> (Process, Process) {
        (self.process(self.log.clone()).await, self.process(self.log.clone()).await)
    }

    /// Lets time pass until it holds.
    async fn pass_until(&self, mut holds: impl AsyncFnMut() -> bool) {
        within(async {
            while !holds().await {
                self.world.pass(Duration::from_millis(50));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

/// An hour on each of these tiers.
fn on(tiers: &[&str]) -> NodeDefinition {
    let tier = |name: &&str| TierDefinition::new(*name).ttl(Duration::from_secs(3_600));
    UserNode::definition().tiers(tiers.iter().map(tier).collect::<Vec<_>>())
}

async fn stats(cache: &Cache) -> BackplaneStats {
    cache.stats().await.backplane.expect("a backplane")
}

impl Process {
    async fn version(&self, id: u64) -> u64 {
        within(self.users.get(&user(id))).await.expect("a value").version
    }

    /// Whether memory has it.
    async fn remembers(&self, id: u64) -> bool {
        let entry = within(self.users.entry(&user(id))).await.expect("an open cache");
        entry.is_some_and(|entry| entry.storage == "memory")
    }

    /// Waits until all that stands in the log has been applied.
    async fn followed(&self, log: &dyn EventLog) {
        within(async {
            // More may come meanwhile, and be applied together with what is waited for.
            while stats(&self.cache).await.position != Some(log.end().await.expect("an end")) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_one_invalidates_leaves_the_memory_of_the_other() {
    let shared = Shared::new();
    let (a, b) = shared.two().await;
    for (step, name) in
        ["key", "keys", "tag", "all tags", "pattern", "node pattern", "node", "all", "expiry"]
            .into_iter()
            .enumerate()
    {
        let version = step as u64 + 1;
        for id in [1, 2] {
            assert_eq!((a.version(id).await, b.version(id).await), (version, version), "{name}");
        }
        assert_eq!(shared.source.change(), version + 1);
        let both = [user(1), user(2)];
        let done = match name {
            "key" => a.users.invalidate(&user(1)).await.and(a.users.invalidate(&user(2)).await),
            "keys" => a.users.invalidate_many(&both).await,
            "tag" => a.cache.invalidate_tag("users").await,
            "all tags" => {
                let one = a.cache.invalidate_all_tags(["users", "user:1"]).await;
                one.and(a.cache.invalidate_all_tags(["users", "user:2"]).await)
            }
            "pattern" => a.cache.invalidate_pattern("user:?").await,
            "node pattern" => a.users.invalidate_pattern("user:*").await,
            "node" => a.users.clear().await,
            "all" => a.cache.clear().await,
            _ => a.users.expire(&user(1)).await.and(a.users.expire(&user(2)).await),
        };
        let done = done.expect("an open cache");
        assert!(done.is_done() && done.unannounced.is_none(), "{name}: {done:?}");
        b.followed(&shared.log).await;
        for id in [1, 2] {
            assert_eq!(b.version(id).await, version + 1, "{id} after an invalidation by {name}");
        }
    }
}

#[tokio::test]
async fn trap_08_a_change_leaves_the_memory_of_the_other_and_stays_in_ones_own() {
    let shared = Shared::new();
    let (a, b) = shared.two().await;
    assert_eq!(b.version(1).await, 1);
    let value = |version| crate::support::User { id: 1, version };
    a.users.set(&user(1), value(7)).await.expect("stored");
    a.followed(&shared.log).await;
    b.followed(&shared.log).await;
    assert!(a.remembers(1).await, "its own message is none of its business");
    assert_eq!(b.version(1).await, 7);
    let change = move || async move { Ok::<_, LoadError>(value(8)) };
    a.users.update(&user(1), change).await.expect("stored");
    b.followed(&shared.log).await;
    assert_eq!(b.version(1).await, 8);
}

#[tokio::test]
async fn a_change_is_read_again_where_it_is_asked_for_and_memory_held_the_value() {
    let shared = Shared::new();
    let a = shared.process(shared.log.clone()).await;
    let cache = shared.builder().backplane(shared.log.clone()).build().expect("a valid cache");
    within(cache.backplane_joined()).await;
    let definition = on(&["memory", "near", "far"]).on_peer_change(PeerChange::ReRead);
    let users = cache.bind_as::<UserNode>(definition, shared.source.clone()).expect("binds");
    let b = Process { users, cache };
    assert_eq!(b.version(1).await, 1);
    let value = |id, version| crate::support::User { id, version };
    for id in [1, 2] {
        a.users.set(&user(id), value(id, 7)).await.expect("stored");
    }
    b.followed(&shared.log).await;
    within(async {
        while !b.remembers(1).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(b.version(1).await, 7);
    assert!(!b.remembers(2).await, "nobody here wanted it");
    // What was invalidated, and not changed, is left to whoever wants it.
    let _ = a.users.invalidate(&user(1)).await.expect("an open cache");
    b.followed(&shared.log).await;
    assert_eq!(b.users.stats().prefetches_begun, 1);
}

#[tokio::test]
async fn what_the_other_does_not_hold_and_what_is_of_another_cache_stays() {
    let shared = Shared::new();
    let (a, b) = shared.two().await;
    let other =
        shared.started(shared.builder().prefix("other").backplane(shared.log.clone())).await;
    assert_eq!((b.version(2).await, other.version(1).await, other.version(2).await), (1, 1, 1));
    let _ = a.users.invalidate(&user(1)).await.expect("an open cache");
    let _ = a.cache.invalidate_tag("user:1").await.expect("an open cache");
    let _ = other.users.clear().await.expect("an open cache");
    b.followed(&shared.log).await;
    assert!(b.remembers(2).await);
    assert_eq!(stats(&b.cache).await.applied, 2);
}

/// The message raises the fence: what was being loaded when it came is not stored.
#[tokio::test]
async fn trap_12_a_load_that_began_before_the_message_is_not_kept() {
    let shared = Shared::new();
    let (a, b) = shared.two().await;
    shared.source.hold();
    let loading = tokio::spawn({
        let users = b.users.clone();
        async move { users.get(&user(1)).await.expect("a value").version }
    });
    within(shared.source.until_loads(1)).await;
    shared.source.change();
    assert!(a.users.invalidate(&user(1)).await.expect("an open cache").is_done());
    b.followed(&shared.log).await;
    shared.source.release();
    assert_eq!(within(loading).await.expect("no panic"), 1);
    assert_eq!(b.version(1).await, 2);
}

#[tokio::test]
async fn trap_11_a_gap_forgets_memory_and_what_is_being_loaded() {
    let shared = Shared::new();
    let b = shared.process(shared.log.clone()).await;
    assert_eq!(b.version(1).await, 1);
    shared.source.hold();
    let loading = tokio::spawn({
        let users = b.users.clone();
        async move { users.get(&user(2)).await.expect("a value").version }
    });
    within(shared.source.until_loads(2)).await;
    shared.log.lose_everything();
    shared.pass_until(async || stats(&b.cache).await.gaps == 1).await;
    b.followed(&shared.log).await;
    assert!(!b.remembers(1).await);
    shared.source.release();
    within(loading).await.expect("no panic");
    assert!(!b.remembers(2).await);
    assert_eq!(b.version(1).await, 1);
    assert!(b.remembers(1).await, "memory is used again");
}

#[tokio::test]
async fn a_log_that_is_down_fails_no_invalidation_and_tells_it_later() {
    let shared = Shared::new();
    let (a, b) = shared.two().await;
    assert_eq!(b.version(1).await, 1);
    shared.log.set_down(true);
    shared.source.change();
    let done = a.users.invalidate(&user(1)).await.expect("an open cache");
    assert!(done.is_done() && done.unannounced.is_some());
    assert!(b.remembers(1).await, "it cannot know yet");
    // Past the bound memory is not asked.
    shared.pass_until(async || !stats(&b.cache).await.trusted).await;
    assert!(!b.remembers(1).await);
    assert_eq!(b.version(1).await, 2);
    assert!(!b.remembers(1).await, "nor filled");
    shared.log.set_down(false);
    shared.pass_until(async || stats(&b.cache).await.trusted).await;
    shared.pass_until(async || stats(&a.cache).await.unsent == 0).await;
    b.followed(&shared.log).await;
    let known = stats(&b.cache).await;
    assert_eq!((known.silences, known.gaps, known.applied), (1, 0, 1));
    assert_eq!(b.version(1).await, 2);
    assert!(b.remembers(1).await);
    let done = a.users.invalidate(&user(1)).await.expect("an open cache");
    assert!(done.unannounced.is_none());
}

#[tokio::test]
async fn closing_tells_what_could_not_be_told_or_says_so() {
    let shared = Shared::new();
    let (a, b) = shared.two().await;
    assert_eq!(b.version(1).await, 1);
    shared.log.set_down(true);
    let _ = a.users.invalidate(&user(1)).await.expect("an open cache");
    let closed = within(a.cache.close()).await;
    assert!(closed.expect_err("an event is lost").to_string().contains("1 events"), "it says so");
    let _ = b.users.invalidate(&user(2)).await.expect("an open cache");
    shared.log.set_down(false);
    let c = shared.process(shared.log.clone()).await;
    assert_eq!(c.version(2).await, 1);
    within(b.cache.close()).await.expect("closes, and tells what it could not");
    c.followed(&shared.log).await;
    assert!(!c.remembers(2).await);
}

#[tokio::test]
async fn memory_lives_on_in_silence_where_it_is_to() {
    let shared = Shared::new();
    let b = shared.process(Backplane::from(shared.log.clone()).silence(Silence::LiveOn)).await;
    assert_eq!(b.version(1).await, 1);
    shared.log.set_down(true);
    shared.pass_until(async || !stats(&b.cache).await.trusted).await;
    assert!(b.remembers(1).await);
}

#[tokio::test]
async fn a_cache_that_never_reaches_the_log_works_without_memory() {
    let shared = Shared::new();
    shared.log.set_down(true);
    let cache = shared.builder().backplane(shared.log.clone()).build().expect("a valid cache");
    let users = cache.bind_as::<UserNode>(on(&["memory", "far"]), shared.source.clone());
    let b = Process { users: users.expect("binds"), cache };
    assert_eq!(b.version(1).await, 1);
    assert!(b.remembers(1).await);
    shared.pass_until(async || stats(&b.cache).await.silences == 1).await;
    assert_eq!(b.version(1).await, 1);
    assert!(!b.remembers(1).await && !stats(&b.cache).await.joined);
    shared.log.set_down(false);
    shared.pass_until(async || stats(&b.cache).await.joined).await;
    assert_eq!(b.version(1).await, 1);
    assert!(b.remembers(1).await);
}

/// A log that wakes nobody.
#[derive(Debug)]
struct Asleep {
    log: InProcessLog,
    clock: tiers::clock::ManualClock,
}

#[async_trait]
impl EventLog for Asleep {
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        self.log.append(events).await
    }

    async fn end(&self) -> Result<Position, StorageError> {
        self.log.end().await
    }

    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        tiers::clock::Clock::sleep(&self.clock, wait).await;
        self.log.read(after, Duration::ZERO, limit).await
    }
}

#[tokio::test]
async fn lost_wake_ups_cost_a_heartbeat() {
    let shared = Shared::new();
    let log = Asleep { log: shared.log.clone(), clock: shared.world.clock.clone() };
    let a = shared.process(shared.log.clone()).await;
    let b = shared.process(log).await;
    assert_eq!(b.version(1).await, 1);
    shared.source.change();
    let _ = a.users.invalidate(&user(1)).await.expect("an open cache");
    shared.pass_until(async || stats(&b.cache).await.applied == 1).await;
    assert_eq!(b.version(1).await, 2);
    assert_eq!(stats(&b.cache).await.silences, 0);
}

#[tokio::test]
async fn an_invalidation_whose_process_died_is_finished_by_another() {
    let shared = Shared::new();
    let b = shared.process(shared.log.clone()).await;
    let c = shared.process(shared.log.clone()).await;
    assert_eq!((b.version(1).await, c.version(1).await), (1, 1));
    let key = b.users.key(&user(1)).expect("a key");
    // Another process changes the source, and dies between the far storage and the near one.
    shared.source.change();
    let told = Told {
        operation: Operation { origin: 99, number: 1 },
        selector: Selector::Keys(vec![key.clone()]),
        mode: InvalidationMode::Remove,
        cause: Cause::Invalidated,
    };
    let event = Event { sender: 99, prefix: "tiers".to_owned(), message: Message::Intent(told) };
    shared.log.append(vec![event.to_bytes()]).await.expect("appended");
    b.followed(&shared.log).await;
    assert!(
        shared.near.stored(&key).is_some() && b.remembers(1).await,
        "an intent promises nothing"
    );
    shared
        .pass_until(async || {
            !b.remembers(1).await && !c.remembers(1).await && shared.near.stored(&key).is_none()
        })
        .await;
    assert!(shared.far.stored(&key).is_none());
    assert_eq!((b.version(1).await, c.version(1).await), (2, 2));
}

#[tokio::test]
async fn a_chain_that_runs_against_that_of_another_process_is_refused() {
    let shared = Shared::new();
    let a = shared.process(shared.log.clone()).await;
    let cache = shared.builder().backplane(shared.log.clone()).build().expect("a valid cache");
    within(cache.backplane_joined()).await;
    shared
        .pass_until(async || {
            let known = stats(&cache).await;
            known.peers == 1
        })
        .await;
    // The other one says so with its next heartbeat at the latest.
    let refused = || cache.bind_as::<UserNode>(on(&["far", "near"]), shared.source.clone());
    let mut answer = refused();
    assert!(matches!(&answer, Err(ConfigError::TierOrder { .. })), "{answer:?}");
    // Once it has gone, the other order is as good.
    a.cache.close().await.expect("closes");
    shared
        .pass_until(async || {
            answer = refused();
            answer.is_ok()
        })
        .await;
    assert_eq!(stats(&cache).await.peers, 0);
}

/// A process with a storage of its own host.
async fn on_a_host(shared: &Shared, host: &World) -> Process {
    let builder =
        shared.builder().storage("sqlite", host.sqlite().await).backplane(shared.log.clone());
    let cache = builder.build().expect("a valid cache");
    let users = cache.bind_as::<UserNode>(on(&["sqlite", "far"]), shared.source.clone());
    let process = Process { users: users.expect("binds"), cache };
    within(process.cache.backplane_joined()).await;
    process
}

async fn kept_on_host(process: &Process, id: u64) -> bool {
    let entry = process.users.entry(&user(id)).await.expect("an open cache");
    entry.is_some_and(|entry| entry.storage == "sqlite")
}

#[tokio::test]
async fn a_file_on_another_host_follows_by_message_and_catches_up() {
    let (shared, host) = (Shared::new(), World::new());
    let a = shared.process(shared.log.clone()).await;
    let b = on_a_host(&shared, &host).await;
    for id in [1, 2, 3] {
        assert_eq!(b.version(id).await, 1);
        assert!(kept_on_host(&b, id).await);
    }
    shared.source.change();
    let _ = a.users.invalidate(&user(1)).await.expect("an open cache");
    b.followed(&shared.log).await;
    assert_eq!(b.version(1).await, 2);
    // While it is closed, another one is invalidated.
    b.cache.close().await.expect("closes");
    let _ = a.users.invalidate(&user(2)).await.expect("an open cache");
    let b = on_a_host(&shared, &host).await;
    assert!(!kept_on_host(&b, 2).await, "it was told after it was opened");
    assert!(kept_on_host(&b, 3).await, "what nobody invalidated is still there");
    assert_eq!((b.version(2).await, b.version(3).await), (2, 1));
}

#[tokio::test]
async fn a_file_on_another_host_is_cleared_after_a_gap() {
    let (shared, host) = (Shared::new(), World::new());
    let b = on_a_host(&shared, &host).await;
    assert_eq!(b.version(1).await, 1);
    // While it is open, and while it is closed.
    shared.log.lose_everything();
    shared.pass_until(async || stats(&b.cache).await.gaps == 1).await;
    b.followed(&shared.log).await;
    assert!(!kept_on_host(&b, 1).await);
    assert_eq!(b.version(1).await, 1);
    assert!(kept_on_host(&b, 1).await);
    b.cache.close().await.expect("closes");
    shared.log.lose_everything();
    let b = on_a_host(&shared, &host).await;
    assert!(!kept_on_host(&b, 1).await);
    assert_eq!(b.version(1).await, 1);
    assert!(kept_on_host(&b, 1).await, "it is used again");
}

#[tokio::test]
async fn a_file_is_not_asked_before_it_is_known_what_it_was_not_told() {
    let (shared, host) = (Shared::new(), World::new());
    let b = on_a_host(&shared, &host).await;
    assert_eq!(b.version(1).await, 1);
    b.cache.close().await.expect("closes");
    shared.log.set_down(true);
    let builder = shared.builder().storage("sqlite", host.sqlite().await);
    let cache = builder.backplane(shared.log.clone()).build().expect("a valid cache");
    let users = cache.bind_as::<UserNode>(on(&["sqlite", "far"]), shared.source.clone());
    let b = Process { users: users.expect("binds"), cache };
    assert!(!kept_on_host(&b, 1).await);
    assert_eq!(b.version(1).await, 1, "the shared storage answers");
    shared.log.set_down(false);
    shared.pass_until(async || stats(&b.cache).await.joined).await;
    assert!(kept_on_host(&b, 1).await);
}

#[tokio::test]
async fn a_storage_that_panics_does_not_end_the_following() {
    let shared = Shared::new();
    let local =
        TestStorage::builder().clock(shared.world.clock.clone()).reach(Reach::Local).build();
    let a = shared.process(shared.log.clone()).await;
    let builder = shared.builder().storage("local", local.clone());
    let cache = builder.backplane(shared.log.clone()).build().expect("a valid cache");
    within(cache.backplane_joined()).await;
    let users = cache.bind_as::<UserNode>(on(&["memory", "local", "far"]), shared.source.clone());
    let b = Process { users: users.expect("binds"), cache };
    assert_eq!(b.version(1).await, 1);
    local.panic_next(tiers::core::testing::Operation::Invalidate, 1);
    shared.source.change();
    let _ = a.users.invalidate(&user(1)).await.expect("an open cache");
    shared.pass_until(async || !b.remembers(1).await).await;
    shared.pass_until(async || b.version(1).await == 2).await;
    shared.source.change();
    let _ = a.users.invalidate(&user(1)).await.expect("an open cache");
    shared.pass_until(async || b.version(1).await == 3).await;
    b.cache.close().await.expect("closes");
}

#[tokio::test]
async fn memory_alone_hears_of_changes() {
    let shared = Shared::new();
    let process = async || {
        let cache = shared.builder().backplane(shared.log.clone()).build().expect("a valid cache");
        within(cache.backplane_joined()).await;
        let users = cache.bind_as::<UserNode>(on(&["memory"]), shared.source.clone());
        Process { users: users.expect("binds"), cache }
    };
    let (a, b) = (process().await, process().await);
    assert_eq!((a.version(1).await, b.version(1).await), (1, 1));
    let version = shared.source.change();
    let value = crate::support::User { id: 1, version };
    a.users.set(&user(1), value).await.expect("stored");
    b.followed(&shared.log).await;
    assert_eq!(b.version(1).await, 2);
    // A load is no change: nothing is told of it, and nobody's copy goes for it.
    a.followed(&shared.log).await;
    assert!(a.remembers(1).await);
}

#[tokio::test]
async fn a_backplane_that_cannot_be_is_refused() {
    let shared = Shared::new();
    let problem = |builder: tiers::cache::CacheBuilder| match builder.build() {
        Err(error) => error.to_string(),
        Ok(_) => "built".to_owned(),
    };
    assert!(problem(shared.builder().backplane("elsewhere")).contains("not registered"));
    let mute = TestStorage::builder().events(false).build();
    let builder = shared.builder().storage("mute", mute).backplane("mute");
    assert!(problem(builder).contains("no log of events"));
    let hasty = Backplane::on("far").silent_after(Duration::from_millis(10));
    assert!(problem(shared.builder().backplane(hasty)).contains("silent_after"));
    let by_name = shared.started(shared.builder().backplane("far")).await;
    assert!(stats(&by_name.cache).await.joined);
    by_name.cache.close().await.expect("closes, and so do its tasks");
}
