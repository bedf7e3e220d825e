//! Loads that ask for others of the same call, where a copy may answer in their place.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tiers::core::testing::{Gate, TestStorage};
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;

use crate::support::{User, UserNode, World, memory, until, user, within};

const SECOND: Duration = Duration::from_secs(1);

/// Once `asks`, loads of user 1 ask for user 2, whose loads wait at the gate.
#[derive(Clone)]
struct Siblings {
    users: Arc<OnceLock<Handle<UserNode>>>,
    asks: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    gate: Gate,
}

impl Source<UserNode> for Siblings {
    async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
        if !self.asks.load(Ordering::SeqCst) {
            return Ok(Loaded::new(User { id: node.id, version: 1 }));
        }
        if node.id == 1 {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.users.get().expect("set before the first load").get(&user(2)).await?;
        } else {
            self.gate.pass().await;
        }
        Ok(Loaded::new(User { id: node.id, version: 2 }))
    }
}

/// Whatever becomes of the copies meanwhile, everybody is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_waits_for_one_of_its_call_is_answered_or_an_error_and_never_hangs() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        for invalidated in [false, true] {
            for past_soft_timeout in [false, true] {
                let world = World::new();
                let far = TestStorage::builder().clock(world.clock.clone()).build();
                let cache = Cache::builder()
                    .clock(Arc::new(world.clock.clone()))
                    .storage("memory", memory())
                    .storage("far", far)
                    .build()
                    .expect("a valid cache");
                let source = Siblings {
                    users: Arc::default(),
                    asks: Arc::default(),
                    asked: Arc::default(),
                    gate: Gate::new(),
                };
                let stale = StaleOptions::new().if_error(60 * SECOND).soft_timeout(SECOND);
                let tiers = tiers.iter().map(|name| TierDefinition::new(*name).ttl(10 * SECOND));
                let definition = UserNode::definition().tiers(tiers).stale(stale);
                let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
                assert!(source.users.set(users.clone()).is_ok());
                let nodes = [user(1), user(2)];
                users.get_many(&nodes).await;
                world.pass(10 * SECOND);
                source.asks.store(true, Ordering::SeqCst);
                let read = tokio::spawn({
                    let users = users.clone();
                    async move { users.get_many(&[user(1), user(2)]).await }
                });
                within(source.gate.arrived(1)).await;
                until(|| source.asked.load(Ordering::SeqCst) > 0).await;
                if invalidated {
                    assert!(users.invalidate_many(&nodes).await.expect("is open").is_done());
                }
                if past_soft_timeout {
                    world.pass(SECOND);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                source.gate.open();
                let answers = within(read).await.expect("no panic");
                let case = format!("{invalidated} {past_soft_timeout}");
                match &answers[0] {
                    // Its circle may have been seen, and its copy given, before the invalidation.
                    Ok(_) => {}
                    Err(Error::LoadCycle { .. } | Error::Load { .. }) => {}
                    Err(error) => panic!("{case}: {error}"),
                }
                let second = answers[1].as_ref().expect("it waits for nobody");
                assert!(second.version == 2 || (past_soft_timeout && !invalidated), "{case}");
                until(|| cache.loads_in_flight() == 0).await;
            }
        }
    }
}
