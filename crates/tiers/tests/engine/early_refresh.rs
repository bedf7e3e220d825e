//! Entries that are loaded again before they end.

use std::time::Duration;

use tiers::core::testing::{ReadDamage, ScriptedSource};
use tiers::policy::early::EarlyRefresh;
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;
use tiers::source::Previous;

use crate::stale_while_revalidate::{Stage, definition, version};
use crate::support::{User, UserNode, user};

const SECOND: Duration = Duration::from_secs(1);

fn early(tiers: &[&str], early: EarlyRefresh) -> NodeDefinition {
    definition(tiers, StaleOptions::NEVER).early_refresh(early)
}

#[tokio::test]
async fn from_its_share_of_the_ttl_on_a_reader_has_it_loaded_again() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = Stage::new();
        let users = stage.bind(early(tiers, EarlyRefresh::AtShare(0.8)));
        version(&users).await;
        stage.put(2);
        stage.world.pass(8 * SECOND - Duration::from_millis(1));
        assert_eq!(version(&users).await, (1, false));
        stage.settled().await;
        assert_eq!(stage.source.loads(), 1, "{tiers:?}: too early");
        stage.world.pass(Duration::from_millis(1));
        for _ in 0..5 {
            assert!(!version(&users).await.1);
        }
        stage.settled().await;
        assert_eq!(stage.source.loads(), 2, "{tiers:?}: once");
        stage.world.pass(5 * SECOND);
        assert_eq!(version(&users).await, (2, false), "{tiers:?}: lives anew");
        assert_eq!(users.stats().misses, 1, "{tiers:?}: nobody has waited");
        assert_eq!(users.stats().stale_hits, 0);
    }
}

#[tokio::test]
async fn an_early_refresh_that_fails_costs_nobody_his_answer() {
    for tiers in [&["memory"][..], &["far"]] {
        let stage = Stage::new();
        let users = stage.bind(early(tiers, EarlyRefresh::AtShare(0.5)));
        version(&users).await;
        stage.world.pass(6 * SECOND);
        stage.source.fail_next(1, "away");
        for _ in 0..3 {
            assert_eq!(version(&users).await, (1, false));
            stage.settled().await;
        }
        assert_eq!(stage.source.loads(), 2, "{tiers:?}: the source is left alone for a while");
        stage.world.pass(4 * SECOND);
        stage.put(2);
        assert_eq!(version(&users).await, (2, false), "{tiers:?}");
    }
}

/// With loads that take no time there is no reason to be early; a large beta makes one.
#[tokio::test]
async fn xfetch_goes_by_how_long_loads_take() {
    let stage = Stage::new();
    let users = stage.bind(early(&["memory"], EarlyRefresh::XFetch { beta: 0.001 }));
    version(&users).await;
    stage.world.pass(9 * SECOND);
    for _ in 0..100 {
        version(&users).await;
    }
    stage.settled().await;
    assert_eq!(stage.source.loads(), 1);
}

#[tokio::test]
async fn what_slides_is_not_early() {
    let stage = Stage::new();
    let tiers = [TierDefinition::new("memory").ttl(100 * SECOND).idle(10 * SECOND)];
    let definition = UserNode::definition().tiers(tiers);
    let users = stage.bind(definition.early_refresh(EarlyRefresh::AtShare(0.1)));
    for _ in 0..9 {
        version(&users).await;
        stage.world.pass(9 * SECOND);
    }
    assert_eq!(stage.source.loads(), 1);
}

/// What the source finds unchanged lives on, without being sent again.
#[tokio::test]
async fn an_early_refresh_lets_the_source_compare() {
    struct Compares(ScriptedSource<UserNode>);
    impl Source<UserNode> for Compares {
        async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
            self.0.load(node).await
        }
        fn compares(&self) -> bool {
            true
        }
        async fn reload(
            &self,
            node: &UserNode,
            previous: &Previous<User>,
        ) -> Result<Loaded<User>, LoadError> {
            self.0.reload(node, previous).await
        }
    }
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = Stage::new();
        let definition = early(tiers, EarlyRefresh::AtShare(0.5));
        let source = Compares(stage.source.clone());
        let users = stage.cache.bind_as(definition, source).expect("binds");
        version(&users).await;
        stage.source.put(&user(1), Loaded::not_modified());
        stage.world.pass(6 * SECOND);
        version(&users).await;
        stage.settled().await;
        assert_eq!(stage.source.counts().reload, 1, "{tiers:?}");
        stage.world.pass(8 * SECOND);
        assert_eq!(version(&users).await, (1, false), "{tiers:?}: extended");
    }
    // A copy that is damaged is not compared with.
    let stage = Stage::new();
    let definition = early(&["far"], EarlyRefresh::AtShare(0.5));
    let users = stage.cache.bind_as(definition, Compares(stage.source.clone())).expect("binds");
    version(&users).await;
    stage.put(2);
    stage.world.pass(6 * SECOND);
    stage.far.damage_next(ReadDamage::Torn, 1);
    assert_eq!(version(&users).await, (2, false));
    assert_eq!(stage.source.counts().reload, 0);
}
