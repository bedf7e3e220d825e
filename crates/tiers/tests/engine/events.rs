//! What happens in a cache, as its subscribers are told.

use std::sync::Arc;
use std::time::Duration;

use tiers::cache::StorageOptions;
use tiers::core::testing::{Operation, TestStorage};
use tiers::events::{CacheEvent, EventKind, EventOptions, Events, Refused};
use tiers::policy::breaker::{BreakerOptions, BreakerState};
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;
use tiers::storage::StorageErrorKind;

use crate::support::{UserNode, Versions, World, memory, until, user, within};

const SECOND: Duration = Duration::from_secs(1);

struct Stage {
    world: World,
    far: TestStorage,
    cache: Cache,
    users: Handle<UserNode>,
    source: Versions,
}

fn stage() -> Stage {
    let world = World::new();
    let far = TestStorage::builder().clock(world.clock.clone()).build();
    let breaker = Some(BreakerOptions::new(1, 5 * SECOND));
    let cache = Cache::builder()
        .clock(Arc::new(world.clock.clone()))
        .storage("memory", memory())
        .storage_with("far", far.clone(), StorageOptions::NONE.breaker(breaker))
        .build()
        .expect("a valid cache");
    let tiers = ["memory", "far"].map(|name| TierDefinition::new(name).ttl(10 * SECOND));
    let stale = StaleOptions::new().while_revalidate(60 * SECOND);
    let definition = UserNode::definition().tiers(tiers).stale(stale);
    let source = Versions::new();
    let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    Stage { world, far, cache, users, source }
}

/// What has happened so far, in short.
fn told(events: &mut Events) -> Vec<String> {
    let event = std::iter::from_fn(|| events.try_recv());
    event.map(|event| short(&event)).collect()
}

fn short(event: &CacheEvent) -> String {
    match event {
        CacheEvent::Hit { tier, stale: false, .. } => format!("hit {tier}"),
        CacheEvent::Hit { tier, .. } => format!("stale hit {tier}"),
        CacheEvent::Miss { .. } => "miss".to_owned(),
        CacheEvent::Fill { tier, .. } => format!("fill {tier}"),
        CacheEvent::Refusal { tier, refused, .. } => format!("refusal {tier} {refused:?}"),
        CacheEvent::Eviction { tier, cause, .. } => format!("eviction {tier} {cause:?}"),
        CacheEvent::Invalidation { pending, .. } => format!("invalidation {pending:?}"),
        CacheEvent::Landed { tier, left } => format!("landed {tier} {left}"),
        CacheEvent::Breaker { tier, state } => format!("breaker {tier} {}", state.name()),
        CacheEvent::Health { tier, is_well } => format!("health {tier} {is_well}"),
        CacheEvent::WriteLost { why, .. } => format!("write lost {why:?}"),
        CacheEvent::Lost { count } => format!("lost {count}"),
        other => panic!("{other:?}"),
    }
}

fn all_but_evictions() -> EventOptions {
    EventOptions::new()
        .kinds(EventKind::ALL.into_iter().filter(|kind| *kind != EventKind::Eviction))
}

#[tokio::test]
async fn reads_and_changes_are_told_in_their_order() {
    let stage = stage();
    stage.users.get(&user(9)).await.expect("loads");
    let mut events = stage.cache.events_of(all_but_evictions());
    stage.users.get(&user(1)).await.expect("loads");
    assert_eq!(told(&mut events), ["miss", "fill memory", "fill far"]);
    stage.users.get(&user(1)).await.expect("is there");
    stage.users.get_many(&[user(1), user(9)]).await;
    assert_eq!(told(&mut events), ["hit memory"; 3]);
    stage.world.pass(10 * SECOND);
    stage.users.get(&user(1)).await.expect("is there");
    until(|| stage.cache.loads_in_flight() == 0).await;
    let after = told(&mut events);
    assert_eq!(after[0], "stale hit memory");
    assert!(!after.contains(&"miss".to_owned()), "loaded behind the reader: {after:?}");
    let _ = stage.users.invalidate(&user(1)).await.expect("is open");
    assert_eq!(told(&mut events), ["invalidation []"]);
}

#[tokio::test]
async fn what_is_refused_is_told() {
    let stage = stage();
    let mut events =
        stage.cache.events_of(EventOptions::new().kinds([EventKind::Refusal, EventKind::Fill]));
    stage.source.hold();
    let users = stage.users.clone();
    let load = tokio::spawn(async move { users.get(&user(1)).await });
    stage.source.until_loads(1).await;
    assert!(stage.users.invalidate(&user(1)).await.expect("is open").is_done());
    stage.source.release();
    within(load).await.expect("no panic").expect("a value");
    let expected = |tier: &str| CacheEvent::Refusal {
        node: "UserNode".into(),
        tier: tier.into(),
        key: stage.users.key(&user(1)).expect("a valid key"),
        refused: Refused::Fenced,
    };
    assert_eq!(events.try_recv(), Some(expected("memory")));
    assert_eq!(events.try_recv(), Some(expected("far")));
    assert_eq!(events.try_recv(), None);
}

#[tokio::test]
async fn how_a_storage_fares_is_told() {
    let stage = stage();
    let mut events = stage.cache.events_of(EventOptions::new().kinds([
        EventKind::Breaker,
        EventKind::Health,
        EventKind::Invalidation,
    ]));
    stage.far.fail_next(Operation::Get, 1, StorageErrorKind::Unavailable);
    stage.users.get(&user(1)).await.expect("loads");
    assert_eq!(told(&mut events), ["health far false", "breaker far open"]);
    let _ = stage.users.invalidate(&user(1)).await.expect("is open");
    assert_eq!(told(&mut events), ["invalidation [\"far\"]"]);
    within(async {
        let mut seen = Vec::new();
        while !seen.contains(&"landed far 0".to_owned()) {
            stage.world.pass(SECOND);
            tokio::time::sleep(Duration::from_millis(1)).await;
            seen.extend(told(&mut events));
        }
        assert!(seen.contains(&"health far true".to_owned()), "{seen:?}");
        assert!(seen.contains(&format!("breaker far {}", BreakerState::Closed.name())));
    })
    .await;
}

#[tokio::test]
async fn what_leaves_memory_is_told() {
    let stage = stage();
    let mut events =
        stage.cache.events_of(EventOptions::new().kinds([EventKind::Eviction]).waiting_max(10_000));
    let nodes: Vec<UserNode> = (0..16).map(user).collect();
    stage.users.get_many(&nodes).await;
    let _ = stage.users.invalidate_many(&nodes).await.expect("is open");
    let evictions = within(async {
        let mut evictions = Vec::new();
        while evictions.len() < 16 {
            evictions.push(events.recv().await.expect("the cache is open"));
        }
        evictions
    })
    .await;
    for event in evictions {
        assert_eq!(short(&event), "eviction memory Explicit");
    }
}

#[tokio::test]
async fn who_is_slow_is_told_how_many_were_lost_and_closing_ends_it() {
    let stage = stage();
    let options = EventOptions::new().kinds([EventKind::Hit]).waiting_max(3);
    let mut events = stage.cache.events_of(options);
    stage.users.get(&user(1)).await.expect("loads");
    for _ in 0..10 {
        stage.users.get(&user(1)).await.expect("is there");
    }
    assert_eq!(told(&mut events), ["lost 7", "hit memory", "hit memory", "hit memory"]);
    stage.cache.close().await.expect("closes");
    assert_eq!(within(events.recv()).await, None);
}
