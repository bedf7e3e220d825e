//! I1: one load for however many callers, and nobody hangs or is cancelled by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tiers::node::Abandoned;
use tiers::prelude::*;
use tokio::task::JoinSet;

use crate::support::{User, UserNode, Versions, World, until, user, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_make_one_load() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    for round in 1..=20 {
        let mut callers = JoinSet::new();
        for _ in 0..1000 {
            let users = users.clone();
            callers.spawn(async move { users.get(&user(round)).await });
        }
        for answer in within(callers.join_all()).await {
            assert_eq!(answer.expect("loads").id, round);
        }
        assert_eq!(source.loads(), round);
    }
}

/// A caller that looked in memory before a load landed, and for its flight after, finds what the
/// load left. Without a file behind, a second load could not be hidden.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_come_as_a_load_lands_make_no_second() {
    const NODES: u64 = 5000;
    let world = World::new();
    let source = Versions::new();
    let definition = UserNode::definition().tiers([TierDefinition::new("memory")]);
    let cache = world.cache().await;
    let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let users = users.clone();
        callers.spawn(async move {
            for id in 0..NODES {
                users.get(&user(id)).await.expect("loads");
            }
        });
    }
    within(callers.join_all()).await;
    assert_eq!(source.loads(), NODES);
}

#[tokio::test]
async fn every_waiter_gets_the_same_value() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let node = user(1);
    let mut callers: Vec<_> = (0..10).map(|_| Box::pin(users.get(&node))).collect();
    let waiting = join_all(callers.iter_mut());
    let releasing = async {
        source.until_loads(1).await;
        source.release();
    };
    let (answers, ()) = within(async { tokio::join!(waiting, releasing) }).await;
    let first = answers[0].as_ref().expect("loads");
    for answer in &answers {
        assert!(Arc::ptr_eq(answer.as_ref().expect("loads"), first));
    }
}

#[tokio::test]
async fn trap_15_a_caller_that_goes_away_cancels_nobody() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let first = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(1)).await }
    });
    source.until_loads(1).await;
    let second = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(1)).await }
    });
    until(|| users.stats().abandoned == 0 && !second.is_finished()).await;
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    source.release();
    within(second).await.expect("no panic").expect("loads");
    assert_eq!(source.loads(), 1);
}

#[tokio::test]
async fn a_load_that_nobody_waits_for_is_finished_by_default() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let node = user(1);
    let abandoned = tokio::time::timeout(Duration::from_millis(20), users.get(&node)).await;
    assert!(abandoned.is_err());
    assert_eq!(users.stats().abandoned, 1);
    source.release();
    until(|| cache.loads_in_flight() == 0).await;
    assert!(users.contains(&node).await.expect("looks"));
    users.get(&node).await.expect("is there");
    assert_eq!(source.loads(), 1);
}

#[tokio::test]
async fn a_load_that_nobody_waits_for_is_cancelled_where_that_is_the_policy() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let definition = UserNode::definition().abandoned(Abandoned::Cancel);
    let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    source.hold();
    let node = user(1);
    let abandoned = tokio::time::timeout(Duration::from_millis(20), users.get(&node)).await;
    assert!(abandoned.is_err());
    until(|| cache.loads_in_flight() == 0).await;
    source.release();
    assert!(!users.contains(&node).await.expect("looks"));
    assert_eq!(within(users.get(&node)).await.expect("loads again").id, 1);
    assert_eq!(source.loads(), 2);
}

