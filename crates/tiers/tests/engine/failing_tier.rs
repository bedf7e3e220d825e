//! I5 and I6: a tier that fails, lies or hangs is a miss; an invalidation that could not reach it
//! is tried until it does.

use std::sync::Arc;
use std::time::Duration;

use tiers::cache::StorageOptions;
use tiers::core::testing::{Operation, ReadDamage, TestStorage};
use tiers::node::TierFailure;
use tiers::prelude::*;
use tiers::storage::{Reach, StorageErrorKind};

use crate::support::{User, UserNode, Versions, World, memory, until, user, within};

const DOWN: StorageErrorKind = StorageErrorKind::Unavailable;

struct Chain {
    world: World,
    near: TestStorage,
    far: TestStorage,
    cache: Cache,
    users: Handle<UserNode>,
    source: Versions,
}

/// Two storages, and memory in front where `with_memory`.
fn chain(with_memory: bool) -> Chain {
    let world = World::new();
    let storage = |scheme| {
        let builder = TestStorage::builder().clock(world.clock.clone()).reach(Reach::Shared);
        builder.scheme(scheme).build()
    };
    let (near, far) = (storage("near"), storage("far"));
    let cache = Cache::builder()
        .clock(Arc::new(world.clock.clone()))
        .storage("memory", memory())
        .storage_with("near", near.clone(), StorageOptions::NONE)
        .storage_with("far", far.clone(), StorageOptions::NONE)
        .build()
        .expect("a valid cache");
    let ttl = Duration::from_secs(600);
    let mut tiers = vec![TierDefinition::new("near").ttl(ttl), TierDefinition::new("far").ttl(ttl)];
    if with_memory {
        tiers.insert(0, TierDefinition::new("memory").ttl(ttl));
    }
    let source = Versions::new();
    let definition = UserNode::definition().tiers(tiers);
    let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    Chain { world, near, far, cache, users, source }
}

fn stored(storage: &TestStorage, users: &Handle<UserNode>, id: u64) -> bool {
    storage.stored(&users.key(&user(id)).expect("a valid key")).is_some()
}

#[tokio::test]
async fn a_tier_that_cannot_be_read_is_passed_over_and_not_filled() {
    let chain = chain(false);
    chain.near.fail_next(Operation::Get, 1, DOWN);
    assert_eq!(chain.users.get(&user(1)).await.expect("loads").version, 1);
    assert!(!stored(&chain.near, &chain.users, 1), "without a stamp there is no fill");
    assert!(stored(&chain.far, &chain.users, 1));
    let stats = chain.users.stats();
    let near = stats.tier("near").expect("a tier");
    assert_eq!((near.errors, near.misses, near.fills_skipped), (1, 1, 1));
    // Back again, it is filled from the far one.
    chain.users.get(&user(1)).await.expect("is in far");
    assert!(stored(&chain.near, &chain.users, 1));
    assert_eq!(chain.source.loads(), 1);
}

#[tokio::test]
async fn all_tiers_down_leave_the_source() {
    let chain = chain(true);
    for id in 0..5 {
        chain.near.fail_next(Operation::Get, 1, DOWN);
        chain.far.fail_next(Operation::Get, 1, DOWN);
        assert_eq!(chain.users.get(&user(id)).await.expect("loads").id, id);
        assert_eq!(chain.users.get(&user(id)).await.expect("is in memory").id, id);
    }
    assert_eq!(chain.source.loads(), 5);
    chain.near.fail_next(Operation::GetMany, 1, DOWN);
    chain.far.fail_next(Operation::GetMany, 1, DOWN);
    let nodes: Vec<UserNode> = (10..20).map(user).collect();
    assert!(chain.users.get_many(&nodes).await.iter().all(|answer| answer.is_ok()));
}

