//! What is accepted now and written later: order, bounds, and what becomes of it when something is
//! invalidated, fails or ends meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tiers::cache::{CloseError, StorageOptions};
use tiers::clock::{Clock, ManualClock};
use tiers::core::testing::{Gate, Operation, TestStorage};
use tiers::events::{CacheEvent, EventKind, EventOptions, Events, WriteLost};
use tiers::handle::SetOptions;
use tiers::policy::breaker::BreakerOptions;
use tiers::policy::write_behind::{WhenFull, WriteBehind};
use tiers::prelude::*;
use tiers::stats::WriteBehindStats;
use tiers::storage::StorageErrorKind;

use crate::support::{User, UserNode, memory, until, user, within};

const SECOND: Duration = Duration::from_secs(1);
const DELAY: Duration = Duration::from_millis(100);
const DOWN: StorageErrorKind = StorageErrorKind::Unavailable;

const fn value(version: u64) -> User {
    User { id: 1, version }
}

/// A table that takes what it is given, in batches.
#[derive(Clone, Default)]
struct Rows(Arc<Table>);

#[derive(Default)]
struct Table {
    rows: Mutex<HashMap<u64, u64>>,
    batches: Mutex<Vec<Vec<(u64, u64)>>>,
    is_down: AtomicBool,
    gate: Mutex<Option<Gate>>,
    loads: std::sync::atomic::AtomicU64,
}

impl Rows {
    fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Every store from now on waits here before it does anything.
    fn hold(&self) -> Gate {
        let gate = Gate::new();
        *self.0.gate.lock() = Some(gate.clone());
        gate
    }

    fn row(&self, id: u64) -> Option<u64> {
        self.0.rows.lock().get(&id).copied()
    }

    fn change(&self, id: u64, version: u64) {
        self.0.rows.lock().insert(id, version);
    }

    fn batches(&self) -> Vec<Vec<(u64, u64)>> {
        self.0.batches.lock().clone()
    }

    fn loads(&self) -> u64 {
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
        values.iter().map(|_| Ok(())).collect()
    }
}

struct Stage {
    clock: ManualClock,
    near: TestStorage,
    far: TestStorage,
    rows: Rows,
    cache: Cache,
    users: Handle<UserNode>,
}

/// A process over two shared storages, with memory where asked.
fn stage_with(options: WriteBehind, with_memory: bool) -> Stage {
    let clock = ManualClock::new();
    let storage = || TestStorage::builder().clock(clock.clone()).build();
    process(&clock, [&storage(), &storage()], &Rows::default(), options, with_memory)
}

fn stage(options: WriteBehind) -> Stage {
    stage_with(options, true)
}

fn process(
    clock: &ManualClock,
    storages: [&TestStorage; 2],
    rows: &Rows,
    options: WriteBehind,
    with_memory: bool,
) -> Stage {
    let [near, far] = storages.map(TestStorage::second_client);
    let guard = StorageOptions::NONE.breaker(Some(BreakerOptions::new(3, SECOND)));
    let cache = Cache::builder()
        .clock(Arc::new(clock.clone()))
        .storage("memory", memory())
        .storage_with("near", near.clone(), guard)
        .storage_with("far", far.clone(), guard)
        .build()
        .expect("a valid cache");
    let ttl = Duration::from_secs(600);
    let names = if with_memory { &["memory", "near", "far"][..] } else { &["near", "far"][..] };
    let tiers = names.iter().map(|name| TierDefinition::new(*name).ttl(ttl));
    let definition = UserNode::definition().tiers(tiers).write_behind(options);
    let users = cache.bind_as::<UserNode>(definition, rows.clone()).expect("binds");
    Stage { clock: clock.clone(), near, far, rows: rows.clone(), cache, users }
}

impl Stage {
    /// Another process on the same storages, without a memory, which would hear of nothing.
    fn other(&self, options: WriteBehind) -> Self {
        process(&self.clock, [&self.near, &self.far], &self.rows, options, false)
    }

    async fn accept(&self, version: u64) {
        within(self.users.write_behind(&user(1), value(version))).await.expect("is accepted");
    }

    async fn get(&self) -> u64 {
        within(self.users.get(&user(1))).await.expect("a value").version
    }

    fn stored(&self, storage: &TestStorage) -> Option<u64> {
        let entry = storage.stored(&self.users.key(&user(1)).expect("a valid key"))?;
        Some(UserNode::codec().decode(&entry.payload).expect("is whole").version)
    }

    fn stats(&self) -> WriteBehindStats {
        let stats = self.users.stats().write_behind;
        let settled = stats.coalesced + stats.written + stats.refused;
        let settled = settled + stats.withdrawn + stats.given_up;
        assert_eq!(stats.accepted, stats.queued + settled, "{stats:?}");
        stats
    }