/// A refresh that a later one could not join has left the map to that one, and is still to be
/// cancelled; the later one is not.
#[tokio::test]
async fn a_refresh_that_nobody_waits_for_is_cancelled_though_another_took_its_place() {
    struct Ended(Arc<AtomicU64>);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let world = World::new();
    let cache = world.cache().await;
    let (begun, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let held = tokio::sync::watch::Sender::new(true);
    let (beginning, ending, hold) = (Arc::clone(&begun), Arc::clone(&ended), held.clone());
    let source = source_fn(move |node: UserNode| {
        let version = beginning.fetch_add(1, Ordering::SeqCst) + 1;
        let (ended, mut held) = (Ended(Arc::clone(&ending)), hold.subscribe());
        async move {
            let _ended = ended;
            held.wait_for(|held| !held).await?;
            Ok::<_, LoadError>(User { id: node.id, version })
        }
    });
    let definition = UserNode::definition().abandoned(Abandoned::Cancel);
    let users = cache.bind_as::<UserNode>(definition, source).expect("binds");
    let mut refreshes = Vec::new();
    for count in 1..=2 {
        let users = users.clone();
        refreshes.push(tokio::spawn(async move { users.refresh(&user(1)).await }));
        until(|| begun.load(Ordering::SeqCst) == count).await;
    }
    refreshes[0].abort();
    until(|| ended.load(Ordering::SeqCst) == 1).await;
    assert_eq!(users.stats().abandoned, 1);
    held.send_replace(false);
    let second = refreshes.remove(1);
    assert_eq!(within(second).await.expect("no panic").expect("loads").version, 2);
    assert_eq!((begun.load(Ordering::SeqCst), users.stats().abandoned), (2, 1));
    assert_eq!(cache.loads_in_flight(), 0);
}

#[tokio::test]
async fn an_error_reaches_every_waiter_and_frees_the_flight() {
    #[derive(Debug, thiserror::Error)]
    #[error("the database is gone")]
    struct Gone;
    let world = World::new();
    let cache = world.cache().await;
    let loads = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&loads);
    let users = cache
        .bind::<UserNode>(source_fn(move |node: UserNode| {
            let load = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::task::yield_now().await;
                if load == 0 { Err(Gone.into()) } else { Ok(User { id: node.id, version: 1 }) }
            }
        }))
        .expect("binds");
    let node = user(1);
    let answers = within(join_all((0..10).map(|_| users.get(&node)))).await;
    for answer in answers {
        let error = answer.expect_err("the load failed");
        assert!(matches!(&error, Error::Load { key, .. } if key.as_str() == "tiers:user:1:v1"));
        let source = std::error::Error::source(&error).expect("keeps its source");
        assert_eq!(source.to_string(), "the database is gone");
    }
    assert_eq!(cache.loads_in_flight(), 0);
    within(users.get(&node)).await.expect("the next load succeeds");
    assert_eq!(loads.load(Ordering::SeqCst), 2);
    assert_eq!(users.stats().loads_failed, 1);
}

#[tokio::test]
async fn trap_16_a_panic_reaches_every_waiter_and_frees_the_flight() {
    let world = World::new();
    let cache = world.cache().await;
    let panics = Arc::new(AtomicU64::new(1));
    let left = Arc::clone(&panics);
    let users = cache
        .bind::<UserNode>(source_fn(move |node: UserNode| {
            let panics = left.swap(0, Ordering::SeqCst) == 1;
            async move {
                tokio::task::yield_now().await;
                assert!(!panics, "no such shard");
                Ok::<_, LoadError>(User { id: node.id, version: 1 })
            }
        }))
        .expect("binds");
    let node = user(1);
    for answer in within(join_all((0..5).map(|_| users.get(&node)))).await {
        let error = answer.expect_err("the load panicked");
        let Error::LoadPanicked { message, .. } = &error else { panic!("{error}") };
        assert!(message.contains("no such shard"), "{message}");
    }
    assert_eq!(cache.loads_in_flight(), 0);
    within(users.get(&node)).await.expect("the next load succeeds");
}

#[tokio::test]
async fn a_load_that_hangs_is_given_up() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let definition = UserNode::definition().load_timeout(Some(Duration::from_secs(5)));
    let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    source.hold();
    let node = user(1);
    let waiting = join_all((0..3).map(|_| users.get(&node)));
    let passing = async {
        source.until_loads(1).await;
        world.pass(Duration::from_secs(5));
    };
    let (answers, ()) = within(async { tokio::join!(waiting, passing) }).await;
    for answer in answers {
        let error = answer.expect_err("it hung");
        assert!(matches!(error, Error::LoadTimeout { after, .. } if after.as_secs() == 5));
    }
    source.release();
    within(users.get(&node)).await.expect("the next load succeeds");
}

#[tokio::test]
async fn many_joins_the_flights_of_one_and_the_reverse() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let (one, two, three) = (user(1), user(2), user(3));
    let both = [one.clone(), two.clone()];
    let all = [two.clone(), three.clone(), one.clone()];
    let single = users.get(&one);
    let many = users.get_many(&both);
    let more = users.get_many(&all);
    let late = async {
        source.until_loads(3).await;
        let late = users.get(&three);
        source.release();
        late.await
    };
    let (single, many, more, late) = within(async { tokio::join!(single, many, more, late) }).await;
    assert_eq!(single.expect("loads").id, 1);
    assert_eq!(late.expect("loads").id, 3);
    let ids = |answers: Vec<Result<Arc<User>, Error>>| -> Vec<u64> {
        answers.into_iter().map(|answer| answer.expect("loads").id).collect()
    };
    assert_eq!((ids(many), ids(more)), (vec![1, 2], vec![2, 3, 1]));
    assert_eq!(source.loads(), 3, "each node once");
}

#[tokio::test]
async fn trap_18_a_load_that_asks_for_itself_is_an_error() {
    let world = World::new();
    let cache = world.cache().await;
    let asking = cache.clone();
    let users = cache
        .bind::<UserNode>(source_fn(move |node: UserNode| {
            let users = asking.handle::<UserNode>().expect("bound");
            async move { Ok(User::clone(&*users.get(&node).await?)) }
        }))
        .expect("binds");
    let error = within(users.get(&user(1))).await.expect_err("it waits for itself");
    let source = std::error::Error::source(&error).expect("keeps its source").to_string();
    assert!(source.contains("would wait for itself"), "{source}");
}