#[tokio::test]
async fn one_key_of_a_batch_fails_alone() {
    let chain = chain(false);
    let nodes: Vec<UserNode> = (0..4).map(user).collect();
    chain.users.get_many(&nodes).await;
    chain.near.fail_next_of_key(&chain.users.key(&user(2)).expect("valid"), 1, DOWN);
    let answers = chain.users.get_many(&nodes).await;
    assert!(answers.iter().all(|answer| answer.is_ok()));
    let stats = chain.users.stats();
    assert_eq!(stats.tier("near").expect("a tier").hits, 3);
    assert_eq!(stats.tier("far").expect("a tier").hits, 1);
    assert_eq!(chain.source.loads(), 4);
}

#[tokio::test]
async fn a_tier_that_cannot_be_written_costs_nobody_his_value() {
    let chain = chain(false);
    chain.near.fail_next(Operation::Write, 1, DOWN);
    chain.far.fail_next(Operation::Write, 1, StorageErrorKind::Full);
    assert_eq!(chain.users.get(&user(1)).await.expect("loads").version, 1);
    assert!(!stored(&chain.near, &chain.users, 1) && !stored(&chain.far, &chain.users, 1));
    let stats = chain.users.stats();
    assert_eq!(stats.tier("near").expect("a tier").errors, 1);
    assert_eq!(stats.tier("far").expect("a tier").errors, 1);
}

#[tokio::test]
async fn a_failing_tier_is_told_where_that_is_the_policy() {
    let chain = chain(false);
    let strict = NodeDefinition::new("strict", "strict:{id}")
        .tier(TierDefinition::new("far").on_failure(TierFailure::Error));
    let strict = chain.cache.bind_as::<UserNode>(strict, chain.source.clone()).expect("binds");
    chain.far.fail_next(Operation::Get, 1, DOWN);
    let error = strict.get(&user(1)).await.expect_err("told");
    assert!(matches!(&error, Error::Storage { storage, .. } if storage == "far"), "{error}");
    assert_eq!(error.retry(), tiers::error::Retry::Later);
    assert_eq!(chain.source.loads(), 0);
}

#[tokio::test]
async fn damaged_entries_are_missed_counted_and_replaced() {
    let kinds =
        [ReadDamage::FlippedBit, ReadDamage::Torn, ReadDamage::WrongChecksum, ReadDamage::Detected];
    for damage in kinds {
        let chain = chain(false);
        chain.users.get(&user(1)).await.expect("loads");
        chain.source.change();
        chain.near.damage_next(damage, 1);
        chain.far.damage_next(damage, 1);
        let read = chain.users.get(&user(1)).await.expect("loads again");
        assert_eq!(read.version, 2, "{damage:?}");
        let stats = chain.users.stats();
        let near = stats.tier("near").expect("a tier");
        let counted = if damage == ReadDamage::Detected { near.errors } else { near.damaged };
        assert_eq!(counted, 1, "{damage:?}");
    }
}

#[tokio::test]
async fn a_bomb_is_missed() {
    let chain = chain(false);
    let definition = NodeDefinition::new("small", "small:{id}")
        .tier(TierDefinition::new("far"))
        .decoded_bytes_max(10);
    let small = chain.cache.bind_as::<UserNode>(definition, chain.source.clone()).expect("binds");
    small.get(&user(1)).await.expect("loads");
    small.get(&user(1)).await.expect("loads again");
    assert_eq!(chain.source.loads(), 2);
    assert_eq!(small.stats().tier("far").expect("a tier").damaged, 1);
}

#[tokio::test]
async fn an_invalidation_that_cannot_reach_a_tier_is_pending_until_it_lands() {
    let chain = chain(true);
    chain.users.get(&user(1)).await.expect("loads");
    let version = chain.source.change();
    chain.far.fail_next(Operation::Invalidate, 2, DOWN);
    let report = chain.users.invalidate(&user(1)).await.expect("invalidates what it reaches");
    assert!(!report.is_done());
    assert_eq!(report.pending[0].storage, "far");
    assert_eq!(chain.cache.stats().await.storages[1].pending_invalidations, 1);
    assert!(!stored(&chain.near, &chain.users, 1), "the tiers that were reached have forgotten it");
    assert!(stored(&chain.far, &chain.users, 1));

    // Until it lands the far tier is neither read nor filled for this key, and others are.
    assert_eq!(chain.users.get(&user(1)).await.expect("loads").version, version);
    assert!(chain.users.peek(&user(1)).await.expect("looks").is_some());
    chain.users.get(&user(2)).await.expect("loads");
    assert!(stored(&chain.far, &chain.users, 2));

    // Another process carries the old value nearer meanwhile; the second round removes it there.
    until(|| chain.world.clock.sleepers() > 0).await;
    until_landed(&chain).await;
    assert!(!stored(&chain.far, &chain.users, 1));
    assert!(!stored(&chain.near, &chain.users, 1), "the nearer tiers are told again");
    assert!(chain.users.get(&user(1)).await.expect("loads").version >= version);
}