    fn lost(&self) -> Events {
        self.cache.events_of(EventOptions::new().kinds([EventKind::WriteLost]))
    }

    /// Lets time pass until `holds`.
    async fn pass_until(&self, holds: impl Fn(&Self) -> bool) {
        until(|| {
            self.clock.advance(Duration::from_millis(50));
            holds(self)
        })
        .await;
    }
}

fn why(events: &mut Events) -> Vec<WriteLost> {
    let lost = std::iter::from_fn(|| events.try_recv());
    lost.map(|event| match event {
        CacheEvent::WriteLost { why, .. } => why,
        other => panic!("{other:?}"),
    })
    .collect()
}

fn storages() -> WriteBehind {
    WriteBehind::to_storages().delay(DELAY)
}

fn source() -> WriteBehind {
    WriteBehind::to_source().delay(DELAY)
}

#[tokio::test]
async fn a_write_is_read_at_once_and_stored_after_its_delay() {
    for with_memory in [true, false] {
        let stage = stage_with(storages(), with_memory);
        stage.rows.change(1, 1);
        assert_eq!(stage.get().await, 1);
        for version in 2..=4 {
            stage.accept(version).await;
            assert_eq!(stage.get().await, version);
        }
        let peeked = stage.users.entry(&user(1)).await.expect("is open").expect("is there");
        assert_eq!(peeked.storage, if with_memory { "memory" } else { "write-behind" });
        assert_eq!((stage.stored(&stage.far), stage.stored(&stage.near)), (Some(1), Some(1)));
        assert_eq!(stage.stats().queued, 1);
        stage.clock.advance(DELAY);
        until(|| stage.stats().queued == 0).await;
        // The farthest has it, the near one forgets what it had, as after a `set`.
        assert_eq!((stage.stored(&stage.far), stage.stored(&stage.near)), (Some(4), None));
        let stats = stage.stats();
        assert_eq!((stats.accepted, stats.coalesced, stats.written), (3, 2, 1));
        assert_eq!(stage.get().await, 4);
        assert_eq!(stage.rows.loads(), 1);
    }
}

#[tokio::test]
async fn values_are_written_in_batches_and_each_key_in_its_order() {
    let stage = stage(source().batch_max(3));
    let gate = stage.rows.hold();
    stage.accept(1).await;
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    let others = (2..6).map(|id| (user(id), User { id, version: 7 }));
    let results = stage.users.write_behind_many(others).await;
    assert!(results.iter().all(Result::is_ok));
    stage.accept(2).await;
    stage.accept(3).await;
    gate.open();
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert!(flushed.is_complete());
    let batches = stage.rows.batches();
    assert!(batches.iter().all(|batch| batch.len() <= 3), "{batches:?}");
    let of_one: Vec<u64> =
        batches.iter().flatten().filter(|row| row.0 == 1).map(|row| row.1).collect();
    assert_eq!(of_one, [1, 3]);
    assert_eq!((2..6).map(|id| stage.rows.row(id)).collect::<Vec<_>>(), [Some(7); 4]);
}

#[tokio::test]
async fn a_source_gets_it_first_and_the_storages_after_it() {
    let stage = stage(source());
    stage.rows.change(1, 1);
    stage.get().await;
    stage.accept(2).await;
    assert_eq!(
        (stage.rows.row(1), stage.stored(&stage.far), stage.get().await),
        (Some(1), Some(1), 2)
    );
    // A refresh does not bring back what the source is yet to lose.
    assert_eq!(within(stage.users.refresh(&user(1))).await.expect("a value").version, 2);
    let flushed = within(stage.users.flush_node(&user(1))).await.expect("is open");
    assert_eq!(flushed.written, 1);
    assert_eq!((stage.rows.row(1), stage.stored(&stage.far)), (Some(2), Some(2)));
    let other = stage.other(source());
    assert_eq!(other.get().await, 2);
}

