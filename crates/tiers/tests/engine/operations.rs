//! Every operation of a handle and a cache, as its documentation says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use tiers::prelude::*;
use tiers::source::Previous;

use crate::support::{User, UserNode, Versions, World, on_sqlite, until, user, within};

const SECOND: Duration = Duration::from_secs(1);

fn value(id: u64, version: u64) -> User {
    User { id, version }
}

#[tokio::test]
async fn many_keeps_order_and_duplicates_and_asks_each_tier_once() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(3)).await.expect("loads");
    let nodes: Vec<UserNode> = [5, 3, 5, 1, 3].map(user).to_vec();
    let answers = users.get_many(&nodes).await;
    let ids: Vec<u64> = answers.iter().map(|answer| answer.as_ref().expect("loads").id).collect();
    assert_eq!(ids, [5, 3, 5, 1, 3]);
    assert_eq!((source.loads(), source.batches()), (3, 1));
    assert!(users.get_many(&[]).await.is_empty());
    let stats = users.stats();
    assert_eq!(stats.requests(), 6, "each place of a node is a request");
    assert_eq!((stats.hits, stats.misses, stats.coalesced), (2, 4, 1));
}

/// Some found in memory, some in the file, some by the source, some nowhere, some failing.
#[tokio::test]
async fn many_tells_of_each_key_on_its_own() {
    struct Partly;
    impl Source<UserNode> for Partly {
        async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
            match node.id {
                10 => Ok(Loaded::absent()),
                11 => Err(LoadError::message("row 11 is locked")),
                id => Ok(Loaded::new(value(id, 1))),
            }
        }

        async fn load_many(&self, nodes: &[UserNode]) -> Vec<Result<Loaded<User>, LoadError>> {
            let mut answers = Vec::new();
            // The last answer is left out.
            for node in &nodes[..nodes.len() - 1] {
                answers.push(self.load(node).await);
            }
            answers
        }
    }
    let world = World::new();
    let users = world.cache().await.bind::<UserNode>(Partly).expect("binds");
    users.set(&user(1), value(1, 7)).await.expect("sets");
    let nodes: Vec<UserNode> = [1, 10, 2, 11, 12].map(user).to_vec();
    let answers = within(users.get_many(&nodes)).await;
    assert_eq!(answers[0].as_ref().expect("was set").version, 7);
    assert!(answers[1].as_ref().expect_err("does not exist").is_absent());
    assert_eq!(answers[2].as_ref().expect("loads").id, 2);
    assert!(answers[3].as_ref().expect_err("fails").to_string().contains("row 11 is locked"));
    assert!(answers[4].as_ref().expect_err("left out").to_string().contains("left out"));
    assert!(users.contains(&user(2)).await.expect("looks"));
    assert!(!users.contains(&user(11)).await.expect("looks"), "an error is not cached");
}

#[tokio::test]
async fn looking_neither_loads_nor_fills() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    assert!(users.peek(&user(1)).await.expect("looks").is_none());
    assert!(!users.contains(&user(1)).await.expect("looks"));
    assert!(users.entry(&user(1)).await.expect("looks").is_none());
    assert_eq!((source.loads(), users.stats().requests()), (0, 0));
    users.get(&user(1)).await.expect("loads");
    world.pass(31 * SECOND);
    let entry = users.entry(&user(1)).await.expect("looks").expect("is in the file");
    assert_eq!((entry.storage.as_str(), entry.age), ("sqlite", 31 * SECOND));
    assert_eq!(entry.remaining, Some(569 * SECOND));
    assert_eq!(entry.tags, ["user:1", "users"]);
    assert_eq!(*entry.value.expect("a value"), value(1, 1));
    let again = users.entry(&user(1)).await.expect("looks").expect("is there");
    assert_eq!(again.storage, "sqlite", "looking does not fill memory");
}

#[tokio::test]
async fn setting_stores_in_every_tier() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.set(&user(1), value(1, 10)).await.expect("sets");
    let values = (2..200).map(|id| (user(id), value(id, 20)));
    assert!(users.set_many(values).await.into_iter().all(|stored| stored.is_ok()));
    users.set_many([(user(2), value(2, 30)), (user(2), value(2, 31))]).await;
    let other = world.cache_without_memory().await;
    let others = other.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
    for (id, version) in [(1, 10), (3, 20), (199, 20), (2, 31)] {
        assert_eq!(users.get(&user(id)).await.expect("was set").version, version);
        assert_eq!(others.get(&user(id)).await.expect("was set").version, version);
    }
    let entry = users.entry(&user(150)).await.expect("looks").expect("was set");
    assert_eq!(entry.storage, "memory", "a tag that all of a batch bear keeps none out");
    assert_eq!(source.loads(), 0);
}

