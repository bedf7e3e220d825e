//! Seven faults of the cache that this one takes the place of, each shown not to be here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tiers::prelude::*;

use crate::support::{User, UserNode, Versions, World, memory, user, within};

/// A load that raises hung its waiters, and every later get of the key.
#[tokio::test]
async fn fault_1_a_load_that_fails_hangs_nobody() {
    let world = World::new();
    let loads = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&loads);
    let users = world
        .cache()
        .await
        .bind::<UserNode>(source_fn(move |_: UserNode| {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::task::yield_now().await;
                Err::<User, _>(LoadError::message("down"))
            }
        }))
        .expect("binds");
    let node = user(1);
    for round in 1..=3 {
        let answers = within(join_all((0..5).map(|_| users.get(&node)))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Load { .. }))));
        assert_eq!(loads.load(Ordering::SeqCst), round);
    }
}

/// A cancelled leader hung the others, and one waiter's time-out cancelled every waiter.
#[tokio::test]
async fn fault_2_a_cancelled_caller_takes_nobody_along() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let node = user(1);
    let limit = Duration::from_millis(10);
    let leader = tokio::time::timeout(limit, users.get(&node));
    let impatient = tokio::time::timeout(2 * limit, users.get(&node));
    let patient = users.get(&node);
    let releasing = async {
        tokio::time::sleep(4 * limit).await;
        source.release();
    };
    let (leader, impatient, patient, ()) =
        within(async { tokio::join!(leader, impatient, patient, releasing) }).await;
    assert!(leader.is_err() && impatient.is_err());
    assert_eq!(patient.expect("loads").id, 1);
    assert_eq!(source.loads(), 1);
}

/// `get_all` left flights behind, which later calls were served from after an invalidation.
#[tokio::test]
async fn fault_3_many_leaves_no_flight_behind() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    let nodes = [user(1), user(2)];
    users.get_many(&nodes).await;
    assert_eq!(cache.loads_in_flight(), 0);
    source.change();
    assert!(users.invalidate_many(&nodes).await.expect("invalidates").is_done());
    for answer in users.get_many(&nodes).await {
        assert_eq!(answer.expect("loads").version, 2);
    }
}

/// A payload that could not be decoded raised instead of loading. (A storage that is down is in
/// `failing_tier`.)
#[tokio::test]
async fn fault_4_a_corrupt_payload_is_loaded_again() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    corrupt(&world);
    world.pass(Duration::from_secs(31));
    assert_eq!(users.get(&user(1)).await.expect("loads again").id, 1);
    assert_eq!(source.loads(), 2);
    assert_eq!(users.stats().tier("sqlite").expect("a tier").damaged, 1);
    world.pass(Duration::from_secs(31));
    users.get(&user(1)).await.expect("is in the file");
    assert_eq!(source.loads(), 2, "the damaged entry was replaced");
}

/// Flips a byte of every stored value, as a bad disk would.
fn corrupt(world: &World) {
    let file = rusqlite::Connection::open(world.path()).expect("opens");
    let value: Vec<u8> =
        file.query_row("SELECT value FROM cache", [], |row| row.get(0)).expect("one entry");
    let flipped: Vec<u8> = value.iter().map(|byte| byte ^ 0xff).collect();
    file.execute("UPDATE cache SET value = ?", [flipped]).expect("writes");
}

/// A partial `load_all` raised, and later gets returned a mark of its insides.
#[tokio::test]
async fn fault_5_a_partial_load_of_many_is_told_by_key() {
    struct Half;
    impl Source<UserNode> for Half {
        async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
            Ok(Loaded::new(User { id: node.id, version: 2 }))
        }

        async fn load_many(&self, nodes: &[UserNode]) -> Vec<Result<Loaded<User>, LoadError>> {
            vec![Ok(Loaded::new(User { id: nodes[0].id, version: 1 }))]
        }
    }
    let world = World::new();
    let users = world.cache().await.bind::<UserNode>(Half).expect("binds");
    let answers = within(users.get_many(&[user(1), user(2)])).await;
    assert_eq!(answers[0].as_ref().expect("loads").version, 1);
    assert!(matches!(answers[1], Err(Error::Load { .. })));
    assert_eq!(users.get(&user(2)).await.expect("loads").version, 2);
}

/// Dynamic nodes shared one definition. (See `dynamic`, too.)
#[tokio::test]
async fn fault_6_dynamic_nodes_have_definitions_of_their_own() {
    let world = World::new();
    let cache = world.cache().await;
    let bind = |name: &str, ttl| {
        let tier = TierDefinition::new("memory").ttl(Duration::from_secs(ttl));
        let definition = NodeDefinition::new(name, format!("{name}:{{id}}")).tier(tier);
        let source = |_: DynamicNode| async { Ok::<_, LoadError>(bytes::Bytes::new()) };
        cache.bind_as::<DynamicNode>(definition, source_fn(source)).expect("binds")
    };
    let (short, long) = (bind("short", 5), bind("long", 50));
    let (short_node, long_node) = (DynamicNode::new("short:1"), DynamicNode::new("long:1"));
    short.get(&short_node).await.expect("loads");
    long.get(&long_node).await.expect("loads");
    world.pass(Duration::from_secs(6));
    assert!(!short.contains(&short_node).await.expect("looks"));
    assert!(long.contains(&long_node).await.expect("looks"));
}

/// Registering a storage again was ignored.
#[tokio::test]
async fn fault_7_registering_again_is_an_error() {
    let twice = Cache::builder().storage("local", memory()).storage("local", memory()).build();
    assert!(matches!(twice, Err(ConfigError::DuplicateStorage { .. })));
}