#[tokio::test]
async fn what_is_invalidated_before_it_is_written_is_neither_stored_nor_served() {
    for what in ["key", "tag", "pattern", "clear", "expire", "set", "update"] {
        let stage = stage_with(storages(), false);
        stage.rows.change(1, 1);
        stage.accept(5).await;
        let (cache, users) = (&stage.cache, &stage.users);
        stage.rows.change(1, 9);
        let done = match what {
            "key" => users.invalidate(&user(1)).await.map(|done| done.is_done()),
            "tag" => cache.invalidate_tag("user:1").await.map(|done| done.is_done()),
            "pattern" => users.invalidate_pattern("user:*").await.map(|done| done.is_done()),
            "clear" => cache.clear().await.map(|done| done.is_done()),
            "expire" => users.expire(&user(1)).await.map(|done| done.is_done()),
            "set" => users.set(&user(1), value(9)).await.map(|()| true),
            _ => {
                let change = || async { Ok::<_, LoadError>(value(9)) };
                users.update(&user(1), change).await.map(|_| true)
            }
        };
        assert!(done.expect("is open"), "{what}");
        assert_eq!(stage.get().await, 9, "{what}");
        let flushed = within(users.flush()).await.expect("is open");
        assert_eq!(flushed.written, 0, "{what}");
        assert_eq!(stage.get().await, 9, "{what}");
        assert!(stage.stored(&stage.far).is_none_or(|stored| stored == 9), "{what}");
        assert_eq!((stage.stats().withdrawn, stage.stats().queued), (1, 0), "{what}");
    }
}

#[tokio::test]
async fn what_another_process_invalidates_keeps_out_what_was_queued_and_that_is_told() {
    let stage = stage(storages());
    let mut lost = stage.lost();
    stage.rows.change(1, 1);
    stage.accept(5).await;
    let other = stage.other(storages());
    stage.rows.change(1, 9);
    assert!(other.users.invalidate(&user(1)).await.expect("is open").is_done());
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert_eq!((flushed.written, flushed.refused, flushed.is_complete()), (0, 1, false));
    assert_eq!(why(&mut lost), [WriteLost::Refused]);
    assert_eq!(stage.stats().refused, 1);
    // Memory does not keep what nothing else took.
    assert_eq!((stage.get().await, other.get().await), (9, 9));
}

#[tokio::test]
async fn a_load_from_before_does_not_take_the_place_of_what_was_accepted() {
    let stage = stage(storages());
    stage.rows.change(1, 1);
    // Its answer from the far storage is on its way while the value is accepted and written.
    let gate = stage.far.hold_answers(Operation::Get);
    let reader = tokio::spawn({
        let users = stage.users.clone();
        async move { users.get(&user(1)).await }
    });
    gate.arrived(1).await;
    stage.accept(5).await;
    within(stage.users.flush()).await.expect("is open").is_complete();
    gate.open();
    within(reader).await.expect("no panic").expect("a value");
    until(|| stage.cache.loads_in_flight() == 0).await;
    assert_eq!((stage.get().await, stage.stored(&stage.far)), (5, Some(5)));
    // A refresh that begins later asks the source by name, and outdates what waits.
    stage.accept(6).await;
    stage.rows.change(1, 7);
    assert_eq!(within(stage.users.refresh(&user(1))).await.expect("a value").version, 7);
    assert_eq!(stage.get().await, 7);
    let _ = within(stage.users.flush()).await.expect("is open");
    assert_eq!((stage.get().await, stage.stored(&stage.far)), (7, Some(7)));
}

#[tokio::test]
async fn an_invalidation_leaves_the_source_its_value_and_forgets_it_everywhere() {
    let stage = stage(source());
    stage.rows.change(1, 1);
    stage.accept(5).await;
    assert!(stage.cache.clear().await.expect("is open").is_done());
    // From here on the source is what counts, and it has not got it yet.
    assert_eq!(stage.get().await, 1);
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert_eq!(flushed.written, 1);
    assert_eq!(
        (stage.rows.row(1), stage.stored(&stage.far), stage.get().await),
        (Some(5), None, 5)
    );
}

#[tokio::test]
async fn changes_of_the_source_come_after_what_was_queued_for_it() {
    let stage = stage(source());
    stage.accept(5).await;
    let rows = stage.rows.clone();
    let change = move || async move {
        let version = rows.row(1).unwrap_or_default() + 1;
        rows.change(1, version);
        Ok::<_, LoadError>(value(version))
    };
    within(stage.users.update(&user(1), change)).await.expect("is open");
    assert_eq!((stage.rows.row(1), stage.get().await), (Some(6), 6));
    stage.accept(7).await;
    within(stage.users.write_through(&user(1), value(8))).await.expect("is open");
    assert_eq!(stage.stats().queued, 0);
    assert_eq!((stage.rows.row(1), stage.get().await), (Some(8), 8));
}