#[tokio::test]
async fn writing_through_stores_in_the_source_first() {
    #[derive(Clone, Default)]
    struct Table(Arc<std::sync::Mutex<Vec<User>>>);
    impl Source<UserNode> for Table {
        async fn load(&self, _: &UserNode) -> Result<Loaded<User>, LoadError> {
            Ok(Loaded::absent())
        }

        async fn store(&self, node: &UserNode, value: &User) -> Result<(), LoadError> {
            if node.id == 9 {
                return Err(LoadError::message("read only").permanent());
            }
            self.0.lock().expect("not poisoned").push(value.clone());
            Ok(())
        }
    }
    let world = World::new();
    let table = Table::default();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(table.clone()).expect("binds");
    users.write_through(&user(1), value(1, 5)).await.expect("stores");
    assert_eq!(users.get(&user(1)).await.expect("is there").version, 5);
    assert_eq!(*table.0.lock().expect("not poisoned"), [value(1, 5)]);
    let error = users.write_through(&user(9), value(9, 5)).await.expect_err("read only");
    assert_eq!(error.retry(), tiers::error::Retry::Never);
    assert!(!users.contains(&user(9)).await.expect("looks"));
}

#[tokio::test]
async fn touching_moves_the_end_in_the_storages() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    assert!(!users.touch(&user(1), None).await.expect("touches"), "nothing to touch");
    users.get(&user(1)).await.expect("loads");
    world.pass(20 * SECOND);
    assert!(users.touch(&user(1), None).await.expect("touches"));
    world.pass(25 * SECOND);
    let entry = users.entry(&user(1)).await.expect("looks").expect("is there");
    // The copy in memory ended in its own time; its original did not.
    assert_eq!((entry.storage.as_str(), entry.remaining), ("sqlite", Some(575 * SECOND)));
    world.pass(570 * SECOND);
    assert!(users.contains(&user(1)).await.expect("looks"), "595 s after the touch");
    assert!(users.touch(&user(1), Some(2 * SECOND)).await.expect("touches"));
    world.pass(2 * SECOND);
    assert!(!users.contains(&user(1)).await.expect("looks"), "a shorter time holds, too");
    assert_eq!(source.loads(), 1);
}

#[tokio::test]
async fn expiring_lets_the_next_read_load() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    source.change();
    assert!(users.expire(&user(1)).await.expect("expires").is_done());
    assert!(!users.contains(&user(1)).await.expect("looks"));
    assert_eq!(users.get(&user(1)).await.expect("loads").version, 2);
    assert_eq!(users.get(&user(1)).await.expect("is there").version, 2);
    assert_eq!(source.loads(), 2);
}

#[tokio::test]
async fn refreshing_goes_by_no_tier() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    source.change();
    assert_eq!(users.get(&user(1)).await.expect("is there").version, 1);
    assert_eq!(users.refresh(&user(1)).await.expect("loads").version, 2);
    assert_eq!(users.get(&user(1)).await.expect("is there").version, 2);
    let other = world.cache_without_memory().await;
    let others = other.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
    assert_eq!(others.get(&user(1)).await.expect("is there").version, 2);
    assert_eq!(source.loads(), 2);
}

