//! A process over two shared storages, and a source that takes what it is given.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tiers::backplane::{EventLog, InProcessLog};
use tiers::cache::{CloseError, StorageOptions};
use tiers::clock::ManualClock;
use tiers::core::testing::{Gate, TestStorage};
use tiers::events::{CacheEvent, EventKind, EventOptions, Events, WriteLost};
use tiers::policy::breaker::BreakerOptions;
use tiers::policy::write_behind::WriteBehind;
use tiers::prelude::*;
use tiers::source::Previous;
use tiers::stats::WriteBehindStats;
use tiers::storage::StorageErrorKind;

use crate::support::{User, UserNode, memory, until, user, within};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DELAY: Duration = Duration::from_millis(100);
pub(super) const DOWN: StorageErrorKind = StorageErrorKind::Unavailable;

pub(super) const fn value(version: u64) -> User {
    User { id: 1, version }
}

/// A table that takes what it is given, in batches, and where asked knows a copy that is like its row.
#[derive(Clone, Default)]
pub(super) struct Rows(Arc<Table>);

#[derive(Default)]
pub(super) struct Table {
    rows: Mutex<HashMap<u64, u64>>,
    batches: Mutex<Vec<Vec<(u64, u64)>>>,
    is_down: AtomicBool,
    loses_answers: AtomicBool,
    compares: AtomicBool,
    gate: Mutex<Option<Gate>>,
    loads: std::sync::atomic::AtomicU64,
}

impl Rows {
    pub(super) fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    /// What is stored is stored, and nobody hears of it.
    pub(super) fn lose_answers(&self, loses: bool) {
        self.0.loses_answers.store(loses, Ordering::SeqCst);
    }

    /// A copy that is like its row lives on.
    pub(super) fn compare(&self) {
        self.0.compares.store(true, Ordering::SeqCst);
    }

    /// Every store from now on waits here before it does anything.
    pub(super) fn hold(&self) -> Gate {
        let gate = Gate::new();
        *self.0.gate.lock() = Some(gate.clone());
        gate
    }

    pub(super) fn row(&self, id: u64) -> Option<u64> {
        self.0.rows.lock().get(&id).copied()
    }

    pub(super) fn change(&self, id: u64, version: u64) {
        self.0.rows.lock().insert(id, version);
    }

    pub(super) fn batches(&self) -> Vec<Vec<(u64, u64)>> {
        self.0.batches.lock().clone()
    }

    pub(super) fn loads(&self) -> u64 {
        self.0.loads.load(Ordering::SeqCst)
    }
}

impl Source<UserNode> for Rows {
    async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        let version = self.row(node.id);
        let user = version.map(|version| User { id: node.id, version });
        Ok(user.map_or_else(Loaded::absent, Loaded::new))
    }

    fn compares(&self) -> bool {
        self.0.compares.load(Ordering::SeqCst)
    }

    async fn reload(
        &self,
        node: &UserNode,
        previous: &Previous<User>,
    ) -> Result<Loaded<User>, LoadError> {
        match previous.value.as_ref().map(|user| user.version) == self.row(node.id) {
            true => Ok(Loaded::not_modified()),
            false => self.load(node).await,
        }
    }

    async fn store(&self, node: &UserNode, value: &User) -> Result<(), LoadError> {
        let values = [(node.clone(), Arc::new(value.clone()))];
        self.store_many(&values).await.remove(0)
    }

    async fn store_many(&self, values: &[(UserNode, Arc<User>)]) -> Vec<Result<(), LoadError>> {
        let gate = self.0.gate.lock().clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        if self.0.is_down.load(Ordering::SeqCst) {
            return values.iter().map(|_| Err(LoadError::message("away"))).collect();
        }
        let batch: Vec<(u64, u64)> =
            values.iter().map(|(node, value)| (node.id, value.version)).collect();
        self.0.rows.lock().extend(batch.iter().copied());
        self.0.batches.lock().push(batch);
        let lost = self.0.loses_answers.load(Ordering::SeqCst);
        let answer = || if lost { Err(LoadError::message("lost")) } else { Ok(()) };
        values.iter().map(|_| answer()).collect()
    }
}

pub(super) struct Stage {
    pub(super) clock: ManualClock,
    pub(super) near: TestStorage,
    pub(super) far: TestStorage,
    pub(super) rows: Rows,
    pub(super) cache: Cache,
    pub(super) users: Handle<UserNode>,
}

/// A process over two shared storages, with memory where asked.
pub(super) fn stage_with(options: WriteBehind, with_memory: bool) -> Stage {
    let clock = ManualClock::new();
    let storage = || TestStorage::builder().clock(clock.clone()).build();
    process(&clock, [&storage(), &storage()], &Rows::default(), options, with_memory, None)
}

/// Two processes with memory that hear of each other.
pub(super) async fn two_following(options: WriteBehind) -> (Stage, Stage, InProcessLog) {
    let clock = ManualClock::new();
    let log = InProcessLog::new().with_clock(Arc::new(clock.clone()));
    let storage = || TestStorage::builder().clock(clock.clone()).build();
    let (near, far, rows) = (storage(), storage(), Rows::default());
    let one = process(&clock, [&near, &far], &rows, options, true, Some(&log));
    let other = process(&clock, [&near, &far], &rows, options, true, Some(&log));
    within(one.cache.backplane_joined()).await;
    within(other.cache.backplane_joined()).await;
    (one, other, log)
}