#[tokio::test]
async fn a_full_queue_refuses_or_waits_for_room() {
    let stage = stage(storages().queued_max(2).when_full(WhenFull::Refuse));
    for id in [1, 2] {
        stage.users.write_behind(&user(id), value(1)).await.expect("has room");
    }
    let error = stage.users.write_behind(&user(3), value(1)).await.expect_err("is full");
    assert!(matches!(error, Error::QueueFull { .. }), "{error}");
    assert_eq!(error.retry(), tiers::error::Retry::Later);
    // A newer value of a key that waits needs none.
    stage.users.write_behind(&user(2), value(2)).await.expect("takes its place");
    assert_eq!((stage.stats().turned_away, stage.stats().queued), (1, 2));

    let stage = stage_with(source().queued_max(1).when_full(WhenFull::Wait(SECOND)), true);
    let gate = stage.rows.hold();
    stage.accept(1).await;
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    let waiting = |id| {
        let users = stage.users.clone();
        tokio::spawn(async move { users.write_behind(&user(id), User { id, version: 1 }).await })
    };
    let (patient, cancelled) = (waiting(2), waiting(3));
    until(|| stage.clock.sleepers() >= 2).await;
    // One that goes away takes nobody's room.
    cancelled.abort();
    assert!(cancelled.await.expect_err("is cancelled").is_cancelled());
    gate.open();
    within(patient).await.expect("no panic").expect("gets room");
    let _ = within(stage.users.flush()).await.expect("is open");
    assert_eq!((stage.rows.row(2), stage.rows.row(3)), (Some(1), None));

    let gate = stage.rows.hold();
    stage.accept(2).await;
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    let late = waiting(4);
    stage.pass_until(|_| late.is_finished()).await;
    let error = within(late).await.expect("no panic").expect_err("waited for too long");
    assert!(matches!(error, Error::QueueFull { waited, .. } if waited >= SECOND), "{error}");
    gate.open();
}

#[tokio::test]
async fn what_fails_is_tried_again_and_the_newest_is_what_lands() {
    let stage = stage(storages());
    stage.far.fail_next(Operation::Write, 2, DOWN);
    stage.accept(1).await;
    stage.pass_until(|stage| stage.stats().retried > 0).await;
    assert_eq!(stage.get().await, 1);
    stage.accept(2).await;
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stored(&stage.far), stage.stats().given_up), (Some(2), 0));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_a_write_that_may_be_repeated() {
    let stage = stage(storages());
    stage.far.lose_next_answers(Operation::Write, 1, DOWN);
    stage.accept(1).await;
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stored(&stage.far), stage.stats().written), (Some(1), 1));
}

#[tokio::test]
async fn what_fails_for_too_long_is_given_up_told_and_forgotten() {
    for options in [storages().retry_for(SECOND), source().retry_for(SECOND)] {
        let stage = stage(options);
        let mut lost = stage.lost();
        stage.rows.change(1, 1);
        assert_eq!(stage.get().await, 1);
        stage.accept(5).await;
        stage.rows.set_down(true);
        stage.far.fail_next(Operation::Write, 1000, DOWN);
        stage.pass_until(|stage| stage.stats().given_up == 1).await;
        assert_eq!(why(&mut lost), [WriteLost::GivenUp]);
        assert_eq!(stage.stats().queued, 0);
        stage.far.heal();
        stage.rows.set_down(false);
        // Nothing serves what was lost.
        stage.clock.advance(SECOND);
        assert_eq!(stage.get().await, 1);
    }
}