/// A source that compares: as long as it has not changed, what is there lives on.
#[tokio::test]
async fn not_modified_lets_the_copy_live_on() {
    #[derive(Clone, Default)]
    struct Comparing {
        loads: Arc<AtomicU64>,
        reloads: Arc<AtomicU64>,
    }
    impl Source<UserNode> for Comparing {
        async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
            self.loads.fetch_add(1, Ordering::SeqCst);
            Ok(Loaded::new(value(node.id, 1)))
        }

        fn compares(&self) -> bool {
            true
        }

        async fn reload(
            &self,
            node: &UserNode,
            previous: &Previous<User>,
        ) -> Result<Loaded<User>, LoadError> {
            assert_eq!(previous.value.as_deref(), Some(&value(node.id, 1)));
            self.reloads.fetch_add(1, Ordering::SeqCst);
            Ok(Loaded::not_modified())
        }
    }
    for with_file in [true, false] {
        let world = World::new();
        let source = Comparing::default();
        let cache = world.cache().await;
        let memory = TierDefinition::new("memory").ttl(30 * SECOND);
        let tiers = match with_file {
            true => vec![memory, TierDefinition::new("sqlite").ttl(600 * SECOND)],
            false => vec![memory],
        };
        let definition = UserNode::definition().tiers(tiers);
        let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
        users.get(&user(1)).await.expect("loads");
        world.pass(20 * SECOND);
        assert_eq!(*users.refresh(&user(1)).await.expect("not modified"), value(1, 1));
        let entry = users.entry(&user(1)).await.expect("looks").expect("is there");
        assert_eq!(entry.remaining, Some(30 * SECOND));
        assert_eq!(entry.age, 20 * SECOND, "it is the old value");
        let mut reloads = 1;
        if with_file {
            world.pass(590 * SECOND);
            assert!(users.contains(&user(1)).await.expect("looks"), "610 s after the load");
            // What was expired by hand is extended, too, if the source says that it still holds.
            assert!(users.expire(&user(1)).await.expect("expires").is_done());
            assert_eq!(*users.get(&user(1)).await.expect("not modified"), value(1, 1));
            world.pass(590 * SECOND);
            let entry = users.entry(&user(1)).await.expect("looks").expect("is there");
            assert_eq!((entry.storage.as_str(), entry.remaining), ("sqlite", Some(10 * SECOND)));
            reloads = 2;
        }
        let counts = (source.loads.load(Ordering::SeqCst), source.reloads.load(Ordering::SeqCst));
        assert_eq!(counts, (1, reloads));
    }
}

#[tokio::test]
async fn not_modified_without_a_copy_is_an_error() {
    let world = World::new();
    let cache = world.cache().await;
    let users = cache
        .bind::<UserNode>(source_fn(|_: UserNode| async {
            Ok::<_, LoadError>(Loaded::<User>::not_modified())
        }))
        .expect("binds");
    let error = users.get(&user(1)).await.expect_err("nothing to go by");
    assert!(error.to_string().contains("not modified"), "{error}");
}

#[tokio::test]
async fn warming_loads_what_is_missing_and_tells_how_far_it_is() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(0)).await.expect("loads");
    let told = Arc::new(AtomicU64::new(0));
    let telling = Arc::clone(&told);
    let options = WarmOptions::new().batch_size(10).concurrency(2).progress(move |progress| {
        assert_eq!(progress.total, Some(95));
        telling.fetch_max(progress.warmed, Ordering::SeqCst);
    });
    let report = users.warm((0..95).map(user), options).await;
    assert_eq!((report.warmed, report.failed, report.absent), (95, 0, 0));
    assert_eq!(told.load(Ordering::SeqCst), 95);
    assert_eq!((source.loads(), source.batches()), (95, 10));
}

#[tokio::test]
async fn warming_reports_what_failed() {
    let world = World::new();
    let cache = world.cache().await;
    let users = cache
        .bind::<UserNode>(source_fn(|node: UserNode| async move {
            match node.id % 3 {
                0 => Ok(Loaded::new(value(node.id, 1))),
                1 => Ok(Loaded::absent()),
                _ => Err(LoadError::message("unlucky")),
            }
        }))
        .expect("binds");
    let report = users.warm((0..9).map(user), WarmOptions::new()).await;
    assert_eq!((report.warmed, report.absent, report.failed), (3, 3, 3));
    let mut failed: Vec<u64> = report.failures.iter().map(|(node, _)| node.id).collect();
    failed.sort_unstable();
    assert_eq!(failed, [2, 5, 8]);
}

#[tokio::test]
async fn keys_are_listed_once_from_all_tiers() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    users.get_many(&(0..50).map(user).collect::<Vec<_>>()).await;
    world.pass(31 * SECOND);
    users.get_many(&(40..60).map(user).collect::<Vec<_>>()).await;
    let keys: Vec<_> = users.keys().try_collect().await.expect("lists");
    let mut names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
    names.sort_unstable();
    let mut expected: Vec<String> = (0..60).map(|id| format!("user:{id}")).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    let some: Vec<_> =
        users.keys_like("user:5?").expect("valid").try_collect().await.expect("lists");
    assert_eq!(some.len(), 10);
    assert!(users.keys_like("user:\\").is_err());
    world.pass(600 * SECOND);
    let none: Vec<_> = users.keys().try_collect().await.expect("lists");
    assert!(none.is_empty(), "what has expired is not listed");
}