/// A asks for B while B, begun by another caller, asks for A.
#[tokio::test]
async fn loads_that_wait_for_each_other_are_an_error() {
    let world = World::new();
    let cache = world.cache().await;
    let asking = cache.clone();
    let meet = Arc::new(tokio::sync::Barrier::new(2));
    let users = cache
        .bind::<UserNode>(source_fn(move |node: UserNode| {
            let users = asking.handle::<UserNode>().expect("bound");
            let meet = Arc::clone(&meet);
            async move {
                meet.wait().await;
                Ok(User::clone(&*users.get(&user(3 - node.id)).await?))
            }
        }))
        .expect("binds");
    let (one, two) = (user(1), user(2));
    let (first, second) = within(async { tokio::join!(users.get(&one), users.get(&two)) }).await;
    assert!(first.is_err() && second.is_err(), "neither has a value");
}

#[tokio::test]
async fn loads_that_ask_for_others_do_not_starve_for_places() {
    let world = World::new();
    let cache = world.cache().await;
    let asking = cache.clone();
    let definition = UserNode::definition().loads_max(1);
    let users = cache
        .bind_as::<UserNode>(
            definition,
            source_fn(move |node: UserNode| {
                let users = asking.handle::<UserNode>().expect("bound");
                async move {
                    match node.id {
                        0 => Ok(User { id: 0, version: 0 }),
                        id => {
                            let below = users.get(&user(id - 1)).await?;
                            Ok(User { id, version: below.version + 1 })
                        }
                    }
                }
            }),
        )
        .expect("binds");
    let answer = within(users.get(&user(20))).await.expect("loads");
    assert_eq!(answer.version, 20);
}

#[tokio::test]
async fn loads_at_once_are_bounded() {
    let world = World::new();
    let cache = world.cache().await;
    let running = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let users = cache
        .bind_as::<UserNode>(
            UserNode::definition().loads_max(3),
            source_fn(move |node: UserNode| {
                let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
                async move {
                    peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, LoadError>(User { id: node.id, version: 1 })
                }
            }),
        )
        .expect("binds");
    let nodes: Vec<UserNode> = (0..20).map(user).collect();
    within(join_all(nodes.iter().map(|node| users.get(node)))).await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_closure_loads_once_and_only_on_a_miss() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    let node = user(1);
    let load = || async { Ok::<_, LoadError>(User { id: 1, version: 99 }) };
    assert_eq!(users.get_with(&node, load).await.expect("loads").version, 99);
    let never = || async { Err::<User, _>(LoadError::message("not to be called")) };
    assert_eq!(users.get_with(&node, never).await.expect("is there").version, 99);
    assert_eq!(users.get(&node).await.expect("is there").version, 99);
    assert_eq!(source.loads(), 0);
}

/// A closure that joined a flight from before an invalidation is still what loads in the second
/// round.
#[tokio::test]
async fn a_closure_that_came_late_is_called_in_the_second_round() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let node = user(1);
    let early = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(1)).await }
    });
    source.until_loads(1).await;
    assert!(users.invalidate(&node).await.expect("invalidates").is_done());
    let late = users.get_with(&node, || async { Ok::<_, LoadError>(User { id: 1, version: 99 }) });
    let releasing = async {
        tokio::task::yield_now().await;
        source.release();
    };
    let (late, ()) = within(async { tokio::join!(late, releasing) }).await;
    assert_eq!(late.expect("loads").version, 99);
    assert_eq!(early.await.expect("no panic").expect("loads").version, 1);
}

/// A node whose key cannot even be written fails every time, and leaves no flight behind.
#[tokio::test]
async fn a_node_that_panics_in_its_key_is_an_error() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Broken;
    impl Node for Broken {
        type Value = u8;
        fn definition() -> NodeDefinition {
            NodeDefinition::new("Broken", "broken:{id}").tier(TierDefinition::new("memory"))
        }
        fn key_fields(&self, _: &mut tiers::key::KeyFields<'_>) {
            panic!("no key");
        }
    }
    let world = World::new();
    let cache = world.cache().await;
    let source = source_fn(|_: Broken| async { Ok::<_, LoadError>(1_u8) });
    let handle = cache.bind::<Broken>(source).expect("binds");
    for _ in 0..3 {
        let error = within(handle.get(&Broken)).await.expect_err("it has no key");
        assert!(matches!(error, Error::Key { .. }), "{error}");
        assert_eq!(cache.loads_in_flight(), 0);
    }
}