#[tokio::test]
async fn a_storage_that_is_left_alone_keeps_the_queue_within_its_bound() {
    let stage = stage(storages().queued_max(3).when_full(WhenFull::Refuse));
    for id in 0..3 {
        stage.users.write_behind(&user(id), User { id, version: 1 }).await.expect("has room");
    }
    stage.far.fail_next(Operation::Write, 4, DOWN);
    within(async {
        while stage.cache.stats().await.storages[1].health.breaker_opened == 0 {
            stage.clock.advance(Duration::from_millis(50));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let error = stage.users.write_behind(&user(4), value(1)).await.expect_err("no stamp, no room");
    assert!(matches!(error, Error::Storage { .. } | Error::QueueFull { .. }), "{error}");
    assert_eq!(stage.stats().queued, 3);
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stats().written, stage.stats().given_up), (3, 0));
}

#[tokio::test]
async fn without_a_stamp_nothing_is_accepted() {
    let stage = stage(storages());
    stage.far.fail_next(Operation::Stamps, 1, DOWN);
    let error = stage.users.write_behind(&user(1), value(1)).await.expect_err("is down");
    assert!(matches!(&error, Error::Storage { storage, .. } if storage == "far"), "{error}");
    assert_eq!((stage.stats().accepted, stage.stats().queued), (0, 0));
    assert!(stage.users.peek(&user(1)).await.expect("is open").is_none());
}

#[tokio::test]
async fn a_store_that_hangs_or_panics_is_one_that_failed() {
    let stage = stage(source());
    let gate = stage.rows.hold();
    stage.accept(1).await;
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    // The time of a load.
    stage.clock.advance(Duration::from_secs(60));
    until(|| stage.stats().retried + stage.stats().given_up > 0).await;
    gate.open();

    let stage = self::stage(storages());
    stage.far.panic_next(Operation::Write, 1);
    stage.accept(1).await;
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stats().written, stage.stored(&stage.far)), (1, Some(1)));
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_says_what_it_could_not() {
    for options in [storages(), source()] {
        let stage = stage(options.delay(Duration::from_secs(3600)));
        stage.accept(1).await;
        within(stage.cache.close()).await.expect("closes");
        assert_eq!(stage.stored(&stage.far), Some(1));
        let error = stage.users.write_behind(&user(2), value(1)).await.expect_err("is closed");
        assert!(matches!(error, Error::Closed));
    }
    let stage = stage(source());
    let gate = stage.rows.hold();
    for id in 0..3 {
        stage.users.write_behind(&user(id), User { id, version: 1 }).await.expect("has room");
    }
    let closing = tokio::spawn({
        let cache = stage.cache.clone();
        async move { cache.close_within(SECOND).await }
    });
    gate.arrived(1).await;
    until(|| stage.clock.sleepers() > 0).await;
    stage.clock.advance(SECOND);
    let error = within(closing).await.expect("no panic").expect_err("not all is written");
    assert!(
        matches!(&error, CloseError::QueuedWrites { node, count: 3 } if node == "UserNode"),
        "{error}"
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_valid_state() {
    let stage = stage(storages());
    let gate = stage.far.hold(Operation::Stamps);
    let accepting = tokio::spawn({
        let users = stage.users.clone();
        async move { users.write_behind(&user(1), value(1)).await }
    });
    gate.arrived(1).await;
    accepting.abort();
    assert!(accepting.await.expect_err("is cancelled").is_cancelled());
    stage.far.heal();
    assert_eq!(stage.stats().accepted, 0);
    // A flush that is given up leaves it to the task.
    stage.accept(2).await;
    let gate = stage.far.hold(Operation::Write);
    let flush = tokio::spawn({
        let users = stage.users.clone();
        async move { users.flush().await }
    });
    gate.arrived(1).await;
    flush.abort();
    stage.far.heal();
    until(|| stage.stats().queued == 0).await;
    assert_eq!(stage.stored(&stage.far), Some(2));
}

#[tokio::test]
async fn tags_and_times_are_those_of_the_acceptance() {
    let stage = stage(storages());
    let options = SetOptions::new().ttl(SECOND).tag("new");
    stage.users.write_behind_with(&user(1), value(1), options).await.expect("has room");
    stage.rows.change(1, 2);
    stage.clock.advance(SECOND);
    until(|| stage.stats().queued == 0).await;
    assert_eq!(stage.get().await, 2, "its second is over, wherever it waited");
    stage
        .users
        .write_behind_with(&user(1), value(3), SetOptions::new().tag("new"))
        .await
        .expect("has room");
    assert!(stage.cache.invalidate_tag("new").await.expect("is open").is_done());
    let _ = within(stage.users.flush()).await.expect("is open");
    assert_eq!(stage.get().await, 2);
}

#[tokio::test]
async fn what_cannot_be_is_told() {
    let stage = stage(storages());
    let plain = NodeDefinition::new("plain", "plain:{id}").tier(TierDefinition::new("far"));
    let plain = stage.cache.bind_as::<UserNode>(plain, stage.rows.clone()).expect("binds");
    let error = plain.write_behind(&user(1), value(1)).await.expect_err("is not asked for");
    assert!(matches!(error, Error::Config(_)), "{error}");
    assert_eq!(plain.flush().await.expect("is open").written, 0);
    let memory_only = |options| {
        let definition = NodeDefinition::new("m", "m:{id}").tier(TierDefinition::new("memory"));
        stage.cache.bind_as::<UserNode>(definition.write_behind(options), stage.rows.clone())
    };
    for options in [storages(), source().queued_max(0), source().batch_max(0)] {
        memory_only(options).expect_err("is refused");
    }
    let users = memory_only(source()).expect("memory and a source suffice");
    users.write_behind(&user(8), User { id: 8, version: 3 }).await.expect("has room");
    assert_eq!(users.get(&user(8)).await.expect("a value").version, 3);
    assert!(within(stage.cache.flush()).await.expect("is open").is_complete());
    assert_eq!(stage.rows.row(8), Some(3));
    assert!(stage.clock.wall().unix_ms() > 0);
}