#[tokio::test]
async fn closing_finishes_what_runs_and_then_refuses() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let load = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(1)).await }
    });
    source.until_loads(1).await;
    let closing = tokio::spawn({
        let cache = cache.clone();
        async move { cache.close().await }
    });
    until(|| world.clock.sleepers() > 0).await;
    let node = user(2);
    until(|| {
        matches!(futures_util::FutureExt::now_or_never(users.get(&node)), Some(Err(Error::Closed)))
    })
    .await;
    source.release();
    within(load).await.expect("no panic").expect("it was finished");
    within(closing).await.expect("no panic").expect("closes");
    within(cache.close()).await.expect("closing twice is fine");
    assert!(matches!(users.get(&user(1)).await, Err(Error::Closed)));
    assert!(matches!(users.set(&user(1), value(1, 1)).await, Err(Error::Closed)));
    assert!(matches!(users.invalidate(&user(1)).await, Err(Error::Closed)));
    assert!(matches!(users.entry(&user(1)).await, Err(Error::Closed)));
    assert!(matches!(users.refresh(&user(1)).await, Err(Error::Closed)));
    assert!(matches!(cache.clear().await, Err(Error::Closed)));
    assert!(users.get_many(&[user(1)]).await.iter().all(|answer| answer.is_err()));
    assert!(users.keys().try_collect::<Vec<_>>().await.is_err());
    let again = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    assert!(again.contains(&user(1)).await.expect("looks"), "it was stored before closing");
}

#[tokio::test]
async fn closing_aborts_what_does_not_finish_in_time() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let definition = UserNode::definition().load_timeout(None);
    let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    source.hold();
    let load = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(1)).await }
    });
    source.until_loads(1).await;
    let closing = tokio::spawn({
        let cache = cache.clone();
        async move { cache.close_within(SECOND).await }
    });
    until(|| world.clock.sleepers() > 0).await;
    world.pass(SECOND);
    within(closing).await.expect("no panic").expect("closes");
    let answer = within(load).await.expect("no panic");
    assert!(matches!(answer, Err(Error::LoadCancelled { .. })), "{answer:?}");
}

/// Its source may have changed: what storages still hold of it is told as lost.
#[tokio::test]
async fn closing_tells_of_an_update_that_it_gave_up() {
    let world = World::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(Versions::new()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    let (changed, has_changed) = tokio::sync::oneshot::channel();
    let update = tokio::spawn(async move {
        let change = move || async move {
            changed.send(()).expect("is waited for");
            std::future::pending::<Result<User, LoadError>>().await
        };
        users.update(&user(1), change).await
    });
    within(has_changed).await.expect("the change runs");
    let closing = tokio::spawn({
        let cache = cache.clone();
        async move { cache.close_within(SECOND).await }
    });
    until(|| world.clock.sleepers() > 0).await;
    world.pass(SECOND);
    let error = within(closing).await.expect("no panic").expect_err("it is lost");
    assert!(error.to_string().contains("1 invalidations had not reached"), "{error}");
    assert!(matches!(within(update).await.expect("no panic"), Err(Error::Closed)));
}

#[tokio::test]
async fn a_handle_is_found_again_by_type_and_name() {
    let world = World::new();
    let cache = world.cache().await;
    assert!(cache.handle::<UserNode>().is_none());
    cache.bind::<UserNode>(Versions::new()).expect("binds");
    assert!(cache.handle::<UserNode>().is_some());
    assert!(cache.handle_named::<DynamicNode>("UserNode").is_none(), "of another type");
    assert_eq!(cache.nodes(), ["UserNode"]);
}

/// A source that has what it is told to have.
#[derive(Clone, Default)]
struct Told(Arc<std::sync::Mutex<Option<User>>>);

impl Told {
    fn tell(&self, value: Option<User>) {
        *self.0.lock().expect("no panic") = value;
    }
}

impl Source<UserNode> for Told {
    async fn load(&self, _: &UserNode) -> Result<Loaded<User>, LoadError> {
        Ok(Loaded::optional(self.0.lock().expect("no panic").clone()))
    }

    fn compares(&self) -> bool {
        true
    }

    async fn reload(
        &self,
        node: &UserNode,
        previous: &Previous<User>,
    ) -> Result<Loaded<User>, LoadError> {
        let now = self.0.lock().expect("no panic").clone();
        match now.as_ref() == previous.value.as_deref() {
            true => Ok(Loaded::not_modified()),
            false => self.load(node).await,
        }
    }
}

#[tokio::test]
async fn a_refresh_leaves_nothing_older_where_its_answer_is_not_kept() {
    let world = World::new();
    let source = Told::default();
    source.tell(Some(value(1, 1)));
    let definition = UserNode::definition().absent_ttl(None);
    let users = world.cache().await.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    source.tell(None);
    assert!(users.refresh(&user(1)).await.expect_err("it is gone").is_absent());
    assert!(users.get(&user(1)).await.expect_err("it is gone").is_absent());
    assert!(!users.contains(&user(1)).await.expect("looks"));
}

#[tokio::test]
async fn a_refresh_leaves_nothing_older_in_a_tier_that_does_not_take_its_answer() {
    let world = World::new();
    let source = Told::default();
    source.tell(Some(value(1, 1)));
    let mut memory = TierDefinition::new("memory");
    let mut file = TierDefinition::new("sqlite");
    (memory.value_bytes_max, file.value_bytes_max) = (16, 16);
    let definition = UserNode::definition().tiers([memory, file]);
    let users = world.cache().await.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    assert!(users.contains(&user(1)).await.expect("looks"), "short enough");
    source.tell(Some(value(1, u64::MAX)));
    users.refresh(&user(1)).await.expect("loads");
    assert!(!users.contains(&user(1)).await.expect("looks"));
    assert_eq!(users.get(&user(1)).await.expect("loads").version, u64::MAX);
}

#[tokio::test]
async fn a_negative_result_lives_no_longer_for_being_touched_or_confirmed() {
    let world = World::new();
    let source = Told::default();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    let negative = UserNode::definition().absent_ttl.expect("a default");
    users.get(&user(1)).await.expect_err("there is none");
    users.get(&user(2)).await.expect_err("there is none");
    assert!(users.touch(&user(1), None).await.expect("touches"));
    assert!(users.refresh(&user(2)).await.expect_err("not modified").is_absent());
    world.pass(negative);
    assert!(!users.contains(&user(1)).await.expect("looks"));
    assert!(!users.contains(&user(2)).await.expect("looks"));
}

#[tokio::test]
async fn touching_does_not_renew_a_copy_whose_original_another_process_has_ended() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    let other = world.cache_without_memory().await;
    let others = other.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    source.change();
    assert!(others.invalidate(&user(1)).await.expect("invalidates").is_done());
    for _ in 0..3 {
        world.pass(10 * SECOND);
        users.touch(&user(1), None).await.expect("touches");
    }
    let read = users.get(&user(1)).await.expect("loads");
    assert_eq!(read.version, 2, "its TTL in memory has passed since it was copied");
}