pub(super) fn stage(options: WriteBehind) -> Stage {
    stage_with(options, true)
}

pub(super) fn process(
    clock: &ManualClock,
    storages: [&TestStorage; 2],
    rows: &Rows,
    options: WriteBehind,
    with_memory: bool,
    log: Option<&InProcessLog>,
) -> Stage {
    let [near, far] = storages.map(TestStorage::second_client);
    let guard = StorageOptions::NONE.breaker(Some(BreakerOptions::new(3, SECOND)));
    let mut cache = Cache::builder()
        .clock(Arc::new(clock.clone()))
        .storage("memory", memory())
        .storage_with("near", near.clone(), guard)
        .storage_with("far", far.clone(), guard);
    if let Some(log) = log {
        cache = cache.backplane(log.clone());
    }
    let cache = cache.build().expect("a valid cache");
    let ttl = Duration::from_secs(600);
    let names = if with_memory { &["memory", "near", "far"][..] } else { &["near", "far"][..] };
    let tiers = names.iter().map(|name| TierDefinition::new(*name).ttl(ttl));
    let definition = UserNode::definition().tiers(tiers).write_behind(options);
    let users = cache.bind_as::<UserNode>(definition, rows.clone()).expect("binds");
    Stage { clock: clock.clone(), near, far, rows: rows.clone(), cache, users }
}

impl Stage {
    /// Another process on the same storages, without a memory, which would hear of nothing.
    pub(super) fn other(&self, options: WriteBehind) -> Self {
        process(&self.clock, [&self.near, &self.far], &self.rows, options, false, None)
    }

    pub(super) async fn accept(&self, version: u64) {
        within(self.users.write_behind(&user(1), value(version))).await.expect("is accepted");
    }

    pub(super) async fn get(&self) -> u64 {
        within(self.users.get(&user(1))).await.expect("a value").version
    }

    pub(super) fn stored(&self, storage: &TestStorage) -> Option<u64> {
        let entry = storage.stored(&self.users.key(&user(1)).expect("a valid key"))?;
        Some(UserNode::codec().decode(&entry.payload).expect("is whole").version)
    }

    pub(super) fn stats(&self) -> WriteBehindStats {
        let stats = self.users.stats().write_behind;
        let settled = stats.coalesced + stats.written + stats.refused;
        let settled = settled + stats.withdrawn + stats.given_up;
        assert_eq!(stats.accepted, stats.queued + settled, "{stats:?}");
        stats
    }

    pub(super) fn lost(&self) -> Events {
        self.cache.events_of(EventOptions::new().kinds([EventKind::WriteLost]))
    }

    /// Waits until all that stands in the log has been applied.
    pub(super) async fn followed(&self, log: &InProcessLog) {
        within(async {
            let position = async || self.cache.stats().await.backplane.expect("one").position;
            while position().await != Some(log.end().await.expect("an end")) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Lets time pass until no invalidation has to land any more.
    pub(super) async fn pass_until_landed(&self) {
        within(async {
            let storages = async || self.cache.stats().await.storages;
            while storages().await.iter().any(|storage| storage.pending_invalidations > 0) {
                self.clock.advance(Duration::from_millis(50));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Closes within a second, which passes once `held` has come; gives what closing says.
    pub(super) async fn close_in_a_second(
        &self,
        held: impl Future<Output = ()>,
    ) -> Result<(), CloseError> {
        let closing = tokio::spawn({
            let cache = self.cache.clone();
            async move { cache.close_within(SECOND).await }
        });
        within(held).await;
        self.pass_until(|_| closing.is_finished()).await;
        closing.await.expect("no panic")
    }

    /// Lets time pass until `holds`.
    pub(super) async fn pass_until(&self, holds: impl Fn(&Self) -> bool) {
        until(|| {
            self.clock.advance(Duration::from_millis(50));
            holds(self)
        })
        .await;
    }
}

pub(super) fn why(events: &mut Events) -> Vec<WriteLost> {
    let lost = std::iter::from_fn(|| events.try_recv());
    lost.map(|event| match event {
        CacheEvent::WriteLost { why, .. } => why,
        other => panic!("{other:?}"),
    })
    .collect()
}

/// What closing has counted as lost, by the name of the storage or node type.
pub(super) fn counts(closed: &Result<(), CloseError>) -> Vec<(&str, usize)> {
    fn counted(error: &CloseError) -> (&str, usize) {
        match error {
            CloseError::PendingInvalidations { storage, count } => (storage, *count),
            CloseError::QueuedWrites { node, count } => (node, *count),
            other => panic!("{other}"),
        }
    }
    match closed {
        Ok(()) => Vec::new(),
        Err(CloseError::Several { errors }) => errors.iter().map(counted).collect(),
        Err(error) => vec![counted(error)],
    }
}

pub(super) fn storages() -> WriteBehind {
    WriteBehind::to_storages().delay(DELAY)
}

pub(super) fn source() -> WriteBehind {
    WriteBehind::to_source().delay(DELAY)
}