/// Lets time pass until nothing is pending in `far` any more.
async fn until_landed(chain: &Chain) {
    within(async {
        while chain.cache.stats().await.storages[1].pending_invalidations > 0 {
            chain.world.pass(Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// One that panics while it is told again is told once more, and so are the tiers before it.
#[tokio::test]
async fn a_storage_that_panics_when_it_is_told_again_is_told_once_more() {
    for near_panics in [false, true] {
        let chain = chain(true);
        chain.users.get(&user(1)).await.expect("loads");
        chain.far.fail_next(Operation::Invalidate, 1, DOWN);
        assert!(!chain.users.invalidate(&user(1)).await.expect("pends").is_done());
        let panics = if near_panics { &chain.near } else { &chain.far };
        panics.panic_next(Operation::Invalidate, 2);
        until_landed(&chain).await;
        assert!(!stored(&chain.far, &chain.users, 1), "{near_panics}");
        let told = (chain.far.calls().invalidate, chain.near.calls().invalidate);
        // Failed, panicked twice and done; near first by the call itself, then by the second round.
        assert_eq!(told, if near_panics { (4, 4) } else { (4, 2) });
        // Those that come after it land, too.
        chain.far.fail_next(Operation::Invalidate, 1, DOWN);
        assert!(!chain.cache.invalidate_tag("users").await.expect("pends").is_done());
        until_landed(&chain).await;
    }
}

/// Of two types with keys of one version, the pattern of all keys is the same in the storages, and
/// means other entries in memory.
#[tokio::test]
async fn two_that_are_the_same_to_storages_wait_as_one_for_both_types() {
    let chain = chain(true);
    let minute = Duration::from_secs(600);
    let tiers = [TierDefinition::new("memory").ttl(minute), TierDefinition::new("far").ttl(minute)];
    let others = NodeDefinition::new("others", "other:{id}").tiers(tiers);
    let others = chain.cache.bind_as::<UserNode>(others, chain.source.clone()).expect("binds");
    chain.far.fail_next(Operation::Invalidate, 2, DOWN);
    assert!(!chain.users.invalidate_pattern("*").await.expect("pends").is_done());
    assert!(!others.invalidate_pattern("*").await.expect("pends").is_done());
    assert_eq!(chain.cache.stats().await.storages[1].pending_invalidations, 1);
    // Memory may have been filled by what another process has carried nearer.
    let in_memory = async |handle: &Handle<UserNode>| {
        handle.entry(&user(1)).await.expect("looks").is_some_and(|entry| entry.storage == "memory")
    };
    for handle in [&chain.users, &others] {
        handle.get(&user(1)).await.expect("loads");
        assert!(in_memory(handle).await);
    }
    until_landed(&chain).await;
    assert!(!in_memory(&chain.users).await && !in_memory(&others).await);
}

#[tokio::test]
async fn a_tag_that_waits_covers_what_bears_it() {
    let chain = chain(false);
    chain.users.get(&user(1)).await.expect("loads");
    chain.source.change();
    chain.far.fail_next(Operation::Invalidate, 1, DOWN);
    assert!(!chain.cache.invalidate_tag("user:1").await.expect("pends").is_done());
    assert_eq!(chain.users.get(&user(1)).await.expect("loads").version, 2);
    let in_far = chain.far.stored(&chain.users.key(&user(1)).expect("valid")).expect("still there");
    chain.users.get(&user(1)).await.expect("is near");
    assert_eq!(
        chain.far.stored(&chain.users.key(&user(1)).expect("valid")).map(|entry| entry.token),
        Some(in_far.token),
        "not filled while it waits"
    );
}

#[tokio::test]
async fn closing_tells_of_invalidations_that_are_lost() {
    let chain = chain(false);
    chain.far.fail_next(Operation::Invalidate, 1, DOWN);
    assert!(!chain.cache.clear().await.expect("pends").is_done());
    let error = within(chain.cache.close()).await.expect_err("one is lost");
    assert!(error.to_string().contains("1 invalidations had not reached `far`"), "{error}");
}

#[tokio::test]
async fn a_value_that_cannot_be_set_far_is_set_nowhere() {
    let chain = chain(true);
    chain.users.get(&user(1)).await.expect("loads");
    chain.far.fail_next(Operation::Write, 1, DOWN);
    let error = chain.users.set(&user(1), User { id: 1, version: 9 }).await.expect_err("told");
    assert!(matches!(&error, Error::Storage { storage, .. } if storage == "far"), "{error}");
    assert!(!stored(&chain.near, &chain.users, 1));
    assert!(!stored(&chain.far, &chain.users, 1));
    assert_eq!(chain.users.get(&user(1)).await.expect("loads").version, 1);
}

/// The value stands where it has to, and the nearer tier is passed over until it has forgotten.
#[tokio::test]
async fn a_change_that_a_nearer_tier_cannot_be_told_of_stands_and_is_pending_there() {
    for update in [false, true] {
        let chain = chain(false);
        chain.users.get(&user(1)).await.expect("loads");
        chain.near.fail_next(Operation::Invalidate, 1, DOWN);
        if update {
            let change = || async { Ok::<_, LoadError>(User { id: 1, version: 9 }) };
            chain.users.update(&user(1), change).await.expect("changes");
        } else {
            chain.users.set(&user(1), User { id: 1, version: 9 }).await.expect("sets");
        }
        assert_eq!(chain.cache.stats().await.storages[0].pending_invalidations, 1);
        assert!(stored(&chain.near, &chain.users, 1), "still the old one");
        assert_eq!(chain.users.get(&user(1)).await.expect("is there").version, 9);
        within(async {
            while chain.cache.stats().await.storages[0].pending_invalidations > 0 {
                chain.world.pass(Duration::from_secs(10));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        assert!(!stored(&chain.near, &chain.users, 1));
        assert_eq!(chain.users.get(&user(1)).await.expect("is there").version, 9);
        assert_eq!(chain.source.loads(), 1);
    }
}

/// Without a stamp of the farthest storage a change is only invalidated there. Where that is pending,
/// too, another process may carry the old value to the near storage, in which this one would find it.
#[tokio::test]
async fn an_update_that_cannot_even_invalidate_the_farthest_tier_is_told() {
    for gone in [false, true] {
        let chain = chain(false);
        chain.users.get(&user(1)).await.expect("loads");
        let version = chain.source.change();
        chain.far.fail_next(Operation::Stamps, 1, DOWN);
        chain.far.fail_next(Operation::Invalidate, 1, DOWN);
        let change = move || async move {
            Ok::<_, LoadError>(if gone { Loaded::absent() } else { User { id: 1, version }.into() })
        };
        let error = chain.users.update(&user(1), change).await.expect_err("told");
        assert!(matches!(&error, Error::Storage { storage, .. } if storage == "far"), "{error}");
        assert_eq!(chain.cache.stats().await.storages[1].pending_invalidations, 1);
        until_landed(&chain).await;
        assert_eq!(chain.users.get(&user(1)).await.expect("loads").version, version);
        // Where it was told, it is no error that nothing could be stored there.
        chain.far.fail_next(Operation::Stamps, 1, DOWN);
        chain.users.update(&user(1), change).await.expect("is invalidated");
        assert!(!stored(&chain.far, &chain.users, 1));
    }
}

/// Of three shared storages the one in the middle is passed over by this process alone: another carries
/// what it holds to the near one.
#[tokio::test]
async fn a_change_that_a_storage_between_shared_ones_cannot_be_told_of_is_told() {
    let world = World::new();
    let storage = |scheme| {
        let builder = TestStorage::builder().clock(world.clock.clone()).reach(Reach::Shared);
        builder.scheme(scheme).build()
    };
    let storages = ["near", "middle", "far"].map(|scheme| (scheme, storage(scheme)));
    let mut builder = Cache::builder().clock(Arc::new(world.clock.clone()));
    for (name, storage) in &storages {
        builder = builder.storage_with(*name, storage.clone(), StorageOptions::NONE);
    }
    let cache = builder.build().expect("a valid cache");
    let tiers = storages.each_ref().map(|(name, _)| TierDefinition::new(*name));
    let definition = UserNode::definition().tiers(tiers);
    let users = cache.bind_as::<UserNode>(definition, Versions::new()).expect("binds");
    for (id, (failing, storage)) in storages.iter().enumerate() {
        let node = user(id as u64);
        storage.fail_next(Operation::Invalidate, 1, DOWN);
        let result = users.set(&node, User { id: id as u64, version: 9 }).await;
        let told = matches!(&result, Err(Error::Storage { storage, .. }) if storage == failing);
        assert_eq!(told, *failing == "middle", "{failing}: {result:?}");
        assert_eq!(users.get(&node).await.expect("is far").version, 9, "{failing}");
    }
}

/// Farthest first: between the two steps a reader may still find the old value near, but nobody
/// can carry it from far to near after the near tier was told.
#[tokio::test]
async fn an_invalidation_goes_from_the_farthest_tier_to_the_nearest() {
    let chain = chain(false);
    chain.users.get(&user(1)).await.expect("loads");
    let far = chain.far.hold(Operation::Invalidate);
    let invalidation = tokio::spawn({
        let users = chain.users.clone();
        async move { users.invalidate(&user(1)).await }
    });
    within(far.arrived(1)).await;
    assert!(stored(&chain.near, &chain.users, 1), "the near tier has not been told yet");
    far.open();
    assert!(within(invalidation).await.expect("no panic").expect("invalidates").is_done());
    assert!(!stored(&chain.near, &chain.users, 1) && !stored(&chain.far, &chain.users, 1));
}

#[tokio::test]
async fn an_invalidation_goes_on_when_its_caller_goes_away() {
    let chain = chain(false);
    chain.users.get(&user(1)).await.expect("loads");
    let far = chain.far.hold(Operation::Invalidate);
    let invalidation = tokio::spawn({
        let users = chain.users.clone();
        async move { users.invalidate(&user(1)).await }
    });
    within(far.arrived(1)).await;
    invalidation.abort();
    assert!(invalidation.await.expect_err("aborted").is_cancelled());
    far.open();
    until(|| !stored(&chain.near, &chain.users, 1)).await;
    assert!(!stored(&chain.far, &chain.users, 1));
}

/// Many are asked for in one round trip a tier.
#[tokio::test]
async fn each_tier_is_asked_once_for_many() {
    let chain = chain(true);
    let nodes: Vec<UserNode> = (0..100).map(user).collect();
    chain.users.get_many(&nodes).await;
    for storage in [&chain.near, &chain.far] {
        assert_eq!(
            storage.calls().round_trips(),
            2,
            "one read and one write: {:?}",
            storage.calls()
        );
        storage.reset_calls();
    }
    let values = (0..100).map(|id| (user(id), User { id, version: 5 }));
    chain.users.set_many(values).await;
    assert_eq!((chain.near.calls().round_trips(), chain.far.calls().round_trips()), (1, 1));
}

#[tokio::test]
async fn two_chains_that_run_against_each_other_are_refused() {
    let chain = chain(false);
    let definition = NodeDefinition::new("other", "other:{id}")
        .tiers([TierDefinition::new("far"), TierDefinition::new("near")]);
    let error = chain.cache.bind_as::<UserNode>(definition, Versions::new()).map(|_| ());
    assert!(matches!(error, Err(ConfigError::TierOrder { .. })));
}