#[tokio::test]
async fn an_update_that_panics_is_an_invalidation() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    let update = tokio::spawn({
        let (users, source) = (users.clone(), source.clone());
        async move {
            let change = move || async move {
                source.change();
                if source.loads() > 0 {
                    panic!("after the change");
                }
                Ok::<_, LoadError>(value(1, 9))
            };
            users.update(&user(1), change).await
        }
    });
    assert!(update.await.is_err_and(|error| error.is_panic()));
    assert_eq!(users.get(&user(1)).await.expect("loads").version, 2);
}

#[tokio::test]
async fn of_a_node_that_is_set_twice_at_once_the_last_value_stays() {
    let world = World::new();
    let mut file = TierDefinition::new("sqlite");
    file.value_bytes_max = 16;
    let definition = UserNode::definition().tiers([file]);
    let users =
        world.cache().await.bind_as::<UserNode>(definition, Versions::new()).expect("binds");
    // The first is too long for the file.
    let results = users.set_many([(user(1), value(1, u64::MAX)), (user(1), value(1, 2))]).await;
    assert!(results.len() == 2 && results.iter().all(Result::is_ok));
    let kept = users.peek(&user(1)).await.expect("looks").expect("is there");
    assert_eq!(kept.version, 2);
}

/// Closing that was given up half-way is taken up by the next call, which closes the storages.
#[tokio::test]
async fn closing_is_taken_up_where_it_was_left() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let load = tokio::spawn(async move { users.get(&user(1)).await });
    source.until_loads(1).await;
    let given_up = tokio::time::timeout(Duration::from_millis(10), cache.close()).await;
    assert!(given_up.is_err(), "a load is still in the air");
    let (again, and_again) = (
        tokio::spawn({
            let cache = cache.clone();
            async move { cache.close().await }
        }),
        cache.clone(),
    );
    until(|| world.clock.sleepers() > 0).await;
    source.release();
    within(again).await.expect("no panic").expect("closes");
    within(and_again.close()).await.expect("is closed");
    within(load).await.expect("no panic").expect("it was finished");
    let storages = cache.stats().await.storages;
    assert!(storages[0].stats.is_err(), "the storage is closed");
}
